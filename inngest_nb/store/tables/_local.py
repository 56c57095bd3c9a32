"""Local stores: in memory, or in a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from inngest_nb import wire
from inngest_nb.errors import StoreConflictError, StoreError
from inngest_nb.query import Path as FieldPath
from inngest_nb.query import Search
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store.changes import (
    BYTES_AT_ONCE,
    Changed,
    changed_of,
    check_after,
    check_most,
    shown,
)
from inngest_nb.store.conflicts import overtaken
from inngest_nb.store.heads import Head
from inngest_nb.store.ids import check_id
from inngest_nb.store.keys import by_names
from inngest_nb.store.messages import Discard, Hold, Message, check_hold, check_message
from inngest_nb.store.rows import (
    Row,
    States,
    check_limit,
    state_of,
    states_of,
    status_text,
    write_of,
)
from inngest_nb.store.searching import Found, search_for
from inngest_nb.store.tables._memory import MemoryTable
from inngest_nb.store.tables._sqlite import SqliteTable
from inngest_nb.store.writes import Deletion, Outcome, Work, Write, sift

__all__ = ["MemoryStore", "SqliteStore", "TableStore"]

T = TypeVar("T")

_AT_ONCE = 1_000
_MEMORY = Path(":memory:")  # SQLite's name for it


def path_of(given: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a database file; `:memory:` is returned unchanged."""
    path = Path(given)
    return path if path == _MEMORY else path.absolute()


def open_table(path: str | os.PathLike[str]) -> MemoryTable | SqliteTable:
    """Open the table in a file, or for `:memory:` a new one in memory."""
    return MemoryTable() if Path(path) == _MEMORY else SqliteTable(path)


class TableStore:
    """A store on top of a table."""

    def __init__(self, table: MemoryTable | SqliteTable) -> None:
        self._table = table

    def save(self, state: WorkflowState, *, force: bool = False) -> None:
        """Save a state under its id; it is durable on return.

        If the state was loaded and has changed in the store since, raises `StoreConflictError`,
        which describes the change; `force=True` overwrites it.
        """
        check_id(state.workflow_id)
        write = write_of(state, force=force)
        try:
            self._do(write)
        except StoreConflictError as conflict:
            stored = self.load(state.workflow_id)
            if stored is None or wire.encode(stored) != write.document:  # else it was a repeat
                raise overtaken(state, stored) from conflict

    def load(self, workflow_id: str) -> WorkflowState | None:
        """Return the saved state, or None if the store does not know the id."""
        row = self._table.get(check_id(workflow_id))
        return state_of(row) if row else None

    def delete(self, workflow_id: str) -> None:
        """Delete a workflow; does nothing if the store does not know the id."""
        self._do(Deletion(check_id(workflow_id)))

    def can_append(self) -> bool:
        """Return True: `append_history` always works."""
        return True

    def append_history(self, writes: Sequence[Write]) -> list[Outcome]:
        """Perform writes in one commit; return an error or None (durable) for each."""
        works, outcomes = sift(writes)
        try:
            results = self._table.apply(by_names(writes, works))
        except StoreError as error:
            results = [error] * len(works)
        for place, result in zip(works, results, strict=True):
            outcomes[place] = result
        return outcomes

    def can_share(self) -> bool:
        """Return True: leases and messages always work."""
        return True

    def hold_lease(self, owner: str, seconds: float) -> None:
        """Start or renew an executor's lease for `seconds` from now; 0 ends it."""
        self._do(check_hold(Hold(owner, seconds)))

    def leases(self) -> dict[str, float]:
        """Return the seconds left of each executor's lease, without expired ones."""
        return self._table.leases()

    def send(self, message: Message) -> None:
        """Store a message; it is durable on return, and sending it again has no effect."""
        self._do(check_message(message))

    def receive(self, after: int = 0, to: str | None = None, wait: float = 0) -> list[Message]:
        """Return messages numbered above `after`, in order; wait for one up to `wait` seconds."""
        return self._table.mail.until(partial(self._table.messages, after, to), bool, wait)

    def discard(self, ids: Sequence[str]) -> None:
        """Delete handled messages; unknown ids are ignored."""
        if ids:
            self._do(Discard(tuple(ids)))

    def watch(self, workflow_id: str, etag: str, wait: float) -> str | None:
        """Return the stored etag once it differs from `etag`, or after `wait` seconds anyway."""
        look = partial(self._table.etag, check_id(workflow_id))
        return self._table.changes.until(look, lambda stored: stored != etag, wait)

    def abandoned(self, limit: int = 0) -> Sequence[str]:
        """Return the ids of workflows stored as running whose owner has no lease, oldest first."""
        return self._table.abandoned(check_limit(limit))

    def can_follow(self) -> bool:
        """Return True: `changes` always works."""
        return True

    def changes(
        self,
        after: int | None = 0,
        wait: float = 0,
        limit: int = 0,
        *,
        heads: bool = False,
        documents: bool = False,
        feed: str = "",
    ) -> Changed:
        """Return the changes numbered above `after`, each of them, in order.

        None means the newest number. Waits up to `wait` seconds if there is nothing to tell.
        `heads` and `documents` add each workflow's head and state as they are now. At most `limit`
        changes come at once, and at most 1,000.
        """
        look = partial(
            self._table.changed,
            check_after(after),
            check_most(limit),
            feed=feed,
            documents=heads or documents,
            max_bytes=BYTES_AT_ONCE,
        )
        seconds = 0 if after is None else wait
        told = self._table.changes.until(look, lambda told: told.is_news, seconds)
        return changed_of(shown(told, heads=heads, documents=documents))

    def last_change(self) -> int:
        """Return the number of the newest change, 0 if there is none."""
        return self.changes(None).last

    def fetch(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> States:
        """Read the stored workflows; the same as `list`."""
        return self.list(status, limit)

    def refresh(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> int:
        """Return the number of stored workflows; `list` is always up to date."""
        return len(self.heads(status, limit))

    def heads(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> Sequence[Head]:
        """Return the head of each workflow, without reading documents.

        Newest update first, at most `limit` (0 means all). Unreadable workflows are included.
        """
        return self.find(search_for(status, limit)).heads

    def find(self, search: Search, fields: Sequence[FieldPath] = ()) -> Found:
        """Search the workflows by their heads, and look up fields of their payloads.

        Unreadable workflows are found by their id, status and time of the last update.
        """
        return self._table.find(search, fields)

    def documents(self, ids: Sequence[str]) -> Iterator[Row]:
        """Yield the documents of some workflows in their order, without those that are gone."""
        for start in range(0, len(ids), _AT_ONCE):
            yield from self._table.documents(ids[start : start + _AT_ONCE])

    def close(self) -> None:
        """Finish pending writes and close the file. Calling it again does nothing."""
        self._table.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _do(self, work: Work) -> None:
        (error,) = self._table.apply([work])
        if error is not None:
            raise error

    def list(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> States:
        """Return the stored workflows, newest update first, then by id, at most `limit` (0: all).

        Workflows that cannot be read are left out; the list's attribute `unreadable` maps their ids
        to the reason.
        """
        return states_of(self._table.page(status_text(status), check_limit(limit)))


class MemoryStore(TableStore):
    """A store in this process's memory; its contents are lost when the process ends."""

    def __init__(self) -> None:
        super().__init__(MemoryTable())

    def __repr__(self) -> str:
        return "MemoryStore()"


class SqliteStore(TableStore):
    """A store in an SQLite file, durable when `save` returns, which several processes can share.

        with SqliteStore("workflows.db") as store:
            store.save(state)

    A new file is readable by its owner only. A file that cannot be written to is opened for
    reading. `":memory:"` means memory instead of a file. Raises `StoreFileError`, and leaves the
    file unchanged, if it is damaged, belongs to another program, or was written by a newer version.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(open_table(path))
        self.path = path_of(path)

    def __repr__(self) -> str:
        return f"SqliteStore({str(self.path)!r})"
