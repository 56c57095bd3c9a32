"""The one thread that saves: what has queued up goes together, and each run hears of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from inngest_nb.errors import StoreConnectionError, StoreStatusError
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore

# Waits between attempts at a save that got no answer. A save of a whole state can be repeated.
_PAUSES = (0.05, 0.2, 0.8)
_RUNS_AT_ONCE = 512


class Savable(Protocol):
    """A run, as the writer sees it."""

    def snapshot(self) -> tuple[WorkflowState, int]:
        """Return the state as it is now, and how many events are in it."""

    def on_saved(self, events: int) -> None:
        """Hear that so many events are durable."""

    def on_unsaved(self, error: BaseException) -> None:
        """Hear that a save failed."""


@runtime_checkable
class ManyAtOnce(Protocol):
    """A store that saves several states in one go."""

    def save_all(self, states: Iterable[WorkflowState]) -> Sequence[BaseException | None]:
        """Save states, and return for each what went wrong, or None."""


class Writer:
    """Saves runs, one whole state per run and batch.

    A failing save is told to its run and touches no other. Stores that can append events come in
    at `_save`.
    """

    def __init__(self, store: WorkflowStore) -> None:
        self._store = store
        self._waiting: dict[Savable, None] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._frozen = False

    def start(self) -> None:
        """Begin to save; again is no error."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="inngest-nb-engine-writer", daemon=True
            )
            self._thread.start()

    def put(self, run: Savable) -> None:
        """Save a run's state soon; a run that is waiting already is saved once."""
        with self._changed:
            self._waiting[run] = None
            self._changed.notify()

    def close(self) -> None:
        """Save what is waiting, then end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def freeze(self) -> None:
        """Begin no further save: the process is about to end."""
        self._frozen = True

    def _run(self) -> None:
        tries: dict[Savable, int] = {}
        while batch := self._next():
            again: list[Savable] = []
            for run, events, error in self._save(batch):
                tried = tries.pop(run, 0)
                if error is None:
                    run.on_saved(events)
                elif tried < len(_PAUSES) and not self._closed and _may_pass(error):
                    tries[run] = tried + 1
                    again.append(run)
                else:
                    run.on_unsaved(error)
            if again:
                self._repeat(again, _PAUSES[max(tries[run] for run in again) - 1])

    def _next(self) -> list[Savable]:
        """Return the runs to save, at least one; none when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._frozen:
                return []
            batch = list(self._waiting)[:_RUNS_AT_ONCE]
            for run in batch:
                del self._waiting[run]
            return batch

    def _repeat(self, runs: list[Savable], pause: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed, pause)
            self._waiting = dict.fromkeys(runs) | self._waiting

    def _save(self, batch: list[Savable]) -> Iterable[tuple[Savable, int, BaseException | None]]:
        if isinstance(self._store, ManyAtOnce) and len(batch) > 1:
            states = [run.snapshot() for run in batch]
            outcomes = self._store.save_all([state for state, _ in states])
            for run, (_, events), error in zip(batch, states, outcomes, strict=True):
                yield run, events, error
            return
        for run in batch:
            state, events = run.snapshot()
            try:
                self._store.save(state)
            except BaseException as error:  # noqa: BLE001  # the run tells it
                yield run, events, error
            else:
                yield run, events, None


def _may_pass(error: BaseException) -> bool:
    """Tell a failure that the next attempt may not meet: no answer, or a server in trouble."""
    if isinstance(error, StoreStatusError):
        return error.status == 429 or error.status >= 500
    return isinstance(error, StoreConnectionError)
