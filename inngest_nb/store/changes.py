"""Hearing of changes: those who wait are told at once, or look again within a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# What other processes write to the same file is noticed at the next look.
LOOK_SECONDS = 0.2
# Where much is written, one looks so often at most: a look costs more than many a write.
CALM_SECONDS = 0.02


class Changes:
    """Counts what changed. Safe to use from many threads.

    `outside` tells a number that is another one when another process has changed something.
    """

    def __init__(self, outside: Callable[[], int] | None = None) -> None:
        self._outside = outside
        self._seen_outside = 0
        self._count = 0
        self._closed = threading.Event()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0
        self._heard: set[Callable[[], object]] = set()

    def tell(self) -> None:
        """Wake all who wait."""
        with self._lock:
            self._count += 1
            if self._waiting:
                self._changed.notify_all()
            heard = list(self._heard)
        for call in heard:
            call()

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._closed.set()
        self.tell()

    @property
    def count(self) -> int:
        """How many changes there were, as far as this process knows by a look at the others'."""
        if self._outside is None or self._closed.is_set():
            return self._count
        outside = self._outside()
        with self._lock:
            if outside != self._seen_outside:
                self._seen_outside = outside
                self._count += 1
            return self._count

    def hear(self, call: Callable[[], object]) -> Callable[[], None]:
        """Have a call made at each change of this process, from any thread, until told to stop.

        It must not raise: it runs where the change was made.
        """
        with self._lock:
            self._heard.add(call)

        def stop() -> None:
            with self._lock:
                self._heard.discard(call)

        return stop

    def until(self, look: Callable[[], T], good: Callable[[T], bool], seconds: float) -> T:
        """Look until what is seen is good, or so many seconds are over; return what was seen."""
        deadline = time.monotonic() + seconds
        while True:
            count = self.count
            seen = look()
            left = deadline - time.monotonic()
            if good(seen) or left <= 0 or self._closed.is_set():
                return seen
            self._closed.wait(min(left, CALM_SECONDS))
            while (left := deadline - time.monotonic()) > 0 and self.count == count:
                if self._closed.is_set():
                    return seen
                self._wait(count, min(left, LOOK_SECONDS))

    def _wait(self, count: int, seconds: float) -> None:
        with self._lock:
            self._waiting += 1
            try:
                self._changed.wait_for(
                    lambda: self._count != count or self._closed.is_set(), seconds
                )
            finally:
                self._waiting -= 1
