"""Stores on this machine: in memory, or in a file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from typing import Self

from inngest_nb.errors import StoreError
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store._ids import check_id
from inngest_nb.store._sqlite import SqliteTable, wait_for
from inngest_nb.store._table import (
    MemoryTable,
    StateTable,
    check_limit,
    row_of,
    state_of,
    states_of,
    status_text,
)

__all__ = ["MemoryStore", "SqliteStore"]


class _TableStore:
    """The verbs of a store over a table of rows."""

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def save(self, state: WorkflowState) -> None:
        """Keep a state under its id, over what was there; it is durable on return."""
        wait_for(partial(self._table.put_soon, row_of(state, datetime.now(UTC))))

    def save_all(self, states: Iterable[WorkflowState]) -> list[BaseException | None]:
        """Keep states as `save` does, in few commits; return what went wrong with each, or None."""
        writes: list[Future[None]] = []
        for state in states:
            write: Future[None] = Future()
            writes.append(write)
            try:
                self._table.put_soon(row_of(state, datetime.now(UTC)), partial(_settle, write))
            except (StoreError, TypeError, ValueError) as error:
                _settle(write, error)
        return [write.exception() for write in writes]

    def load(self, workflow_id: str) -> WorkflowState | None:
        """Return the saved state, or None if the store has never seen this id."""
        row = self._table.get(check_id(workflow_id))
        return state_of(row) if row else None

    def delete(self, workflow_id: str) -> None:
        """Forget a workflow; one that is not there is no error."""
        wait_for(partial(self._table.delete_soon, check_id(workflow_id)))

    def fetch(
        self, status: WorkflowStatus | str | None = None, limit: int = 0
    ) -> list[WorkflowState]:
        """Read what the store holds now: the same as `list`."""
        return self.list(status, limit)

    def refresh(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> int:
        """Return how many states there are; `list` is always up to date here."""
        return len(self._table.page(status_text(status), check_limit(limit)))

    def close(self) -> None:
        """Finish what was begun and let go of the file; again is no error."""
        self._table.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def list(
        self, status: WorkflowStatus | str | None = None, limit: int = 0
    ) -> list[WorkflowState]:
        """Return all the store holds, newest update first, then by id; `limit` 0 is all."""
        return states_of(self._table.page(status_text(status), check_limit(limit)))


def _settle(write: Future[None], error: BaseException | None) -> None:
    if error is None:
        write.set_result(None)
    else:
        write.set_exception(error)


class MemoryStore(_TableStore):
    """States in this process's memory, gone when it ends."""

    def __init__(self) -> None:
        super().__init__(MemoryTable())

    def __repr__(self) -> str:
        return "MemoryStore()"


class SqliteStore(_TableStore):
    """States in an SQLite file, durable when `save` returns; many processes may share the file.

    The file is created for its owner alone. Raises `StoreFileError` for a file that is damaged,
    of another program or of a newer version, and leaves it as it is.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        table = SqliteTable(path)
        super().__init__(table)
        self.path = table.path

    def __repr__(self) -> str:
        return f"SqliteStore({str(self.path)!r})"
