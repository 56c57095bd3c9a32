"""Rows of documents: what lies under the stores on this machine and under the state server.

A table takes and gives bytes. Beside each document it keeps what listing needs: id, status,
time of the last update, time of the first save.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

from inngest_nb import wire
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store._ids import check_id


class Row(NamedTuple):
    """One document with its index entries. Times are microseconds since 1970."""

    workflow_id: str
    status: str
    updated_us: int
    first_saved_us: int | None
    document: bytes


class Position(NamedTuple):
    """Where a page ended: the next one begins after this row."""

    updated_us: int
    workflow_id: str


# Called once with what came of a write: None, or the error.
Done = Callable[[BaseException | None], None]


class StateTable(Protocol):
    """Documents by id. Rows come newest update first, then by id."""

    def put_soon(self, row: Row, done: Done) -> None:
        """Write a row and call `done` once it is durable; an earlier first save is kept."""

    def delete_soon(self, workflow_id: str, done: Done) -> None:
        """Remove a row, if it is there, and call `done` once that is durable."""

    def get(self, workflow_id: str) -> Row | None:
        """Return the row of an id."""

    def page(
        self,
        status: str | None = None,
        limit: int = 0,
        after: Position | None = None,
        max_bytes: int = 0,
    ) -> list[Row]:
        """Return rows in order, at most `limit` (0: all), those behind `after` only.

        With `max_bytes` the page ends with the row that reaches so many bytes of documents.
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


def row_of(state: WorkflowState, first_saved: datetime | None) -> Row:
    """Encode a state into the row that keeps it."""
    document = wire.encode(state)
    updated_us = wire.microseconds(state.updated_at) if state.updated_at else wire.NEVER_US
    first_us = wire.microseconds(first_saved) if first_saved else None
    return Row(check_id(state.workflow_id), str(state.status), updated_us, first_us, document)


def state_of(row: Row) -> WorkflowState:
    """Decode the state that a row keeps."""
    first_us = row.first_saved_us
    first_saved_at = None if first_us is None else wire.time_of(first_us)
    return wire.decode(row.document, first_saved_at=first_saved_at)


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


class MemoryTable:
    """Rows in a dict. Safe to use from many threads."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._lock = threading.Lock()

    def put_soon(self, row: Row, done: Done) -> None:
        """Write a row; it is as durable as the process."""
        with self._lock:
            before = self._rows.get(row.workflow_id)
            if before and before.first_saved_us is not None:
                row = row._replace(first_saved_us=before.first_saved_us)
            self._rows[row.workflow_id] = row
        done(None)

    def delete_soon(self, workflow_id: str, done: Done) -> None:
        """Remove a row, if it is there."""
        with self._lock:
            self._rows.pop(workflow_id, None)
        done(None)

    def get(self, workflow_id: str) -> Row | None:
        """Return the row of an id."""
        return self._rows.get(workflow_id)

    def page(
        self,
        status: str | None = None,
        limit: int = 0,
        after: Position | None = None,
        max_bytes: int = 0,
    ) -> list[Row]:
        """Return rows in order, at most `limit` (0: all), those behind `after` only."""
        with self._lock:
            rows = list(self._rows.values())
        start = (-after.updated_us, after.workflow_id) if after else None
        rows = sorted(
            (
                row
                for row in rows
                if (status is None or row.status == status)
                and (start is None or order(row) > start)
            ),
            key=order,
        )
        return within(rows[:limit] if limit else rows, max_bytes)

    def close(self) -> None:
        """Nothing to let go of."""
