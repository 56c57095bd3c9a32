"""The time of random programs, which goes by when they are told so, and their clocks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

_START = datetime(2030, 1, 1, tzinfo=UTC)


class Time:
    """How long it has been, in microseconds, and what the clocks on the wall show, which jump.

    It moves on by a microsecond at each look at a clock, and further when it is told to.
    """

    def __init__(self) -> None:
        self._numbers: Any = [0] * 5
        self._lock: AbstractContextManager[Any] = threading.Lock()

    @property
    def elapsed(self) -> int:
        return int(self._numbers[0])

    @property
    def value(self) -> datetime:
        """What the clocks show."""
        return self.shown_at(self.elapsed)

    def shown_at(self, elapsed: int) -> datetime:
        """Return what the clocks show after so long, if nobody sets them."""
        return _START + timedelta(microseconds=elapsed + self._numbers[1])

    @property
    def most_shown(self) -> datetime:
        """What a clock shows that was set forward only, whenever another one was set back."""
        return _START + timedelta(microseconds=self.elapsed + self._numbers[2])

    def look(self) -> datetime:
        with self._lock:
            self._numbers[0] += 1
            return self.value

    def set_the_clocks(self, seconds: float) -> None:
        """Set the clocks forward, or back."""
        with self._lock:
            self._numbers[1] += round(seconds * 1e6)
            self._numbers[2] = max(self._numbers[1], self._numbers[2])

    def last(self, seconds: float) -> None:
        """Let so much time go by."""
        self.reach(self.elapsed + round(seconds * 1e6))

    def reach(self, elapsed: int) -> None:
        """Let time go by until so much of it has."""
        with self._lock:
            self._numbers[0] = max(self._numbers[0], elapsed)

    @property
    def newest(self) -> int:
        """The process that has the run, by number."""
        return int(self._numbers[3])

    @newest.setter
    def newest(self, number: int) -> None:
        self._numbers[3] = number

    def close(self) -> None:
        """Let go of what keeps it."""

    # The store

    @property
    def store_is_away(self) -> bool:
        return self.elapsed < self._numbers[4]

    def let_the_store_be_away(self, seconds: float) -> None:
        """Let each operation of the store fail for so long."""
        self._numbers[4] = self.elapsed + round(seconds * 1e6)

    def outlast_the_outage(self) -> None:
        """Let time go by until the store is there."""
        self.reach(self._numbers[4])


class Armed(NamedTuple):
    """A timer: when it is due, and whether it was asked for by a time of day or by a duration."""

    due: int
    when: datetime | None = None
    seconds: float | None = None


class ProcessClock:
    """The clock as one executor sees it, with the timers that are its own.

    Once a timer is armed it takes as long as it takes, whatever is done to clocks.
    """

    def __init__(self, time: Time, changed: Callable[[], None]) -> None:
        self._time = time
        self._changed = changed
        self._timers: list[_Timer] = []
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._time.look()

    def call_at(self, when: datetime, callback: Callable[[], None]) -> _Timer:
        left = max(when - self._time.look(), timedelta()) // timedelta(microseconds=1)
        return self._arm(Armed(self._time.elapsed + left, when=when), callback)

    def call_later(self, delay: timedelta, callback: Callable[[], None]) -> _Timer:
        due = self._time.elapsed + delay // timedelta(microseconds=1)
        return self._arm(Armed(due, seconds=delay.total_seconds()), callback)

    def _arm(self, armed: Armed, callback: Callable[[], None]) -> _Timer:
        timer = _Timer(self, armed, callback)
        with self._lock:
            self._timers.append(timer)
        self._changed()
        return timer

    def due(self) -> list[Armed]:
        """Return the timers, that which is due first at first."""
        with self._lock:
            return sorted((timer.armed for timer in self._timers), key=lambda armed: armed.due)

    def fire(self) -> bool:
        """Call the timer that is due first, at its time or now if that is over; False for none."""
        with self._lock:
            if not self._timers:
                return False
            timer = min(self._timers, key=lambda timer: timer.armed.due)
            self._timers.remove(timer)
        self._time.reach(timer.armed.due)
        timer.callback()
        return True

    def drop(self, timer: _Timer) -> None:
        with self._lock:
            if timer in self._timers:
                self._timers.remove(timer)
        self._changed()


class _Timer:
    def __init__(self, clock: ProcessClock, armed: Armed, callback: Callable[[], None]) -> None:
        self.armed = armed
        self.callback = callback
        self._clock = clock

    def cancel(self) -> None:
        self._clock.drop(self)
