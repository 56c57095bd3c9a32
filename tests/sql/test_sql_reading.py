"""`sql`: what is read for a query, untrusted text in it, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hostile_strings import HOSTILE_STRINGS
from story_records import story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI


def asked(query: str, source: Any, **given: Any) -> pd.DataFrame:
    return inb.sql(query, source, **({"since": None} | given))


def value(query: str, source: Any, **given: Any) -> Any:
    return asked(query, source, **given).iloc[0, 0]


@pytest.mark.parametrize(
    ("query", "traces", "lists"),
    [
        ("select 1", 0, set()),
        ("select count(*) as runs from events", 0, {"/v1/events"}),
        ("with steps as (select 1) select * from steps", 0, set()),
        ("select count(*) from runs", 1, {"/api/v2/runs", "/v1/events"}),  # of the batch
        ("select count(*) from Steps", 47, {"/api/v2/runs"}),
        ("from step_attempts natural join events", 47, {"/api/v2/runs", "/v1/events"}),
    ],
)
def test_only_what_a_query_needs_is_read(
    api: InngestAPI, inngest: StoryServer, query: str, traces: int, lists: set[str]
) -> None:
    before = len(inngest.seen)
    asked(query, api)
    paths = [seen.target.partition("?")[0] for seen in inngest.seen[before:]]
    assert len([path for path in paths if path.endswith("/trace")]) == traces
    if "/api/v2/runs" in lists:  # and when the canceled ones began
        assert paths.count("/v0/gql") == 1
    others = {path for path in paths if not path.endswith("/trace")}
    assert others - {"/v0/gql"} == lists


def test_a_window_bounds_runs_and_events(api: InngestAPI) -> None:
    starts = sorted(datetime.fromisoformat(row.record.item["startedAt"]) for row in story().rows)
    since = starts[10]
    until = starts[20] + timedelta(microseconds=1)  # the server counts finer
    assert value("select count(*) from runs", api, since=since, until=until) == 11
    arrivals = sorted({datetime.fromisoformat(event["received_at"]) for event in story().events})
    since, until = arrivals[3], arrivals[-4]
    span = asked(
        "select min(received_at_dt), max(received_at_dt) from events", api, since=since, until=until
    )
    assert arrivals[2] < span.iloc[0, 0] <= arrivals[4]
    assert arrivals[-5] <= span.iloc[0, 1] < arrivals[-3]


def test_only_the_last_day_is_read_by_default() -> None:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        api.send("lab/tiny", {"n": 1})
        inb.sql("select count(*) from events", api)
        (target,) = {seen.target for seen in inngest.seen if seen.method == "GET"}
        assert "received_after=" in target
        assert "received_before=" not in target


# Untrusted text


def test_hostile_text_is_data_and_nothing_else() -> None:
    texts = [*HOSTILE_STRINGS, "'; drop table events; --", '"', "a\x00b", "\u202eabc", "日本"]
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        api.send_many({"name": f"lab/x{text}", "data": {text: text}} for text in texts)
        rows = asked("select name, data from events where name like 'lab/x%'", api)
        assert sorted(rows["name"]) == sorted(f"lab/x{text}" for text in texts)
        assert all({name[5:]: name[5:]} == data for name, data in rows.itertuples(index=False))
        found = "select count(*) from events where name = ?"
        assert {value(found, api, parameters=[f"lab/x{text}"]) for text in texts} == {1}


def test_numbers_and_deep_payloads_stay_as_they_are() -> None:
    deep: Any = 1.0
    for _ in range(600):
        deep = [deep]
    sent = {"n": 2**53, "f": 1.0, "e": 1e300, "none": None, "t": True, "empty": {}}
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        with inngest.state.lock:  # deeper than what this package would send
            inngest.state.send({"name": "lab/deep", "data": {"deep": deep}})
        api.send("lab/flat", sent)
        query = "select name, data from events order by event_id desc limit 2"
        data = dict(asked(query, api).itertuples(index=False))
    assert json.dumps(data["lab/flat"]) == json.dumps(sent)
    assert data["lab/deep"] == {"deep": deep}


# What is refused


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "query must be SQL, such as"),
        (None, "query must be SQL, such as"),
        ("-- nothing", "query must be a single SELECT"),
        ("select 1; select 2", "query must be a single SELECT"),
        ("delete from runs", "query must be a single SELECT"),
        ("pivot runs on status", r"a PIVOT must list its values"),
        ("selec * from runs", r"syntax error at or near(?s:.*)LINE 1: selec"),
        ("select nope\nfrom runs", r'"nope" not found(?s:.*)LINE 1: select nope'),
        ("select *\nfrom nope", "LINE 2: from nope"),
        (
            "select simpleJSONExtractString(data, 'x') from events",
            "simplejsonextractstring does not exist",
        ),
        ("select * from runs where id = ?", "parameters: 1"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_with_its_place_before_anything_is_read(
    api: InngestAPI, inngest: StoryServer, query: Any, message: str
) -> None:
    before = len(inngest.seen)
    with pytest.raises(ValueError, match=message):
        asked(query, api)
    assert len(inngest.seen) == before


def test_what_fails_on_a_value_is_said_with_its_place(source: Any) -> None:
    with pytest.raises(ValueError, match=r"Could not convert string(?s:.*)LINE 1: "):
        asked("select id::int from runs", source)


def test_an_unknown_table_is_answered_with_those_that_are_there(api: InngestAPI) -> None:
    with pytest.raises(ValueError, match="Table with name runz does not exist") as refused:
        asked("from runz", api)
    assert "read the tables events, runs, steps, step_attempts, but" in str(refused.value)
    with pytest.raises(ValueError, match="not found") as refused:
        asked("select nope from runs", api)
    assert "The columns of runs are id, triggering_event_name, " in str(refused.value)


def test_a_source_that_is_none_is_refused(api: InngestAPI) -> None:
    with pytest.raises(TypeError, match="an InngestAPI, an archive or the path of one, got int"):
        asked("from runs", 3)
    with pytest.raises(ValueError, match="since must be how long ago"):
        asked("from runs", api, since="yesterday-ish")


def test_without_duckdb_it_is_said_how_to_install_it() -> None:
    code = """
import sys
sys.modules["duckdb"] = None  # as if it were not installed
import inngest_nb as inb
for call in (lambda: inb.sql("select 1"), lambda: inb.archive(None, "runs.parquet")):
    try:
        call()
    except ImportError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = 'SQL and archives need DuckDB: pip install "inngest-nb[sql]"'
    assert done.stdout.splitlines() == [said, said]


def test_duckdb_is_loaded_by_the_first_query_only() -> None:
    code = "import sys, inngest_nb as inb; inb.sql, inb.archive; assert 'duckdb' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_time_is_utc_wherever_the_machine_is(source: Any) -> None:
    assert value("select current_setting('TimeZone')", source) == "UTC"
    assert abs(value("select now()", source) - datetime.now(UTC)) < timedelta(minutes=5)
