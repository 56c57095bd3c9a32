"""Keeps a copy of the runs on Inngest in a store, for views that know stores."""

from __future__ import annotations

import logging
import threading
from collections import deque

from inngest_nb.errors import StoreConflictError
from inngest_nb.history import ON_INNGEST, is_finished
from inngest_nb.state import HistoryEvent, WorkflowState
from inngest_nb.store import WorkflowStore

_TRIES = 5

_log = logging.getLogger("inngest_nb.worker")


class Mirror:
    """Saves states in a thread of its own, so that a slow store holds up no step.

    Of two states of a run the one with more events counts, whichever worker had it. The copy cannot
    be resumed: its workflow has another name there, so no executor takes it for its own.
    """

    def __init__(self, store: WorkflowStore) -> None:
        self._store = store
        self._waiting: dict[str, WorkflowState] = {}
        self._order: deque[str] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._trouble = False
        self._thread = threading.Thread(target=self._run, name="inngest-nb-mirror", daemon=True)
        self._thread.start()

    def saw(self, state: WorkflowState) -> None:
        """Save a state soon; only the newest of those of a workflow that wait."""
        with self._changed:
            if state.workflow_id not in self._waiting:
                self._order.append(state.workflow_id)
            self._waiting[state.workflow_id] = state
            self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """Save what waits, for so many seconds at most."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._order or self._closed)
                if not self._order:
                    return
                state = self._waiting.pop(self._order.popleft())
            try:
                save_copy(self._store, state)
                self._trouble = False
            except Exception as error:  # noqa: BLE001  # the run itself is safe at Inngest
                if not self._trouble:
                    _log.warning(
                        "the copy of workflow %r could not be saved in %r: %s",
                        *(state.workflow_id, self._store, error),
                    )
                self._trouble = True


def save_copy(store: WorkflowStore, state: WorkflowState) -> None:
    """Save the state of a run on Inngest, unless the store has a later one of it."""
    copy = state.replace(history=tuple(map(_elsewhere, state.history)))
    for tries in range(_TRIES):
        stored = store.load(state.workflow_id)
        if stored is not None and stored.run_id == state.run_id and _is_later(stored, state):
            return
        try:
            store.save(copy.replace(etag="" if stored is None else stored.etag))
        except StoreConflictError:  # another worker was faster
            if tries == _TRIES - 1:
                raise
        else:
            return


def _elsewhere(event: HistoryEvent) -> HistoryEvent:
    """Return an event as no executor takes it for the beginning of a run of its own."""
    name = event.workflow
    if not isinstance(name, str) or name.startswith(ON_INNGEST):
        return event
    return event.replace(workflow=ON_INNGEST + name)


def _is_later(stored: WorkflowState, state: WorkflowState) -> bool:
    ended = [is_finished(each.status) for each in (stored, state)]
    if ended[0] != ended[1]:
        return ended[0]
    return len(stored.history) >= len(state.history)
