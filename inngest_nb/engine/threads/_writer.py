"""The one thread that saves: what has queued up goes together, and each run hears of its own."""

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
# Saves that are to be repeated within so many seconds of each other are repeated together.
_TOGETHER = 0.02
# How long to wait for runs that may come at once, as a part of what the last save took, in seconds.
_PATIENCE, _MOST_PATIENCE = 0.5, 0.005

_log = logging.getLogger("inngest_nb.engine")
_random = random.SystemRandom()  # which nobody seeds, and no fork copies


class Savable(Protocol):
    """A run, as the writer sees it."""

    def next_write(self) -> Write:
        """Return what the store has not got yet."""

    def on_saved(self) -> bool:
        """Hear that what was written last is durable.

        Returns whether more is to be expected of the run.
        """

    def on_delayed(self, error: BaseException) -> None:
        """Hear that a save failed and is repeated."""

    def on_unsaved(self, error: BaseException) -> None:
        """Hear that a save failed."""


# A run that was to be saved, and what went wrong.
_Outcome = tuple[Savable, BaseException | None]


class Appends(Protocol):
    """What writes: a store, or what stands before it."""

    def append_history(self, writes: Sequence[Write]) -> Sequence[BaseException | None]:
        """Do writes, and return what went wrong with each, or None; those are durable."""


class _Delay:
    """A run whose save is repeated: how often it failed, since when, and when it is tried again."""

    def __init__(self, now: float) -> None:
        self.since = now
        self.tries = 0
        self.due = now


class Writer:
    """Saves what is new of runs.

    A failing save is told to its run and touches no other: one that may pass is repeated, with
    growing pauses, for `patience` seconds, while others are saved. `told` is called after all of
    those that were saved together have heard of it.
    """

    def __init__(self, store: Appends, told: Callable[[], None], patience: float = 0) -> None:
        self._store = store
        self._told = told
        self._longest = patience
        self._waiting: dict[Savable, None] = {}
        self._delayed: dict[Savable, _Delay] = {}
        self._going_on: set[Savable] = set()
        self._chance: float | None = None  # one for all that failed together
        self._enough = 1
        self._patience = 0.0
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._closed = False
        self._frozen = False

    def start(self) -> None:
        """Begin to save; again is no error."""
        if self._thread is None:
            thread = threading.Thread(
                target=self._run, name="inngest-nb-engine-writer", daemon=True
            )
            thread.start()
            self._thread = thread  # now that it runs

    def put(self, run: Savable, *, wake: bool = True) -> None:
        """Save a run's state soon; a run that is waiting already is saved once.

        Without `wake` it waits for somebody to call `wake`, so that several are saved together.
        """
        with self._lock:
            self._waiting[run] = None
            if wake and len(self._waiting) >= self._enough:
                self._changed.notify()

    def wake(self) -> None:
        """Save what is waiting."""
        with self._lock:
            if len(self._waiting) >= self._enough:
                self._changed.notify()

    def close(self) -> None:
        """Save what is waiting, then end."""
        with self._lock:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def freeze(self) -> None:
        """Begin no further save: the process is about to end."""
        self._frozen = True

    def _run(self) -> None:
        while batch := self._next():
            begun = time.monotonic()
            self._going_on.clear()
            outcomes = _append(self._store, batch)
            self._patience = min(_PATIENCE * (time.monotonic() - begun), _MOST_PATIENCE)
            self._chance = None
            for run, error in outcomes:
                try:
                    self._tell(run, error)
                except BaseException as broken:  # noqa: BLE001  # its own trouble, not the others'
                    _log.exception("a run could not take in what came of its save, and is stopped")
                    self._give_up(run, broken)
            try:
                self._told()
            except BaseException:  # noqa: BLE001  # other runs are still to be saved
                _log.exception("the engine's loop could not be woken; please report this")

    def _tell(self, run: Savable, error: BaseException | None) -> None:
        if error is None:
            if self._delayed:
                with self._lock:
                    self._delayed.pop(run, None)
            if run.on_saved():
                self._going_on.add(run)
        elif may_pass(error) and self._again(run):
            run.on_delayed(error)
        else:
            self._give_up(run, error)

    def _give_up(self, run: Savable, error: BaseException) -> None:
        with self._lock:
            self._delayed.pop(run, None)
        try:
            run.on_unsaved(error)
        except BaseException:  # noqa: BLE001  # as above
            _log.exception("a run could not be told that it was not saved; please report this")
        with self._lock:  # what it recorded while this went wrong
            self._waiting.pop(run, None)

    def _again(self, run: Savable) -> bool:
        """Have a save repeated in a while; False if that went on for too long."""
        now = time.monotonic()
        with self._lock:
            delay = self._delayed.setdefault(run, _Delay(now))
            delay.tries += 1
            if self._chance is None:
                self._chance = _random.random()
            delay.due = now + pause_after(delay.tries, self._chance)
            return not self._closed and delay.due < delay.since + self._longest

    def _next(self) -> list[Savable]:
        """Return the runs to save, at least one; none when it is time to end."""
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
            # What failed is not repeated together with others, lest these fail with it.
            batch = (due or ready)[:_RUNS_AT_ONCE]
            for run in batch:
                self._waiting.pop(run, None)
            return batch

    def _ready(self) -> list[Savable]:
        """Return the runs that wait for their first try."""
        if not self._delayed:
            return list(self._waiting)
        return [run for run in self._waiting if run not in self._delayed]

    def _due(self) -> list[Savable]:
        """Return the runs whose save is to be repeated now."""
        soon = time.monotonic() + _TOGETHER
        return [run for run, each in self._delayed.items() if each.due <= soon or self._closed]

    def _pause(self) -> float:
        """Return the seconds until the next save is to be repeated."""
        return min(each.due for each in self._delayed.values()) - time.monotonic()

    def _wait_for_more(self) -> bool:
        """Wait a little for runs that have just heard of a save: they save again together."""
        enough = len(self._going_on.union(self._waiting))
        if len(self._waiting) >= enough:
            return False
        self._enough = enough
        self._changed.wait_for(
            lambda: len(self._waiting) >= self._enough or self._closed, self._patience
        )
        self._enough = 1
        return True


def _append(store: Appends, batch: list[Savable]) -> list[_Outcome]:
    told: list[_Outcome] = []
    runs: list[Savable] = []
    writes: list[Write] = []
    for run in batch:
        try:
            writes.append(run.next_write())
        except BaseException as error:  # noqa: BLE001  # the run tells it
            told.append((run, error))
        else:
            runs.append(run)
    if not runs:
        return told
    outcomes: Sequence[BaseException | None]
    try:
        outcomes = _checked(store.append_history(writes), len(writes))
    except BaseException as error:  # noqa: BLE001  # the runs tell it
        outcomes = [error] * len(runs)
    told += zip(runs, outcomes, strict=True)
    return told


def _checked(outcomes: Any, count: int) -> list[BaseException | None]:
    """Return what a store says came of some writes, if it can be understood."""
    told = list(outcomes)
    if len(told) != count:
        raise TypeError(f"append_history told what came of {len(told)} writes, not of {count}")
    for outcome in told:
        if outcome is not None and not isinstance(outcome, BaseException):
            kind = type(outcome).__name__
            raise TypeError(f"append_history returns None or an error for each write, not {kind}")
    return told
