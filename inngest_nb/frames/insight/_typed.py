"""Columns of a frame as answers read them: of the usual types, whatever was made of them."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd
from pandas.api.types import infer_dtype

from inngest_nb import words
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._columns import Kind
from inngest_nb.state import EventType

# What a column of words calls a row that failed or completed: a workflow, an activity, or an event.
FAILED_WORDS = ("failed", str(EventType.ACTIVITY_FAILED), str(EventType.WORKFLOW_FAILED))
_COMPLETED = ("completed", str(EventType.ACTIVITY_COMPLETED), str(EventType.WORKFLOW_COMPLETED))
RESULT_WORDS = (*FAILED_WORDS, *_COMPLETED)

_NAMED = 8  # names that a warning lists

By = Hashable | Sequence[Hashable]  # a column's name, or several


class Lives(NamedTuple):
    """When each row began and ended, and until when anything is known of it.

    `ended` is missing for what is open, which was seen until `until`, and where nobody knows it.
    """

    began: pd.Series[Any]
    ended: pd.Series[Any]
    until: pd.Series[Any]
    is_open: pd.Series[bool]


def flat(rows: pd.DataFrame, *needed: str) -> pd.DataFrame:
    """Return rows numbered from 0, with what their index names as columns, too.

    Raises `AttributeError` for a column that is `needed` and not there.
    """
    named = [name for name in rows.index.names if name is not None and name not in rows.columns]
    found = (rows.reset_index(named) if named else rows).reset_index(drop=True)
    need(found, *needed)
    return found


def need(rows: pd.DataFrame, *names: str) -> None:
    """Raise `AttributeError` with the columns that are needed and not there."""
    if missing := [name for name in names if name not in rows.columns]:
        raise AttributeError(f"this needs columns that were left out: {', '.join(missing)}")


def as_utc(given: pd.Series[Any]) -> pd.Series[Any]:
    """Return times in UTC, of whatever zone and type they are; those of no zone are UTC's."""
    times = columns.as_times(given)
    zoned = times.dt.tz_localize("UTC") if times.dt.tz is None else times.dt.tz_convert("UTC")
    utc: pd.Series[Any] = zoned.astype("datetime64[us, UTC]")
    return utc


def as_spans(given: pd.Series[Any]) -> pd.Series[Any]:
    """Return durations of whatever type they are, in microseconds."""
    spans: pd.Series[Any] = columns.as_durations(given).astype("timedelta64[us]")
    return spans


def lives_of(table: pd.DataFrame, kind: Kind) -> Lives:
    """Return when rows began and ended.

    What is open lasts until the frame was read: its begin and its duration tell when that was. They
    also tell the end in a frame of workflows without `ended_at`.
    """
    table = flat(table)
    told = kind.seen == "ended_at" or "ended_at" in table.columns
    need(table, kind.word, kind.began, "ended_at" if told else "duration")
    began = as_utc(table[kind.began])
    is_open = columns.is_open(table, kind)
    lasted = as_spans(table["duration"]) if "duration" in table.columns else began - began
    seen_until = began + lasted
    ended = (as_utc(table["ended_at"]) if told else seen_until).where(~is_open)
    return Lives(began, ended, ended.where(~is_open, seen_until), is_open)


def ids_of(rows: pd.DataFrame) -> pd.Series[Any]:
    """Return what names each row: its workflow, else its run, else what it is indexed by."""
    for name in ("workflow_id", "run_id"):
        if name in rows.columns:
            return rows[name].astype("str")
        if name in rows.index.names:
            level = rows.index.get_level_values(name)
            return pd.Series(level, rows.index).astype("str")
    return pd.Series(rows.index, rows.index)


def keys_of(table: pd.DataFrame, by: By) -> pd.DataFrame:
    """Return the columns by which rows are grouped, those of words and of text as text.

    Raises `AttributeError` for an unknown column, and `ValueError` for one that cannot group.
    """
    names = names_in(by)
    for name in names:
        if name not in table.columns:
            there = ", ".join(words.short(str(each), 40) for each in table.columns)
            raise AttributeError(f"by names {name!r}, which is not a column; columns: {there}")
    return pd.DataFrame({name: _key(table[name], name) for name in names}, columns=names)


def names_in(by: By) -> list[Hashable]:
    """Return the names of columns that are given as one or as several."""
    names = list(dict.fromkeys([*by] if isinstance(by, list | tuple | pd.Index) else [by]))
    if not names:
        raise ValueError("by names no column; leave it out, or give one such as 'workflow'")
    return names


def text_keys(table: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return columns of text by which rows are grouped."""
    return pd.DataFrame({name: table[name].astype("str") for name in names})


def grouped(keys: pd.DataFrame, facts: pd.DataFrame) -> Any:
    """Group facts by keys, in the order in which these come first; what is missing is a group."""
    by = [keys[name] for name in keys.columns]
    return facts.groupby(by if len(by) > 1 else by[0], sort=False, dropna=False, observed=True)


def warn_of_others(wanted: Iterable[Any], names: pd.Series[Any], what: str) -> None:
    """Warn with the known names, if others are wanted."""
    there = list(names.dropna().unique())
    if astray := [name for name in wanted if name not in set(there)]:
        listed = ", ".join(words.short(name, 40) for name in there[:_NAMED]) or "none"
        more = f" and {len(there) - _NAMED:,} more" if len(there) > _NAMED else ""
        warnings.warn(
            f"unknown {what} {words.short(str(astray[0]), 40)!r}; known {what}s: {listed}{more}",
            stacklevel=4,
        )


def _key(given: Any, name: Hashable) -> Any:
    if isinstance(given, pd.DataFrame):
        raise ValueError(f"by names {name!r}, which several columns are called")
    if isinstance(given.dtype, pd.CategoricalDtype):
        given = given.astype(given.cat.categories.dtype)
    if given.isna().all():
        return given.astype("str")
    if given.dtype.kind in "biufcmM":
        return given
    values = given.astype(object)
    if infer_dtype(values, skipna=True) == "string":
        return given.astype("str")
    try:
        values.map(hash)
    except TypeError:
        raise ValueError(
            f"by names {name!r}, whose lists or mappings make no groups; for lists, explode() it"
        ) from None
    return values
