"""What rows say together: how many there are of each, how they ended, how long they took."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from inngest_nb import words
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._columns import Kind
from inngest_nb.frames.insight._errors import error_groups
from inngest_nb.frames.insight._typed import (
    FAILED_WORDS,
    RESULT_WORDS,
    By,
    as_spans,
    flat,
    grouped,
    ids_of,
    keys_of,
    names_in,
)

_ERRORS = ("error", "count", "share", "first_seen", "last_seen", "example")


def statuses(rows: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    """Return one row per status, or outcome, or type, known ones with a zero too."""
    table = flat(rows, kind.word, "duration")
    spans = as_spans(table["duration"])
    groups = spans.groupby(_words(table, kind), observed=False, dropna=False)
    counts = groups.size()
    return pd.DataFrame(
        {
            "count": counts.astype("Int64"),
            "share": counts / max(len(table), 1),
            "p50": groups.quantile(0.5),
            "p90": groups.quantile(0.9),
            "max": groups.max(),
        }
    )


def summary_by(rows: pd.DataFrame, kind: Kind, by: By) -> pd.DataFrame:
    """Return one row per group, the largest first: how many failed, and how long they took."""
    table = flat(rows, kind.word, "duration")
    word, spans = table[kind.word], as_spans(table["duration"])
    facts = pd.DataFrame(
        {
            "failed": word.isin(FAILED_WORDS).astype(bool),
            "with_result": word.isin(RESULT_WORDS).astype(bool),
            "running": (word == "running").fillna(False).astype(bool),
            "took": spans.where(columns.has_ended(table, kind)),
        }
    )
    groups = grouped(keys_of(table, by), facts)
    sums = groups[["failed", "with_result", "running"]].sum().astype("int64")
    took = groups["took"]
    answer = pd.DataFrame(
        {
            "count": groups.size().astype("Int64"),
            "failed": sums["failed"].astype("Int64"),
            "share_failed": sums["failed"] / sums["with_result"].replace(0, np.nan),
            "running": sums["running"].astype("Int64"),
            **{f"p{part}": took.quantile(part / 100) for part in (50, 90, 99)},
            "max": took.max(),
        }
    )
    return answer.sort_values("count", ascending=False, kind="stable")


def errors(rows: pd.DataFrame, kind: Kind, by: By | None) -> pd.DataFrame:
    """Return one row per group of errors of the rows that failed, the largest first."""
    table = flat(rows, kind.word, kind.seen, "error")
    if by is not None and (taken := {*_ERRORS} & {*names_in(by)}):
        raise ValueError(f"by names {taken.pop()!r}, which errors() has as a column of its own")
    seen = _failed_at(table, kind).dt.as_unit("us")
    table = table.assign(**{kind.seen: seen, "example": ids_of(rows).reset_index(drop=True)})
    failed = last_first(table, kind)[::-1]
    text = failed["error"].map(error_groups(failed["error"].dropna())).astype("str")
    keys = text.map(lambda said: words.visible(said, keep="\n\t"), na_action="ignore").astype("str")
    by_columns = [keys] if by is None else [keys_of(failed, by), keys]
    groups = grouped(pd.concat(by_columns, axis=1), failed)
    times = groups[kind.seen]
    answer = pd.DataFrame(
        {
            "count": groups.size().astype("Int64"),
            "share": groups.size() / max(len(failed), 1),
            "first_seen": times.min(),
            "last_seen": times.max(),
            "example": groups["example"].last(),
        }
    ).reset_index()
    return answer.sort_values(
        ["count", "last_seen"], ascending=False, kind="stable", ignore_index=True
    )


def last_first(rows: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    """Return the rows that failed, the last failure first."""
    failed = rows[rows[kind.word].isin(FAILED_WORDS).astype(bool)]
    order = _failed_at(failed, kind).reset_index(drop=True)
    return failed.iloc[order.sort_values(ascending=False, kind="stable").index]


def _failed_at(rows: pd.DataFrame, kind: Kind) -> pd.Series[Any]:
    """Return when rows failed, which is not when somebody edited them last."""
    seen = columns.as_times(rows[kind.seen])
    if kind is not columns.WORKFLOWS or "ended_at" not in rows.columns:
        return seen
    return columns.as_times(rows["ended_at"]).fillna(seen)


def durations(rows: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    """Return one row per status, or activity, with percentiles of how long its rows took."""
    table = flat(rows, kind.word, kind.durations_by, "duration")
    spans = as_spans(table["duration"])
    by = _words(table, kind) if kind.durations_by == kind.word else table[kind.durations_by]
    known = spans.notna()
    if kind.word == "outcome":
        known &= columns.has_ended(table, kind)
    groups = spans[known].groupby(by[known], observed=False, dropna=False)
    percents = {f"p{part}": groups.quantile(part / 100) for part in (50, 90, 95, 99)}
    return pd.DataFrame(
        {
            "count": groups.size().astype("Int64"),
            "min": groups.min(),
            **percents,
            "max": groups.max(),
        }
    )


def _words(table: pd.DataFrame, kind: Kind) -> pd.Series[Any]:
    """Return the column of words as a categorical, whatever was made of it since."""
    return columns.as_words(table[kind.word], kind.known)
