"""Stores for executors: real ones of each kind, and one that watches and fails on demand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from strict_documents import check_document

from inngest_nb import (
    InngestStore,
    MemoryStore,
    SqliteStore,
    StateServer,
    WorkflowState,
    WorkflowStore,
    Write,
    wire,
)


@contextlib.contextmanager
def memory(folder: Path) -> Iterator[WorkflowStore]:
    with MemoryStore() as store:
        yield store


@contextlib.contextmanager
def sqlite(folder: Path) -> Iterator[WorkflowStore]:
    with SqliteStore(folder / "states.db") as store:
        yield store


@contextlib.contextmanager
def http(folder: Path) -> Iterator[WorkflowStore]:
    server = StateServer(folder / "states.db", port=0, event_key="key")
    with server, InngestStore(server.url, "key") as store:
        yield store


STORES = [memory, sqlite, http]


class CheckedStore(MemoryStore):
    """Keeps every document that was ever saved, each checked; tells the n-th save to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.documents: dict[str, list[bytes]] = {}
        self.saves = 0
        self.fail_from = 0  # 0: never
        self.error: Callable[[], Exception] = lambda: OSError("the disk is full")

    def before_write(self, workflow_id: str) -> None:
        """Count a write, or fail it."""
        self.saves += 1
        if self.fail_from and self.saves >= self.fail_from:
            raise self.error()

    def save(self, state: WorkflowState) -> None:
        self.before_write(state.workflow_id)
        super().save(state)
        self._check(state.workflow_id)

    def append_history(self, writes: Sequence[Write]) -> list[BaseException | None]:
        return [self._append(write) for write in writes]

    def _append(self, write: Write) -> BaseException | None:
        try:
            self.before_write(write.workflow_id)
        except Exception as error:  # noqa: BLE001  # as the store's answer
            return error
        (outcome,) = super().append_history([write])
        if outcome is None:
            self._check(write.workflow_id)
        return outcome

    def _check(self, workflow_id: str) -> None:
        state = self.load(workflow_id)
        assert state is not None
        document = wire.encode(state)
        check_document(document)
        self.documents.setdefault(workflow_id, []).append(document)
