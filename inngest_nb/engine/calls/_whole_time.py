"""The time of a whole call: from the start of its first attempt, whatever process made that."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from inngest_nb.engine.threads._loop import Clock, SystemClock


class WholeTime:
    """Counts the time that a policy's `total_timeout` limits, pauses included."""

    def __init__(self, total: timedelta, clock: Clock) -> None:
        self.total = total
        self._clock = clock
        self._begun: datetime | None = None
        self._first: float | None = None  # the same by a clock that nobody sets, in this life only

    def begin(self, when: datetime | None, *, now: bool) -> None:
        """Count from this attempt, unless an earlier one counts; `now` is its start."""
        if self._begun is None:
            self._begun = when
            if now and isinstance(self._clock, SystemClock):  # a test's moves as it likes
                self._first = time.monotonic()

    def begin_anew(self) -> None:
        """Count from the next attempt: the whole run was retried."""
        self._begun = self._first = None

    def spent(self, now: datetime) -> timedelta:
        """Return the time since the first attempt that counts, whatever clocks do."""
        if self._begun is None:
            return timedelta()
        if self._first is not None:
            return timedelta(seconds=time.monotonic() - self._first)
        return max(now - self._begun, timedelta())

    def left(self, now: datetime) -> timedelta:
        """Return what is left of the time."""
        return max(self.total - self.spent(now), timedelta())

    def is_over(self) -> bool:
        """Tell whether another attempt would come too late."""
        return self._begun is not None and not self.left(self._clock.now())

    def error(self) -> TimeoutError:
        """Return the error of a call that was not done in time."""
        return TimeoutError(
            f"not finished within {self.total.total_seconds():g} s, retries included"
        )
