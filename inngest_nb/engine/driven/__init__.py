"""Runs whose events another engine keeps: it shows them to the code, which says what it wants."""

from inngest_nb.engine.calls._activity import Activity
from inngest_nb.engine.calls._child import Child
from inngest_nb.engine.driven._driven_run import (
    DrivenEngine,
    DrivenRun,
    Keeper,
    Shown,
    Wanted,
    first_state,
)

__all__ = [
    "Activity",
    "Child",
    "DrivenEngine",
    "DrivenRun",
    "Keeper",
    "Shown",
    "Wanted",
    "first_state",
]
