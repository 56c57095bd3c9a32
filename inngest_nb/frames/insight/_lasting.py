"""Which rows last too long: stuck, late, or slower than all others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pandas as pd

from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._columns import Kind
from inngest_nb.frames.insight._typed import (
    as_spans,
    as_utc,
    flat,
    grouped,
    ids_of,
    lives_of,
    text_keys,
    warn_of_others,
)
from inngest_nb.query import span_of

STUCK_AFTER = "1h"  # without an update
STUCK = ("workflow", "step", "waiting_for", "signal")


def running(rows: pd.DataFrame, kind: Kind, longer_than: timedelta | None) -> pd.DataFrame:
    """Return the rows that are running, the longest first; all where no time is given."""
    table = flat(rows, "duration")
    spans = columns.as_durations(table["duration"])
    chosen = table[kind.word] == "running"
    if longer_than is not None:
        chosen &= spans > longer_than
    return rows.iloc[spans[chosen].sort_values(ascending=False, kind="stable").index]


def stuck(rows: pd.DataFrame, kind: Kind, longer_than: timedelta) -> pd.DataFrame:
    """Return where open rows are stuck that were not updated for so long, most rows first."""
    table = flat(rows, kind.word, kind.seen, *STUCK)
    table = table.assign(example=ids_of(rows).reset_index(drop=True))
    updated = as_utc(table[kind.seen])
    lives = lives_of(flat(table, kind.began, "duration"), kind)
    idle = _as_of(rows, lives.until[lives.is_open]) - updated
    chosen = lives.is_open & (idle > longer_than)
    facts = pd.DataFrame(
        {"idle": idle, "updated": updated, "example": table["example"].astype("str")}
    )[chosen].sort_values("updated", kind="stable")
    groups = grouped(text_keys(table.loc[facts.index], *STUCK), facts)
    answer = pd.DataFrame(
        {
            "count": groups.size().astype("Int64"),
            "longest": groups["idle"].max(),
            "oldest": groups["updated"].min(),
            "example": groups["example"].first(),
        }
    ).reset_index()
    return answer.sort_values(
        ["count", "longest"], ascending=False, kind="stable", ignore_index=True
    )


def late(rows: pd.DataFrame, kind: Kind, than: Mapping[str, Any] | columns.Span) -> pd.DataFrame:
    """Return the rows that took longer than allowed, the longest overrun first."""
    table = flat(rows, "duration")
    lasted = as_spans(table["duration"])
    allowed: pd.Series[Any]
    if isinstance(than, Mapping):
        name = "function" if kind is columns.RUNS else "workflow"
        names = text_keys(flat(table, name), name)[name]
        spans = {each: span_of(span, f"than[{each!r}]") for each, span in than.items()}
        warn_of_others(spans, names, name)
        allowed = names.map(spans)
    else:
        allowed = pd.Series(span_of(than, "than"), table.index)
    allowed = allowed.astype("timedelta64[us]")
    overrun: pd.Series[Any] = lasted - allowed
    longest = overrun[overrun > timedelta()].sort_values(ascending=False, kind="stable").index
    return rows.iloc[longest].assign(
        allowed=allowed[longest].to_numpy(), overrun=overrun[longest].to_numpy()
    )


def slowest_rows(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the rows that took longest, or have lasted longest so far."""
    lasted = as_spans(flat(rows, "duration")["duration"]).dropna()
    longest = lasted.sort_values(ascending=False, kind="stable").index[:most]
    return rows.iloc[longest]


def _as_of(rows: pd.DataFrame, seen_until: pd.Series[Any]) -> pd.Timestamp:
    """Return when the rows were read.

    Where `attrs` were lost, as in `concat`, it is until when what is open was seen; else now.
    """
    told = rows.attrs.get("fetched_at")
    read = pd.to_datetime(told, utc=True, errors="coerce") if isinstance(told, str) else pd.NaT
    found = next((time for time in (read, seen_until.max()) if pd.notna(time)), None)
    return pd.Timestamp.now("UTC") if found is None else found
