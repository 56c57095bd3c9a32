"""`df.wf.summary(by=…)` and `df.wf.errors(by=…)`: what each group of rows tells."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from answer_frames import dtypes, ran, seconds
from frame_states import history, state
from hypothesis import given, settings
from hypothesis import strategies as st
from insight_frames import run, runs

import inngest_nb as inb

MANY = [
    *(ran(f"order-{n}", n, n) for n in range(1, 4)),
    ran("order-4", 0, 99, "failed", error="card 17 declined"),
    ran("order-5", 0, 5, "canceled"),
    ran("order-6", 0, 5, "running"),
    ran("import-1", 0, 7, "failed", error="card 18 declined"),
    ran("import-2", 3, 9, "failed", error="no file"),
    ran("nightly", 0, None, "running"),
]
SPANS = dict.fromkeys(("p50", "p90", "p99", "max"), "timedelta64[us]")
SUMMARY = {"count": "Int64", "failed": "Int64", "share_failed": "float64", "running": "Int64"}


def test_each_group_tells_how_many_failed_and_how_long_they_took() -> None:
    found = inb.frame(MANY).wf.summary(by="workflow")
    assert found.index.name == "workflow"
    assert found.index.tolist() == ["order", "import", "nightly"]
    assert found["count"].tolist() == [6, 2, 1]
    assert found["failed"].tolist() == [1, 2, 0]
    assert found["share_failed"].fillna(-1).tolist() == [1 / 4, 1, -1]
    assert found["running"].tolist() == [1, 0, 1]
    order = found.loc["order"]
    assert seconds(order[["p50", "max"]]) == [3, 99]
    assert order["p90"] == timedelta(seconds=5 + 0.6 * 94)
    assert order["p99"] == timedelta(seconds=5 + 0.96 * 94)
    assert found.loc["nightly", list(SPANS)].isna().all()
    assert dtypes(found) == SUMMARY | SPANS


def test_several_columns_make_groups_of_all_that_is_there() -> None:
    found = inb.frame(MANY).wf.summary(by=["workflow", "status"])
    assert found.index.names == ["workflow", "status"]
    assert found["count"].to_dict()["order", "completed"] == 3
    assert len(found) == 6


def test_what_is_missing_is_a_group_of_its_own() -> None:
    found = inb.frame(MANY).wf.summary(by="error")
    assert found["count"].tolist() == [6, 1, 1, 1]
    assert pd.isna(found.index[0])


def test_activities_and_events_have_groups_too() -> None:
    events = history(
        ("activity_started", "charge", 0),
        ("activity_failed", "charge", 2, {"duration": timedelta(seconds=2)}),
        ("activity_started", "ship", 3),
    )
    workflow = state(status="running", history=events)
    activities = inb.activity_frame(workflow).wf.summary(by="activity")
    assert activities[["failed", "running"]].to_numpy().tolist() == [[1, 0], [0, 1]]
    assert seconds(activities["max"][:1]) == [2]
    assert pd.isna(activities["max"].iloc[1])  # it has not ended
    found = inb.history_frame(workflow).wf.summary(by="activity")
    assert found["count"].tolist() == [2, 1]
    assert (found["failed"].iloc[0], found["share_failed"].iloc[0]) == (1, 1)
    assert seconds(found["max"][:1]) == [2]


def test_runs_of_a_real_inngest_have_groups_too() -> None:
    found = runs(run("a", "failed"), run("b", "queued"), run("c", function="ship"))
    assert found.wf.summary(by="function")["failed"].to_dict() == {"pay": 1, "ship": 0}


@pytest.mark.parametrize(
    ("by", "error", "words"),
    [
        (
            "wrkflow",
            AttributeError,
            "by names 'wrkflow', which is not a column; columns: workflow_id",
        ),
        (["workflow", None], AttributeError, "by names None"),
        ([], ValueError, "by names no column"),
        ("lists", ValueError, "by names 'lists', whose lists .* explode"),
    ],
)
def test_what_makes_no_groups_is_refused(by: Any, error: type[Exception], words: str) -> None:
    rows = inb.frame(MANY)
    rows["lists"] = pd.Series([[1]] * len(rows), dtype=object)
    for ask in (rows.wf.summary, rows.wf.errors, rows.wf.over_time):
        with pytest.raises(error, match=words):
            ask(by=by)


def test_two_columns_of_one_name_make_no_groups() -> None:
    rows = inb.frame(MANY)
    twice = pd.concat([rows, rows[["step"]]], axis=1)
    with pytest.raises(ValueError, match="several columns are called"):
        twice.wf.summary(by="step")


STATUSES = st.sampled_from(["completed", "failed", "canceled", "running", "queued", "odd", ""])
DRAWN = st.lists(st.tuples(st.sampled_from("abc"), STATUSES, st.integers(0, 50) | st.none()))


@settings(max_examples=50)
@given(DRAWN)
def test_it_is_what_a_loop_over_the_rows_finds(drawn: list[tuple[str, str, int | None]]) -> None:
    states = [
        ran(f"{name}-{place}", 0, took, status) for place, (name, status, took) in enumerate(drawn)
    ]
    rows = inb.frame(states)
    groups: dict[str, list[Any]] = defaultdict(list)
    for row in rows.itertuples():
        groups[row.workflow].append(row)
    expected = {}
    for name, members in groups.items():
        words = [row.status for row in members]
        took = [
            row.duration.total_seconds()
            for row in members
            if row.status in ("completed", "failed", "canceled") and not pd.isna(row.duration)
        ]
        results = words.count("completed") + words.count("failed")
        expected[name] = (
            len(members),
            words.count("failed"),
            words.count("failed") / results if results else -1,
            words.count("running"),
            *(float(np.quantile(took, part)) if took else -1 for part in (0.5, 0.9, 0.99, 1)),
        )
    found = rows.wf.summary(by="workflow")
    assert found["count"].is_monotonic_decreasing
    for name, row in zip(found.index, found.itertuples(index=False), strict=True):
        told = [-1 if pd.isna(value) else value for value in row]
        spans = [value.total_seconds() if value != -1 else -1 for value in told[4:]]
        assert [*told[:4], *spans] == pytest.approx(list(expected[name]), abs=2e-6)
    assert len(found) == len(expected)


# Errors


def test_errors_by_a_column_are_groups_of_both() -> None:
    found = inb.frame(MANY).wf.errors(by="workflow")
    assert found.columns.tolist()[:2] == ["workflow", "error"]
    assert found[["workflow", "error", "count", "share", "example"]].to_numpy().tolist() == [
        ["order", "card … declined", 1, 1 / 3, "order-4"],
        ["import", "no file", 1, 1 / 3, "import-2"],
        ["import", "card … declined", 1, 1 / 3, "import-1"],
    ]
    together = inb.frame(MANY).wf.errors()
    assert together["count"].tolist() == [2, 1]
    pd.testing.assert_frame_equal(
        together,
        inb.frame(MANY).assign(one=1).wf.errors(by="one").drop(columns="one"),
        check_frame_type=False,
    )


def test_errors_of_activities_are_told_by_their_step() -> None:
    events = history(
        ("activity_started", "charge", 0), ("activity_failed", "charge", 2, {"error": "x"})
    )
    found = inb.activity_frame(state("order-1", history=events)).wf.errors(
        by=["workflow", "activity"]
    )
    assert found.iloc[0, :4].tolist() == ["order", "charge", "x", 1]


def test_errors_have_their_own_columns_once() -> None:
    with pytest.raises(ValueError, match="by names 'error', which errors\\(\\) has"):
        inb.frame(MANY).wf.errors(by=["workflow", "error"])
