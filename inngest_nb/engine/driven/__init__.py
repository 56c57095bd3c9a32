"""Runs whose events another engine keeps: it shows them to the code, which says what it wants."""

from inngest_nb.engine.calls._activity import Activity
from inngest_nb.engine.calls._child import Child
from inngest_nb.engine.driven._driven_run import (
    DrivenEngine,
    DrivenRun,
    Keeper,
    Shown,
    Timer,
    Wanted,
    first_state,
)
from inngest_nb.engine.history._replay import Call
from inngest_nb.engine.threads._loop import Clock

__all__ = [
    "Activity",
    "Call",
    "Child",
    "Clock",
    "DrivenEngine",
    "DrivenRun",
    "Keeper",
    "Shown",
    "Timer",
    "Wanted",
    "first_state",
]
