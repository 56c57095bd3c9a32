"""`sql` over stores and states: what a query returns, beside what frames say."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hostile_strings import HOSTILE_STRINGS
from hypothesis import given, settings
from hypothesis import strategies as st
from small_servers import plain_server
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import EventType, HistoryEvent, WorkflowState, wire

pytestmark = pytest.mark.filterwarnings("ignore:.* cannot list what its server keeps")

FRAMES: dict[str, Any] = {
    "workflows": inb.frame,
    "activities": inb.activity_frame,
    "events": inb.history_frame,
}
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SAMPLES = [*inb.samples.states(300, seed=5, now=NOON)]


def value(query: str, source: Any, **given: Any) -> Any:
    return inb.sql(query, source, **given).iloc[0, 0]


def as_answered(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a frame as a query gives it: words are texts."""
    words = {name: "str" for name, dtype in rows.dtypes.items() if dtype == "category"}
    return rows.astype(words)


@pytest.mark.parametrize("table", FRAMES)
def test_a_table_has_the_rows_of_its_frame_and_their_payloads(filled: Any, table: str) -> None:
    rows = inb.sql(f"from {table}", filled)
    beside = as_answered(FRAMES[table](filled, payloads=True))
    if table != "events":  # what is running has lasted until each was fetched
        running = beside["ended_at" if table == "activities" else "status"].isin(
            [pd.NaT, "running"]
        )
        assert 0 < running.sum() < len(beside)
        rows.loc[running, "duration"] = beside.loc[running, "duration"] = pd.NaT
    pd.testing.assert_frame_equal(rows, beside)
    assert rows["input"].notna().any()
    assert rows["result"].notna().any()


@pytest.mark.parametrize("table", FRAMES)
def test_dtypes_are_the_same_without_any_row(store: Any, table: str) -> None:
    empty = inb.sql(f"select *, count(*) over () as n from {table}", store)
    beside = inb.sql(f"select *, count(*) over () as n from {table}", SAMPLES)
    assert (len(empty), [*empty.dtypes.items()]) == (0, [*beside.dtypes.items()])
    assert {*map(str, empty.dtypes)} == {
        "str", "datetime64[us, UTC]", "timedelta64[us]", "Int64", "object",
    }  # fmt: skip


@pytest.mark.parametrize("query", ["from workflows", "from workflows where input is not null"])
def test_what_runs_has_lasted_until_the_answer_was_fetched(query: str) -> None:
    running = [state for state in SAMPLES if state.status == "running"]
    rows = inb.sql(query, running)
    until = datetime.fromisoformat(rows.attrs["fetched_at"])
    assert [*rows["duration"]] == [*(until - rows["created_at"])]
    took = inb.sql(
        "select a.* from activities a join workflows using (workflow_id) where a.ended_at is null",
        running,
    )
    until = datetime.fromisoformat(took.attrs["fetched_at"])
    assert len(took) > 1
    assert [*took["duration"]] == [*(until - took["started_at"])]


KEYS = ["workflow", "status", "step", "waiting_for", "signal", "error"]


@settings(max_examples=12)
@given(
    st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True),
    st.sampled_from(["completed", "failed", "running", "canceled"]),
    st.integers(0, 12),
    st.sampled_from(
        ["count(*)", "sum(events)", "max(retries)", "min(updated_at)", "max(duration)"]
    ),
)
def test_groups_are_those_of_pandas(keys: list[str], status: str, events: int, asked: str) -> None:
    listed = ", ".join(keys)
    answer = inb.sql(
        f"select {listed}, {asked} as n from workflows "
        f"where status <> '{status}' and events > {events} group by all order by all",
        SAMPLES,
    )
    rows = as_answered(frame_of_samples())
    rows = rows[(rows["status"] != status) & (rows["events"] > events)]
    groups = rows.groupby(keys, dropna=False)
    how, _, column = asked.removesuffix(")").partition("(")
    beside = groups.size() if column == "*" else groups[column].agg(how)
    expected = beside.rename("n").reset_index().sort_values(keys, ignore_index=True)
    if column == "duration":  # open ones last until they were asked for
        open_ones = expected["n"] > timedelta(days=30)
        answer.loc[open_ones, "n"] = expected.loc[open_ones, "n"]
    pd.testing.assert_frame_equal(
        answer.sort_values(keys, ignore_index=True), expected, check_dtype=False
    )


def frame_of_samples() -> pd.DataFrame:
    return inb.frame(SAMPLES)


def test_tables_are_joined(filled: Any) -> None:
    rows = inb.sql(
        """
        select w.workflow_id, any_value(w.activities) as said, count(a.workflow_id) as counted,
               any_value(w.retries) as retries, sum(a.attempt_count - 1) as again,
               (select count(*) from events e where e.workflow_id = w.workflow_id) as events,
               any_value(w.events) as of_them
        from workflows w left join activities a using (workflow_id) group by w.workflow_id
        """,
        filled,
    )
    assert len(rows) == 80
    assert [*rows["said"]] == [*rows["counted"]]
    assert [*rows["retries"]] == [*rows["again"].fillna(0)]
    assert [*rows["events"]] == [*rows["of_them"]]


def test_words_are_found_in_any_case() -> None:
    query = """
        select count(*) filter (status = 'FAILED'), count(*) filter (waiting_for = 'Activity'),
            (select count(*) from activities where outcome = 'Completed'),
            (select count(*) from events where type = 'WORKFLOW_STARTED') from workflows
    """
    found = inb.sql(query, SAMPLES).iloc[0]
    assert [*found] == [
        (inb.frame(SAMPLES)["status"] == "failed").sum(),
        (inb.frame(SAMPLES)["waiting_for"] == "activity").sum(),
        (inb.activity_frame(SAMPLES)["outcome"] == "completed").sum(),
        len(SAMPLES),
    ]
    assert 0 not in [*found]


# Payloads

EXACT = {
    "big": "123456789012345678901234567890",
    "one": "1.0",
    "power": "1e3",
    "zero": "-0.0",
    "long": "0.12345678901234567891234",
}
PAYLOAD = "{" + ",".join(f'"{name}":{digits}' for name, digits in EXACT.items()) + "}"


def exact_state() -> WorkflowState:
    document = f"""{{"WorkflowID": "exact-1", "Status": "completed", "Input": {PAYLOAD},
        "Result": [{PAYLOAD}], "UpdatedAt": "2026-03-10T12:00:00Z", "History": [
        {{"ID": 1, "Type": "activity_started", "ActivityName": "a", "Input": {PAYLOAD}}},
        {{"ID": 2, "Type": "signal_received", "SignalName": "s", "SignalPayload": {PAYLOAD}}},
        {{"ID": 3, "Type": "activity_completed", "ActivityName": "a", "Result": {PAYLOAD}}}]}}"""
    return wire.decode(document.encode())


def test_payloads_are_stored_digit_for_digit(store: Any) -> None:
    store.save(exact_state())
    texts = inb.sql(
        "select w.input::varchar, w.result::varchar, a.input::varchar, a.result::varchar, "
        "e.payload::varchar, e.input is null and e.result is null "
        "from workflows w, activities a, events e where e.signal = 's'",
        store,
    ).iloc[0]
    assert [*texts] == [PAYLOAD, f"[{PAYLOAD}]", PAYLOAD, PAYLOAD, PAYLOAD, True]
    for name in ("big", "one"):  # what DuckDB takes out of JSON; other numbers it makes doubles
        assert value(f"select input->>'{name}' from workflows", store) == EXACT[name]
    assert value("select input from workflows", store)["big"] == int(EXACT["big"])


def test_edited_states_have_their_new_payloads_and_the_old_digits_beside_them() -> None:
    old = exact_state()
    added = HistoryEvent(id=4, type=EventType.SIGNAL_RECEIVED, signal_payload=[2**70, 1.0])
    edited = old.replace(input={"new": 2**70}, history=(added, *old.history[1:]))
    query = "select list(payload::varchar order by event_id) from events where payload is not null"
    assert [*value(query, edited)] == [PAYLOAD, f"[{2**70},1.0]"]
    assert value("select input::varchar from workflows", edited) == f'{{"new":{2**70}}}'
    assert value("select result::varchar from workflows", edited) == f"[{PAYLOAD}]"
    assert value("select result::varchar from activities", edited) == PAYLOAD
    fresh = WorkflowState(workflow_id="fresh", input=[1, 1.0, True, None, 2**70])
    assert value("select input::varchar from workflows", fresh) == f"[1,1.0,true,null,{2**70}]"


def test_an_activity_of_which_only_the_end_is_known_has_no_input() -> None:
    end = HistoryEvent(
        id=1, type=EventType.ACTIVITY_COMPLETED, activity_name="a", input=1, result=2
    )
    state = WorkflowState(workflow_id="half", history=(end,))
    rows = inb.sql("select input, result from activities", state)
    assert rows.values.tolist() == [[None, 2]]
    pd.testing.assert_frame_equal(rows, inb.activity_frame(state, payloads=True)[[*rows]])


def test_hostile_texts_are_data_and_nothing_else(store: Any) -> None:
    texts = [*HOSTILE_STRINGS, "'; drop table workflows; --", '"', "\u202eabc", "日本", "a\tb"]
    for number, text in enumerate(texts):
        events = [
            HistoryEvent(
                id=1, type=EventType.ACTIVITY_STARTED, activity_name=text, input={text: text}
            ),
            HistoryEvent(id=2, type=EventType.ACTIVITY_FAILED, activity_name=text, error=text),
        ]
        store.save(
            WorkflowState(
                workflow_id=f"hostile-{number}", run_id=text, status=text, error=text,
                input={text: [text]}, history=tuple(events), updated_at=NOON,
            )
        )  # fmt: skip
    rows = inb.sql(
        "select w.*, a.activity, a.error as why, a.input as given from workflows w "
        "join activities a using (workflow_id)",
        store,
    )
    rows.index = rows["workflow_id"].str.removeprefix("hostile-").astype(int)
    for number, text in enumerate(texts):
        row = rows.loc[number]
        said = row[["run_id", "status", "error", "step", "activity", "why"]]
        assert {*said} == {text}
        assert (row["input"], row["given"]) == ({text: [text]}, {text: text})
    found = "select list(workflow_id) from workflows where run_id = $1 and status = $1"
    assert [*value(found, store, parameters=[texts[0]])] == ["hostile-0"]
    assert [*value(found, store, parameters=[texts[-5]])] == [f"hostile-{len(texts) - 5}"]


# What is read


def test_a_window_is_of_updates_and_by_default_there_is_none(filled: Any) -> None:
    rows = inb.frame(filled)
    since, until = rows["updated_at"].quantile([0.3, 0.7])
    inside = rows[(rows["updated_at"] >= since) & (rows["updated_at"] < until)]
    assert value("select count(*) from workflows", filled) == 80
    for query in ("select workflow_id from workflows", "select distinct workflow_id from events"):
        found = inb.sql(query, filled, since=since, until=until)
        assert {*found["workflow_id"]} == {*inside["workflow_id"]}
        assert found.attrs["filter"] == {"since": since.isoformat(), "until": until.isoformat()}
    few = ["workflow_id", "updated_at", "retries"]
    rows = inb.sql(f"select {', '.join(few)} from workflows", filled, since=since, until=until)
    pd.testing.assert_frame_equal(rows, inside[few].reset_index(drop=True))
    both = "select count(*) from workflows join activities using (workflow_id)"
    assert value(both, filled, since=since, until=until) == inside["activities"].sum()
    assert value("select count(*) from workflows", filled, since="1d") == 0
    never = WorkflowState(workflow_id="never saved")
    assert value("select count(*) from workflows", never) == 1
    assert value("select count(*) from workflows", never, until=NOON) == 0
    assert value("select count(*) from events", SAMPLES[0], since="1m") == 0


def test_states_can_be_given_in_any_way() -> None:
    count = "select count(*) from workflows"
    assert value(count, SAMPLES[0]) == 1
    assert value(count, SAMPLES) == len(SAMPLES)
    assert value(f"select (from activities select count(*)) + ({count})", iter(SAMPLES)) > 300
    assert value(count, []) == 0
    assert inb.sql("select 1", iter(SAMPLES)).attrs["source"] is None
    with inb.Executor(inb.MemoryStore()) as executor:
        handle = executor.execute(lambda ctx, given: given, input=7)
        handle.result()
        assert value("select result from workflows", handle) == 7


def test_without_a_source_it_is_the_store_of_use_and_else_a_real_inngest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = inb.MemoryStore()
    store.save(SAMPLES[0])
    inb.use(store)
    try:
        assert value("select workflow_id from workflows", None) == SAMPLES[0].workflow_id
        with pytest.raises(ValueError, match="can read the tables workflows, activities, events"):
            inb.sql("from runs")
    finally:
        inb.use(None)
    with StoryServer() as inngest:
        monkeypatch.setenv("INNGEST_BASE_URL", inngest.url)
        assert value("select count(*) from runs", None, since=None) == 47


def test_attrs_are_those_of_a_frame(filled: Any) -> None:
    beside = inb.frame(filled).attrs
    for query in ("select 1", "select error from workflows", "select input from workflows"):
        attrs = inb.sql(query, filled).attrs
        json.dumps(attrs)
        assert attrs["filter"] == {"since": None, "until": None}
        kept = ("source", "truncated", "unreadable")
        assert [attrs[name] for name in kept] == [beside[name] for name in kept]
        fetched = datetime.fromisoformat(attrs["fetched_at"])
        assert timedelta() <= datetime.now(UTC) - fetched < timedelta(minutes=5)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("query", ["from workflows", "select input from workflows"])
def test_a_server_that_cannot_list_is_warned_of_where_it_is_asked(query: str) -> None:
    with plain_server() as server, inb.InngestStore(server.url) as store:
        with pytest.warns(UserWarning, match="cannot list what its server keeps") as warned:
            rows = inb.sql(query, store)
    assert rows.attrs["listed"] is False
    assert [each.filename for each in warned] == [__file__]


@pytest.fixture
def damaged(tmp_path: Path) -> Iterator[inb.SqliteStore]:
    """A store of four workflows, of which the first cannot be read."""
    path = tmp_path / "states.db"
    with inb.SqliteStore(path) as store:
        for state in SAMPLES[:4]:
            store.save(state)
        with contextlib.closing(sqlite3.connect(path)) as file, file:
            file.execute("UPDATE checked_documents SET body = x'00' WHERE number = 1")
        yield store


def test_what_cannot_be_read_is_said(damaged: inb.SqliteStore) -> None:
    for query in ("select count(*) from workflows", "select count(result) + 3 from workflows"):
        with pytest.warns(UserWarning, match="1 workflow cannot be read"):
            rows = inb.sql(query, damaged)
        assert rows.iloc[0, 0] >= 3
        assert [*rows.attrs["unreadable"]] == [SAMPLES[0].workflow_id]


@pytest.mark.filterwarnings("ignore:1 workflow cannot be read")
@pytest.mark.parametrize("others", ["", ", count(input)", ", (select count(*) from events)"])
def test_what_cannot_be_read_is_a_row_whatever_is_read_beside_it(
    damaged: inb.SqliteStore, others: str
) -> None:
    rows = inb.frame(damaged)
    for status in (SAMPLES[0].status, "nothing"):
        query = f"select count(*) {others} from workflows where status = '{status}'"
        assert value(query, damaged) == (rows["status"] == status).sum()
    query = f"select error_reading {others} from workflows group by all"
    reasons = inb.sql(query, damaged)["error_reading"].dropna()
    assert [*reasons] == [*rows["error_reading"].dropna()]
    assert value(f"select count(*) {others} from workflows", damaged) == 4
