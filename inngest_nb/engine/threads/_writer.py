"""The one thread that saves: what has queued up goes together, and each run hears of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from inngest_nb.engine.basics._patience import PAUSES, may_pass
from inngest_nb.state import WorkflowState
from inngest_nb.store import AppendingStore, WorkflowStore, Write

_RUNS_AT_ONCE = 512
# How long to wait for runs that may come at once, as a part of what the last save took, in seconds.
_PATIENCE, _MOST_PATIENCE = 0.5, 0.005


class Savable(Protocol):
    """A run, as the writer sees it."""

    def snapshot(self) -> tuple[WorkflowState, int]:
        """Return the state as it is now, and how many events are in it."""

    def next_write(self) -> Write:
        """Return what a store that can append has not got yet."""

    def on_saved(self, events: int | None = None) -> bool:
        """Hear that what was written last, or a state with so many events, is durable.

        Returns whether more is to be expected of the run.
        """

    def on_unsaved(self, error: BaseException) -> None:
        """Hear that a save failed."""


# A run that was to be saved, how many events that were if it was saved whole, what went wrong.
_Outcome = tuple[Savable, int | None, BaseException | None]


class Writer:
    """Saves runs: what is new of each, or where the store cannot append, each one whole.

    A failing save is told to its run and touches no other. Runs to which nothing happens are
    asked for now and then, so that their leases do not end: `due` gives those that want it.
    `told` is called after all of those that were saved together have heard of it.
    """

    def __init__(
        self,
        store: WorkflowStore,
        due: Callable[[], Iterable[Savable]],
        every: float,
        told: Callable[[], None],
    ) -> None:
        self._store = store
        # Asked once, because it takes as long as many an activity.
        self._appending = store if isinstance(store, AppendingStore) else None
        self._due = due
        self._every = every
        self._told = told
        self._waiting: dict[Savable, None] = {}
        self._going_on: set[Savable] = set()
        self._enough = 1
        self._patience = 0.0
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

    def put(self, run: Savable, *, wake: bool = True) -> None:
        """Save a run's state soon; a run that is waiting already is saved once.

        Without `wake` it waits for somebody to call `wake`, so that several are saved together.
        """
        with self._changed:
            self._waiting[run] = None
            if wake and len(self._waiting) >= self._enough:
                self._changed.notify()

    def wake(self) -> None:
        """Save what is waiting."""
        with self._changed:
            if len(self._waiting) >= self._enough:
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
            begun = time.monotonic()
            self._going_on.clear()
            for outcomes in self._save(batch):
                if begun:
                    taken, begun = time.monotonic() - begun, 0.0
                    self._patience = min(_PATIENCE * taken, _MOST_PATIENCE)
                for run, events, error in outcomes:
                    tried = tries.pop(run, 0)
                    if error is None:
                        if run.on_saved(events):
                            self._going_on.add(run)
                    elif tried < len(PAUSES) and not self._closed and may_pass(error):
                        tries[run] = tried + 1
                        again.append(run)
                    else:
                        run.on_unsaved(error)
                        with self._changed:  # what it recorded while this went wrong
                            self._waiting.pop(run, None)
                self._told()
            if again:
                self._repeat(again, PAUSES[max(tries[run] for run in again) - 1])

    def _next(self) -> list[Savable]:
        """Return the runs to save, at least one; none when it is time to end."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed, self._every)
                self._wait_for_more()
                if self._frozen or (self._closed and not self._waiting):
                    return []
                batch = list(self._waiting)[:_RUNS_AT_ONCE]
                for run in batch:
                    del self._waiting[run]
            batch = batch or list(self._due())
            if batch:
                return batch

    def _wait_for_more(self) -> None:
        """Wait a little for runs that have just heard of a save: they save again together."""
        self._enough = len(self._going_on.union(self._waiting))
        self._changed.wait_for(
            lambda: len(self._waiting) >= self._enough or self._closed, self._patience
        )
        self._enough = 1

    def _repeat(self, runs: list[Savable], pause: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed, pause)
            self._waiting = dict.fromkeys(runs) | self._waiting

    def _save(self, batch: list[Savable]) -> Iterable[list[_Outcome]]:
        """Save runs, and yield what came of those that were saved together."""
        try:
            appends = self._appending is not None and self._appending.can_append()
        except BaseException as error:  # noqa: BLE001  # the runs tell it
            return [[(run, None, error) for run in batch]]
        if self._appending is not None and appends:
            return [_append(self._appending, batch)]
        return ([_save_whole(self._store, run)] for run in batch)


def _append(store: AppendingStore, batch: list[Savable]) -> list[_Outcome]:
    told: list[_Outcome] = []
    runs: list[Savable] = []
    writes: list[Write] = []
    for run in batch:
        try:
            writes.append(run.next_write())
        except BaseException as error:  # noqa: BLE001  # the run tells it
            told.append((run, None, error))
        else:
            runs.append(run)
    try:
        outcomes = store.append_history(writes)
    except BaseException as error:  # noqa: BLE001  # the runs tell it
        outcomes = [error] * len(runs)
    told += ((run, None, outcome) for run, outcome in zip(runs, outcomes, strict=True))
    return told


def _save_whole(store: WorkflowStore, run: Savable) -> _Outcome:
    state, events = run.snapshot()
    try:
        store.save(state.replace(etag=""))  # the run knows no later version than its first
    except BaseException as error:  # noqa: BLE001  # the run tells it
        return run, events, error
    return run, events, None
