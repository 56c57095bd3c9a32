"""Waiting for changes: waiters are woken by changes here, and poll for those of other processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# How often to poll for changes that other processes make to the same file.
POLL_SECONDS = 0.2
# The minimum time between two looks: under many writes, looking would cost more than writing.
MIN_LOOK_INTERVAL = 0.02


class Changes:
    """Counts changes and lets threads wait for them. Thread-safe.

    `outside` returns a number that differs after another process has changed something.
    """

    def __init__(self, outside: Callable[[], int] | None = None) -> None:
        self._outside = outside
        self._seen_outside = 0
        self._count = 0
        self._closed = threading.Event()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0
        self._listeners: set[Callable[[], object]] = set()

    def tell(self) -> None:
        """Announce a change: wake all waiters and call all listeners."""
        with self._lock:
            self._count += 1
            if self._waiting:
                self._changed.notify_all()
            listeners = list(self._listeners)
        for call in listeners:
            call()

    def close(self) -> None:
        """Wake all waiters for good."""
        self._closed.set()
        self.tell()

    @property
    def count(self) -> int:
        """The number of changes so far, including those of other processes."""
        if self._outside is None or self._closed.is_set():
            return self._count
        outside = self._outside()
        with self._lock:
            if outside != self._seen_outside:
                self._seen_outside = outside
                self._count += 1
            return self._count

    def hear(self, call: Callable[[], object]) -> Callable[[], None]:
        """Call a function at each change of this process, until the returned function is called.

        It is called in the thread that makes the change, and must not raise.
        """
        with self._lock:
            self._listeners.add(call)

        def stop() -> None:
            with self._lock:
                self._listeners.discard(call)

        return stop

    def until(self, look: Callable[[], T], good: Callable[[T], bool], seconds: float) -> T:
        """Call `look` at each change until `good` accepts its result, for at most `seconds`.

        Returns the last result.
        """
        deadline = time.monotonic() + seconds
        while True:
            count = self.count
            seen = look()
            left = deadline - time.monotonic()
            if good(seen) or left <= 0 or self._closed.is_set():
                return seen
            self._closed.wait(min(left, MIN_LOOK_INTERVAL))
            while (left := deadline - time.monotonic()) > 0 and self.count == count:
                if self._closed.is_set():
                    return seen
                self._wait(count, min(left, POLL_SECONDS))

    def _wait(self, count: int, seconds: float) -> None:
        with self._lock:
            self._waiting += 1
            try:
                self._changed.wait_for(
                    lambda: self._count != count or self._closed.is_set(), seconds
                )
            finally:
                self._waiting -= 1
