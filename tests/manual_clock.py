"""A clock that stands still until a test moves it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Starts at the beginning of 2030. Each look at it is a microsecond later than the last."""

    def __init__(self) -> None:
        self._now = datetime(2030, 1, 1, tzinfo=UTC)
        self._timers: list[_ManualTimer] = []
        self._changed = threading.Condition()

    def now(self) -> datetime:
        with self._changed:
            self._now += timedelta(microseconds=1)
            return self._now

    def call_at(self, when: datetime, callback: Callable[[], None]) -> _ManualTimer:
        with self._changed:
            timer = _ManualTimer(self, when, callback)
            self._timers.append(timer)
            self._changed.notify_all()
            return timer

    def advance(self, seconds: float, *, waiting: int = 1) -> None:
        """Wait until so many timers are armed, then move on and call those that are due."""
        self.wait_for_timers(waiting)
        self.set(self._now + timedelta(seconds=seconds))

    def set(self, now: datetime) -> None:
        """Make it any time, also an earlier one, and call the timers that are due by then."""
        with self._changed:
            self._now = now
            due = sorted((t for t in self._timers if t.when <= self._now), key=lambda t: t.when)
            self._timers = [timer for timer in self._timers if timer not in due]
        for timer in due:
            timer.callback()

    def wait_for_timers(self, count: int) -> list[float]:
        """Return, once so many timers are armed, in how many seconds each is due."""
        deadline = time.monotonic() + 30
        with self._changed:
            while len(self._timers) < count:
                left = deadline - time.monotonic()
                assert self._changed.wait(left) or left > 0, (
                    f"{len(self._timers)} timers, not {count}"
                )
                assert time.monotonic() < deadline, f"{len(self._timers)} timers, not {count}"
            return sorted((timer.when - self._now).total_seconds() for timer in self._timers)

    def drop(self, timer: _ManualTimer) -> None:
        with self._changed:
            if timer in self._timers:
                self._timers.remove(timer)


class _ManualTimer:
    def __init__(self, clock: ManualClock, when: datetime, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self._clock = clock

    def cancel(self) -> None:
        self._clock.drop(self)
