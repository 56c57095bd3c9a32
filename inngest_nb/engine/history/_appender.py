"""Writes to every kind of store in one way: those that cannot append get whole states."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from inngest_nb import wire
from inngest_nb.errors import StoreError
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store import AppendingStore, WorkflowStore, Write

Outcome = BaseException | None


class Appender:
    """Appends to a store; saves whole states if the store cannot append.

    For such a store, the documents of running workflows are kept in memory, because every write
    must contain the previous one.
    """

    def __init__(self, store: WorkflowStore) -> None:
        self._store = store
        self._appending: AppendingStore | None = None
        self._asked = not isinstance(store, AppendingStore)
        self._documents: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def guards(self) -> bool:
        """Tell whether the store has conditional writes: only over the version that was read.

        Raises `StoreConnectionError` if the store does not answer.
        """
        if not self._asked:
            store = self._store
            if isinstance(store, AppendingStore) and store.can_append():
                self._appending = store
            self._asked = True
        return self._appending is not None

    def append_history(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Perform writes; return an error for each that failed, None for each that is durable."""
        if self._appending is None:
            self.guards()
        if self._appending is not None:
            return self._appending.append_history(writes)
        return [self._save_whole(write) for write in writes]

    def keep(self, state: WorkflowState) -> None:
        """Use a loaded state as the base of the next write, even if others overwrite it."""
        if self._appending is None:
            with self._lock:
                self._documents[state.workflow_id] = wire.encode(state)

    def forget(self, workflow_id: str) -> None:
        """Drop the document of a run that is over."""
        with self._lock:
            self._documents.pop(workflow_id, None)

    def _save_whole(self, write: Write) -> Outcome:
        try:
            document = write.document if write.whole else self._spliced(write)
            state = wire.decode(document)
            self._store.save(state)
        except BaseException as error:  # noqa: BLE001  # reported to the run; others are saved
            return error
        if state.status is WorkflowStatus.RUNNING:
            with self._lock:
                self._documents[write.workflow_id] = document
        else:
            self.forget(write.workflow_id)
        return None

    def _spliced(self, write: Write) -> bytes:
        with self._lock:
            document = self._documents.get(write.workflow_id)
        if document is None:
            stored = self._store.load(write.workflow_id)
            if stored is None:
                raise StoreError(
                    f"inngest/save: workflow {write.workflow_id!r} is no longer stored; it was "
                    "deleted while it ran",
                    operation="save",
                    workflow_id=write.workflow_id,
                )
            document = wire.encode(stored)
        return wire.splice(document, [write.document])
