"""The thread that saves all runs: it writes what has queued up in one batch."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from inngest_nb.engine.basics._patience import may_pass, pause_after
from inngest_nb.store import Write

_RUNS_AT_ONCE = 512
# Retries that are due within this many seconds of each other are made together.
_TOGETHER = 0.02
# How long to wait for more runs to save: a fraction of the last save's time, at most 5 ms.
_BATCH_WAIT_FRACTION, _MAX_BATCH_WAIT = 0.5, 0.005

_log = logging.getLogger("inngest_nb.engine")
_random = random.SystemRandom()  # cannot be seeded, and differs in a forked process


class Savable(Protocol):
    """A run, as the writer sees it."""

    def next_write(self) -> Write | None:
        """Return the write that brings the store up to date; None if it is."""

    def on_saved(self) -> bool:
        """Handle a successful write; returns whether the run continues."""

    def on_delayed(self, error: BaseException) -> None:
        """Handle a failed write that will be retried."""

    def on_unsaved(self, error: BaseException) -> bool:
        """Handle a failed write; returns whether the run continues."""


# A run that was to be saved, and its error.
_Outcome = tuple[Savable, BaseException | None]


class Appends(Protocol):
    """A store, or a wrapper of one."""

    def append_history(self, writes: Sequence[Write]) -> Sequence[BaseException | None]:
        """Perform writes; return an error for each that failed, None for each that is durable."""


class _Delay:
    """The retries of a failed save: since when, how often, and when the next one is due."""

    def __init__(self, now: float) -> None:
        self.since = now
        self.tries = 0
        self.due = now


class Writer:
    """Saves the new events of all runs.

    A failed save is reported to its run and does not affect others. If the failure may be
    temporary, the save is retried with growing pauses for `patience` seconds, while other runs are
    saved. `told` is called after each batch, when all of its runs have been notified.
    """

    def __init__(self, store: Appends, told: Callable[[], None], patience: float = 0) -> None:
        self.saves = 0  # so far, of all runs
        self._store = store
        self._told = told
        self._longest = patience
        self._waiting: dict[Savable, None] = {}
        self._delayed: dict[Savable, _Delay] = {}
        self._active: set[Savable] = set()  # runs that will probably save again soon
        self._chance: float | None = None  # shared by all saves that failed together
        self._enough = 1
        self._batch_wait = 0.0
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._closed = False
        self._frozen = False

    def start(self) -> None:
        """Start saving. Calling it again does nothing."""
        if self._thread is None:
            thread = threading.Thread(
                target=self._run, name="inngest-nb-engine-writer", daemon=True
            )
            thread.start()
            self._thread = thread  # only if it could be started

    def put(self, run: Savable, *, wake: bool = True) -> None:
        """Save a run's state soon; a run that is already queued is saved once.

        With `wake=False` it waits for the next `wake`, so that several runs are saved together.
        """
        with self._lock:
            self._waiting[run] = None
            if wake and len(self._waiting) >= self._enough:
                self._changed.notify()

    def wake(self) -> None:
        """Save the queued runs."""
        with self._lock:
            if len(self._waiting) >= self._enough:
                self._changed.notify()

    def close(self) -> None:
        """Save the queued runs, then end the thread."""
        with self._lock:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def freeze(self) -> None:
        """Start no more saves, because the process is about to end."""
        self._frozen = True

    def _run(self) -> None:
        while batch := self._next():
            begun = time.monotonic()
            self._active.clear()
            self.saves += len(batch)
            outcomes = _append(self._store, batch)
            took = time.monotonic() - begun
            self._batch_wait = min(_BATCH_WAIT_FRACTION * took, _MAX_BATCH_WAIT)
            self._chance = None
            for run, error in outcomes:
                try:
                    self._tell(run, error)
                except BaseException as broken:  # noqa: BLE001  # must not affect other runs
                    _log.exception("a run failed to handle the outcome of its save and is stopped")
                    self._give_up(run, broken)
            try:
                self._told()
            except BaseException:  # noqa: BLE001  # must not affect later saves
                _log.exception("the engine's loop could not be woken; please report this")

    def _tell(self, run: Savable, error: BaseException | None) -> None:
        if error is None:
            if self._delayed:
                with self._lock:
                    self._delayed.pop(run, None)
            if run.on_saved():
                self._active.add(run)
        elif may_pass(error) and self._again(run):
            run.on_delayed(error)
        else:
            self._give_up(run, error)

    def _give_up(self, run: Savable, error: BaseException) -> None:
        with self._lock:
            self._delayed.pop(run, None)
        continues = False
        try:
            continues = run.on_unsaved(error)
        except BaseException:  # noqa: BLE001  # must not affect other runs
            _log.exception("a run failed to handle a failed save; please report this")
        if not continues:
            with self._lock:  # it may have queued itself again in the meantime
                self._waiting.pop(run, None)

    def _again(self, run: Savable) -> bool:
        """Schedule a retry of a failed save; False if it has been retried for too long."""
        now = time.monotonic()
        with self._lock:
            delay = self._delayed.setdefault(run, _Delay(now))
            delay.tries += 1
            if self._chance is None:
                self._chance = _random.random()
            delay.due = now + pause_after(delay.tries, self._chance)
            return not self._closed and delay.due < delay.since + self._longest

    def _next(self) -> list[Savable]:
        """Wait for runs to save and return them; an empty list means that the thread must end."""
        with self._lock:
            while True:
                due = self._due() if self._delayed else []
                ready = self._ready()
                if due or ready or self._closed:
                    break
                self._changed.wait(self._pause() if self._delayed else None)
            if not due and self._wait_for_more():
                ready = self._ready()
            if self._frozen:
                return []
            # Retries are not batched with other runs, so that these don't fail with them.
            batch = (due or ready)[:_RUNS_AT_ONCE]
            for run in batch:
                self._waiting.pop(run, None)
            return batch

    def _ready(self) -> list[Savable]:
        """Return the queued runs whose last save did not fail."""
        if not self._delayed:
            return list(self._waiting)
        return [run for run in self._waiting if run not in self._delayed]

    def _due(self) -> list[Savable]:
        """Return the runs whose retry is due."""
        soon = time.monotonic() + _TOGETHER
        return [run for run, each in self._delayed.items() if each.due <= soon or self._closed]

    def _pause(self) -> float:
        """Return the seconds until the next retry is due."""
        return min(each.due for each in self._delayed.values()) - time.monotonic()

    def _wait_for_more(self) -> bool:
        """Wait briefly for runs that have just been saved, so that they save again together."""
        enough = len(self._active.union(self._waiting))
        if len(self._waiting) >= enough:
            return False
        self._enough = enough
        self._changed.wait_for(
            lambda: len(self._waiting) >= self._enough or self._closed, self._batch_wait
        )
        self._enough = 1
        return True


def _append(store: Appends, batch: list[Savable]) -> list[_Outcome]:
    told: list[_Outcome] = []
    runs: list[Savable] = []
    writes: list[Write] = []
    for run in batch:
        try:
            write = run.next_write()
        except BaseException as error:  # noqa: BLE001  # reported by the run
            told.append((run, error))
        else:
            if write is not None:  # None: the last write had all of it
                runs.append(run)
                writes.append(write)
    if not runs:
        return told
    outcomes: Sequence[BaseException | None]
    try:
        outcomes = _checked(store.append_history(writes), len(writes))
    except BaseException as error:  # noqa: BLE001  # reported by the runs
        outcomes = [error] * len(runs)
    told += zip(runs, outcomes, strict=True)
    return told


def _checked(outcomes: Any, count: int) -> list[BaseException | None]:
    """Return what a store's `append_history` returned, or raise `TypeError` if it is invalid."""
    told = list(outcomes)
    if len(told) != count:
        raise TypeError(
            f"append_history must return one outcome for each of {count} writes, got {len(told)}"
        )
    for outcome in told:
        if outcome is not None and not isinstance(outcome, BaseException):
            kind = type(outcome).__name__
            raise TypeError(
                f"append_history must return None or an error for each write, got {kind}"
            )
    return told
