"""Stores on this machine: in memory, or in a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from inngest_nb import wire
from inngest_nb.errors import StoreConflictError, StoreError
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store.conflicts import overtaken
from inngest_nb.store.heads import Head, head_of
from inngest_nb.store.ids import check_id
from inngest_nb.store.keys import by_names
from inngest_nb.store.messages import Discard, Hold, Message, check_hold, check_message
from inngest_nb.store.rows import (
    States,
    check_limit,
    state_of,
    states_of,
    status_text,
    write_of,
)
from inngest_nb.store.tables._memory import MemoryTable
from inngest_nb.store.tables._sqlite import SqliteTable
from inngest_nb.store.writes import Deletion, Outcome, Work, Write, sift

__all__ = ["MemoryStore", "SqliteStore"]

T = TypeVar("T")

_MEMORY = Path(":memory:")  # SQLite's own word


def path_of(given: str | os.PathLike[str]) -> Path:
    """Give the whole path of a file of states; `:memory:` stays as it is."""
    path = Path(given)
    return path if path == _MEMORY else path.absolute()


def open_table(path: str | os.PathLike[str]) -> MemoryTable | SqliteTable:
    """Open the rows of a file, or those of `:memory:`, which are new each time."""
    return MemoryTable() if Path(path) == _MEMORY else SqliteTable(path)


class _TableStore:
    """The verbs of a store over a table of rows."""

    def __init__(self, table: MemoryTable | SqliteTable) -> None:
        self._table = table

    def save(self, state: WorkflowState, *, force: bool = False) -> None:
        """Keep a state under its id; it is durable on return.

        A state that was loaded is kept only over the version that it came from, unless `force`;
        `StoreConflictError` says what the store has meanwhile.
        """
        check_id(state.workflow_id)
        write = write_of(state, force=force)
        try:
            self._do(write)
        except StoreConflictError as conflict:
            stored = self.load(state.workflow_id)
            if stored is None or wire.encode(stored) != write.document:  # or it was done before
                raise overtaken(state, stored) from conflict

    def load(self, workflow_id: str) -> WorkflowState | None:
        """Return the saved state, or None if the store has never seen this id."""
        row = self._table.get(check_id(workflow_id))
        return state_of(row) if row else None

    def delete(self, workflow_id: str) -> None:
        """Forget a workflow; one that is not there is no error."""
        self._do(Deletion(check_id(workflow_id)))

    def can_append(self) -> bool:
        """Tell that `append_history` works here."""
        return True

    def append_history(self, writes: Sequence[Write]) -> list[Outcome]:
        """Do writes in one commit; return what went wrong with each, or None. All are durable."""
        works, outcomes = sift(writes)
        try:
            results = self._table.apply(by_names(writes, works))
        except StoreError as error:
            results = [error] * len(works)
        for place, result in zip(works, results, strict=True):
            outcomes[place] = result
        return outcomes

    def can_share(self) -> bool:
        """Tell that leases and messages work here."""
        return True

    def hold_lease(self, owner: str, seconds: float) -> None:
        """Begin or renew an executor's lease, for so many seconds from now; 0 ends it."""
        self._do(check_hold(Hold(owner, seconds)))

    def leases(self) -> dict[str, float]:
        """Return for how many seconds each executor still holds its lease; ended ones are out."""
        return self._table.leases()

    def send(self, message: Message) -> None:
        """Leave a message; it is durable on return, and sending it again is harmless."""
        self._do(check_message(message))

    def receive(self, after: int = 0, to: str | None = None, wait: float = 0) -> list[Message]:
        """Return messages with higher numbers, in order; wait for the first one if told to."""
        return self._table.mail.until(partial(self._table.messages, after, to), bool, wait)

    def discard(self, ids: Sequence[str]) -> None:
        """Forget messages that were taken; unknown ids are no error."""
        if ids:
            self._do(Discard(tuple(ids)))

    def watch(self, workflow_id: str, etag: str, wait: float) -> str | None:
        """Return the stored etag once it is not the given one, or after `wait` seconds as it is."""
        look = partial(self._table.etag, check_id(workflow_id))
        return self._table.changes.until(look, lambda stored: stored != etag, wait)

    def abandoned(self, limit: int = 0) -> Sequence[str]:
        """Return the ids of workflows stored as running whose owner has no lease, oldest first."""
        return self._table.abandoned(check_limit(limit))

    def fetch(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> States:
        """Read what the store holds now: the same as `list`."""
        return self.list(status, limit)

    def refresh(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> int:
        """Return how many states there are; `list` is always up to date here."""
        return len(self.heads(status, limit))

    def heads(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> Sequence[Head]:
        """Return what a listing says of each workflow, without reading documents.

        Newest update first, at most `limit` (0: all). What cannot be read is among them.
        """
        rows = self._table.page(status_text(status), check_limit(limit), documents=False)
        return [head_of(row) for row in rows]

    def close(self) -> None:
        """Finish what was begun and let go of the file; again is no error."""
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
        """Return all the store holds, newest update first, then by id; `limit` 0 is all.

        What cannot be read is left out: `unreadable` of the list says by its id why.
        """
        return states_of(self._table.page(status_text(status), check_limit(limit)))


class MemoryStore(_TableStore):
    """States in this process's memory, gone when it ends."""

    def __init__(self) -> None:
        super().__init__(MemoryTable())

    def __repr__(self) -> str:
        return "MemoryStore()"


class SqliteStore(_TableStore):
    """States in an SQLite file, durable when `save` returns; many processes may share the file.

    The file is created for its owner alone; `:memory:` is none, but this process's memory. One that
    cannot be written to opens for reading. Raises `StoreFileError` for a file that is damaged,
    of another program or of a newer version, and leaves it as it is.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(open_table(path))
        self.path = path_of(path)

    def __repr__(self) -> str:
        return f"SqliteStore({str(self.path)!r})"
