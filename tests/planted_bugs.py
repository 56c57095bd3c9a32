"""Bugs that random programs have to find: each is planted into the engine of a process."""

from __future__ import annotations

import asyncio.tasks
from typing import Any

from inngest_nb import EventType
from inngest_nb.engine.code import _in_order
from inngest_nb.engine.history._replay import Past
from inngest_nb.engine.run._run import Run
from inngest_nb.engine.threads import _writer


def _inputs() -> None:
    """Replay compares the names of calls, and not what they were called with."""
    Past._compare = lambda *_: None  # type: ignore[method-assign]


def _addresses() -> None:
    """Tasks hash by their addresses, so that sets of them differ in each life."""
    _in_order.NumberedTask.__hash__ = object.__hash__  # type: ignore[method-assign]
    asyncio.tasks.set = set  # type: ignore[attr-defined]


def _outage() -> None:
    """A run is dropped when the store is away for a moment."""
    _writer.may_pass = lambda error: False  # type: ignore[attr-defined]


def _doubled() -> None:
    """A signal is delivered twice."""
    record = Run.record

    def twice(self: Run, kind: EventType, **fields: Any) -> Any:
        if kind is EventType.SIGNAL_RECEIVED:
            record(self, kind, **dict(fields))
        return record(self, kind, **fields)

    Run.record = twice  # type: ignore[method-assign, assignment]


BUGS = {"inputs": _inputs, "addresses": _addresses, "outage": _outage, "doubled": _doubled}


def plant(name: str) -> None:
    BUGS[name]()
