"""The rows of tables: documents and their index entries.

A table stores bytes. Beside each document it keeps what a listing needs (id, status, time of the
last update, time of the first save) and an etag, which identifies the version.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

from msgspec import UNSET

from inngest_nb import wire
from inngest_nb.errors import StoreDecodeError
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store.writes import Write, new_etag

_log = logging.getLogger("inngest_nb.store")
REMEDY = "other workflows are not affected; to remove this one, call delete({!r})"
_SHOWN = 5  # workflows named in a log record


class Row(NamedTuple):
    """A document with its index entries. Times are microseconds since 1970.

    `number` is assigned in increasing order when a workflow is first saved, and never changes.
    """

    workflow_id: str
    status: str
    updated_us: int
    first_saved_us: int | None
    document: bytes
    etag: str = ""
    number: int = 0
    flaw: str = ""  # why the document cannot be read, if that is already known


# As `Row._make`, without a call of Python code.
row_of: Callable[[Iterable[Any]], Row] = partial(tuple.__new__, Row)


class States(list[WorkflowState]):
    """A list of states; `unreadable` maps the ids of those that were left out to the reason."""

    def __init__(
        self, states: Iterable[WorkflowState] = (), unreadable: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(states)
        self.unreadable = dict(unreadable or {})


def unreadable_in(listing: object) -> dict[str, str]:
    """Return the ids that a store's listing left out, with the reason for each."""
    return dict(listing.unreadable) if isinstance(listing, States) else {}


class Position(NamedTuple):
    """The end of a page: the next page starts after this row."""

    updated_us: int
    workflow_id: str


# The end of a page in the order of first saves: the number of its last row.
Number = int


def order(row: Row) -> tuple[int, str]:
    """Return the sort key of listings."""
    return -row.updated_us, row.workflow_id


def within(rows: Iterable[Row], max_bytes: int) -> list[Row]:
    """Take rows until their documents reach `max_bytes` (0 means no limit)."""
    taken: list[Row] = []
    size = 0
    for row in rows:
        taken.append(row)
        size += len(row.document)
        if max_bytes and size >= max_bytes:
            break
    return taken


def write_of(state: WorkflowState, *, force: bool = False) -> Write:
    """Return the write that saves a state.

    A loaded state replaces only the version that it came from; any other state replaces anything.
    """
    document = wire.encode(state)
    updated_us = wire.microseconds(state.updated_at)
    entries = document, True, str(state.status), updated_us, new_etag()
    if_match = None if force else state.etag or None
    return Write(state.workflow_id, *entries, if_match, "" if state.owner is UNSET else state.owner)


def state_of(row: Row) -> WorkflowState:
    """Decode the state in a row. Raises a `StoreDecodeError` that names the workflow."""
    first_us = row.first_saved_us
    first_saved_at = None if first_us is None else wire.time_of(first_us)
    try:
        if row.flaw:
            raise StoreDecodeError(row.flaw)
        return wire.decode(row.document, first_saved_at=first_saved_at, etag=row.etag)
    except StoreDecodeError as error:
        unreadable = StoreDecodeError(
            f"stored workflow {row.workflow_id!r} cannot be read: {error}",
            place=error.place,
            operation="load",
            workflow_id=row.workflow_id,
        )
        unreadable.add_note(REMEDY.format(row.workflow_id))
        raise unreadable from error


def states_of(rows: Iterable[Row]) -> States:
    """Decode the states in rows; those that cannot be read are left out and logged."""
    states = States()
    with wire.uncollected():
        for row in rows:
            try:
                states.append(state_of(row))
            except StoreDecodeError as error:
                states.unreadable[row.workflow_id] = str(error.__cause__)
    if states.unreadable:
        _log_unreadable(tuple(states.unreadable.items()))
    return states


@lru_cache(maxsize=256)  # so that the same workflows are logged only once
def _log_unreadable(unreadable: tuple[tuple[str, str], ...]) -> None:
    count = len(unreadable)
    what = "1 stored workflow that" if count == 1 else f"{count:,} stored workflows that"
    shown = "; ".join(f"{workflow_id!r} ({why})" for workflow_id, why in unreadable[:_SHOWN])
    more = f"; and {count - _SHOWN:,} more" if count > _SHOWN else ""
    _log.warning("left out %s cannot be read: %s%s", what, shown, more)


def status_text(status: WorkflowStatus | str | None) -> str | None:
    """Check a status filter; unknown statuses are allowed, because stores keep them."""
    if status is not None and not isinstance(status, str):
        raise TypeError(f"status must be a string such as 'failed', got {type(status).__name__}")
    return None if status is None else str(status)


def check_limit(limit: int) -> int:
    """Check a limit: the maximum number, or 0 for all."""
    if limit < 0:
        raise ValueError(f"limit must be 0 (for all) or a positive number, got {limit}")
    return limit
