"""How many runs began, and how many of them failed, in one span of time after the other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd

from inngest_nb.frames.insight._rows import ENDED, RESULTS, as_utc

_WEEK = timedelta(days=7)
_MONDAY = timedelta(days=4)  # 1970 began on a Thursday
_MOST = 100_000  # rows


def rates(began: pd.Series[Any], status: pd.Series[Any], every: timedelta) -> pd.DataFrame:
    """Return one row a span with what became of the runs that began in it."""
    if every <= timedelta():
        raise ValueError(f"every must be a duration above 0, such as '1h', got {every}")
    words = status.reset_index(drop=True).astype("str").fillna("")
    starts = _starts(as_utc(began.reset_index(drop=True)), every)
    counts = pd.crosstab(starts, words).reindex(_spans(starts, every), fill_value=0)
    made = pd.DataFrame({"runs": counts.sum(axis=1)}, counts.index)
    for word in ENDED:
        made[word] = counts.get(word, 0)
    made["unfinished"] = made["runs"] - made[list(ENDED)].sum(axis=1)
    results = made[list(RESULTS)].sum(axis=1)
    rate = made["failed"] / results.where(results > 0)
    return made.astype("Int64").assign(failure_rate=rate.astype("float64"))


def _starts(times: pd.Series[Any], every: timedelta) -> pd.Series[Any]:
    """Return the start of the span in which each time lies; weeks begin on Mondays."""
    shift = timedelta() if every % _WEEK else _MONDAY
    return (times - shift).dt.floor(pd.Timedelta(every)) + shift


def _spans(starts: pd.Series[Any], every: timedelta) -> pd.DatetimeIndex:
    """Return the start of each span from the first to the last, also where nothing began."""
    first, last = starts.min(), starts.max()
    if pd.isna(first):
        return pd.DatetimeIndex([], dtype="datetime64[us, UTC]", name="start")
    if (last - first) / every >= _MOST:
        raise ValueError(
            f"every must be longer, such as '1d': {first:%Y-%m-%d} to {last:%Y-%m-%d} would be "
            f"more than {_MOST:,} rows of {every}"
        )
    return pd.date_range(first, last, freq=pd.Timedelta(every), unit="us", name="start")
