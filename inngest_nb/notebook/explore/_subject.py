"""What an explorer shows: the workflows of a store, or the runs of a real Inngest server."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["RUNS", "WORKFLOWS", "Subject"]

_STATUS = ("status", "Status", False)
_TIMES = (("updated", "Updated", True), ("took", "Took", True))
_ERROR = ("error", "Error", False)


class Subject(NamedTuple):
    """The words of an explorer, and its columns.

    A column is given by its key, the heading, and whether the first click puts the largest first.
    """

    title: str
    noun: str
    searched: str
    columns: tuple[tuple[str, str, bool], ...]


WORKFLOWS = Subject(
    "Workflows",
    "workflow",
    "id, workflow, step, status or error; or where: input.total > 100",
    (_STATUS, ("workflow", "Workflow", False), *_TIMES, ("events", "Events", True), _ERROR),
)
RUNS = Subject(
    "Runs",
    "run",
    "id, function, status or error",
    (_STATUS, ("function", "Function", False), *_TIMES, ("workflow", "Run", False), _ERROR),
)
