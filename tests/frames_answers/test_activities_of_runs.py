"""`df.wf.funnel()`, `slowest()` and `retries()` of activities, and `retries()` of workflows."""

from __future__ import annotations

import random
from itertools import permutations
from typing import Any

import pandas as pd
import pytest
from answer_frames import called, dtypes, ran, seconds
from frame_states import history, state
from hypothesis import given, settings
from hypothesis import strategies as st
from insight_frames import runs

import inngest_nb as inb

FUNNEL = {"activity": "str", "reached": "Int64", "share": "float64"}
FUNNEL |= dict.fromkeys(("completed", "failed", "retried"), "Int64") | {"p50": "timedelta64[us]"}

ORDERS = [
    called("order-1", ("check", 0), ("charge", 1, 4, "completed", 2), ("ship", 9)),
    called("order-2", ("check", 0), ("charge", 1, 2, "failed", 3), status="failed"),
    called("order-3", ("check", 0), ("charge", 1, 1, "running"), status="running"),
    called("order-4", ("check", 0), ("charge", 1, 6), ("ship", 9), ("ship", 11, 1, "failed")),
    state("order-5", "running"),
    called("import-1", ("check", 0)),
]
ACTIVITIES = inb.activity_frame(ORDERS)


# How far runs come


def test_each_activity_tells_how_many_runs_reached_it_and_what_became_of_them() -> None:
    found = ACTIVITIES.wf.funnel("order", runs=inb.frame(ORDERS))
    assert found.drop(columns="p50").to_numpy().tolist() == [
        ["check", 4, 4 / 5, 4, 0, 0],
        ["charge", 4, 4 / 5, 2, 1, 2],
        ["ship", 2, 2 / 5, 1, 1, 0],
    ]
    assert seconds(found["p50"]) == [1, 4, 1]
    assert dtypes(found) == FUNNEL


def test_without_runs_those_count_that_reached_an_activity() -> None:
    assert ACTIVITIES.wf.funnel("order")["share"].tolist() == [1, 1, 1 / 2]
    none = ACTIVITIES.wf.funnel("order", runs=inb.frame(ORDERS[5:]))
    assert none["share"].tolist() == [1, 1, 1 / 2], "runs that the frame has count too"


def test_a_workflow_that_is_not_there_gives_nothing_and_a_warning() -> None:
    with pytest.warns(
        UserWarning, match="unknown workflow 'ordr'; known workflows: order, import"
    ) as caught:
        found = ACTIVITIES.wf.funnel("ordr")
    assert caught[0].filename == __file__
    assert (len(found), dtypes(found)) == (0, FUNNEL)
    later = ACTIVITIES.wf.funnel("nightly", runs=inb.frame(state("nightly", "running")))
    assert later.empty


def test_only_activities_make_a_funnel() -> None:
    for rows in (inb.frame(ORDERS), inb.history_frame(ORDERS), runs()):
        with pytest.raises(AttributeError, match=r"funnel\(\) needs activity_frame\(\)"):
            rows.wf.funnel("order")
    with pytest.raises(
        ValueError, match=r"runs must be a frame of runs, such as frame\(\), got str"
    ):
        ACTIVITIES.wf.funnel("order", runs="order-1")


def order_of(*runs_of: inb.WorkflowState) -> list[str]:
    return inb.activity_frame(runs_of).wf.funnel("o")["activity"].tolist()


def test_the_order_is_that_of_the_code_however_the_rows_stand() -> None:
    states = [called(f"o-{n}", ("c", 0), ("a", 2), ("b", 4)) for n in range(3)]
    rows = inb.activity_frame(states)
    for seed in range(5):
        shuffled = rows.sample(frac=1, random_state=seed)
        assert shuffled.wf.funnel("o")["activity"].tolist() == ["c", "a", "b"]


def test_steps_that_some_runs_skip_stay_where_the_code_has_them() -> None:
    short = [called(f"o-{n}", ("a", 0), ("z", 2)) for n in range(6)]
    long = called("o-9", ("a", 0), ("x", 2), ("c", 4), ("y", 6), ("z", 8))
    assert order_of(*short, long) == ["a", "x", "c", "y", "z"]
    assert order_of(long, called("o-1", ("a", 0), ("b", 2))) == ["a", "b", "x", "c", "y", "z"]


def test_repeated_calls_and_retries_move_nothing() -> None:
    loop = [("think", 0), ("act", 2), ("think", 4), ("act", 6), ("say", 8)]
    assert order_of(called("o-1", *loop)) == ["think", "act", "say"]
    late = called("o-2", ("a", 0, 20, "completed", 3), ("b", 2))
    assert order_of(late) == ["a", "b"]


def test_of_calls_side_by_side_the_order_of_most_runs_counts_then_the_place_then_the_name() -> None:
    def run_of(n: int, *names: str) -> inb.WorkflowState:
        return called(f"o-{n}", *((name, place) for place, name in enumerate(names)))

    one, other = ("a", "y", "x", "z"), ("a", "x", "y", "z")
    assert order_of(run_of(1, *one), run_of(2, *one), run_of(3, *other)) == list(one)
    assert order_of(run_of(1, *one), run_of(2, *other)) == ["a", "x", "y", "z"]
    # A circle of three: each is once before the next.
    circle = [run_of(n, *names) for n, names in enumerate([("a", "b"), ("b", "c"), ("c", "a")])]
    assert order_of(*circle) == ["a", "b", "c"]


def test_a_clock_that_went_back_once_changes_nothing() -> None:
    usual = [called(f"o-{n}", ("a", 0), ("b", 2), ("c", 4)) for n in range(5)]
    odd = called("o-9", ("c", 0), ("a", 2))
    assert order_of(*usual, odd) == ["a", "b", "c"]


def test_activities_without_a_known_start_come_last() -> None:
    unknown = state("o-2", history=history(("activity_completed", "A", 5)))
    assert order_of(called("o-1", ("b", 0)), unknown) == ["b", "A"]


@settings(max_examples=40)
@given(st.randoms(use_true_random=False), st.integers(2, 8), st.integers(1, 12))
def test_any_runs_of_one_sequence_give_it_back(
    shuffle: random.Random, size: int, count: int
) -> None:
    names = [f"step-{n}" for n in range(size)]
    shuffle.shuffle(names)
    whole = called("o-0", *((name, place) for place, name in enumerate(names)))
    parts = [
        called(
            f"o-{n}",
            *((name, place) for place, name in enumerate(names) if shuffle.random() < 0.6),
        )
        for n in range(1, count)
    ]
    assert order_of(whole, *parts) == names


def test_all_orders_at_once_give_every_activity_once() -> None:
    states = [
        called(f"o-{n}", *((name, place) for place, name in enumerate(names)))
        for n, names in enumerate(permutations("abcd"))
    ]
    assert sorted(order_of(*states)) == ["a", "b", "c", "d"]


# Slow


def test_the_slowest_activities_come_first_by_workflow() -> None:
    states = [called(f"order-{n}", ("charge", 0, n)) for n in range(101)]
    states += [called("import-1", ("charge", 0, 50, "failed"), ("load", 0, 96))]
    states += [called("import-2", ("load", 0, 5, "running"), status="running")]
    rows = inb.activity_frame(states)
    found = rows.wf.slowest()
    assert found[["workflow", "activity", "count", "example"]].to_numpy().tolist() == [
        ["import", "load", 1, "import-1"],
        ["order", "charge", 101, "order-100"],
        ["import", "charge", 1, "import-1"],
    ]
    assert seconds(found.loc[1, ["p50", "p95", "max"]]) == [50, 95, 100]
    assert rows.wf.slowest(1)["activity"].tolist() == ["load"]
    spans = dict.fromkeys(("p50", "p95", "max"), "timedelta64[us]")
    keys = dict.fromkeys(("workflow", "activity"), "str")
    assert dtypes(found) == keys | {"count": "Int64"} | spans | {"example": "str"}


# Retried


RETRIED = [
    called("order-1", ("charge", 0, 3, "completed", 3), ("ship", 9)),
    called("order-2", ("charge", 0, 4, "failed", 4), status="failed"),
    called("order-3", ("charge", 0), ("ship", 9)),
    called("import-1", ("load", 0, 2, "completed", 2)),
]
COUNTS = {"count": "Int64", "retried": "Int64", "share": "float64"}


def test_retried_activities_tell_whether_it_helped() -> None:
    found = inb.activity_frame(RETRIED).wf.retries()
    assert found.astype(object).fillna("-").to_numpy().tolist() == [
        ["order", "charge", 3, 2, 2 / 3, 4, 1, "order-2"],
        ["import", "load", 1, 1, 1, 2, 1, "import-1"],
        ["order", "ship", 2, 0, 0, 1, 0, "-"],
    ]
    keys = dict.fromkeys(("workflow", "activity"), "str")
    more = {"attempts": "Int64", "saved": "Int64", "example": "str"}
    assert dtypes(found) == keys | COUNTS | more


def test_retried_workflows_tell_whether_it_helped() -> None:
    found = inb.frame([*RETRIED, ran("nightly")]).wf.retries()
    assert found.astype(object).fillna("-").to_numpy().tolist() == [
        ["order", 3, 2, 2 / 3, 5, 1, "order-2"],
        ["import", 1, 1, 1, 1, 1, "import-1"],
        ["nightly", 1, 0, 0, 0, 0, "-"],
    ]
    more = {"retries": "Int64", "saved": "Int64", "example": "str"}
    assert dtypes(found) == {"workflow": "str"} | COUNTS | more


def test_only_workflows_and_activities_have_retries() -> None:
    for rows in (runs(), inb.history_frame(RETRIED)):
        with pytest.raises(AttributeError, match=r"retries\(\) needs frame\(\) or activity_frame"):
            rows.wf.retries()


CALLS = st.tuples(
    st.sampled_from("ab"),
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from(["completed", "failed", "running"]),
    st.integers(1, 3),
)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("xy"), st.lists(CALLS, max_size=4)), max_size=6))
def test_a_funnel_and_retries_are_what_loops_over_the_rows_find(drawn: list[Any]) -> None:
    states = [called(f"{name}-{n}", *calls) for n, (name, calls) in enumerate(drawn)]
    rows, all_runs = inb.activity_frame(states), inb.frame(states)
    table = list(rows.itertuples())
    names = {row.workflow for row in all_runs.itertuples()}
    for name in names:
        found = rows.wf.funnel(name, runs=all_runs)
        assert set(found["activity"]) == {row.activity for row in table if row.workflow == name}
        for told in found.itertuples():
            calls: dict[str, list[Any]] = {}
            for row in table:
                if (row.workflow, row.activity) == (name, told.activity):
                    calls.setdefault(row.workflow_id, []).append(row)
            outcomes = [[row.outcome for row in of_run] for of_run in calls.values()]
            assert told.reached == len(calls)
            assert told.share == len(calls) / sum(
                row.workflow == name for row in all_runs.itertuples()
            )
            assert told.completed == sum(set(words) == {"completed"} for words in outcomes)
            assert told.failed == sum("failed" in words for words in outcomes)
            assert told.retried == sum(
                any(row.attempt_count > 1 for row in of_run) for of_run in calls.values()
            )
    for told in rows.wf.retries().itertuples():
        mine = [
            row for row in table if (row.workflow, row.activity) == (told.workflow, told.activity)
        ]
        again = [row for row in mine if row.attempt_count > 1]
        assert (told.count, told.retried) == (len(mine), len(again))
        assert told.attempts == max(row.attempt_count for row in mine)
        assert told.saved == sum(row.outcome == "completed" for row in again)
        assert pd.isna(told.example) == (not again)
