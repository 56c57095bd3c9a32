"""What the executor stand-in keeps: functions, runs with their steps, and what they wait for."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from story_records import encoded

Json = dict[str, Any]

MOST_STEPS = 1_000
MOST_STEP_BYTES = 4 * 2**20
MOST_RUN_BYTES = 32 * 2**20
_RETRIES = 3  # of a function that says nothing about it
OVER = ("COMPLETED", "FAILED", "CANCELLED")


class Ids:
    """ULIDs that only grow, so that what comes later is later in every list."""

    def __init__(self, now: Callable[[], datetime], seed: random.Random) -> None:
        self._now, self._random = now, seed
        self._last = 0

    def new(self) -> str:
        moment = int(self._now().timestamp() * 1000)
        self._last = max((moment << 80) + self._random.getrandbits(79), self._last + 1)
        return encoded(self._last >> 80, 10) + encoded(self._last & (2**80 - 1), 16)


def uuid_of(name: str) -> str:
    """Return the UUID of an app or function: the same for the same name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


@dataclass
class Function:
    """A function of an app, as its worker registered it."""

    app: str
    config: Json

    @property
    def slug(self) -> str:
        """Return `<app>-<function>`, the name that requests have."""
        return str(self.config["id"])

    @property
    def short(self) -> str:
        return self.slug.removeprefix(f"{self.app}-")

    @property
    def name(self) -> str:
        return str(self.config.get("name") or self.short)

    @property
    def attempts(self) -> int:
        """Return how often a step is tried: once more than it is retried."""
        step = next(iter(self.config["steps"].values()))
        retries = (step.get("retries") or {}).get("attempts")
        return (_RETRIES if retries is None else int(retries)) + 1


@dataclass
class Wait:
    """A step that waits for an event, or for the run of another function."""

    run: Run
    step: str
    event: str  # its name; "" for a run
    condition: str | None
    is_race: bool
    until: datetime


@dataclass
class Run:
    """A run: its answered steps are in the order in which the answers came."""

    id: str
    function: Function
    events: list[Json]  # as requests carry them
    event_ids: list[str]  # under which the server keeps them
    queued_at: datetime
    original: str | None = None  # the run that this one repeats
    parent: tuple[Run, str] | None = None  # the step that invoked it
    status: str = "QUEUED"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    output: Any = None
    steps: dict[str, Any] = field(default_factory=dict)
    names: dict[str, tuple[str, str]] = field(default_factory=dict)  # what each step is: op, name
    times: dict[str, tuple[datetime, datetime | None]] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)
    pending: set[str] = field(default_factory=set)  # of what was last planned together
    plans_all: bool = False  # the worker must plan a step before it runs it
    version: int = -1
    size: int = 0
    jobs: set[str] = field(default_factory=set)  # keys of all jobs there ever were
    planned: dict[str, Any] = field(default_factory=dict)  # those that have not begun, by key
    in_flight: int = 0
    ended: Future[Run] = field(default_factory=Future)

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    def save(self, step: str, value: Any, now: datetime) -> None:
        """Keep the answer of a step; the first one stays."""
        self.waits.pop(step, None)
        self.pending.discard(step)
        if step not in self.steps:
            self.steps[step] = value
            self.size += size_of(value)
            self.times[step] = self.times[step][0], now


def size_of(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())
