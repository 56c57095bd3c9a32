"""`trace_frame`: one row a step, of one run or of many."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from canned_server import Answer, CannedServer
from hostile_strings import HOSTILE_STRINGS
from story_records import story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.errors import InngestNotFoundError

TIME, DURATION = "datetime64[us, UTC]", "timedelta64[us]"
STEPS = {
    "run_id": "str",
    "step_id": "str",
    "step": "str",
    "kind": "str",
    "status": "category",
    "queued_at": TIME,
    "started_at": TIME,
    "ended_at": TIME,
    "queue_delay": DURATION,
    "duration": DURATION,
    "attempts": "Int64",
    "error": "str",
}


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def steps(rows: pd.DataFrame) -> list[tuple[str, str, str, int]]:
    return list(zip(rows["kind"], rows["step"], rows["status"], rows["attempts"], strict=True))


def test_each_step_of_all_47_runs_is_one_row(api: InngestAPI) -> None:
    rows = inb.trace_frame(inb.search_runs(api, since=None), api)
    assert dtypes(rows) == STEPS
    for row in story().rows:
        spans = row.record.trace["rootSpan"].get("children", ())
        of_run = rows[rows["run_id"] == row.id]
        ids = [span["stepId"] for span in spans if "stepId" in span]
        assert sorted(of_run["step_id"].dropna()) == sorted(set(ids)), row.id
        functions = [span for span in spans if span["name"] in ("Finalization", "Execution")]
        assert of_run["step_id"].isna().sum() == len(functions), row.id
        assert of_run["queued_at"].is_monotonic_increasing
    assert len(rows) == 117


def test_runs_are_asked_for_once_and_keep_their_order(
    api: InngestAPI, inngest: StoryServer
) -> None:
    ids = [row.id for row in story().rows[:9]]
    asked = len(inngest.seen)
    rows = inb.trace_frame([*ids, ids[0]], api)
    assert len(inngest.seen) - asked == 9
    assert list(rows["run_id"].unique()) == ids


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hardfail", [("function", "Finalization", "failed", 1)]),  # failed at once
        (  # retried
            "flaky1",
            [("function", "Finalization", "completed", 3), ("step", "maybe", "completed", 1)],
        ),
        (
            "parallel",
            [
                *(("step", f"part-{n}", "completed", 1) for n in (3, 0, 2, 1)),
                ("function", "Finalization", "completed", 1),
            ],
        ),
        (
            "sleep",
            [
                ("step", "first", "completed", 1),
                ("sleep", "nap", "completed", 0),
                ("step", "last", "completed", 1),
                ("function", "Finalization", "completed", 1),
            ],
        ),
        (
            "wait_timeout",
            [
                ("wait", "wait-for-approval", "completed", 0),
                ("function", "Finalization", "completed", 1),
            ],
        ),
        (
            "invoke",
            [
                ("invoke", "call-square", "completed", 1),
                ("function", "Finalization", "completed", 1),
            ],
        ),
        (
            "fail_default",
            [
                ("step", "before", "completed", 1),
                ("step", "bad-step", "failed", 2),
                ("function", "Finalization", "failed", 1),
            ],
        ),
        ("wait_pending", [("wait", "wait-for-approval", "waiting", 0)]),
        (
            "long_by-v2",
            [("step", "start", "completed", 1), ("sleep", "long-nap", "canceled", 0)],
        ),
        ("limited0", []),
        ("limited1", [("function", "Execution", "running", 1)]),
    ],
)
def test_a_run_is_given_by_its_id(
    api: InngestAPI, names: dict[str, str], name: str, expected: Any
) -> None:
    rows = inb.trace_frame(names[name], api)
    assert steps(rows) == expected
    assert dtypes(rows) == STEPS


def test_parallel_steps_overlap(api: InngestAPI, names: dict[str, str]) -> None:
    rows = inb.trace_frame(api.run(names["parallel"]), api)
    parts = rows[rows["step"].str.startswith("part-")]
    assert len(parts) == 4
    assert parts["started_at"].max() < parts["ended_at"].min()


def test_a_step_has_its_error_and_the_time_of_its_retries(
    api: InngestAPI, names: dict[str, str]
) -> None:
    bad = inb.trace_frame(names["fail_default"], api).iloc[1]
    assert bad["error"] == "ValueError: boom: value out of range"
    assert bad["duration"] > timedelta(seconds=15)


def test_an_open_step_lasts_until_now_or_until_the_end_of_its_run(
    api: InngestAPI, names: dict[str, str]
) -> None:
    rows = inb.trace_frame([names["wait_pending"], names["long_by-v2"]], api)
    waits, nap = rows.iloc[0], rows.iloc[2]
    assert (
        waits["duration"] == datetime.fromisoformat(rows.attrs["fetched_at"]) - waits["started_at"]
    )
    assert nap["duration"] == api.trace(names["long_by-v2"]).ended_at - nap["started_at"]


def test_the_queue_delay_is_the_time_before_the_first_attempt(
    api: InngestAPI, names: dict[str, str]
) -> None:
    rows = inb.trace_frame([names["order1"], names["fail_default"], names["sleep"]], api)
    delays = rows.set_index("step")["queue_delay"]
    assert delays["validate"] == timedelta(milliseconds=963)
    assert delays["bad-step"] == timedelta(milliseconds=1012)  # without the pause before attempt 2
    assert delays["nap"] == timedelta()
    assert (rows["queue_delay"] == rows["started_at"] - rows["queued_at"]).all()


def trace_of(*spans: dict[str, Any], **root: Any) -> Answer:
    body = {"data": {"rootSpan": {"status": "RUNNING", "children": [*spans], **root}}}
    return Answer(200, (("content-type", "application/json"),), json.dumps(body).encode())


def test_of_an_odd_trace_each_span_is_a_row_and_nothing_is_invented() -> None:
    odd = [
        {"name": "ai", "stepOp": "AI_GATEWAY", "stepId": "a", "status": "PAUSED"},
        {"name": "late", "stepOp": "RUN", "stepId": "b", "startedAt": "later", "endedAt": 5},
        {"name": "back", "stepOp": "RUN", "stepId": "c", "status": "COMPLETED"}
        | {"queuedAt": "2026-11-22T19:22:43Z", "startedAt": "2026-11-22T19:22:42Z"},
        {"name": HOSTILE_STRINGS[0], "stepOp": HOSTILE_STRINGS[1], "stepId": "d"},
        {"name": "next", "stepOp": "RUN", "stepId": "e", "status": "QUEUED"}
        | {"queuedAt": "2026-11-22T19:22:44Z"},
        {"name": "endless", "stepOp": "RUN", "stepId": "f", "status": "COMPLETED"}
        | {"startedAt": "2026-11-22T19:22:44Z"},
        {},
    ]
    with CannedServer(lambda seen: trace_of(*odd)) as server, InngestAPI(server.url) as api:
        rows = inb.trace_frame("01M82BBSDM2RWR71WM2EZVHP9E", api)
    assert dtypes(rows) == STEPS
    at = datetime.fromisoformat(rows.attrs["fetched_at"])
    rows = rows.set_index("step_id", drop=False)
    assert len(rows) == len(odd)
    assert list(rows.loc["a", ["kind", "status", "attempts"]]) == ["ai_gateway", "paused", 0]
    assert list(rows.loc["d", ["step", "kind"]]) == [HOSTILE_STRINGS[0], HOSTILE_STRINGS[1].lower()]
    assert rows.loc[["a", "b", "d"], ["queued_at", "started_at", "ended_at"]].isna().all(axis=None)
    assert rows.loc[["a", "b", "d"], ["queue_delay", "duration", "error"]].isna().all(axis=None)
    assert pd.isna(rows.loc["c", "queue_delay"])
    assert pd.isna(rows.loc["f", "duration"])
    assert rows.loc["e", "queue_delay"] == at - rows.loc["e", "queued_at"]


def test_ten_thousand_spans_are_rows_of_the_right_types() -> None:
    spans = [{"name": f"s{n}", "stepOp": "RUN", "stepId": f"{n:040x}"} for n in range(10_000)]
    with CannedServer(lambda seen: trace_of(*spans)) as server, InngestAPI(server.url) as api:
        rows = inb.trace_frame("01M82BBSDM2RWR71WM2EZVHP9E", api)
    assert (len(rows), dtypes(rows)) == (10_000, STEPS)


def test_the_readable_table_counts_steps(api: InngestAPI, names: dict[str, str]) -> None:
    said = repr(inb.trace_frame(names["wait_pending"], api).wf)
    assert "1 step, as of" in said
    assert said.count("so far") == 1  # it waits; it was queued
    assert " 1 ms  " in said


def test_a_run_that_is_not_there_is_named(api: InngestAPI) -> None:
    with pytest.raises(InngestNotFoundError, match="no run '01M82BBSDM2RWR71WM2EZVHP9Z'"):
        inb.trace_frame("01M82BBSDM2RWR71WM2EZVHP9Z", api)


def test_when_one_is_not_there_the_error_has_the_steps_before(
    api: InngestAPI, names: dict[str, str]
) -> None:
    with pytest.raises(InngestNotFoundError) as stopped:
        inb.trace_frame([names["order1"], "01M82BBSDM2RWR71WM2EZVHP9Z"], api)
    assert len(stopped.value.partial) == 6
    assert stopped.value.partial.attrs["truncated"] is True


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("zzz", "runs must be an id of 26 letters"),
        (["zzz"], "runs must be an id of 26 letters"),
        ([None], "runs must be an id"),
        (None, "runs must be a run's id, several of them, or a frame .* got NoneType"),
        (
            pd.DataFrame({"id": ["x"]}),
            "runs must have a column run_id, as the frame of search_runs",
        ),
    ],
    ids=str,
)
def test_what_is_no_run_is_refused(api: InngestAPI, given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        inb.trace_frame(given, api)


def test_no_runs_have_no_steps(api: InngestAPI) -> None:
    rows = inb.trace_frame([], api)
    assert (len(rows), dtypes(rows)) == (0, STEPS)
