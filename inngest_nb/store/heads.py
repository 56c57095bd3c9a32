"""Heads: the index entries of workflows, which can be listed without reading documents."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Self

from inngest_nb import wire
from inngest_nb.state import WorkflowState
from inngest_nb.store.rows import Row

_NEVER_US = wire.microseconds(None)


class Head(NamedTuple):
    """A workflow as stores list it, newest update first.

    `first_saved_at` is None and `etag` is "" if the store doesn't know them. `run_id` and `error`
    are None unless the document was read, because they are not in the index.
    """

    workflow_id: str
    status: str = ""
    updated_at: datetime | None = None
    first_saved_at: datetime | None = None
    etag: str = ""
    run_id: str | None = None
    error: str | None = None

    @classmethod
    def of(cls, state: WorkflowState) -> Self:
        """Make the head of a state."""
        return cls(
            state.workflow_id,
            str(state.status),
            state.updated_at,
            state.first_saved_at,
            state.etag,
            state.run_id,
            state.error,
        )


def head_of(row: Row) -> Head:
    """Return the head of a row, whose document is not looked at."""
    times = _time(row.updated_us), _time(row.first_saved_us)
    return Head(row.workflow_id, row.status, *times, row.etag)


def _time(us: int | None) -> datetime | None:
    if us is None or us == _NEVER_US:
        return None
    try:
        return wire.time_of(us)
    except OverflowError:  # the first and last hours of the calendar, in another zone
        return None
