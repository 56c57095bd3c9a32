"""`sql` over stores: only what a query names is read, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

import inngest_nb as inb
from inngest_nb import EventType, HistoryEvent, WorkflowState
from inngest_nb.frames.sql._duck import connect, lock
from inngest_nb.frames.sql._named import named
from inngest_nb.frames.sql._store_tables import columns

ALL = {table: set(names) for table, names in columns().items()}


def names(query: str) -> dict[str, set[str]]:
    with lock(connect()) as database:
        return named(database, columns(), query, None)


@pytest.mark.parametrize(
    ("query", "workflows"),
    [
        ("select count(*) from workflows", set()),
        ("select status, max(duration) from Workflows where error like 'a%' group by all",
         {"status", "duration", "error"}),
        ("select 1 from workflows order by created_at", {"created_at"}),
        ("select W.\"STEP\" from workflows w using sample 10", {"step"}),
        ("from workflows", ALL["workflows"]),
        ("select w from workflows w", ALL["workflows"]),
        ("select count(*) from (select * from workflows)", ALL["workflows"]),
        ("select * exclude (input) from workflows", ALL["workflows"] - {"input"}),
        ("select * replace (1 as result) from workflows", ALL["workflows"] - {"result"}),
        ("select columns('_id$') from workflows", {"workflow_id", "run_id", "parent_id"}),
        ("with status as (select result from workflows) from status", {"result"}),
        ("with recursive t(n) as (select 1 union all select n + 1 from t, workflows where n < 3 "
         "and input is not null) from t", {"input"}),
        ("from query('select input from workflows')", {"input"}),
        ("select count(*) filter (where input is null) over (partition by status) from workflows "
         "qualify row_number() over (order by result) = 1", {"input", "status", "result"}),
        ("select (select max(w.events) from range(3)) from workflows w", {"events"}),
        ("select 1 from workflows where false", set()),
        ("summarize workflows", ALL["workflows"]),
        ("describe workflows", ALL["workflows"]),
    ],
)  # fmt: skip
def test_the_columns_that_are_read_are_those_that_a_query_names(
    query: str, workflows: set[str]
) -> None:
    assert names(query) == {"workflows": workflows}


def test_the_tables_that_are_read_are_those_that_a_query_names() -> None:
    assert names("select 1") == names("with workflows as (select 1) from workflows") == {}
    assert names("show tables") == {}
    query = "from workflows w where exists (select 1 from events where workflow_id = w.workflow_id)"
    assert names(query) == {"workflows": ALL["workflows"], "events": {"workflow_id"}}
    assert names("from activities natural join events select max(attempt_count)") == {
        "activities": (ALL["activities"] & ALL["events"]) | {"attempt_count"},
        "events": ALL["activities"] & ALL["events"],
    }


def test_a_query_whose_plan_is_too_deep_to_look_at_reads_its_tables_whole() -> None:
    deep = (
        "select " + "".join("{'a': " for _ in range(400)) + "events" + "}" * 400 + " from workflows"
    )
    assert names(deep) == {"workflows": ALL["workflows"]}


class Counting(inb.MemoryStore):
    """A store that counts how often it was asked for anything."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def find(self, *given: Any, **named: Any) -> Any:
        self.asked += 1
        return super().find(*given, **named)

    def list(self, *given: Any, **named: Any) -> Any:
        self.asked += 1
        return super().list(*given, **named)


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("select 1", 0),
        ("select count(*) from workflows", 1),
        ("select count(input) from workflows", 1),
        ("from workflows join activities using (workflow_id) join events using (workflow_id)", 1),
    ],
)
def test_a_store_is_read_once_at_most_so_that_tables_fit_together(query: str, asked: int) -> None:
    store = Counting()
    inb.samples.fill(store, 3)
    store.asked = 0
    inb.sql(query, store)
    assert store.asked == asked


# A payload that JSON cannot hold, so that looking at it is an error.
NO_JSON: Any = object()


@pytest.mark.parametrize("table", ["workflows", "activities", "events"])
@pytest.mark.parametrize("payload", ["input", "result"])
def test_payloads_are_not_looked_at_unless_they_are_named(table: str, payload: str) -> None:
    events = [
        HistoryEvent(id=1, type=EventType.ACTIVITY_STARTED, activity_name="a"),
        HistoryEvent(id=2, type=EventType.ACTIVITY_COMPLETED, activity_name="a"),
    ]
    place = 0 if payload == "input" else 1
    events[place] = events[place].replace(**{payload: NO_JSON})
    state = WorkflowState(workflow_id="odd-1", history=tuple(events), **{payload: NO_JSON})
    other = "result" if payload == "input" else "input"
    rows = inb.sql(f"select * exclude ({payload}) from {table}", state)
    assert rows[other].isna().all()
    assert len(inb.sql("from workflows a, activities b, events c select a.status", state)) == 2
    with pytest.raises((TypeError, ValueError), match="object"):
        inb.sql(f"from {table}", state)


def test_times_and_durations_at_the_ends_of_what_there_is() -> None:
    first, last = datetime(1, 1, 2, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    states = [
        WorkflowState(workflow_id="long", status="completed", created_at=first, updated_at=last),
        WorkflowState(workflow_id="old", created_at=datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)),
        WorkflowState(workflow_id="none"),
    ]  # fmt: skip
    rows = inb.sql("select created_at, updated_at, duration from workflows", states)
    beside = inb.frame(states)
    for name in ("created_at", "updated_at"):
        pd.testing.assert_series_equal(rows[name], beside[name])
    assert rows["duration"][0] == beside["duration"][0] == last - first
    assert rows["duration"].isna().tolist() == beside["duration"].isna().tolist()


def test_a_text_is_found_among_thousands_that_are_missing() -> None:
    states = [WorkflowState(workflow_id=f"w-{number}") for number in range(3_000)]
    states[1] = states[1].replace(error="only here")
    rows = inb.sql("select workflow_id, error from workflows where error is not null", states)
    assert rows.to_numpy().tolist() == [["w-1", "only here"]]


# What is refused


def refused(query: Any, source: Any = (), **given: Any) -> str:
    with pytest.raises(ValueError, match="query") as error:
        inb.sql(query, source, **given)
    return str(error.value)


def test_a_query_that_makes_no_sense_is_refused_with_its_place_before_anything_is_read() -> None:
    store = Counting()
    for query, said in [
        ("", "query must be SQL, such as 'select * from workflows'"),
        ("select 1; select 2", "query must be a single SELECT"),
        ("delete from workflows", "query must be a single SELECT"),
        ("selec * from workflows", "LINE 1: selec * from workflows"),
        ("select nope\nfrom workflows", "LINE 1: select nope"),
        ("select *\nfrom nope", "LINE 2: from nope"),
        ("select * from workflows where status = ?", "parameters: 1"),
    ]:
        assert said in refused(query, store)
    assert store.asked == 0


def test_an_unknown_table_or_column_is_answered_with_those_that_are_there() -> None:
    tables = "A query can read the tables workflows, activities, events, but no files and no addr"
    for query in ("from runs", "select nope() from workflows", "from read_csv('/etc/hosts')"):
        assert tables in refused(query)
    said = refused("select nope from activities")
    assert "The columns of activities are workflow_id, run_id, " in said
    assert "attempt_count" in said
    assert "The columns of workflows" not in said
    both = refused("select w.nope from workflows w join events using (workflow_id)")
    assert "The columns of workflows are" in both
    assert "The columns of events are" in both
    assert "The columns of" not in refused("from events a, events b where status = 'failed'")


@pytest.mark.parametrize("query", ["select at from events", "select 1 from events order by AT"])
def test_the_column_at_wants_quotes(query: str) -> None:
    assert 'The column at of events is written "at", in quotes, or events.at' in refused(query)
    assert inb.sql('select "at", events.at from events', ()).shape == (0, 2)
    assert "in quotes" not in refused('select "at" frm events order frm')


def test_a_source_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="source must be a store, states, an InngestAPI, an archiv"):
        inb.sql("from workflows", 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="item 0 of this list is int"):
        inb.sql("from workflows", [3])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="use InngestStore instead of the async store"):
        inb.sql("from workflows", inb.AsyncInngestStore("http://127.0.0.1:1"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="since must be how long ago"):
        inb.sql("from workflows", (), since="yesterday-ish")
    with pytest.raises(ValueError, match="since must be before until"):
        inb.sql("from workflows", (), since="1h", until="2h")


def test_text_that_is_no_unicode_is_refused() -> None:
    state = WorkflowState(workflow_id="half", error="\ud800")
    with pytest.raises(ValueError, match="source has workflows that SQL cannot hold: .*surrogate"):
        inb.sql("select error from workflows", state)
    assert len(inb.sql("select workflow_id from workflows", state)) == 1
