"""Times and durations as people give them, for frames of stores and of real runs alike."""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from plain_rows import NOW

from inngest_nb.query import check_time, check_window, duration_in, span_of
from inngest_nb.words import duration_text

DURATIONS = {
    "2h": timedelta(hours=2),
    " 15min ": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "7d": timedelta(days=7),
    "7D": timedelta(days=7),
    "1.5 hours": timedelta(minutes=90),
    "2 weeks": timedelta(days=14),
    "2h 30min": timedelta(minutes=150),
    "2h30m": timedelta(minutes=150),
    "1 day, 2 hours": timedelta(hours=26),
    "1 day 02:30:00.5": timedelta(days=1, hours=2, minutes=30, seconds=0.5),
    "100:00:01": timedelta(hours=100, seconds=1),
    "850 ms": timedelta(milliseconds=850),
    "5 µs": timedelta(microseconds=5),
    "5 \u03bcs": timedelta(microseconds=5),
    "0.1s": timedelta(microseconds=100_000),
}


@pytest.mark.parametrize("text", DURATIONS)
def test_a_duration_is_read(text: str) -> None:
    assert duration_in(text) == DURATIONS[text]
    assert span_of(text, "longer_than") == DURATIONS[text]


@pytest.mark.parametrize(
    "text",
    ["", " ", "5", "h", "5 parsecs", "1M", "-2h", "2h -1m", "1e3s", "2h 30", "999999999999 weeks"],
)
def test_anything_else_is_no_duration(text: str) -> None:
    assert duration_in(text) is None


def test_the_durations_that_views_show_are_read() -> None:
    for span in DURATIONS.values():
        assert duration_in(duration_text(span)) is not None


@pytest.mark.parametrize(
    "given",
    [
        90,
        90.0,
        "90",
        "1min 30s",
        timedelta(seconds=90),
        pd.Timedelta(90, "s"),
        np.timedelta64(90, "s"),
        np.timedelta64(90 * 10**9, "ns"),
        np.float64(90),
        np.int32(90),
    ],
)
def test_a_span_may_be_given_in_many_ways(given: Any) -> None:
    span = span_of(given, "longer_than")
    assert span == timedelta(seconds=90)
    assert type(span) is timedelta


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ("soon", "'soon'"),
        ("", "''"),
        ("\u202e<b>" + "x" * 99, r"'\\u202e<b>xxxxxxxxxxxxxxxxx…xxxxxxxxxxxxx'"),
        (None, "None"),
        (True, "True"),
        (float("nan"), "nan"),
        (1e300, "1e+300"),
        ([2], "list"),
        (pd.NaT, "NaTType"),
        (np.timedelta64("NaT"), "timedelta64"),
    ],
)
def test_a_span_that_is_none_is_refused(given: Any, got: str) -> None:
    with pytest.raises(ValueError, match="^longer_than must be") as refused:
        span_of(given, "longer_than")
    want = "longer_than must be seconds, a timedelta or text such as '2h', got "
    assert str(refused.value) == want + got


TIMES = {
    "2h": NOW - timedelta(hours=2),
    "15min": NOW - timedelta(minutes=15),
    timedelta(days=1): NOW - timedelta(days=1),
    "2026-11-01": datetime(2026, 11, 1, tzinfo=UTC),
    date(2026, 11, 1): datetime(2026, 11, 1, tzinfo=UTC),
    "2026-11-01T10:00:00+02:00": datetime(2026, 11, 1, 8, tzinfo=UTC),
    "2026-11-01 10:00Z": datetime(2026, 11, 1, 10, tzinfo=UTC),
    datetime(2026, 11, 1, tzinfo=timezone(timedelta(hours=-5))): datetime(
        2026, 11, 1, 5, tzinfo=UTC
    ),
    pd.Timestamp("2026-11-01 10:00:00.123456789", tz="Europe/Berlin"): datetime(
        2026, 11, 1, 9, 0, 0, 123456, tzinfo=UTC
    ),
}


@pytest.mark.parametrize("given", TIMES)
def test_a_time_is_in_utc(given: Any) -> None:
    with warnings.catch_warnings(action="error"):
        time = check_time(given, "since", NOW)
    assert time == TIMES[given]
    assert type(time) is datetime
    assert time.tzinfo is UTC


TAKES = (
    "must be how long ago, such as '24h', '30m' or '7d', a date, such as '2026-11-22', or a time "
    "with a time zone, such as '2026-11-22T19:00:00+00:00', got"
)


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ("yesterday-ish", "'yesterday-ish'"),
        ("a\u202eb", r"'a\\u202eb'"),
        ("2026-13-01", "'2026-13-01'"),
        (
            "2026-11-01T10:00",
            "2026-11-01T10:00:00, which has no time zone; add one, for example +00:00",
        ),
        (
            datetime(2026, 11, 1),
            "2026-11-01T00:00:00, which has no time zone; add one, for example +00:00",
        ),
        (
            pd.Timestamp("2026-11-01"),
            "2026-11-01T00:00:00, which has no time zone; add one, for example +00:00",
        ),
        (pd.NaT, "NaTType"),
        (7, "int"),
        (True, "bool"),
        (timedelta(), "0:00:00, which is not in the past"),
        ("0s", "0:00:00, which is not in the past"),
        ("900000d", "900000 days, 0:00:00, which is too long ago"),
        (
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            "0001-01-01T00:00:00+01:00, which is out of range",
        ),
    ],
)
def test_a_time_that_is_none_is_refused(given: Any, got: str) -> None:
    with pytest.raises(ValueError, match="^since must be") as refused:
        check_time(given, "since", NOW)
    assert str(refused.value) == f"since {TAKES} {got}"


def test_a_window_ends_after_it_begins() -> None:
    assert check_window(None, None, NOW) == (None, None)
    assert check_window("2h", "1h", NOW) == (NOW - timedelta(hours=2), NOW - timedelta(hours=1))
    with pytest.raises(ValueError, match="^since must be before until, for example since='24h'"):
        check_window("1h", "2h", NOW)
