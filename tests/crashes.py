"""Executors that end as if their process had died, one after the other, over one store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from executor_stores import CheckedStore
from manual_clock import ManualClock

from inngest_nb import Executor, WorkflowHandle, WorkflowStore


class Lives:
    """The executor that lives now, on a clock that the tests move, and the store of all of them."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = CheckedStore()
        self.executor = Executor(self.store, clock=self.clock)

    def crash(self, down: float = 120) -> Executor:
        """End the executor without another write; return the one that comes after some time.

        Two minutes are enough for its leases to end.
        """
        self.store.fail_from = 1
        self.executor.close()
        self.store.fail_from = 0
        self.clock.advance(down, waiting=0)
        self.executor = Executor(self.store, clock=self.clock)
        return self.executor

    def crash_and_resume(
        self, handle: WorkflowHandle, fn: Callable[..., Any], down: float = 120
    ) -> WorkflowHandle:
        """Crash once all is saved that a run is to remember, and go on with it."""
        wait_until_saved(self.store, handle)
        # By its clock, which may have been set back, the dead one may still have a lease.
        return self.crash(down).resume(fn, handle.id, take_over=True)


def wait_until_saved(store: WorkflowStore, handle: WorkflowHandle) -> None:
    """Wait for all events but starts of activities, which are saved with the next of the others."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        stored = store.load(handle.id)
        saved = len(stored.history) if stored else 0
        rest = handle.state.history[saved:]
        if saved and all(event.type == "activity_started" for event in rest):
            return
    raise AssertionError(f"not saved: {rest}")


@contextmanager
def lives() -> Iterator[Lives]:
    made = Lives()
    try:
        yield made
    finally:
        made.executor.close()
        made.store.close()
