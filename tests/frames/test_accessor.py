"""`df.wf`: summary, running, failed and durations of a frame."""

import copy
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from frame_states import NOON, after, go_states, history, state
from hypothesis import given
from hypothesis import strategies as st

import inngest_nb as inb
from inngest_nb import samples

NOW = after(0)


def took(name: str, seconds: float, status: str = "completed", **more: object) -> inb.WorkflowState:
    return state(name, status, created_at=NOON, updated_at=after(seconds), **more)


def failures(*errors: str) -> pd.DataFrame:
    states = [
        took(f"order-{place}", place, "failed", error=error) for place, error in enumerate(errors)
    ]
    return inb.frame(reversed(states)).wf.failed()


FRAMES = [inb.frame, inb.activity_frame, inb.history_frame]


# On which frames


@pytest.mark.parametrize("make", FRAMES)
def test_it_is_there_on_each_of_the_frames(make: object) -> None:
    assert "summary()" in repr(make(go_states()).wf)


def test_it_is_not_there_where_the_columns_are_not() -> None:
    with pytest.raises(AttributeError, match="run_id, duration, and one of status"):
        _ = pd.DataFrame({"status": ["running"]}).wf
    assert not hasattr(pd.DataFrame(), "wf")
    assert not hasattr(inb.frame(go_states()).drop(columns="duration"), "wf")


def test_a_missing_column_is_named_by_the_method_that_needs_it() -> None:
    with pytest.raises(AttributeError, match="left out: error"):
        inb.frame(go_states()).drop(columns="error").wf.failed()


@pytest.mark.parametrize("make", FRAMES)
def test_no_question_changes_the_frame(make: object) -> None:
    frame = make(samples.states(60, now=NOW), **({"payloads": True} if make != FRAMES[1] else {}))
    frame.attrs["nested"] = ["as it was"]
    before, attrs = copy.deepcopy(frame), copy.deepcopy(frame.attrs)
    for answer in (frame.wf.summary(), frame.wf.failed(), frame.wf.durations()):
        answer.iloc[:, 0] = answer.iloc[0, 0]
        answer.attrs["nested"].append("overwritten")
    if make != inb.history_frame:
        answer = frame.wf.running(0)
        answer["run_id"] = "overwritten"
        answer.attrs["source"] = "overwritten"
    pd.testing.assert_frame_equal(frame, before)
    assert frame.attrs == attrs


@pytest.mark.parametrize("make", FRAMES)
def test_answers_have_the_same_dtypes_for_an_empty_frame(make: object) -> None:
    full, empty = make(samples.states(300, now=NOW)), make([])
    for ask in ("summary", "failed", "durations"):
        some, none = getattr(full.wf, ask)(), getattr(empty.wf, ask)()
        assert list(none.dtypes.astype(str)) == list(some.dtypes.astype(str))
        assert list(none.columns) == list(some.columns)
        assert len(some) > 0
    assert len(empty.wf.failed()) == 0


def test_answers_remember_where_the_rows_came_from() -> None:
    frame = inb.frame(go_states())
    for answer in (frame.wf.summary(), frame.wf.failed(), frame.wf.durations(), frame.wf.running()):
        assert answer.attrs["fetched_at"] == frame.attrs["fetched_at"]


# summary


def test_a_summary_counts_every_status_and_shows_zeros() -> None:
    frame = inb.frame([took("a", 1), took("b", 3), took("c", 9, "failed"), took("d", 1, "paused")])
    summary = frame.wf.summary()
    assert summary["count"].to_dict() == {
        "running": 0,
        "completed": 2,
        "failed": 1,
        "canceled": 0,
        "paused": 1,
    }
    assert summary["share"].tolist() == [0, 0.5, 0.25, 0, 0.25]
    assert summary.loc["completed", ["p50", "p90", "max"]].tolist() == [
        timedelta(seconds=2),
        timedelta(seconds=2.8),
        timedelta(seconds=3),
    ]
    assert summary.loc["running", ["p50", "p90", "max"]].isna().all()


def test_rows_without_a_status_are_counted_too() -> None:
    summary = inb.frame(go_states()).wf.summary()
    assert summary["count"].tolist() == [21, 6, 5, 6, 1]
    assert pd.isna(summary.index[-1])


def test_a_summary_understands_a_column_that_became_text() -> None:
    one, other = inb.frame(took("a", 1)), inb.frame(took("b", 1, "paused"))
    joined = pd.concat([one, other])
    assert joined["status"].dtype != "category"
    assert joined.wf.summary()["count"].tolist() == [0, 1, 0, 0, 1]


def test_a_summary_of_activities_counts_outcomes_and_of_events_types() -> None:
    states = go_states()
    outcomes = inb.activity_frame(states).wf.summary()["count"]
    assert (outcomes["completed"], outcomes["abandoned"]) == (43, 10)
    types = inb.history_frame(states).wf.summary()
    assert types.loc["timer_fired", "count"] == 22
    assert types.loc["timer_fired", "p50"] == timedelta(seconds=1.5)
    assert len(types) == 10


# running


def running_since(*seconds: float | None) -> pd.DataFrame:
    """Give a frame of runs that began so many seconds before it was made."""
    frame = inb.frame([state(str(place), "running") for place, _ in enumerate(seconds)])
    return frame.assign(duration=pd.array(pd.to_timedelta(seconds, unit="s").as_unit("us")))


def test_running_gives_the_longest_first() -> None:
    frame = pd.concat([running_since(5, None, 7200), inb.frame(took("done", 9))])
    assert list(frame.wf.running()["workflow_id"]) == ["2", "0", "1"]


@pytest.mark.parametrize(
    "longer_than",
    [
        timedelta(hours=2),
        "2h",
        "2 hours",
        "7200",
        7200,
        7200.0,
        np.float64(7200),
        pd.Timedelta("2h"),
    ],
)
def test_longer_than_is_a_timedelta_or_text_or_seconds(longer_than: object) -> None:
    frame = running_since(7199, 7200, 7201, None)
    assert list(frame.wf.running(longer_than)["workflow_id"]) == ["2"]
    assert list(frame.wf.running(longer_than=longer_than)["workflow_id"]) == ["2"]


@pytest.mark.parametrize("longer_than", ["soon", "", [], object(), float("inf"), float("nan")])
def test_a_bad_duration_is_refused_with_examples(longer_than: object) -> None:
    with pytest.raises(ValueError, match="timedelta or text such as '2h'"):
        running_since(1).wf.running(longer_than)


def test_running_activities_are_found_and_events_do_not_run() -> None:
    workflow = state(status="running", history=history(("activity_started", "charge", 0)))
    assert list(inb.activity_frame(workflow).wf.running("1 day")["activity"]) == ["charge"]
    with pytest.raises(AttributeError, match="events do not run"):
        inb.history_frame(workflow).wf.running()


# failed


@pytest.mark.parametrize(
    ("errors", "family"),
    [
        (["timeout after 30 s", "timeout after 30 s"], "timeout after 30 s"),
        (["timeout after 30 s", "timeout after 45 s"], "timeout after … s"),
        (["timeout after 30s", "timeout after 1.5s"], "timeout after …"),
        (["HTTP 503 from 'a-1'", "HTTP 503 from 'b'"], "HTTP 503 from …"),
        (["HTTP 503 from 'a'", "HTTP 500 from 'a'"], "HTTP … from 'a'"),
        (["no order-000123", "no order-000124"], "no …"),
        (['bad "x y" in row 3', 'bad "" in row 4'], "bad … in row …"),
        (["at 10.0.0.1:80", "at 10.0.0.2:8080"], "at …"),
        (
            [
                "lock 6f1c2ab0-9d3e-4c55-8a10-0123456789ab",
                "lock abcdefab-cdef-4bcd-8efa-bcdefabcdefa",
            ],
            "lock …",
        ),
        (["since 2025-07-14T09:08:07Z", "since 2025-07-14T09:08:07.25+02:00"], "since …"),
        (["can't read user's row 1", "can't read user's row 2"], "can't read user's row …"),
    ],
)
def test_errors_that_differ_in_numbers_ids_and_quotes_are_one_family(
    errors: list[str], family: str
) -> None:
    found = failures(*errors)
    assert found["error"].tolist() == [family]
    assert found["count"].tolist() == [2]


@pytest.mark.parametrize(
    "errors",
    [
        ["card declined", "card expired"],
        ["card declined", "card declined "],
        ["timeout", "timeout after 30 s"],
        ["row 1 of a", "row 1 of b"],
        ["can't open a's file", "can't open b's file"],
        ["can't open the users' file", "can't move the users' file"],
    ],
)
def test_errors_that_differ_in_words_are_two_families(errors: list[str]) -> None:
    assert sorted(failures(*errors)["error"]) == sorted(errors)


def test_a_family_tells_how_many_when_and_an_example() -> None:
    found = failures("card declined", "timeout after 1 s", "timeout after 2 s", "timeout after 3 s")
    assert found.to_dict("records") == [
        {
            "error": "timeout after … s",
            "count": 3,
            "share": 0.75,
            "first_seen": after(1),
            "last_seen": after(3),
            "example": "order-3",
        },
        {
            "error": "card declined",
            "count": 1,
            "share": 0.25,
            "first_seen": after(0),
            "last_seen": after(0),
            "example": "order-0",
        },
    ]


def test_failures_without_an_error_are_a_family_too() -> None:
    found = failures("", "", "card declined")
    assert found["count"].tolist() == [2, 1]
    assert pd.isna(found.loc[0, "error"])
    assert found.loc[0, "example"] == "order-1"


def test_only_failures_are_counted() -> None:
    states = [took("a", 1, "canceled", error="stopped"), took("b", 1, error="odd"), took("c", 1)]
    assert inb.frame(states).wf.failed().empty


def test_activities_and_events_that_failed_are_grouped_too() -> None:
    events = history(
        ("activity_started", "charge", 0),
        ("activity_failed", "charge", 1, {"error": "card declined 1"}),
        ("activity_started", "charge", 2),
        ("activity_failed", "charge", 3, {"error": "card declined 2"}),
        ("workflow_failed", "", 4, {"error": "card declined 2"}),
    )
    workflow = state(status="failed", history=events)
    assert inb.activity_frame(workflow).wf.failed()["error"].tolist() == ["card declined 2"]
    assert inb.history_frame(workflow).wf.failed()["count"].tolist() == [3]


@given(st.lists(st.text("a1 '\"`…:-\n\0", max_size=12), max_size=6))
def test_no_failure_is_lost_whatever_its_text(errors: list[str]) -> None:
    found = failures(*errors)
    assert found["count"].sum() == len(errors)
    assert found["share"].sum() == pytest.approx(1 if errors else 0)


@pytest.mark.parametrize("text", ["a" * 500_000, "'" * 500_000, "' a" * 200_000, "1." * 300_000])
def test_long_errors_take_no_time_to_group(text: str) -> None:
    started = pd.Timestamp.now("UTC")
    assert failures(text, text + "!")["count"].sum() == 2
    assert pd.Timestamp.now("UTC") - started < timedelta(seconds=10)


# durations


def test_durations_are_percentiles_by_status() -> None:
    frame = inb.frame([took(str(n), n) for n in range(101)])
    row = frame.wf.durations().loc["completed"]
    assert row["count"] == 101
    assert row.drop("count").to_dict() == {
        "min": timedelta(0),
        "p50": timedelta(seconds=50),
        "p90": timedelta(seconds=90),
        "p95": timedelta(seconds=95),
        "p99": timedelta(seconds=99),
        "max": timedelta(seconds=100),
    }


def test_unknown_durations_are_not_counted() -> None:
    frame = inb.frame([took("a", 1), state("b")])
    assert frame.wf.durations().loc["completed", "count"] == 1


def test_durations_of_activities_are_by_activity_and_of_those_that_ended() -> None:
    events = history(
        ("activity_started", "charge", 0),
        ("activity_completed", "charge", 2),
        ("activity_started", "ship", 3),
        ("activity_failed", "ship", 7),
        ("activity_started", "charge", 8),
    )
    found = inb.activity_frame(state(status="running", history=events)).wf.durations()
    assert found["count"].to_dict() == {"charge": 1, "ship": 1}
    assert found["max"].to_dict() == {"charge": timedelta(seconds=2), "ship": timedelta(seconds=4)}


def test_durations_of_thousands_of_years_are_no_problem() -> None:
    long = [took(str(n), 0).replace(created_at=NOON.replace(year=2)) for n in range(1000)]
    assert inb.frame(long).wf.durations().loc["completed", "p99"].days > 365 * 2000
