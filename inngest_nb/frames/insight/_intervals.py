"""Intervals of confidence for the difference between two samples, of rates and of medians."""

from __future__ import annotations

from math import comb, sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_NORMAL = NormalDist()
_EXACT = 200  # observations; beyond it the normal curve is as good as the binomial


class Interval(NamedTuple):
    """A difference, and between which two values it lies; nan where there is no sample."""

    change: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether both ends lie on the same side of no difference."""
        return self.low > 0 or self.high < 0


_UNKNOWN = Interval(np.nan, np.nan, np.nan)


def rate_change(
    before: tuple[int, int], after: tuple[int, int], confidence: float = 0.95
) -> Interval:
    """Return how much a rate has changed, of two pairs (how many of interest, of how many).

    The interval is Newcombe's hybrid score interval: from Wilson's intervals of both rates. See
    R. G. Newcombe, Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17 (1998), 873-890, method 10. It holds for small samples, too, and for
    rates of 0 and 1.
    """
    if before[1] == 0 or after[1] == 0:
        return _UNKNOWN
    old, old_low, old_high = _wilson(*before, confidence)
    new, new_low, new_high = _wilson(*after, confidence)
    change = new - old
    return Interval(
        change,
        change - sqrt((new - new_low) ** 2 + (old_high - old) ** 2),
        change + sqrt((new_high - new) ** 2 + (old - old_low) ** 2),
    )


def _wilson(some: int, of: int, confidence: float) -> tuple[float, float, float]:
    """Return a rate and the ends of Wilson's score interval of it."""
    z, rate = _z(confidence), some / of
    middle = (2 * some + z**2) / (2 * (of + z**2))
    reach = z * sqrt(z**2 + 4 * some * (1 - rate)) / (2 * (of + z**2))
    return rate, min(middle - reach, rate), max(middle + reach, rate)


def median_change(before: Any, after: Any, confidence: float = 0.95) -> Interval:
    """Return how much a median has changed, of two samples of at least one number each.

    The interval assumes no distribution: the error of each median comes from two of the ordered
    observations, at equal distances from its ends. See D. G. Bonett and R. M. Price, Statistical
    inference for a linear function of medians, Psychological Methods 7 (2002), 370-383. It is meant
    for samples in which few values are the same.
    """
    old, new = np.sort(np.asarray(before, float)), np.sort(np.asarray(after, float))
    if not len(old) or not len(new):
        return _UNKNOWN
    change = float(np.median(new) - np.median(old))
    reach = _z(confidence) * sqrt(_error(old) ** 2 + _error(new) ** 2)
    return Interval(change, change - reach, change + reach)


def _error(ordered: npt.NDArray[np.float64]) -> float:
    """Return the standard error of a median, infinite for a single observation."""
    count = len(ordered)
    place = max(1, round(count / 2 - sqrt(count)))
    if count == 1:
        return np.inf
    if count <= _EXACT:
        below = sum(comb(count, few) for few in range(place)) / 2**count
        z = _NORMAL.inv_cdf(1 - below)
    else:
        z = (count + 1 - 2 * place) / sqrt(count)
    return float(ordered[count - place] - ordered[place - 1]) / (2 * z)


def _z(confidence: float) -> float:
    return _NORMAL.inv_cdf((1 + confidence) / 2)
