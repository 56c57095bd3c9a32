"""`sql`: what a query over a server or an archive returns."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from story_records import story

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.frames.sql._tables import COLUMNS

TIME = "datetime64[us, UTC]"
DTYPES = {
    "VARCHAR": "str",
    "VARCHAR COLLATE NOCASE": "str",
    "BIGINT": "Int64",
    "BOOLEAN": "boolean",
    "TIMESTAMPTZ": TIME,
    "JSON": "object",
    "JSON[]": "object",
}


def asked(query: str, source: Any, **given: Any) -> pd.DataFrame:
    return inb.sql(query, source, **({"since": None} | given))


def value(query: str, source: Any, **given: Any) -> Any:
    return asked(query, source, **given).iloc[0, 0]


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


@pytest.mark.parametrize(
    ("table", "count"), [("runs", 47), ("steps", 117), ("step_attempts", 123), ("events", 63)]
)
def test_each_table_has_all_rows_and_an_empty_answer_has_its_dtypes(
    source: Any, table: str, count: int
) -> None:
    whole = asked(f"select * from {table}", source)
    assert len(whole) == count
    assert dtypes(whole) == {name: DTYPES[kind] for name, kind in COLUMNS[table].items()}
    empty = asked(f"select * from {table} where false", source)
    assert (len(empty), dtypes(empty)) == (0, dtypes(whole))


def test_a_window_without_anything_keeps_columns_and_dtypes(api: InngestAPI) -> None:
    query = "select *, runs.ended_at - steps.started_at as took from steps join runs on runs.id = run_id"
    empty = inb.sql(query, api, since="2000-01-01T00:00:00+00:00", until="2000-01-02T00:00:00Z")
    assert (len(empty), dtypes(empty)) == (0, dtypes(asked(query, api)))


def test_runs_are_those_of_a_search(source: Any, api: InngestAPI) -> None:
    query = "select *, ended_at - started_at as took from runs order by id"
    rows = asked(query, source).set_index("id")
    runs = inb.search_runs(api, since=None, outputs=True).set_index("run_id").sort_index()
    assert rows["took"].dtype == "timedelta64[us]"
    assert [*rows.index] == [*runs.index]
    words = rows["status"].str.lower().replace("cancelled", "canceled")
    assert [*words] == [*runs["status"]]
    begun = runs["status"] != "queued"
    assert [*rows["started_at"][begun]] == [*runs["started_at"][begun]]
    assert rows["started_at"][~begun].isna().all()
    for name in ("queued_at", "ended_at", "event_id"):
        assert rows[name].astype(object).equals(runs[name].astype(object)), name
    assert [*rows["function_id"]] == [*("nb-lab-" + runs["function"])]
    assert [*rows["output"]] == [*runs["output"]]
    ended = rows["ended_at"].notna()
    gap = (rows["took"] - runs["duration"])[ended]
    assert gap.abs().max() <= timedelta(milliseconds=1)  # the server's durations are whole ones


def test_steps_are_those_of_the_traces(source: Any, api: InngestAPI) -> None:
    columns = "run_id, name, step_id, queued_at, started_at, ended_at"
    rows = asked(f"select {columns}, lower(status) as status from steps", source)
    steps = inb.trace_frame(inb.search_runs(api, since=None), api).rename(columns={"step": "name"})
    steps["status"] = steps["status"].astype("str").replace("canceled", "cancelled")
    tried = steps.loc[steps["attempts"] > 1, ["run_id", "name"]].apply(tuple, axis=1)
    assert len(tried) == 4  # their rows are the last attempts
    key = ["run_id", "name", "queued_at"]
    rows, steps = (
        frame[~frame[["run_id", "name"]].apply(tuple, axis=1).isin(tried)]
        .sort_values(key, ignore_index=True)
        .loc[:, [*rows.columns]]
        for frame in (rows, steps)
    )
    assert len(rows) == 113
    assert rows.equals(steps)


def test_each_attempt_has_a_row_and_the_last_is_the_step(
    source: Any, names: dict[str, str]
) -> None:
    query = "select name, attempt, status, is_latest from step_attempts where run_id = ? order by name, attempt"
    rows = asked(query, source, parameters=[names["fail_default"]])
    assert rows.to_numpy().tolist() == [
        ["Finalization", 0, "Failed", True],
        ["bad-step", 0, "Errored", False],
        ["bad-step", 1, "Failed", True],
        ["before", 0, "Completed", True],
    ]
    last = asked(
        "select attempt, status, error->>'message' as said, type from steps "
        "where run_id = $run and name = 'bad-step'",
        source,
        parameters={"run": names["fail_default"]},
    )
    assert last.to_numpy().tolist() == [[1, "Failed", "boom: value out of range", "StepRun"]]


def test_a_step_that_succeeded_at_last_has_its_output(source: Any, names: dict[str, str]) -> None:
    query = "select attempt, status, output from steps where run_id = ? and type = 'function'"
    rows = asked(query, source, parameters=[names["flaky1"]])
    assert rows.to_numpy().tolist() == [[2, "Completed", {"succeeded_on_attempt": 2}]]


def test_a_batch_has_all_its_events_and_others_have_one(source: Any, names: dict[str, str]) -> None:
    query = "select triggering_event_name, inputs, input from runs where id = ?"
    (batch,) = asked(query, source, parameters=[names["batch0"]]).itertuples(index=False)
    assert batch[0] == "lab/batch"
    assert [each["data"] for each in batch[1]] == [{"i": 0}, {"i": 1}, {"i": 2}]
    assert batch[2] == batch[1][0]
    (order,) = asked(query, source, parameters=[names["order1"]]).itertuples(index=False)
    assert [*order[1]] == [order[2]]
    assert order[2]["data"] == {"customer": "c1", "items": 1, "order_id": "A1"}


def test_a_server_and_its_archive_answer_alike(api: InngestAPI, kept: Any) -> None:
    for table in COLUMNS:
        query = f"select * from {table} order by all"
        if table == "runs":  # which events Inngest itself made, only traces tell
            query = f"select * from {table} where inputs is not null order by id"
        there, here = asked(query, api), asked(query, kept)
        if table == "runs":
            here = here[here["id"].isin(there["id"])].reset_index(drop=True)
            assert len(there) == 44
        assert there.equals(here), table


def test_tables_are_joined(source: Any) -> None:
    query = """
        with failing as (select run_id, count(*) as n from step_attempts
                         where error is not null group by run_id)
        select runs.id, events.name, failing.n, events.data->>'why' as why
        from failing join runs on runs.id = run_id join events using (event_id)
        order by runs.id
    """
    rows = asked(query, source)
    assert (rows["name"] == "lab/fail").sum() == 2
    assert "default backoff" in [*rows["why"]]
    assert str(rows["n"].dtype) == "Int64"


def test_a_status_is_found_in_any_case(source: Any) -> None:
    assert value("select count(*) from runs where status = 'failed'", source) == 3
    assert value("select count(*) from runs where status in ('FAILED', 'cancelled')", source) == 7


def test_times_are_compared_with_now_and_cut_to_hours(source: Any) -> None:
    rows = asked(
        "select date_trunc('hour', queued_at) as hour, count(*) from runs group by 1", source
    )
    assert dtypes(rows)["hour"] == TIME
    begun = min(datetime.fromisoformat(row.record.item["queuedAt"]) for row in story().rows)
    assert rows["hour"].min() == begun.replace(minute=0, second=0, microsecond=0)
    assert (
        value("select count(*) from runs where queued_at < now() + interval 100 year", source) == 47
    )


def test_whole_numbers_keep_their_digits(source: Any) -> None:
    most = 2**63 - 1
    rows = asked(
        f"select * from (values ({most}, null), (null, true)) as t(n, b), "
        "(select sum(attempt) as n, count(*) as c, sum(1.5) as x from steps)",
        source,
    )
    assert dtypes(rows) == {
        "n": "Int64",
        "b": "boolean",
        "n_1": "Int64",
        "c": "Int64",
        "x": "float64",
    }
    assert [*rows["n"]] == [most, pd.NA]
    assert [*rows["n_1"]] == [6, 6]


def test_other_types_come_as_they_are(source: Any) -> None:
    rows = asked(
        "select [1, null] as l, {'a': 'x'} as s, date '2026-01-02' as d, 'x' as t, '' as e, "
        "'b'::enum('a', 'b') as w, timestamp '2026-01-02 03:04:05.678901' as p, null::interval as i",
        source,
    )
    assert dtypes(rows) == {
        "l": "object", "s": "object", "d": "datetime64[us]", "t": "str", "e": "str",
        "w": "str", "p": "datetime64[us]", "i": "timedelta64[us]",
    }  # fmt: skip
    assert rows["s"][0] == {"a": "x"}
    assert (rows["e"][0], rows["w"][0]) == ("", "b")
    assert rows["p"][0] == pd.Timestamp("2026-01-02 03:04:05.678901")


def test_attrs_say_where_it_comes_from(api: InngestAPI, kept: Any) -> None:
    rows = inb.sql("select 1", api, since="2026-01-01T00:00:00+00:00")
    assert rows.attrs["filter"] == {"since": "2026-01-01T00:00:00+00:00", "until": None}
    assert api.base_url in rows.attrs["source"]
    assert rows.attrs["truncated"] is False
    rows = inb.sql("select 1", kept)
    assert rows.attrs["source"] == str(kept.path)
    json.dumps(rows.attrs)
