"""Functions that fail more often than in the days before."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from inngest_nb.api import Found, InngestAPI, Run
from inngest_nb.frames.basics import _columns as columns

_DAY = timedelta(days=1)
_DAYS_BEFORE = 7
_MOST_NOW, _MOST_BEFORE = 500, 1_000  # failed runs read: five pages and ten
_FEWEST = 5  # failures that are worth a word
_BY_CHANCE = 0.001  # how likely chance may be to make that many

Name = tuple[str, str]  # of an app and a function


class Rise(NamedTuple):
    """How often a function fails a day, now and before, and how likely chance alone does that."""

    app: str
    function: str
    failed: int
    a_day: float
    a_day_before: float
    by_chance: float

    @property
    def is_clear(self) -> bool:
        """Whether it fails more often, and not by chance."""
        return (
            self.failed >= _FEWEST
            and self.a_day > 2 * self.a_day_before
            and self.by_chance < _BY_CHANCE
        )


class Failures(NamedTuple):
    """The failures of the last day beside those of up to seven days before."""

    rises: list[Rise]  # the one that is least by chance first
    days: float  # read of the last day: less where there are too many failures
    days_before: float  # 0 where there is nothing to compare with
    truncated: bool = False

    @property
    def clear(self) -> list[Rise]:
        """The functions that fail more often."""
        return [rise for rise in self.rises if rise.is_clear]

    def frame(self) -> pd.DataFrame:
        """Return a row per function that failed in the last day."""
        rises = self.rises
        return pd.DataFrame(
            {
                "app": columns.text(rise.app for rise in rises),
                "function": columns.text(rise.function for rise in rises),
                "failed": columns.counts([rise.failed for rise in rises]),
                "a_day": np.array([rise.a_day for rise in rises], dtype=float),
                "a_day_before": np.array([rise.a_day_before for rise in rises], dtype=float),
                "by_chance": np.array([rise.by_chance for rise in rises], dtype=float),
                "is_rising": np.array([rise.is_clear for rise in rises], dtype=bool),
            }
        )


def failures(api: InngestAPI, oldest: datetime | None, now: datetime) -> Failures:
    """Read the failed runs of the last day and of the seven days before, newest first."""
    day = now - _DAY
    if oldest is None or oldest >= day:
        return Failures([], 0.0, 0.0)
    recent = api.runs(status="failed", since=day, until=now, limit=_MOST_NOW)
    start = max(oldest, day - _DAYS_BEFORE * _DAY)
    before = api.runs(status="failed", since=start, until=day, limit=_MOST_BEFORE)
    days, days_before = _days(recent, day, now), _days(before, start, day)
    found = rises(recent, days, before, days_before)
    return Failures(found, days, days_before, recent.truncated or before.truncated)


def _days(found: Found[Run], start: datetime, end: datetime) -> float:
    """Return how many days were read; where the list was cut, back to its last run."""
    if found.truncated and (last := found[-1].started_at):
        start = last
    return max(end - start, timedelta(seconds=1)) / _DAY


def rises(
    recent: Iterable[Run], days: float, before: Iterable[Run], days_before: float
) -> list[Rise]:
    """Compare how often each function failed in two periods of so many days."""
    now, then = _counts(recent), _counts(before)
    found = [
        Rise(
            *name,
            failed=count,
            a_day=count / days,
            a_day_before=then[name] / days_before,
            by_chance=chance(count, count + then[name], days / (days + days_before)),
        )
        for name, count in now.items()
    ]
    return sorted(found, key=lambda rise: (rise.by_chance, -rise.failed, rise.app, rise.function))


def _counts(runs: Iterable[Run]) -> Counter[Name]:
    return Counter((run.app, run.function) for run in runs)


def chance(least: int, count: int, share: float) -> float:
    """Return how likely at least so many of `count` failures fall into a share of the time.

    That is the exact test of two Poisson rates (Przyborowski and Wilenski, 1940): were both rates
    the same, the failures of one period would be a binomial part of all.
    """
    terms = [
        math.lgamma(count + 1)
        - math.lgamma(number + 1)
        - math.lgamma(count - number + 1)
        + number * math.log(share)
        + (count - number) * math.log1p(-share)
        for number in range(least, count + 1)
    ]
    return min(1.0, math.fsum(map(math.exp, terms)))
