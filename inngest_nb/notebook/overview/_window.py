"""The span of time that an overview tells of, and the one of the same length before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from inngest_nb.query import When, check_time
from inngest_nb.words import duration_text, time_text

__all__ = ["BEFORE", "NOW", "Window", "window_of"]

# Which of the two spans a time lies in, as words of a column.
NOW, BEFORE = "now", "before"

_DAY = timedelta(days=1)
_FIRST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """From `since` to `until`; `before` is as long before `since` as that lasts."""

    since: datetime
    until: datetime

    @property
    def before(self) -> datetime:
        """When the previous span begins."""
        return self.since - min(self.until - self.since, self.since - _FIRST)

    @property
    def length(self) -> str:
        """How long it is: `24 h`, `7 d`, `1 d 4 h`."""
        span = self.until - self.since
        if _DAY <= span < 2 * _DAY and not span % timedelta(hours=1):
            return f"{span // timedelta(hours=1)} h"
        return duration_text(span)

    def periods(self, times: pd.Series[Any]) -> pd.Series[Any]:
        """Tell in which of the two spans each time lies; missing for what is in neither.

        What a clock that is wrong has put after `until` counts as of now.
        """
        periods = pd.Series(None, times.index, dtype="str")
        periods[times >= self.before] = BEFORE
        periods[times >= self.since] = NOW
        return periods

    def when(self, time: Any) -> str:
        """Write a time in UTC as short as it is clear: only its clock if it is of the last day."""
        if pd.isna(time):
            return "not set"
        time = time.to_pydatetime() if isinstance(time, pd.Timestamp) else time
        if time.date() == self.until.date():
            return f"{time:%H:%M}"
        if time.year == self.until.year:
            return f"{time:%b} {time.day}, {time:%H:%M}"
        return time_text(time).removesuffix(" UTC")[:16]


def window_of(since: When, until: datetime) -> Window:
    """Return the window from a time, or from so long ago, until a time."""
    start = check_time(since, "since", until)
    if start is None:
        raise ValueError("since must be how long ago, such as '24h', or a time, got None")
    if start >= until:
        raise ValueError(
            f"since must be in the past, such as '24h', got {time_text(start)}, "
            f"and the overview is as of {time_text(until)}"
        )
    return Window(start, until)
