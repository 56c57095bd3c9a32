"""Rows of documents: what lies under the stores on this machine and under the state server.

A table takes and gives bytes. Beside each document it keeps what listing needs (id, status, time
of the last update, time of the first save), and an etag, which tells one version from another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from msgspec import UNSET

from inngest_nb import wire
from inngest_nb.errors import StoreDecodeError
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store.changes import Changes
from inngest_nb.store.messages import Message
from inngest_nb.store.writes import Outcome, Work, Write, new_etag

_log = logging.getLogger("inngest_nb.store")
REMEDY = "other workflows are not affected; delete({!r}) removes this one"
_SHOWN = 5  # of the workflows that a log line names


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
    flaw: str = ""  # why the document cannot be read, where that is known already


class States(list[WorkflowState]):
    """States as a list. `unreadable` says by its id why any other of them was left out."""

    def __init__(
        self, states: Iterable[WorkflowState] = (), unreadable: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(states)
        self.unreadable = dict(unreadable or {})


def unreadable_in(listing: object) -> dict[str, str]:
    """Return what a listing of a store left out: by its id, why it cannot be read."""
    return dict(listing.unreadable) if isinstance(listing, States) else {}


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

    changes: Changes
    mail: Changes  # of messages alone: most commits have none

    def apply(self, works: Sequence[Work]) -> Sequence[Outcome]:
        """Do works together, and come back when they are durable, with what came of each."""

    def apply_soon(self, works: Sequence[Work], done: Done) -> None:
        """Do the same without waiting, and call `done` from another thread."""

    def get(self, workflow_id: str, max_bytes: int = 0) -> Row | None:
        """Return the row of an id.

        With `max_bytes` the row of a longer document comes without it, as b"", and soon.
        """

    def page(
        self,
        status: str | None = None,
        limit: int = 0,
        after: Position | Number | None = None,
        max_bytes: int = 0,
        *,
        documents: bool = True,
    ) -> list[Row]:
        """Return rows in order, at most `limit` (0: all), those behind `after` only.

        Behind a number (0: all of them) they come in the order of their first saves. An update
        moves no row there, so that pages of it miss none. With `max_bytes` the page ends with the
        row that reaches so many bytes of documents. Without `documents` none is read: each is b"".
        """

    def etag(self, workflow_id: str) -> str | None:
        """Return the etag of the stored version, None where nothing is stored."""

    def leases(self) -> dict[str, float]:
        """Return the seconds left of each lease that has not ended."""

    def messages(self, after: int, to: str | None) -> list[Message]:
        """Return messages with higher numbers, in order, some hundred at a time."""

    def abandoned(self, limit: int) -> list[str]:
        """Return the workflows that run by what is stored, but not by anybody."""

    def request_under(self, key: bytes) -> bytes | None:
        """Return what was done under a key, None if that is not known."""

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
    if_match = None if force else state.etag or None
    return Write(state.workflow_id, *entries, if_match, "" if state.owner is UNSET else state.owner)


def state_of(row: Row) -> WorkflowState:
    """Decode the state that a row keeps. Raises `StoreDecodeError`, which names the workflow."""
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
    """Decode the states of many rows; what cannot be read is left out, named and logged."""
    states = States()
    with wire.uncollected():
        for row in rows:
            try:
                states.append(state_of(row))
            except StoreDecodeError as error:
                states.unreadable[row.workflow_id] = str(error.__cause__)
    if states.unreadable:
        _tell(tuple(states.unreadable.items()))
    return states


@lru_cache(maxsize=256)  # told once, however often the same are left out of a listing
def _tell(unreadable: tuple[tuple[str, str], ...]) -> None:
    count = len(unreadable)
    what = "1 stored workflow that" if count == 1 else f"{count:,} stored workflows that"
    shown = "; ".join(f"{workflow_id!r} ({why})" for workflow_id, why in unreadable[:_SHOWN])
    more = f"; and {count - _SHOWN:,} more" if count > _SHOWN else ""
    _log.warning("left out %s cannot be read: %s%s", what, shown, more)


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
