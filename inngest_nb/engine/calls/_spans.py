"""The tracing spans of one call: one for the call, and within it one for each attempt."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from inngest_nb.engine.threads._hooks import Tracing


class CallSpans:
    """Opens and closes the spans of a call, within the span of its run."""

    def __init__(
        self, tracing: Tracing, kind: str, name: str, within: Any, **about: str | int
    ) -> None:
        self._tracing = tracing
        self._name = name
        self._about = about
        self._call = tracing.open(f"{kind} {name}", within, **about)
        self._attempt: Any = None

    def begin(self, attempt: int) -> None:
        """Open the span of an attempt."""
        name = f"attempt {attempt} of {self._name}"
        self._attempt = self._tracing.open(name, self._call, attempt=attempt, **self._about)

    def inside(self) -> AbstractContextManager[object]:
        """Make the attempt's span the current one."""
        return self._tracing.inside(self._attempt)

    def end(self, error: BaseException | None, *, over: bool) -> None:
        """Close the attempt's span, and the call's if it is over."""
        if self._attempt is not None:
            self._tracing.close(self._attempt, error)
            self._attempt = None
        if over:
            self._tracing.close(self._call, error)
