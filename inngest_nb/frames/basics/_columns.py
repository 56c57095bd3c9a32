"""Columns of a frame, of the same dtypes always: times, durations, text, words, payloads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from inngest_nb.history import END_STATUS, OPEN, OPEN_STEPS
from inngest_nb.state import EventType

RESULT_WORDS = ("completed", "failed")  # what was canceled tells neither of success nor failure
ENDED_WORDS = tuple(map(str, END_STATUS.values()))
STATUS_WORDS = ("running", *ENDED_WORDS)
# What an open run waits for.
WAITING_WORDS = ("activity", "retry", "signal", "timer")
# Beyond a workflow's words: its run ended and nothing says what became of the activity.
OUTCOME_WORDS = (*STATUS_WORDS, "abandoned")
# Runs of a real Inngest server wait for a worker, its steps also for an event or a time.
RUN_WORDS = (*STATUS_WORDS, "queued")
STEP_WORDS = (*OUTCOME_WORDS, "queued", "waiting")
WORKER_WORDS = ("ready",)


class Kind(NamedTuple):
    """What the rows of a frame are, by which words, and which of its columns say when.

    `open_words` are those of rows that have not ended.
    """

    noun: str
    plural: str
    word: str
    known: tuple[str, ...]
    began: str
    seen: str
    durations_by: str
    open_words: tuple[str, ...] = OPEN


WORKFLOWS = Kind(
    "workflow", "workflows", "status", STATUS_WORDS, "created_at", "updated_at", "status"
)
ACTIVITIES = Kind(
    "activity", "activities", "outcome", OUTCOME_WORDS, "started_at", "ended_at", "activity"
)
EVENTS = Kind(
    "event", "events", "type", tuple(str(word) for word in EventType if word), "at", "at", "type"
)
RUNS = Kind("run", "runs", "status", RUN_WORDS, "queued_at", "ended_at", "status")
STEPS = Kind("step", "steps", "status", STEP_WORDS, "queued_at", "ended_at", "step", OPEN_STEPS)
WORKERS = Kind(
    "worker", "workers", "status", WORKER_WORDS, "connected_at", "last_heartbeat_at", "status"
)
# Which kind a frame is of: that of the first column here which it has.
_KINDS = {
    "step_id": STEPS,
    "worker_id": WORKERS,
    "inngest_status": RUNS,
    "outcome": ACTIVITIES,
    "created_at": WORKFLOWS,
    "type": EVENTS,
    "status": WORKFLOWS,
}


def kind_of(names: Iterable[Any]) -> Kind | None:
    """Tell from its columns what the rows of a frame are; None if they are nothing known."""
    present = set(names)
    return next(
        (kind for name, kind in _KINDS.items() if {name, kind.word} <= present),
        None,
    )


Microseconds = npt.NDArray[np.int64]
Span = timedelta | np.timedelta64 | str | float  # a duration as people give it

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOT_SET = np.iinfo(np.int64).min  # what numpy takes for NaT


def microseconds(times: Iterable[datetime | None]) -> Microseconds:
    """Count microseconds from 1970 to each time; a missing one is `NOT_SET`."""
    counts = []
    for time in times:
        if time is None:
            counts.append(NOT_SET)
        else:
            gap = time - _EPOCH
            counts.append((gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds)
    return np.array(counts, dtype=np.int64)


def counted(given: Sequence[int | None]) -> Microseconds:
    """Return numbers as an array; one that is missing, or longer than 64 bits, is `NOT_SET`."""
    try:
        return np.fromiter(given, np.int64, len(given))
    except TypeError:
        if None not in given:
            raise
        return counted([NOT_SET if one is None else one for one in given])
    except OverflowError:
        return counted([one if one is None or abs(one) < 2**63 else NOT_SET for one in given])


def without(given: Microseconds, unset: int) -> Microseconds:
    """Turn a count that stands for nothing into `NOT_SET`."""
    return np.where(given == unset, NOT_SET, given)


def either(chosen: npt.NDArray[np.bool_], us: int, others: Microseconds) -> Microseconds:
    """Return one count where chosen, the others elsewhere."""
    return np.where(chosen, us, others)


# The first and the last moment of another zone lie outside Python's years in UTC, where a
# single value of a column could not even be shown.
_FIRST, _LAST = microseconds(end.replace(tzinfo=UTC) for end in (datetime.min, datetime.max))


def times(counts: Microseconds) -> pd.DatetimeIndex:
    """Return a column of UTC times, from what `microseconds` counted."""
    inside = np.where(counts == NOT_SET, NOT_SET, np.clip(counts, _FIRST, _LAST))
    return pd.DatetimeIndex(inside.view("datetime64[us]")).tz_localize("UTC")


def spans(start: Microseconds, end: Microseconds) -> Microseconds:
    """Subtract; where a time is missing, or the start lies after the end, there is no span."""
    known = (start != NOT_SET) & (end != NOT_SET) & (start <= end)
    return np.where(known, end - start, NOT_SET)


def durations(counts: Microseconds) -> npt.NDArray[np.timedelta64]:
    """Return a column of durations, from microseconds."""
    return counts.view("timedelta64[us]")


def span_counts(given: Iterable[timedelta | None]) -> Microseconds:
    """Count the microseconds of each duration; a missing one is `NOT_SET`."""
    counts = [
        NOT_SET
        if span is None
        else (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds
        for span in given
    ]
    return np.array(counts, dtype=np.int64)


def text(values: Iterable[str | None]) -> Any:
    """Return a column of text; the contract's empty text means "not set" and is missing here."""
    if not isinstance(values, list) or "" in values:
        values = [value or None for value in values]
    return pd.array(np.array(values, dtype=object), dtype="str")


def counts(values: Sequence[int | None]) -> Any:
    """Return a column of whole numbers; None, and what 64 bits cannot hold, is missing."""
    return whole(counted(values))


def whole(given: npt.NDArray[np.int64]) -> Any:
    """Return a column of whole numbers, from what `counted` made."""
    missing = given == NOT_SET
    return pd.arrays.IntegerArray(np.where(missing, 1, given), missing)


def words(values: Iterable[str | None], known: Sequence[str]) -> pd.Categorical[str]:
    """Return a categorical: the known words first, then others by alphabet; "" is missing."""
    values = list(values)
    others = sorted({str(value) for value in values if value} - set(known))
    categories = [*known, *others]
    code_of: dict[str | None, int] = {word: code for code, word in enumerate(categories)}
    codes = [code_of.get(value, -1) for value in values]
    return pd.Categorical.from_codes(codes, categories=pd.Index(categories, dtype="str"))


def as_words(series: pd.Series[Any], known: Sequence[str]) -> pd.Series[Any]:
    """Return a column of words as the categorical it once was, whatever was made of it since."""
    given = series.astype(object)
    return pd.Series(words(given.where(given.notna(), None), known), given.index, name=series.name)


def as_durations(series: pd.Series[Any]) -> pd.Series[Any]:
    """Return durations as numpy's, whether they are those already, Arrow's, or text of a CSV file.

    Raises `ValueError` for anything else, such as bare numbers: nobody knows their unit.
    """
    if pd.api.types.is_timedelta64_dtype(series.dtype):
        return series
    if series.dtype.kind == "m":  # Arrow's
        return series.astype("timedelta64[us]")
    return _read(series, pd.to_timedelta, "timedeltas")


def as_times(series: pd.Series[Any]) -> pd.Series[Any]:
    """Return times as pandas' own, whether they are those already, Arrow's, or text of a CSV file.

    Raises `ValueError` for anything else.
    """
    if isinstance(series.dtype, pd.ArrowDtype) and series.dtype.kind == "M":
        zone = series.dt.tz
        return series.astype("datetime64[us]" if zone is None else pd.DatetimeTZDtype("us", zone))
    if series.dtype.kind == "M":
        return series
    return _read(series, lambda texts: pd.to_datetime(texts, utc=True, format="ISO8601"), "times")


def _read(series: pd.Series[Any], read: Callable[[Any], Any], what: str) -> pd.Series[Any]:
    if not pd.api.types.is_numeric_dtype(series.dtype) or series.isna().all():
        try:
            return pd.Series(read(series), series.index, name=series.name)
        except (ValueError, TypeError, OverflowError):
            pass  # said below
    raise ValueError(f"{series.name} needs {what}, got {series.dtype}")


def is_open(rows: pd.DataFrame, kind: Kind) -> pd.Series[bool]:
    """Tell which rows have not ended."""
    return rows[kind.word].isin(kind.open_words).astype(bool)


def has_ended(rows: pd.DataFrame, kind: Kind) -> pd.Series[bool]:
    """Tell which rows have ended.

    A word that nobody knows doesn't tell, so only the end counts. A frame of workflows without
    `ended_at` has a duration for each whose end is known.
    """
    if kind is EVENTS:  # it has no end of its own: what it records is over
        return rows[kind.word].notna()
    ended = rows[kind.word].isin([*ENDED_WORDS, "abandoned"]).astype(bool)
    if "ended_at" in rows.columns:
        ended |= rows["ended_at"].notna()
    elif kind is WORKFLOWS:
        ended |= rows["duration"].notna()
    return ended & ~is_open(rows, kind)


def payloads(values: Iterable[Any]) -> pd.Series[Any]:
    """Return a column of the JSON values themselves, so that long numbers keep their digits."""
    return pd.Series(np.fromiter(values, dtype=object), dtype=object)
