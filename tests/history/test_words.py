"""How values read: the words and marks that every view shares."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inngest_nb import MemoryStore, WorkflowStatus
from inngest_nb.words import (
    count_text,
    duration_text,
    excerpt,
    in_columns,
    short,
    status_choice,
    status_mark,
    status_text,
    status_tone,
    store_name,
    time_text,
    visible,
    visible_lines,
)


def test_each_known_status_has_a_mark_of_its_own() -> None:
    marks = [status_mark(word) for word in (*WorkflowStatus, "queued")]
    assert len(set(marks)) == len(marks)
    assert status_mark("paused") not in marks


def test_a_status_reads_as_its_word_and_its_mark() -> None:
    assert status_text("failed") == "✕ failed"
    assert status_text("") == "· not set"
    assert status_text("paused") == "? paused"


def test_a_status_to_choose_is_found_by_its_first_letter() -> None:
    assert status_choice("failed") == "failed ✕"


def test_a_hostile_status_gets_a_tone_of_ours() -> None:
    assert status_tone('bad" onclick="alert(1)') == "idle"


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(), "0 ms"),
        (timedelta(microseconds=1), "0.001 ms"),
        (timedelta(milliseconds=850), "850 ms"),
        (timedelta(seconds=1.25), "1.25 s"),
        (timedelta(seconds=59.99), "1 min"),
        (timedelta(seconds=0.9996), "1 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(minutes=3, seconds=20), "3 min 20 s"),
        (timedelta(hours=2, minutes=34, seconds=10), "2 h 34 min"),
        (timedelta(days=2, hours=4), "2 d 4 h"),
        (timedelta(days=-2), "-2 d"),
    ],
)
def test_a_duration_reads_in_its_two_largest_units(duration: timedelta, text: str) -> None:
    assert duration_text(duration) == text


def test_a_time_reads_in_utc() -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    assert time_text(datetime(2025, 7, 14, 14, 38, 7, tzinfo=zone)) == "2025-07-14 09:08:07 UTC"
    assert time_text(None) == "not set"


@pytest.mark.parametrize("hours", [-12, 0, 14])
@pytest.mark.parametrize("moment", [datetime(1, 1, 1, 5), datetime(9999, 12, 31, 23)])
def test_the_ends_of_the_calendar_can_be_shown_in_any_zone(moment: datetime, hours: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert time_text(zoned).startswith(("000", "9999"))
    assert time_text(moment.replace(tzinfo=UTC)).endswith("UTC")


def test_what_cannot_be_seen_is_written_as_escapes() -> None:
    assert visible("a\nb\u202ec\x00") == r"a\nb\u202ec\x00"
    assert visible("h\u00e9llo 日本語 🧑\u200d🚀") == "h\u00e9llo 日本語 🧑\u200d🚀"
    assert visible_lines("a\r\nb\tc\u2066") == "a\nb\tc\\u2066"


def test_a_cut_text_says_how_much_is_missing() -> None:
    assert excerpt("x" * 10, 4) == ("xxxx", 6)
    assert excerpt("xxxx", 4) == ("xxxx", 0)
    assert short("order-" + "0" * 90 + "-7", 20) == "order-0000000…0000-7"
    assert short("a\nb") == r"a\nb"


def test_a_count_agrees_with_its_noun() -> None:
    assert [count_text(n, "event") for n in (0, 1, 1234)] == ["0 events", "1 event", "1,234 events"]


@given(st.timedeltas())
def test_a_duration_is_never_written_with_an_exponent(duration: timedelta) -> None:
    text = duration_text(duration)
    assert re.fullmatch(r"-?\d+(\.\d+)? (ms|s|min|h|d)( \d+ (s|min|h))?", text)
    number, unit = text.removeprefix("-").split()[:2]
    assert float(number) < {"ms": 1000, "s": 60, "min": 60, "h": 24}.get(unit, float("inf"))


@given(st.text(), st.integers(1, 12))
def test_a_short_text_is_never_longer_than_asked_for(text: str, size: int) -> None:
    assert len(short(text, size)) <= size


def test_a_foreign_store_is_named_by_its_class_only() -> None:
    class Telling(MemoryStore):
        def __repr__(self) -> str:
            return "Telling('postgres://ann:hunter2@db')"

    assert store_name(MemoryStore()) == "MemoryStore()"
    assert store_name(Telling()) == "Telling()"
    assert store_name(type("a\u202eb", (), {})()) == r"a\u202eb()"


def test_rows_are_aligned_as_columns_and_a_line_between_them_is_left_alone() -> None:
    rows = [["1", "first", ""], ["a line that is longer than both"], ["10", "2nd", "more"]]
    assert in_columns(rows, right=[0]) == [
        " 1  first",
        "a line that is longer than both",
        "10  2nd    more",
    ]
    assert in_columns([]) == []
