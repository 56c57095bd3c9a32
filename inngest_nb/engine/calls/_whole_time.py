"""The total time of a call since the start of its first attempt, in whichever process."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from inngest_nb.engine.threads._loop import Clock, SystemClock


class WholeTime:
    """Measures the time that `RetryPolicy.total_timeout` limits, pauses included."""

    def __init__(self, total: timedelta, clock: Clock) -> None:
        self.total = total
        self._clock = clock
        self._begun: datetime | None = None
        self._first: float | None = None  # the same by the monotonic clock, in this process only

    def begin(self, when: datetime | None, *, now: bool) -> None:
        """Measure from this attempt unless an earlier one counts; `now` if it starts right now."""
        if self._begun is None:
            self._begun = when
            if now and isinstance(self._clock, SystemClock):  # a test's clock has its own time
                self._first = time.monotonic()

    def begin_anew(self) -> None:
        """Measure from the next attempt, because the whole run was retried."""
        self._begun = self._first = None

    def spent(self, now: datetime) -> timedelta:
        """Return the time since the first attempt, unaffected by changes of the system clock."""
        if self._begun is None:
            return timedelta()
        if self._first is not None:
            return timedelta(seconds=time.monotonic() - self._first)
        return max(now - self._begun, timedelta())

    def left(self, now: datetime) -> timedelta:
        """Return the time that is left."""
        return max(self.total - self.spent(now), timedelta())

    def is_over(self) -> bool:
        """Tell whether another attempt would come too late."""
        return self._begun is not None and not self.left(self._clock.now())

    def error(self) -> TimeoutError:
        """Return the error for a call that did not finish in time."""
        return TimeoutError(
            f"not finished within {self.total.total_seconds():g} s, retries included"
        )
