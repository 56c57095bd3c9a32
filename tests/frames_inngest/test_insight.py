"""What `df.wf` says of the story's runs and steps, against what was recorded of them."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from story_records import Row, story
from story_server import RETRYING, StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI


@pytest.fixture
def runs(api: InngestAPI) -> pd.DataFrame:
    return inb.search_runs(api, since=None, outputs=True)


@pytest.fixture
def steps(api: InngestAPI, runs: pd.DataFrame) -> pd.DataFrame:
    return inb.trace_frame(runs, api)


def function(row: Row) -> str:
    return row.record.item["function"]["id"]


def error(row: Row) -> str:
    said = row.record.item["output"]["error"]
    return f"{said['name']}: {said['message']}"


def failed_step(row: Row) -> str:
    """Read in the recorded trace which step of a run failed, if not the function itself."""
    spans = row.record.trace["rootSpan"]["children"]
    names = {span["name"] for span in spans if span["status"] == "FAILED" and "stepId" in span}
    return names.pop() if names else "Finalization"


def groups(found: pd.DataFrame) -> list[tuple[Any, ...]]:
    named = ["function", "step", "error", "count", "share", "example"]
    return sorted(found[named].itertuples(index=False, name=None))


def test_the_failures_of_the_story_are_those_that_were_recorded(
    api: InngestAPI, runs: pd.DataFrame
) -> None:
    found = runs.wf.failures(traces=inb.trace_frame(runs.wf.failed(), api))
    failed = [row for row in story().rows if row.status == "FAILED"]
    results = Counter(
        function(row) for row in story().rows if row.status in ("COMPLETED", "FAILED")
    )
    assert groups(found) == sorted(
        (function(row), failed_step(row), error(row), 1, 1 / results[function(row)], row.id)
        for row in failed
    )
    assert [row[:5] for row in groups(found)] == [
        ("always-fails", "Finalization", "RetryAfterError: quick boom", 1, 0.5),
        ("always-fails", "bad-step", "ValueError: boom: value out of range", 1, 0.5),
        ("hard-fail", "Finalization", "NonRetriableError: bad input, will not retry", 1, 1),
    ]
    ends = {row.id: pd.Timestamp(row.record.item["endedAt"]).floor("us") for row in failed}
    assert found.set_index("example")["last_seen"].to_dict() == ends
    assert found["app"].unique().tolist() == ["nb-lab"]


def test_without_traces_the_step_is_missing(runs: pd.DataFrame) -> None:
    found = runs.wf.failures()
    assert found["step"].isna().all()
    assert sorted(found["error"]) == sorted(
        error(row) for row in story().rows if row.status == "FAILED"
    )


def test_failures_of_steps_are_the_same_three(runs: pd.DataFrame, steps: pd.DataFrame) -> None:
    assert groups(steps.wf.failures(runs=runs)) == groups(runs.wf.failures(traces=steps))
    assert steps.wf.failures()["function"].isna().all()


def test_a_step_between_two_attempts_is_no_failure(api: InngestAPI) -> None:
    waiting = inb.trace_frame(RETRYING, api)
    assert "failed" in set(waiting["status"])
    assert waiting.wf.failures().empty


def test_many_runs_fail_alike_in_few_groups() -> None:
    with StoryServer(runs=1_000) as inngest, InngestAPI(inngest.url) as api:
        rows = inb.search_runs(api, since=None, outputs=True)
        known = Counter(
            (function(row), error(row))
            for row in inngest.state.runs.rows.values()
            if row.status == "FAILED"
        )
    found = rows.wf.failures()
    assert found.set_index(["function", "error"])["count"].to_dict() == known
    assert found["count"].is_monotonic_decreasing
    assert found["count"].sum() > 60


def test_each_second_of_the_story_has_its_runs(runs: pd.DataFrame) -> None:
    rates = runs.wf.rate("1s")
    assert rates["runs"].tolist() == [41, 0, 2, 1, 1, 0, 0, 2]
    totals = rates.sum()
    assert totals[["completed", "failed", "canceled", "unfinished"]].tolist() == [35, 3, 4, 5]
    assert rates["failure_rate"].iloc[0] == 3 / 32


def test_the_slowest_step_is_the_one_that_paused_between_two_attempts(
    runs: pd.DataFrame, steps: pd.DataFrame
) -> None:
    slowest = steps.wf.slowest(2, runs=runs)
    assert slowest[["function", "step"]].to_numpy().tolist() == [
        ["always-fails", "bad-step"],
        ["flaky", "Finalization"],
    ]
    (recorded,) = {
        span["durationMs"]
        for row in story().rows
        for span in row.record.trace["rootSpan"].get("children", ())
        if span["name"] == "bad-step" and span.get("children")
    }
    assert slowest["max"][0] == timedelta(milliseconds=int(recorded))


def test_the_queue_delay_of_a_step_is_that_of_its_times(
    runs: pd.DataFrame, steps: pd.DataFrame
) -> None:
    found = steps.wf.queue_delay(runs=runs).set_index(["function", "step"])
    calc = steps[steps["step"] == "calc"]
    waited = calc["started_at"] - calc["queued_at"]
    assert found.loc[("square", "calc"), "max"] == waited.max()
    assert found.loc[("square", "calc"), "count"] == len(calc) == 2
    assert not {"nap", "wait-for-approval", "call-square"} & set(found.index.get_level_values(1))


def test_retries_saved_the_flaky_runs_and_no_others(
    runs: pd.DataFrame, steps: pd.DataFrame, names: dict[str, str]
) -> None:
    found = steps.wf.saved_by_retry(runs=runs)
    told = found[["function", "step", "retried", "saved", "share"]].to_numpy().tolist()
    assert told[0] == ["flaky", "Finalization", 2, 2, 1]
    assert sorted(told[1:]) == [
        ["always-fails", "Finalization", 1, 0, 0],
        ["always-fails", "bad-step", 1, 0, 0],
    ]
    assert found["attempts"][0] == 3
    assert found["example"][0] in {names["flaky1"], names["flaky2"]}
    alone = steps.wf.saved_by_retry()
    assert alone[["step", "retried", "saved"]].to_numpy().tolist() == [
        ["Finalization", 3, 2],
        ["bad-step", 1, 0],
    ]
