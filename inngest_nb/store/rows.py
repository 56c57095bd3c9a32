"""Rows of documents: what lies under the stores on this machine and under the state server.

A table takes and gives bytes. Beside each document it keeps what listing needs (id, status, time
of the last update, time of the first save), and an etag, which tells one version from another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from inngest_nb import wire
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store.writes import Outcome, Work, Write, new_etag


class Row(NamedTuple):
    """One document with its index entries. Times are microseconds since 1970.

    `number` grows with each workflow that is saved for the first time, and stays with it.
    """

    workflow_id: str
    status: str
    updated_us: int
    first_saved_us: int | None
    document: bytes
    etag: str = ""
    number: int = 0


class Position(NamedTuple):
    """Where a page ended: the next one begins after this row."""

    updated_us: int
    workflow_id: str


# Where a page ended in the order of the first saves: after the row with this number.
Number = int


# Called once with what came of each of some works.
Done = Callable[[Sequence[Outcome]], None]


class StateTable(Protocol):
    """Documents by id. Rows come newest update first, then by id, unless one asks otherwise."""

    def apply(self, works: Sequence[Work]) -> Sequence[Outcome]:
        """Do works together, and come back when they are durable, with what came of each."""

    def apply_soon(self, works: Sequence[Work], done: Done) -> None:
        """Do the same without waiting, and call `done` from another thread."""

    def get(self, workflow_id: str) -> Row | None:
        """Return the row of an id."""

    def page(
        self,
        status: str | None = None,
        limit: int = 0,
        after: Position | Number | None = None,
        max_bytes: int = 0,
    ) -> list[Row]:
        """Return rows in order, at most `limit` (0: all), those behind `after` only.

        Behind a number (0: all of them) they come in the order of their first saves. An update
        moves no row there, so that pages of it miss none. With `max_bytes` the page ends with the
        row that reaches so many bytes of documents.
        """

    def close(self) -> None:
        """Finish what was begun and let go of the file."""


def order(row: Row) -> tuple[int, str]:
    """Sort rows as every listing does."""
    return -row.updated_us, row.workflow_id


def within(rows: Iterable[Row], max_bytes: int) -> list[Row]:
    """Take rows up to the one that reaches so many bytes of documents; 0 is all."""
    taken: list[Row] = []
    size = 0
    for row in rows:
        taken.append(row)
        size += len(row.document)
        if max_bytes and size >= max_bytes:
            break
    return taken


def write_of(state: WorkflowState, *, force: bool = False) -> Write:
    """Encode a state into the write that keeps it.

    One that was loaded goes over the version that it came from, any other over whatever is there.
    """
    document = wire.encode(state)
    updated_us = wire.microseconds(state.updated_at)
    entries = document, True, str(state.status), updated_us, new_etag()
    return Write(state.workflow_id, *entries, None if force else state.etag or None)


def state_of(row: Row) -> WorkflowState:
    """Decode the state that a row keeps."""
    first_us = row.first_saved_us
    first_saved_at = None if first_us is None else wire.time_of(first_us)
    return wire.decode(row.document, first_saved_at=first_saved_at, etag=row.etag)


def states_of(rows: Iterable[Row]) -> list[WorkflowState]:
    """Decode the states of many rows."""
    with wire.uncollected():
        return [state_of(row) for row in rows]


def status_text(status: WorkflowStatus | str | None) -> str | None:
    """Check a status filter; a word nobody knows is allowed, since stores keep such words."""
    if status is not None and not isinstance(status, str):
        raise TypeError(f"status is a word such as 'failed', got {type(status).__name__}")
    return None if status is None else str(status)


def check_limit(limit: int) -> int:
    """Check a limit: 0 for all, or how many at most."""
    if limit < 0:
        raise ValueError(f"limit is 0 for all or a positive number, got {limit}")
    return limit
