"""What began, ended and failed in one span of time after the other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._columns import Kind
from inngest_nb.frames.insight._typed import By, as_spans, as_utc, flat, grouped, keys_of, lives_of

_WEEK = timedelta(days=7)
_MONDAY = timedelta(days=4)  # 1970 began on a Thursday
_MOST = 100_000  # rows


def rates(rows: pd.DataFrame, kind: Kind, every: timedelta) -> pd.DataFrame:
    """Return one row per span with what became of the runs that began in it."""
    table = flat(rows, kind.word, kind.began)
    starts = _starts(as_utc(table[kind.began]), every)
    words = table[kind.word].astype("str")
    parts = words.where(words.isin(columns.ENDED_WORDS), "unknown")
    parts = parts.mask(columns.is_open(table, kind), "unfinished")
    counts = pd.crosstab(starts, parts).reindex(_spans(starts, every), fill_value=0)
    made = pd.DataFrame({"runs": counts.sum(axis=1)}, counts.index)
    for part in (*columns.ENDED_WORDS, "unfinished", "unknown"):
        made[part] = counts.get(part, 0)
    results = made[list(columns.RESULT_WORDS)].sum(axis=1)
    rate = made["failed"] / results.where(results > 0)
    return made.astype("Int64").assign(failure_rate=rate.astype("float64"))


def over_time(rows: pd.DataFrame, kind: Kind, every: timedelta, by: By | None) -> pd.DataFrame:
    """Return one row per span, and group if `by` is given, with what began and ended in it."""
    table = flat(rows, kind.word, kind.began, "duration")
    lives = lives_of(table, kind)
    moments = pd.concat([lives.began, lives.ended, lives.until])
    word, spans = table[kind.word], as_spans(table["duration"])
    group_of, groups = _groups(table.loc[moments.dropna().index.unique().sort_values()], by)
    starts = _spans(_starts(moments, every), every, len(groups))

    def cells(moments: pd.Series[Any], chosen: Any = True) -> Any:
        """Return in which row of the answer each of the chosen moments lies."""
        inside = moments.notna() & chosen
        spans_before = (_starts(moments[inside], every) - starts.min()) // pd.Timedelta(every)
        return spans_before * len(groups) + group_of[inside]

    def counted(moments: pd.Series[Any], chosen: Any = True) -> Any:
        found = cells(moments, chosen).to_numpy(np.int64)
        return np.bincount(found, minlength=len(starts) * len(groups))

    # Who ended at an unknown time, or before the begin, tells nothing of what was in flight.
    flown = lives.is_open | (lives.ended >= lives.began)
    change = counted(lives.began, flown) - counted(lives.ended, flown & lives.began.notna())
    in_flight = change.reshape(len(starts), len(groups)).cumsum(axis=0).ravel()
    failed = counted(lives.ended, word == "failed")
    results = failed + counted(lives.ended, word == "completed")
    took = spans.groupby(cells(lives.ended))
    every_cell = pd.RangeIndex(len(failed))
    return pd.DataFrame(
        {
            "started": pd.array(counted(lives.began), dtype="Int64"),
            "ended": pd.array(counted(lives.ended), dtype="Int64"),
            "failed": pd.array(failed, dtype="Int64"),
            "failure_share": np.where(results > 0, failed / np.maximum(results, 1), np.nan),
            "in_flight": pd.array(in_flight, dtype="Int64"),
            **{
                name: took.quantile(part).reindex(every_cell).to_numpy()
                for name, part in (("p50", 0.5), ("p90", 0.9))
            },
        },
        starts if by is None else _index(starts, groups),
    )


def _groups(table: pd.DataFrame, by: By | None) -> tuple[pd.Series[int], pd.DataFrame]:
    """Return the number of each row's group, and what the groups are, the largest first."""
    if by is None:
        return pd.Series(0, table.index), pd.DataFrame(index=[0])
    keys = keys_of(table, by)
    found = grouped(keys, keys)
    number_of = found.ngroup()
    sizes = number_of.value_counts().reindex(range(found.ngroups), fill_value=0)
    order = sizes.sort_values(ascending=False, kind="stable").index
    groups = keys.groupby(number_of).head(1)
    groups = groups.set_index(number_of[groups.index]).loc[order]
    place = pd.Series(range(len(order)), order)
    return number_of.map(place).astype("int64"), groups.reset_index(drop=True)


def _index(starts: pd.DatetimeIndex, groups: pd.DataFrame) -> pd.MultiIndex:
    """Return an index of all groups in all spans."""
    each = groups.iloc[np.tile(np.arange(len(groups)), len(starts))]
    levels: list[Any] = [starts.repeat(len(groups)), *(each[name] for name in groups.columns)]
    return pd.MultiIndex.from_arrays(levels, names=["start", *groups.columns])


def _starts(times: pd.Series[Any], every: timedelta) -> pd.Series[Any]:
    """Return the start of the span in which each time lies; weeks begin on Mondays."""
    if every <= timedelta():
        raise ValueError(f"every must be a duration above 0, such as '1h', got {every}")
    shift = timedelta() if every % _WEEK else _MONDAY
    return (times - shift).dt.floor(pd.Timedelta(every)) + shift


def _spans(starts: pd.Series[Any], every: timedelta, groups: int = 1) -> pd.DatetimeIndex:
    """Return the start of each span from the first to the last, also where nothing began."""
    first, last = starts.min(), starts.max()
    if pd.isna(first):
        return pd.DatetimeIndex([], dtype="datetime64[us, UTC]", name="start")
    if (last - first) / every >= _MOST / max(groups, 1):
        each = f" for each of {groups:,} groups" if groups > 1 else ""
        raise ValueError(
            f"every must be longer, such as '1d': {first:%Y-%m-%d} to {last:%Y-%m-%d} would be "
            f"more than {_MOST:,} rows of {every}{each}"
        )
    return pd.date_range(first, last, freq=pd.Timedelta(every), unit="us", name="start")
