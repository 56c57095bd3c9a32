"""`df.wf.stuck()`, `late()` and `slowest()`: which workflows last too long, and where they stand."""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from answer_frames import called, dtypes, ran, read_at, seconds
from frame_states import after, history, state
from insight_frames import run, runs

import inngest_nb as inb

HOUR = 3600
STUCK = dict.fromkeys(("workflow", "step", "waiting_for", "signal"), "str")
STUCK |= {"count": "Int64", "longest": "timedelta64[us]", "oldest": "datetime64[us, UTC]"}
STUCK |= {"example": "str"}


def open_at(workflow_id: str, step: str, updated: float | None) -> inb.WorkflowState:
    """A workflow in which an activity is running, and which was updated so long after noon."""
    events = history(("activity_started", step, 0))
    at = None if updated is None else after(updated)
    return state(workflow_id, "running", history=events, created_at=after(0), updated_at=at)


def frame(*states: inb.WorkflowState, now: float = 3 * HOUR) -> pd.DataFrame:
    return read_at(inb.frame(states), after(now))


WAITING = [
    open_at("order-1", "charge", 0),
    open_at("order-2", "charge", 60),
    open_at("order-3", "ship", 30),
    open_at("order-4", "ship", 3 * HOUR - 60),  # it moves
    open_at("import-1", "load", 0),
    open_at("import-2", "load", None),
    ran("order-5", 0, 1),
    state("order-6", "queued", created_at=after(0), updated_at=after(0)),
]


# Stuck


def test_those_that_wait_at_the_same_step_are_one_group_the_largest_first() -> None:
    found = frame(*WAITING).wf.stuck()
    assert found.drop(columns=["longest", "oldest"]).fillna("-").to_numpy().tolist() == [
        ["order", "charge", "activity", "-", 2, "order-1"],
        ["import", "load", "activity", "-", 1, "import-1"],
        ["order", "-", "-", "-", 1, "order-6"],
        ["order", "ship", "activity", "-", 1, "order-3"],
    ]
    assert seconds(found["longest"]) == [3 * HOUR, 3 * HOUR, 3 * HOUR, 3 * HOUR - 30]
    assert found["oldest"].tolist() == [after(0), after(0), after(0), after(30)]
    assert dtypes(found) == STUCK


def test_a_signal_tells_groups_apart() -> None:
    rows = frame(*WAITING[:2])
    rows["waiting_for"], rows["signal"] = "signal", ["approve", "pay"]
    found = rows.wf.stuck()
    assert found["signal"].tolist() == ["approve", "pay"]
    assert found["waiting_for"].tolist() == ["signal", "signal"]


@pytest.mark.parametrize(
    ("longer_than", "count"), [("1min", 6), (3 * HOUR - 45, 4), (timedelta(hours=4), 0), ("3h", 0)]
)
def test_how_long_is_given_as_text_or_seconds_or_a_timedelta(longer_than: Any, count: int) -> None:
    rows = frame(*WAITING, open_at("order-7", "ship", 3 * HOUR - 61))
    assert rows.wf.stuck(longer_than)["count"].sum() == count


@pytest.mark.parametrize("longer_than", ["soon", [], object()])
def test_what_is_no_duration_is_refused(longer_than: Any) -> None:
    with pytest.raises(ValueError, match="longer_than must be .* such as '2h'"):
        frame(*WAITING).wf.stuck(longer_than)


def test_without_attrs_rows_tell_when_they_were_read() -> None:
    rows = frame(*WAITING)
    joined = pd.concat([rows[:3], rows[3:]])
    joined.attrs.clear()
    pd.testing.assert_frame_equal(joined.wf.stuck(), rows.wf.stuck())
    joined["duration"] = pd.Series(pd.NaT, joined.index, dtype="timedelta64[us]")
    assert joined.wf.stuck()["count"].sum() == 6  # as of now, years later
    joined.attrs["fetched_at"] = "when it was read"
    assert joined.wf.stuck()["count"].sum() == 6


def test_only_workflows_are_stuck() -> None:
    for rows in (runs(), inb.activity_frame([]), inb.history_frame([])):
        with pytest.raises(AttributeError, match=r"stuck\(\) needs frame\(\)"):
            rows.wf.stuck()
    with pytest.raises(AttributeError, match="left out: signal"):
        frame(*WAITING).drop(columns="signal").wf.stuck()


# Late


LATE = [
    ran("order-1", 0, 61),
    ran("order-2", 0, 60),
    ran("order-3", 0, 600, "failed"),
    ran("order-4", 0, 0, "running"),
    ran("order-5", 0, None),
    ran("import-1", 0, 9_000),
    ran("nightly", 0, 9_000),
]


def test_what_took_longer_than_its_workflow_may_is_late_also_while_it_runs() -> None:
    rows = frame(*LATE)
    found = rows.wf.late(than={"order": "1min", "import": 2 * HOUR})
    assert found["workflow_id"].tolist() == ["order-4", "import-1", "order-3", "order-1"]
    assert seconds(found["allowed"]) == [60, 7_200, 60, 60]
    assert seconds(found["overrun"]) == [3 * HOUR - 60, 1_800, 540, 1]
    types = dict.fromkeys(("allowed", "overrun"), "timedelta64[us]")
    assert dtypes(found) == dtypes(rows) | types
    assert found.index.tolist() == [3, 5, 2, 0]
    assert found.attrs == rows.attrs
    assert found.wf.summary()["count"].sum() == 4


def test_one_duration_is_for_all() -> None:
    found = frame(*LATE).wf.late("2h")
    assert found["workflow_id"].tolist() == ["order-4", "import-1", "nightly"]
    assert frame(*LATE).wf.late(timedelta(hours=2))["overrun"].tolist() == found["overrun"].tolist()
    assert frame(*LATE).wf.late({}).empty


def test_functions_of_a_real_inngest_are_late_too() -> None:
    rows = runs(run("a"), run("b", function="ship", duration=timedelta(seconds=9)))
    assert rows.wf.late({"ship": 3, "pay": 3})["run_id"].tolist() == ["b"]


def test_a_warning_names_the_workflows_that_are_there() -> None:
    with pytest.warns(
        UserWarning, match="unknown workflow 'ordr'; known workflows: order, import, nightly$"
    ) as caught:
        assert frame(*LATE).wf.late({"ordr": "1min"}).empty
    assert caught[0].filename == __file__
    many = frame(*(ran(f"{letter}-1") for letter in "abcdefghij"))
    with pytest.warns(UserWarning, match="a, b, c, d, e, f, g, h and 2 more"):
        many.wf.late({"order": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame(*LATE).wf.late({"order": 1})


@pytest.mark.parametrize(
    ("than", "words"),
    [
        ({"order": "soon"}, r"than\['order'\] must be seconds, a timedelta"),
        ("soon", "than must be seconds"),
        (None, "than must be seconds"),
    ],
)
def test_what_is_no_allowance_is_refused(than: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        frame(*LATE).wf.late(than)


def test_only_runs_are_late() -> None:
    with pytest.raises(AttributeError, match=r"late\(\) needs frame\(\) or search_runs\(\)"):
        inb.activity_frame([]).wf.late("1h")


# Slowest


def test_the_slowest_workflows_are_rows_of_the_frame() -> None:
    rows = frame(*LATE)
    found = rows.wf.slowest(3)
    assert found["workflow_id"].tolist() == ["order-4", "import-1", "nightly"]
    assert dtypes(found) == dtypes(rows)
    assert len(rows.wf.slowest()) == 6  # one has no known duration
    assert runs(run("a"), run("b", duration=timedelta(9))).wf.slowest(1)["run_id"].tolist() == ["b"]


@pytest.mark.parametrize("n", [0, -1, True, "3", None])
def test_what_is_no_number_of_rows_is_refused(n: Any) -> None:
    with pytest.raises(ValueError, match="n must be a number of workflows above 0, such as 10"):
        frame(*LATE).wf.slowest(n)
    with pytest.raises(ValueError, match="n must be a number of activities above 0"):
        inb.activity_frame([]).wf.slowest(n)


def test_events_are_not_slow_and_only_steps_want_runs() -> None:
    with pytest.raises(AttributeError, match=r"slowest\(\) needs frame\(\), activity_frame\(\)"):
        inb.history_frame(called("a", ("charge", 0))).wf.slowest()
    for rows in (frame(), inb.activity_frame([])):
        with pytest.raises(ValueError, match="runs is for frames of steps"):
            rows.wf.slowest(runs=frame())
