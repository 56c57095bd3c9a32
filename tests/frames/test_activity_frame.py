"""`activity_frame`: which start, end and retry make up one activity."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from frame_states import after, go_states, history, state
from hypothesis import given
from hypothesis import strategies as st

import inngest_nb as inb
from inngest_nb import EventType, HistoryEvent

START, DONE, FAIL = "activity_started", "activity_completed", "activity_failed"


def rows(*events: tuple, status: str = "running") -> pd.DataFrame:
    return inb.activity_frame(state(status=status, history=history(*events)))


def seconds(frame: pd.DataFrame, column: str = "duration") -> list[float | None]:
    return [None if pd.isna(span) else span.total_seconds() for span in frame[column]]


@pytest.mark.parametrize("source", [[], go_states()], ids=["none", "Go's"])
def test_the_columns_and_dtypes_are_always_the_same(source: list[inb.WorkflowState]) -> None:
    frame = inb.activity_frame(source)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "workflow_id": "str",
        "run_id": "str",
        "workflow": "str",
        "status": "category",
        "activity": "str",
        "attempt_count": "Int64",
        "started_at": "datetime64[us, UTC]",
        "ended_at": "datetime64[us, UTC]",
        "duration": "timedelta64[us]",
        "outcome": "category",
        "error": "str",
    }
    assert list(frame["outcome"].cat.categories) == [
        "running",
        "completed",
        "failed",
        "canceled",
        "abandoned",
    ]


def test_a_start_and_an_end_make_one_row() -> None:
    frame = rows((START, "charge", 1), ("timer_fired", "", 2), (DONE, "charge", 4))
    (row,) = frame.to_dict("records")
    assert (row["activity"], row["outcome"], row["attempt_count"]) == ("charge", "completed", 1)
    assert (row["started_at"], row["ended_at"]) == (after(1), after(4))
    assert row["duration"] == timedelta(seconds=3)
    assert pd.isna(row["error"])


def test_an_activity_of_a_running_workflow_runs_until_now() -> None:
    frame = rows((START, "charge", 1))
    assert list(frame["outcome"]) == ["running"]
    assert frame.loc[0, "duration"] == datetime.fromisoformat(frame.attrs["fetched_at"]) - after(1)
    assert pd.isna(frame.loc[0, "ended_at"])


@pytest.mark.parametrize(
    ("status", "outcome", "took"),
    [
        ("canceled", "canceled", 4),  # until its run was
        ("completed", "abandoned", None),
        ("failed", "abandoned", None),
        ("paused", "running", None),  # nobody knows whether that run is over
    ],
)
def test_an_open_activity_shares_the_fate_of_its_run(
    status: str, outcome: str, took: int | None
) -> None:
    events = history((START, "charge", 1))
    frame = inb.activity_frame(state(status=status, updated_at=after(5), history=events))
    assert list(frame["outcome"]) == [outcome]
    assert list(frame["duration"].dropna()) == ([] if took is None else [timedelta(seconds=took)])


# Retries


def test_a_retry_is_another_attempt_of_the_same_row() -> None:
    frame = rows(
        (START, "charge", 1, {"input": {"order": 1}}),
        (FAIL, "charge", 2, {"error": "HTTP 503"}),
        (START, "charge", 4, {"input": {"order": 1}}),
        (DONE, "charge", 5),
    )
    (row,) = frame.to_dict("records")
    assert (row["attempt_count"], row["outcome"]) == (2, "completed")
    assert (row["started_at"], row["ended_at"]) == (after(1), after(5))
    assert row["duration"] == timedelta(seconds=4)
    assert pd.isna(row["error"])


def test_an_activity_that_is_tried_again_runs_and_shows_its_last_error() -> None:
    frame = rows(
        (START, "charge", 1),
        (FAIL, "charge", 2, {"error": "HTTP 503", "duration": timedelta(seconds=1)}),
        (START, "charge", 4),
    )
    (row,) = frame.to_dict("records")
    assert (row["attempt_count"], row["outcome"], row["error"]) == (2, "running", "HTTP 503")
    assert pd.isna(row["ended_at"])
    assert row["duration"] == datetime.fromisoformat(frame.attrs["fetched_at"]) - after(1)


def test_an_activity_that_fails_for_good_keeps_its_last_error() -> None:
    frame = rows(
        (START, "charge", 1),
        (FAIL, "charge", 2, {"error": "HTTP 503"}),
        (START, "charge", 3),
        (FAIL, "charge", 4, {"error": "HTTP 504"}),
        status="failed",
    )
    assert frame[["attempt_count", "outcome", "error"]].values.tolist() == [
        [2, "failed", "HTTP 504"]
    ]


def test_a_retry_whose_start_was_not_recorded_is_an_attempt_too() -> None:
    frame = rows((START, "a", 1), (FAIL, "a", 2), (FAIL, "a", 3), (DONE, "a", 4))
    assert frame[["attempt_count", "outcome"]].values.tolist() == [[3, "completed"]]
    assert seconds(frame) == [3]


def test_a_retry_may_leave_its_input_out() -> None:
    frame = rows((START, "a", 1, {"input": 1}), (FAIL, "a", 2), (START, "a", 3), (DONE, "a", 4))
    assert list(frame["attempt_count"]) == [2]


def test_the_same_activity_with_another_input_is_another_row() -> None:
    frame = rows(
        (START, "load", 1, {"input": {"part": 1}}),
        (FAIL, "load", 2),
        (START, "load", 3, {"input": {"part": 2}}),
        (DONE, "load", 4),
    )
    assert frame[["attempt_count", "outcome"]].values.tolist() == [[1, "failed"], [1, "completed"]]


def test_the_same_activity_after_a_success_is_another_row() -> None:
    frame = rows((START, "a", 1), (DONE, "a", 2), (START, "a", 3), (DONE, "a", 5))
    assert seconds(frame) == [1, 2]


# At the same time


def test_activities_of_one_name_at_the_same_time_are_not_merged() -> None:
    frame = rows(*[(START, "a", n) for n in range(3)], *[(DONE, "a", 10 + n) for n in range(3)])
    assert list(frame["outcome"]) == ["completed"] * 3
    assert seconds(frame) == [10, 10, 10]


def test_recorded_durations_tell_which_end_belongs_to_which_start() -> None:
    def done(at: float, took: float) -> tuple:
        return (DONE, "a", at, {"duration": timedelta(seconds=took)})

    frame = rows(
        (START, "a", 0), (START, "a", 1), (START, "a", 2), done(3, 1), done(7, 7), done(9, 8)
    )
    assert seconds(frame) == [7, 8, 1]


def test_one_of_many_at_the_same_time_is_retried_by_its_input() -> None:
    frame = rows(
        (START, "a", 0, {"input": {"part": 0}}),
        (START, "a", 1, {"input": {"part": 1}}),
        (FAIL, "a", 4, {"duration": timedelta(seconds=3)}),
        (START, "a", 5, {"input": {"part": 1}}),
        (DONE, "a", 6, {"duration": timedelta(seconds=1)}),
        (DONE, "a", 9, {"duration": timedelta(seconds=9)}),
    )
    assert list(frame["attempt_count"]) == [1, 2]
    assert seconds(frame) == [9, 5]
    assert list(frame["ended_at"]) == [after(9), after(6)]


def test_ten_thousand_at_once_are_paired_without_comparing_each_with_each() -> None:
    many = range(10_000)
    events = [(START, "a", n / 1000, {"input": n}) for n in many]
    events += [(FAIL, "a", 20 + n / 1000, {"duration": timedelta(seconds=20)}) for n in many]
    events += [(START, "a", 50 + n / 1000, {"input": n}) for n in reversed(many)]
    before = datetime.now(UTC)
    frame = rows(*events)
    assert list(frame["attempt_count"].unique()) == [2]
    assert datetime.now(UTC) - before < timedelta(seconds=10)


# Histories with holes


def test_an_end_without_a_start_is_a_row_with_the_recorded_duration() -> None:
    frame = rows((DONE, "a", 5, {"duration": timedelta(seconds=2)}), (FAIL, "b", 6))
    assert frame["started_at"].isna().all()
    assert list(frame["ended_at"]) == [after(5), after(6)]
    assert seconds(frame) == [2, None]


def test_calls_that_a_retry_of_the_run_undid_keep_apart_from_those_with_their_numbers() -> None:
    undone = {"superseded": True}
    frame = rows(
        (START, "charge", 1, {"seq": 1, "attempt": 1}),
        (FAIL, "charge", 2, {"seq": 1, "attempt": 1, "retry_at": after(5)}),
        (START, "refund", 2, {"seq": 2, "attempt": 1, **undone}),
        (DONE, "refund", 3, {"seq": 2, "attempt": 1, **undone}),
        ("workflow_failed", "", 4, undone),
        (START, "charge", 5, {"seq": 1, "attempt": 2}),
        (DONE, "charge", 6, {"seq": 1, "attempt": 2}),
        (START, "ship", 6, {"seq": 2, "attempt": 1}),
        (DONE, "ship", 8, {"seq": 2, "attempt": 1}),
        status="completed",
    )
    assert list(frame["activity"]) == ["charge", "refund", "ship"]
    assert list(frame["outcome"]) == ["completed"] * 3
    assert list(frame["attempt_count"]) == [2, 1, 1]


def test_events_without_times_or_names_do_not_break_the_frame() -> None:
    kinds = [START, START, DONE, DONE, FAIL, START]
    events = tuple(
        HistoryEvent(type=EventType(kind), duration=timedelta(seconds=1)) for kind in kinds
    )
    frame = inb.activity_frame(state(status="running", history=events))
    assert list(frame["outcome"]) == ["completed", "completed", "running"]
    assert seconds(frame) == [1, 1, None]
    assert frame["activity"].isna().all()


def test_inputs_nested_too_deeply_to_compare_are_different() -> None:
    deep: list = []
    for _ in range(5_000):
        deep = [deep]
    frame = rows((START, "a", 1, {"input": deep}), (FAIL, "a", 2), (START, "a", 3, {"input": [1]}))
    assert len(frame) == 2


def test_go_histories_give_their_activities() -> None:
    frame = inb.activity_frame(go_states()).set_index("workflow_id")
    assert frame.loc["wf-00000001", "activity"].tolist() == ["step-1", "step-3", "step-5"]
    assert frame.loc["wf-00000001", "outcome"].tolist() == ["completed", "completed", "abandoned"]
    assert frame.loc["wf-00000003", "outcome"].tolist() == ["completed", "completed", "canceled"]
    assert frame.loc["wf-00000004", "outcome"].tolist() == ["completed", "completed", "running"]


events = st.tuples(
    st.sampled_from([START, DONE, FAIL, "timer_fired"]),
    st.sampled_from(["a", "b"]),
    st.integers(0, 9),
    st.fixed_dictionaries(
        {"duration": st.integers(0, 5).map(lambda n: timedelta(seconds=n))},
        optional={"input": st.integers(0, 1)},
    ),
)


@given(st.lists(events, max_size=12))
def test_every_start_and_every_end_is_in_exactly_one_row(written: list[tuple]) -> None:
    frame = rows(*written)
    kinds = Counter(kind for kind, *_ in written)
    outcomes = Counter(frame["outcome"])
    ends = kinds[DONE] + kinds[FAIL]
    assert kinds[START] <= frame["attempt_count"].sum() <= kinds[START] + ends
    assert outcomes["completed"] == kinds[DONE]
    assert outcomes["failed"] <= kinds[FAIL]
    assert frame.index.is_unique
    assert outcomes.total() == len(frame)
    workflow = inb.frame(state(history=history(*written))).iloc[0]
    assert workflow["activities"] == len(frame)
    assert workflow["retries"] == frame["attempt_count"].sum() - len(frame)
