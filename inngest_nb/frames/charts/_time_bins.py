"""Bars on an axis of time: how wide they are, where they begin, what stands below them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from inngest_nb import words

_MINUTE, _HOUR, _DAY, _WEEK = 60, 3_600, 86_400, 604_800
_WIDTHS = (
    *(1, 5, 15),
    *(_MINUTE, 5 * _MINUTE, 15 * _MINUTE),
    *(_HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, _WEEK, 4 * _WEEK, 13 * _WEEK, 52 * _WEEK),
)
_YEAR = 52 * _WEEK
_MOST_BARS = 48
_MOST_TICKS = 8
_EPOCH = datetime(1970, 1, 1)  # wall time of whatever zone the times are in
_MONDAY = 4 * _DAY  # weeks begin on Mondays; the epoch was a Thursday


class Bins(NamedTuple):
    """Times in seconds of wall time from 1970, and the edges of the bars they fall into.

    `drawn` tells which of the given times are there: not the unknown, and not the few `far` off.
    """

    times: npt.NDArray[np.float64]
    drawn: npt.NDArray[np.bool_]
    edges: npt.NDArray[np.float64]
    width: int
    zone: str
    unknown: int
    far: npt.NDArray[np.bool_]

    @property
    def width_text(self) -> str:
        """How long one bar is, as in `3 h`."""
        if self.width >= _WEEK:
            return words.count_text(self.width // _WEEK, "week")
        return words.duration_text(timedelta(seconds=self.width))

    def text(self, bar: int) -> str:
        """When a bar begins, as in `Mar 8, 13:00`."""
        begin = _wall(self.edges[bar])
        return _day(begin) if self.width >= _DAY else f"{_day(begin)}, {_clock(begin)}"


def bins(given: pd.Series[Any]) -> Bins | None:
    """Return bars for these times, in their own zone; None if no time is known.

    A few times that lie far off would squeeze all others into one bar: they are left out.
    """
    zone = given.dt.tz
    wall = given if zone is None else given.dt.tz_localize(None)
    seconds = wall.astype("datetime64[us]").astype("int64").to_numpy() / 1e6
    known = given.notna().to_numpy()
    if not known.any():
        return None
    low, high = _bulk(np.sort(seconds[known]))
    drawn = known & (seconds >= low) & (seconds <= high)
    times = seconds[drawn]
    width = _width(times.max() - times.min(), _MOST_BARS)
    first = _floor(times.min(), width)
    edges = np.arange(first, times.max() + width, width, dtype=float)
    if edges[-1] <= times.max():
        edges = np.append(edges, edges[-1] + width)
    return Bins(
        times=times,
        drawn=drawn,
        edges=edges,
        width=width,
        zone="no zone" if zone is None else str(zone),
        unknown=int((~known).sum()),
        far=known & ~drawn,
    )


def ticks(bins: Bins) -> tuple[Sequence[float], Sequence[str]]:
    """Return where ticks go and what they say; a day is named where it is seen first."""
    low, high = bins.edges[0], bins.edges[-1]
    step = max(_width(high - low, _MOST_TICKS), bins.width)
    first = _floor(low, step)
    places = [place for place in np.arange(first, high + 1, step) if low <= place <= high] or [low]
    labels, seen = [], None
    for place in places:
        time = _wall(place)
        if step >= _WEEK * 13:
            labels.append(f"{time:%b} {time.year}")
        elif step >= _DAY:
            labels.append(_day(time))
        else:
            labels.append(_clock(time) + (f"\n{_day(time)}" if time.date() != seen else ""))
        seen = time.date()
    return places, labels


def _width(span: float, most: int) -> int:
    """Choose the narrowest width of which no more than `most` are needed; years where all are."""
    years = int(np.ceil(span / most / _YEAR)) * _YEAR
    return next((width for width in _WIDTHS if span / width <= most), years)


def _bulk(ordered: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return between which times nearly all lie, with room for what is not far from them.

    One in fifty at either end, at least one, may lie far off. If a few are all far from one
    another, none does.
    """
    if len(ordered) < 3:
        return -np.inf, np.inf
    aside = max(1, len(ordered) // 50)
    low, high = float(ordered[aside]), float(ordered[-1 - aside])
    least = _MINUTE if len(ordered) >= 20 else 10 * _YEAR
    reach = max(3 * (high - low), least)
    return low - reach, high + reach


def _floor(seconds: float, width: int) -> float:
    start = _MONDAY if width >= _WEEK else 0
    return (seconds - start) // width * width + start


def _wall(seconds: float) -> datetime:
    """Return the date of a place on the axis; bars may begin before the first year."""
    try:
        return _EPOCH + timedelta(seconds=float(seconds))
    except OverflowError:
        return datetime.min if seconds < 0 else datetime.max


def _day(time: datetime) -> str:
    return f"{time:%b} {time.day}"


def _clock(time: datetime) -> str:
    return f"{time:%H:%M:%S}" if time.second else f"{time:%H:%M}"
