"""How the executor stand-in reaches the workers of an app: the seam between it and its transports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass
class Answer:
    """What a worker answered to an executor request; `body` is parsed JSON."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None


class WorkerLostError(Exception):
    """The connection to the worker broke before it answered: this counts as an attempt.

    With `unassigned=True` no worker was there to take the request: it is kept until one registers,
    and counts for nothing. `code` is the name that the run's error gets when no attempt is left.
    """

    def __init__(self, message: str, *, code: str = "", unassigned: bool = False) -> None:
        super().__init__(message)
        self.code, self.unassigned = code, unassigned


class Transport(Protocol):
    """A way to the workers of an app."""

    async def call(self, function: str, step: str, body: dict[str, Any]) -> Answer:
        """Send an executor request to a worker, on the stand-in's event loop.

        `function` is `<app>-<function>`, `step` the hash of the step to run, or "step" where the
        worker is to say itself what comes next.
        """
