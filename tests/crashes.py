"""Executors that end as if their process had died, one after the other, over one store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from executor_stores import CheckedStore
from manual_clock import ManualClock

from inngest_nb import Executor


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


@contextmanager
def lives() -> Iterator[Lives]:
    made = Lives()
    try:
        yield made
    finally:
        made.executor.close()
        made.store.close()
