"""Stores for executors: real ones of each kind, and one that watches and fails on demand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from strict_documents import check_document

from inngest_nb import (
    InngestStore,
    MemoryStore,
    SqliteStore,
    StateServer,
    WorkflowState,
    WorkflowStore,
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

    def save(self, state: WorkflowState) -> None:
        self.saves += 1
        if self.fail_from and self.saves >= self.fail_from:
            raise self.error()
        document = wire.encode(state)
        check_document(document)
        self.documents.setdefault(state.workflow_id, []).append(document)
        super().save(state)

    def save_all(self, states: Iterable[WorkflowState]) -> list[BaseException | None]:
        outcomes: list[BaseException | None] = []
        for state in states:
            try:
                self.save(state)
            except Exception as error:  # noqa: BLE001
                outcomes.append(error)
            else:
                outcomes.append(None)
        return outcomes
