"""Columns of a frame, of the same dtypes always: times, durations, text, words, payloads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

STATUS_WORDS = ("running", "completed", "failed", "canceled")

Microseconds = npt.NDArray[np.int64]

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


# The first and the last moment of another zone lie outside Python's years in UTC, where a
# single value of a column could not even be shown.
_FIRST, _LAST = microseconds(end.replace(tzinfo=UTC) for end in (datetime.min, datetime.max))


def times(counts: Microseconds) -> pd.DatetimeIndex:
    """Give a column of UTC times, from what `microseconds` counted."""
    inside = np.where(counts == NOT_SET, NOT_SET, np.clip(counts, _FIRST, _LAST))
    return pd.DatetimeIndex(inside.view("datetime64[us]")).tz_localize("UTC")


def spans(start: Microseconds, end: Microseconds) -> Microseconds:
    """Subtract; where a time is missing, or the start lies after the end, there is no span."""
    known = (start != NOT_SET) & (end != NOT_SET) & (start <= end)
    return np.where(known, end - start, NOT_SET)


def durations(counts: Microseconds) -> npt.NDArray[np.timedelta64]:
    """Give a column of durations, from microseconds."""
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
    """Give a column of text; the contract's empty text means "not set" and is missing here."""
    return pd.array([value or None for value in values], dtype="str")


def counts(values: Sequence[int | None]) -> Any:
    """Give a column of whole numbers; None, and what 64 bits cannot hold, is missing."""
    try:
        return pd.array(np.array(values, dtype=np.int64), dtype="Int64")
    except (OverflowError, TypeError):
        kept = [value if value is not None and abs(value) < 2**63 else None for value in values]
        return pd.array(kept, dtype="Int64")


def words(values: Iterable[str | None], known: Sequence[str]) -> pd.Categorical[str]:
    """Give a categorical: the known words first, then others by alphabet; "" is missing."""
    values = list(values)
    others = sorted({str(value) for value in values if value} - set(known))
    categories = [*known, *others]
    code_of: dict[str | None, int] = {word: code for code, word in enumerate(categories)}
    codes = [code_of.get(value, -1) for value in values]
    return pd.Categorical.from_codes(codes, categories=pd.Index(categories, dtype="str"))


def as_words(series: pd.Series[Any], known: Sequence[str]) -> pd.Series[Any]:
    """Give a column of words as the categorical it once was, whatever was made of it since."""
    given = series.astype(object)
    return pd.Series(words(given.where(given.notna(), None), known), given.index, name=series.name)


def payloads(values: Iterable[Any]) -> pd.Series[Any]:
    """Give a column of the JSON values themselves, so that long numbers keep their digits."""
    return pd.Series(np.fromiter(values, dtype=object), dtype=object)
