"""Searches: what each argument finds, what is refused, and that they travel unchanged."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pandas as pd
import pytest
from hostile_strings import HOSTILE_STRINGS
from hypothesis import given
from hypothesis import strategies as st
from plain_rows import NOW, NoPayloads, PlainRow, pickled

from inngest_nb import WorkflowStatus
from inngest_nb.query import COLUMNS, Names, Search, Where


def row(number: int, **columns: Any) -> PlainRow:
    known = {
        "workflow_id": f"order-{number}",
        "run_id": f"run-{number}",
        "workflow": "order",
        "status": "completed",
        "created_at": NOW - timedelta(hours=number, minutes=5),
        "updated_at": NOW - timedelta(hours=number),
        "ended_at": NOW - timedelta(hours=number),
        "duration": timedelta(minutes=5 + number),
        "events": number,
        "error": None,
    }
    return PlainRow({"total": 10 * number}, None, **known | columns)


ROWS = [
    row(0, status="running", ended_at=None),
    row(1, step="ship_parcel"),
    row(2, status="failed", error="Card DECLINED: straße"),
    row(3, status="canceled", workflow="refund", workflow_id="refund-3"),
    row(4, status="", workflow=None, updated_at=None),
]


def found(**asked: Any) -> list[int]:
    """Return the numbers of the workflows that a search finds, also after it has travelled."""
    search = Search.of(now=NOW, **asked)
    again = Search.from_json(search.as_json())
    assert again == search
    matching = [number for number, each in enumerate(ROWS) if again.matches(each)]
    by_halves = [
        number
        for number, each in enumerate(ROWS)
        if search.matches_columns(each) and search.matches_payloads(each)
    ]
    assert by_halves == matching
    return matching


FOUND = [
    ({}, [0, 1, 2, 3, 4]),
    ({"status": "failed"}, [2]),
    ({"status": WorkflowStatus.FAILED}, [2]),
    ({"status": ["running", "failed"]}, [0, 2]),
    ({"status": {"running": 1}.keys()}, [0]),
    ({"status": ""}, [4]),
    ({"status": "nobody"}, []),
    ({"workflow": "order"}, [0, 1, 2]),
    ({"workflow": ("refund", "nobody")}, [3]),
    ({"since": "2h"}, [0, 1, 2]),
    ({"since": timedelta(minutes=119)}, [0, 1]),
    ({"until": "2h"}, [2, 3]),
    ({"since": "3h", "until": "1h"}, [1, 2, 3]),
    ({"since": "2026-11-29"}, [0, 1, 2, 3]),
    ({"since": NOW - timedelta(hours=1)}, [0, 1]),
    ({"since": pd.Timestamp(NOW - timedelta(hours=1))}, [0, 1]),
    ({"since": "2h", "by": "created"}, [0, 1]),
    ({"since": "2h", "by": "ended"}, [1, 2]),
    ({"prefix": "ref"}, [3]),
    ({"prefix": "Ref"}, []),
    ({"text": "ORDER"}, [0, 1, 2, 4]),
    ({"text": "order run-2"}, [2]),
    ({"text": "declined failed"}, [2]),
    ({"text": "STRASSE"}, [2]),
    ({"text": "refund"}, [3]),
    ({"text": "Ship_P"}, [1]),
    ({"text": "  "}, [0, 1, 2, 3, 4]),
    ({"error": "card declined"}, [2]),
    ({"error": "declined card"}, []),
    ({"longer_than": "7min"}, [3, 4]),
    ({"longer_than": 0}, [0, 1, 2, 3, 4]),
    ({"longer_than": timedelta(minutes=8, seconds=59)}, [4]),
    ({"where": "input.total > 20"}, [3, 4]),
    ({"where": Where.parse("events < 2 or input.total = 40")}, [0, 1, 4]),
    ({"where": "input.total > 0 and status = 'failed'"}, [2]),
    ({"where": "input.total > 0 and events < 3", "status": ["completed", "failed"]}, [1, 2]),
    ({"sort": "-duration", "limit": 1}, [0, 1, 2, 3, 4]),
]


@pytest.mark.parametrize(("asked", "numbers"), FOUND, ids=range(len(FOUND)))
def test_a_search_finds(asked: dict[str, Any], numbers: list[int]) -> None:
    assert found(**asked) == numbers


ORDERED = [
    ("", [0, 1, 2, 3, 4]),
    ("duration", [0, 1, 2, 3, 4]),
    ("-duration", [4, 3, 2, 1, 0]),
    ("status", [3, 1, 2, 0, 4]),
    ("-status", [0, 2, 1, 3, 4]),
    ("updated_at", [3, 2, 1, 0, 4]),
    ("-ended_at", [1, 2, 3, 4, 0]),
    ("workflow", [0, 1, 2, 3, 4]),
    ("-workflow", [3, 0, 1, 2, 4]),
    ("-step", [1, 0, 2, 3, 4]),
]


@pytest.mark.parametrize(("sort", "numbers"), ORDERED)
def test_rows_are_sorted_by_a_column_and_what_has_none_comes_last(
    sort: str, numbers: list[int]
) -> None:
    search = Search.of(now=NOW, sort=sort)
    assert [ROWS.index(each) for each in search.ordered(iter(ROWS))] == numbers


def test_a_search_is_a_value_with_plain_fields() -> None:
    search = Search.of(
        now=NOW,
        status=["failed", "running", "failed"],
        since="2h",
        until=NOW,
        text=" Declined   card ",
        longer_than="1.5s",
        where="input.total>5",
        limit=10,
    )
    us = 1_000_000
    now = int(NOW.timestamp()) * us
    assert msgspec.json.decode(search.as_json()) == {
        "now_us": now,
        "status": ["failed", "running"],
        "since_us": now - 7200 * us,
        "until_us": now,
        "text": "Declined card",
        "longer_than_us": 1_500_000,
        "where": "input.total > 5",
        "limit": 10,
    }
    assert search.now == NOW
    assert search.condition == Where.parse("input.total > 5")
    assert pickled(search) == search == Search.from_json(search.as_json())
    assert hash(pickled(search)) == hash(search)
    assert Search.of(now=NOW).as_json() == b'{"now_us":%d}' % now


def test_it_says_what_has_to_be_read() -> None:
    def names(**asked: Any) -> Names:
        return Search.of(now=NOW, **asked).names

    assert names() == Names()
    assert names(status="failed", since="1h", by="ended", prefix="a", sort="-retries").columns == {
        "status", "ended_at", "workflow_id", "retries",
    }  # fmt: skip
    assert names(text="x").columns == {
        "workflow_id", "run_id", "status", "error", "workflow", "step",
    }  # fmt: skip
    assert names(workflow="x", error="x", longer_than=1).columns == {
        "workflow",
        "error",
        "duration",
    }
    asked = names(where="input.a = 1 and step = 'x'", status="failed")
    assert asked == Names(frozenset({"status", "step"}), frozenset({"input"}))
    assert Search.of(now=NOW, where="result is missing").needs_payloads
    assert not Search.of(now=NOW, where="events = 1", text="x").needs_payloads


def test_payloads_are_not_read_where_columns_decide() -> None:
    search = Search.of(now=NOW, where="input.a = 1 and events = 2", status="failed")
    for columns in ({"events": 1, "status": "failed"}, {"events": 2, "status": "running"}):
        assert not search.matches(NoPayloads(**columns))
    assert search.matches_columns(NoPayloads(events=2, status="failed"))


STATUS = "status must be a word such as 'failed', several of them, or None for all, got"
LIMIT = "limit is 0 for all or a positive number, got"
SORT = "sort must be a column, such as 'duration', or '-duration' for the longest first, got"

REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"status": []}, ValueError, f"{STATUS} none"),
    ({"status": 5}, TypeError, f"{STATUS} int"),
    ({"status": ["failed", None]}, TypeError, f"{STATUS} NoneType"),
    ({"status": b"failed"}, TypeError, f"{STATUS} bytes"),
    ({"status": "\ud800"}, ValueError, "status has an unpaired surrogate, which no workflow can have"),
    ({"status": map(str, range(1_001))}, ValueError, "status must be at most 1,000 words, got 1,001"),
    ({"workflow": 1.5}, TypeError, "workflow must be a word such as 'order', several of them, or None for all, got float"),
    ({"by": "saved"}, ValueError, "by must be one of updated, created, ended, got 'saved'"),
    ({"by": None}, ValueError, "by must be one of updated, created, ended, got NoneType"),
    ({"since": "1h", "until": "2h"}, ValueError, "since must be before until, for example since='24h', until='1h', got 2026-11-29T11:00:00+00:00 and 2026-11-29T10:00:00+00:00"),
    ({"prefix": 7}, TypeError, "prefix must be a string, got int"),
    ({"text": ["a"]}, TypeError, "text must be a string, got list"),
    ({"text": "a" * 10_001}, ValueError, "text must have at most 10,000 characters, got 10,001"),
    ({"error": b"x"}, TypeError, "error must be a string, got bytes"),
    ({"longer_than": "long"}, ValueError, "longer_than must be seconds, a timedelta or text such as '2h', got 'long'"),
    ({"longer_than": -1}, ValueError, "longer_than must be from 0 s to 1,000,000 days"),
    ({"longer_than": timedelta.max}, ValueError, "longer_than must be from 0 s to 1,000,000 days"),
    ({"where": 5}, TypeError, "where must be a string, got int"),
    ({"where": "events ="}, ValueError, "where: expected a value after '='\n    events =\n            ^"),
    ({"sort": "duratoin"}, ValueError, f"{SORT} 'duratoin'; did you mean 'duration'?; columns: {', '.join(COLUMNS)}"),
    ({"sort": "--duration"}, ValueError, f"{SORT} '--duration'; did you mean 'duration'?; columns: {', '.join(COLUMNS)}"),
    ({"sort": "\u202e"}, ValueError, f"{SORT} '\\\\u202e'; columns: {', '.join(COLUMNS)}"),
    ({"sort": 1}, TypeError, "sort must be a string, got int"),
    ({"limit": -1}, ValueError, f"{LIMIT} -1"),
    ({"limit": 1.5}, ValueError, f"{LIMIT} 1.5"),
    ({"limit": None}, ValueError, f"{LIMIT} None"),
    ({"limit": 2**63}, ValueError, f"{LIMIT} {2**63}"),
    ({"now": datetime(2026, 1, 1)}, ValueError, "now needs a zone, as in datetime.now(UTC); got datetime.datetime(2026, 1, 1, 0, 0)"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "kind", "said"), REFUSED, ids=range(len(REFUSED)))
def test_a_wrong_argument_is_refused_by_its_name(
    asked: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind) as refused:
        Search.of(**{"now": NOW} | asked)
    assert str(refused.value) == said


WRONG_JSON = [
    (b"", "invalid search: Input data was truncated"),
    (b"[]", "invalid search: Expected `object`, got `array`"),
    (b"{}", "invalid search: Object missing required field `now_us`"),
    (b'{"now_us":0,"colour":"red"}', "invalid search: Object contains unknown field `colour`"),
    (b'{"now_us":"0"}', "invalid search: Expected `int`, got `str` - at `$.now_us`"),
    (b'{"now_us":0,"limit":true}', "invalid search: Expected `int`, got `bool` - at `$.limit`"),
    (b'{"now_us":0,"limit":-1}', f"{LIMIT} -1"),
    (b'{"now_us":0,"by":"x"}', "invalid search: Invalid enum value 'x' - at `$.by`"),
    (b'{"now_us":0,"status":"x"}', "invalid search: Expected `array`, got `str` - at `$.status`"),
    (b'{"now_us":0,"where":"events ="}', "where: expected a value after '='\n    events =\n            ^"),
    (b'{"now_us":0,"sort":"x"}', f"{SORT} 'x'; columns: {', '.join(COLUMNS)}"),
    (b'{"now_us":9223372036854775807}', "now_us must be a time of the years 1 to 9999, got 9223372036854775807"),
    (b'{"now_us":0,"since_us":-9223372036854775808}', "since_us must be a time of the years 1 to 9999, got -9223372036854775808"),
    (b'{"now_us":0,"longer_than_us":-5}', "longer_than must be from 0 s to 1,000,000 days"),
    (b'{"now_us":0,"text":"\xff"}', "invalid search: "),
    (b'{"now_us":' + b"[" * 100_000, "invalid search: "),
]  # fmt: skip


@pytest.mark.parametrize(("body", "said"), WRONG_JSON, ids=range(len(WRONG_JSON)))
def test_json_that_is_no_search_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}") as refused:
        Search.from_json(body)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("hostile", [*HOSTILE_STRINGS, "a\0b\u202ec"])
def test_hostile_text_in_an_error_is_visible(hostile: str) -> None:
    for name in ("by", "sort", "since", "until", "longer_than", "where"):
        with pytest.raises(ValueError, match=name) as refused:
            Search.of(now=NOW, **{name: hostile})
        assert all(line.isprintable() for line in str(refused.value).splitlines())
    for name in ("prefix", "text", "error", "status", "workflow"):
        assert found(**{name: hostile}) == []


TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
WINDOWS = st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)).filter(
    lambda ends: ends[0] > ends[1]
)


@given(
    status=st.none() | st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1),
    window=WINDOWS,
    by=st.sampled_from(["updated", "created", "ended"]),
    prefix=TEXTS,
    text=TEXTS,
    error=TEXTS,
    longer_than=st.none() | st.integers(0, 10**6),
    where=st.none() | st.sampled_from(["input.a = 1", "status = 'é\u202e'"]),
    sort=st.none() | st.sampled_from([*COLUMNS]).map("-{}".format),
    limit=st.integers(0, 2**63 - 1),
)
def test_any_search_travels_unchanged(window: tuple[int, int], **asked: Any) -> None:
    since, until = (timedelta(seconds=each) for each in window)
    search = Search.of(now=datetime.now(UTC), since=since, until=until, **asked)
    assert Search.from_json(search.as_json()) == search
