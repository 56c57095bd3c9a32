"""From a history to numbers and labels, before anything is drawn."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from frame_states import NOON, after, go_states, history, state
from hypothesis import given
from hypothesis import strategies as st

from inngest_nb import EventType, HistoryEvent, WorkflowState, wire
from inngest_nb.notebook.timeline import picture_of

RETRIED = history(
    ("workflow_started", "", 0),
    ("activity_started", "charge", 0, {"input": 1}),
    ("activity_failed", "charge", 2, {"error": "card declined", "duration": 2}),
    ("activity_started", "charge", 4, {"input": 1}),
    ("activity_completed", "charge", 5, {"duration": 1}),
    ("signal_received", "", 6, {"signal_name": "approve"}),
    ("timer_fired", "", 10, {"duration": 3}),
    ("workflow_completed", "", 10),
)


def chart(events: tuple[HistoryEvent, ...], status: str = "completed", now: Any = None) -> Any:
    return picture_of(state(status=status, history=events), now or after(10)).chart


def row_of(drawn: Any, name: str, kind: str = "activity") -> Any:
    return next(row for row in drawn.rows if (row.kind, row.name) == (kind, name))


def many(
    count: int, names: int = 1, seconds: float = 1, every: float = 1
) -> tuple[HistoryEvent, ...]:
    """Write activities that begin one after the other and last so long each."""
    starts = [("activity_started", number * every, number) for number in range(count)]
    ends = [("activity_completed", number * every + seconds, number) for number in range(count)]
    return history(
        *[
            (kind, f"name{number % names}", at, {"input": number, "duration": at})
            for kind, at, number in sorted(starts + ends, key=lambda event: event[1])
        ]
    )


def test_attempts_of_an_activity_are_bars_of_one_row() -> None:
    charge = row_of(chart(RETRIED), "charge")
    assert [(bar.word, bar.start, bar.width) for bar in charge.bars] == [
        ("failed", 0.5, 19.8),
        ("completed", 40.1, 9.9),
        ("waiting", 20.3, 19.8),
    ]
    assert charge.bars[0].note == "attempt 1 failed, 2 s: card declined"
    assert charge.outcome == "completed, 2 attempts, 5 s"
    assert charge.error == "attempt 1: card declined"


def waits(drawn: Any, name: str = "ask") -> list[tuple[float, float, str]]:
    """Give where the lines for waiting begin and end, in per cent, and what they say."""
    bars = [bar for bar in row_of(drawn, name).bars if bar.word == "waiting"]
    return [(bar.start, round(bar.start + bar.width, 2), bar.note) for bar in bars]


def test_the_pause_before_each_retry_is_a_line_between_the_attempts() -> None:
    assert waits(chart(RETRIED), "charge") == [(20.3, 40.1, "2 s of waiting for attempt 2")]
    cut_off = history(
        ("activity_started", "ask", 0, {"seq": 1}),
        ("activity_started", "ask", 4, {"seq": 1}),
        ("activity_completed", "ask", 10, {"seq": 1}),
    )
    assert waits(chart(cut_off)) == []  # nobody knows when the first attempt was over


@pytest.mark.parametrize(
    ("status", "now", "end"),
    [("running", 40, 99.5), ("running", 100, 89.6), ("canceled", 100, 99.5)],
)
def test_a_retry_that_is_due_is_waited_for_until_then_or_until_the_run_ends(
    status: str, now: float, end: float
) -> None:
    events = history(("activity_started", "ask", 0), ("activity_failed", "ask", 10))
    events = (events[0], events[1].replace(retry_at=after(90)))
    if status == "canceled":
        events += history(("workflow_canceled", "", 40))
    begin = 10 / (100 if end < 99 else 40) * 99 + 0.5
    ((start, stop, note),) = waits(chart(events, status, now=after(now)))
    assert (start, stop) == (pytest.approx(begin, abs=0.01), end)
    assert note == f"{'1 min 20 s' if end < 99 else '30 s'} of waiting for attempt 2"


def test_a_timer_is_waited_for_and_nothing_is_guessed_of_a_signal() -> None:
    drawn = chart(RETRIED)
    assert [bar.word for bar in row_of(drawn, "", "timer").bars] == ["waiting"]
    assert [bar.word for bar in row_of(drawn, "approve", "signal").bars] == ["received"]


def parts(*inputs: Any) -> list[str]:
    """Give what stands beside the names of activities that all have one name."""
    starts = [("activity_started", "f", 0, {"input": given}) for given in inputs]
    return [row.part for row in chart(history(*starts), "running").rows]


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ([{"city": "Oslo", "all": [1]}, {"city": "Lima", "all": [1]}], ["Oslo", "Lima"]),
        ([{"a": {"b": [1, 2]}, "c": 1}, {"a": {"b": [3]}, "c": 1}], ["[1, 2]", "[3]"]),
        ([1, 2, 3], ["1", "2", "3"]),
        ([1, "1"], ["1", '"1"']),
        ([1, 1.0], ["1", "1.0"]),
        ([True, None], ["true", ""]),
        ([{"n": 1}, None, {"n": 2}], ["1", "", "2"]),
        (["a", "a", "b"], ["a", "a", "b"]),
        ([{"n": 1, "x": "p"}, {"n": 1, "x": "q"}, {"n": 2, "x": "p"}],
         ["n: 1, x: p", "n: 1, x: q", "n: 2, x: p"]),
        ([{"n": 1}, {"n": 1, "x": "new"}], ["", "new"]),
        ([{"n": 1}, {"n": 1}], ["", ""]),
        ([None, None], ["", ""]),
        (["one"], [""]),
        (["x" * 99, "y"], [f"{'x' * 21}…{'x' * 10}", "y"]),
        (["x\u202ey", "z"], ["x\\u202ey", "z"]),
        (["x" * 2_000, "y"], ["", ""]),
        ([{str(n): n for n in range(900)}, 1], ["", ""]),
    ],
)  # fmt: skip
def test_activities_of_one_name_are_told_apart_by_what_differs_in_their_inputs(
    inputs: list[Any], told: list[str]
) -> None:
    assert parts(*inputs) == told


def test_numbers_that_tell_activities_apart_keep_their_digits() -> None:
    starts = [("activity_started", "f", 0, {"input": number}) for number in (1, 2)]
    document = wire.encode(state(status="running", history=history(*starts)))
    for short, long in ((b"1", b"12345678901234567890123.10"), (b"2", b"2e3")):
        document = document.replace(b'"Input":' + short, b'"Input":' + long)
    drawn = picture_of(wire.decode(document), after(10)).chart
    assert [row.part for row in drawn.rows] == ["12345678901234567890123.10", "2e3"]


def test_what_no_document_can_hold_is_drawn_without_it() -> None:
    assert parts(object(), "\ud800") == ["", ""]
    deep: Any = 1
    for _ in range(3_000):
        deep = [deep]
    assert parts(deep, 1) == ["", ""]


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (16.2, "16.2"),
        ({"reserved": True}, '{"reserved": true}'),
        (0, "0"),
        (None, ""),
        ("", ""),
        ("x" * 23, ""),
        (list(range(9_000)), ""),
    ],
)
def test_a_result_is_told_where_it_is_short(result: Any, shown: str) -> None:
    events = history(
        ("activity_started", "f", 0), ("activity_completed", "f", 1, {"result": result})
    )
    (row,) = chart(events).rows
    assert row.result == shown


def test_activities_of_our_executor_are_told_apart_by_their_number() -> None:
    events = history(
        ("activity_started", "get", 0, {"input": 1, "seq": 1, "attempt": 1}),
        ("activity_started", "get", 0, {"input": 1, "seq": 2, "attempt": 1}),
        ("activity_completed", "get", 1, {"seq": 2, "attempt": 1}),
        ("activity_failed", "get", 2, {"error": "e", "seq": 1, "attempt": 1}),
        ("activity_started", "get", 3, {"input": 1, "seq": 1, "attempt": 2}),
        ("activity_completed", "get", 4, {"seq": 1, "attempt": 2}),
    )
    assert [row.outcome for row in chart(events).rows] == [
        "completed, 2 attempts, 4 s",
        "completed, 1 s",
    ]


def test_signals_and_timers_have_rows_and_rows_go_by_time() -> None:
    drawn = chart(RETRIED)
    assert [(row.kind, row.name, row.begin) for row in drawn.rows] == [
        ("activity", "charge", "+0"),
        ("signal", "approve", "+6 s"),
        ("timer", "", "+7 s"),
    ]
    assert row_of(drawn, "", "timer").bars[0].width == pytest.approx(29.7)
    assert row_of(drawn, "", "timer").outcome == "fired, 3 s"


def test_the_axis_has_few_round_ticks_from_the_first_event_on() -> None:
    assert [(tick.place, tick.label) for tick in chart(RETRIED).ticks] == [
        (0.5, "0"),
        (20.3, "2 s"),
        (40.1, "4 s"),
        (59.9, "6 s"),
        (79.7, "8 s"),
        (99.5, "10 s"),
    ]


@pytest.mark.parametrize("seconds", [1e-6, 0.0005, 0.7, 40, 90, 5_000, 90_000, 4e6, 2.5e11])
def test_every_length_has_two_to_six_ticks_of_different_labels(seconds: float) -> None:
    end = datetime(1, 1, 2, tzinfo=UTC) + timedelta(seconds=seconds)
    events = (
        HistoryEvent(type="workflow_started", timestamp=datetime(1, 1, 2, tzinfo=UTC)),
        HistoryEvent(type="signal_received", timestamp=end),
    )
    labels = [tick.label for tick in chart(events).ticks]
    assert 2 <= len(set(labels)) == len(labels) <= 6


def test_a_running_attempt_lasts_until_now_and_says_so() -> None:
    events = history(("activity_started", "charge", 0), ("activity_started", "mail", 5))
    drawn = chart(events, "running", now=after(20))
    assert [bar.word for row in drawn.rows for bar in row.bars] == ["running", "running"]
    assert row_of(drawn, "charge").bars[0].width == 99
    assert row_of(drawn, "mail").outcome == "running, 15 s so far"
    later = chart(events, "running", now=after(40))
    assert row_of(later, "mail").outcome == "running, 35 s so far"
    assert row_of(later, "mail").bars[0].start < row_of(drawn, "mail").bars[0].start


def test_an_attempt_that_was_open_when_its_run_ended_lasts_until_that_end() -> None:
    events = history(("activity_started", "charge", 0), ("workflow_canceled", "", 4))
    drawn = chart(events, "canceled", now=after(9_000))
    assert row_of(drawn, "charge").outcome == "canceled, 4 s"
    assert row_of(drawn, "charge").bars[0].width == 99


def test_what_a_run_waits_for_is_said_where_it_is_known() -> None:
    events = history(("activity_started", "ask", 0), ("activity_failed", "ask", 1))
    retried = (*events[:-1], events[-1].replace(retry_at=after(90)))

    def remark(events: Any, signals: tuple[str, ...] = (), **fields: Any) -> str:
        waiting = state(history=events, status="running", **fields)
        return picture_of(waiting, after(61), signals=signals).chart.remarks[0]

    assert remark(events, ("approve", "stop")) == 'Waiting for the signals "approve" and "stop".'
    assert remark(retried).startswith("Waiting to retry ask at 2")
    gone = remark(events, owner="host:1:x", lease_until=after(30))
    assert gone.startswith("No process is running it: its lease expired at 2")


def test_a_run_that_only_waits_says_for_how_long() -> None:
    events = history(("activity_started", "ask", 0), ("activity_completed", "ask", 1))
    (remark,) = chart(events, "running", now=after(61)).remarks
    assert remark.startswith("Nothing has run for 1 min:")
    assert chart(events, "running", now=after(1.9)).remarks == ()
    assert chart(events, "completed").remarks == ()


def test_a_bar_of_no_length_can_still_be_seen() -> None:
    events = history(("activity_started", "quick", 10), ("activity_completed", "quick", 10))
    for drawn in (chart(events), chart((*history(("workflow_started", "", 0)), *events))):
        (bar,) = row_of(drawn, "quick").bars
        assert bar.width > 0.2
        assert 0 <= bar.start <= 99.5


def test_a_clock_that_goes_backwards_is_said_and_the_recorded_duration_counts() -> None:
    events = history(
        ("activity_started", "charge", 10),
        ("activity_completed", "charge", 4, {"duration": 2}),
    )
    drawn = chart(events)
    assert row_of(drawn, "charge").outcome == "completed, 2 s, the clock went backwards"
    assert "went backwards" in drawn.remarks[0]


def test_the_whole_calendar_fits_on_an_axis() -> None:
    east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
    events = (
        HistoryEvent(
            type="activity_started",
            activity_name="eon",
            timestamp=datetime(1, 1, 1, 1, tzinfo=east),
        ),
        HistoryEvent(
            type="activity_completed",
            activity_name="eon",
            timestamp=datetime.max.replace(tzinfo=west),
        ),
    )
    drawn = chart(events, now=datetime(2026, 1, 1, tzinfo=UTC))
    assert row_of(drawn, "eon").bars[0].width == 99
    assert row_of(drawn, "eon").outcome == "completed, 3652060 d 1 h"


def test_events_without_a_time_are_told_without_a_bar() -> None:
    events = (
        HistoryEvent(type="activity_started", activity_name="when"),
        HistoryEvent(type="activity_completed", activity_name="when", duration=3),
        HistoryEvent(type="signal_received", signal_name="whenever"),
    )
    drawn = chart(events)
    assert [row.bars for row in drawn.rows] == [(), ()]
    assert row_of(drawn, "when").outcome == "completed, 3 s, no time was recorded"
    assert drawn.ticks == ()


@pytest.mark.parametrize(
    ("status", "words"), [("completed", "Go's executor drops it"), ("running", "yet")]
)
def test_a_state_without_history_says_why_nothing_is_drawn(status: str, words: str) -> None:
    drawn = chart((), status)
    assert (drawn.rows, drawn.ticks) == ((), ())
    assert words in drawn.remarks[0]


def test_many_activities_of_a_name_share_lanes_in_which_nothing_overlaps() -> None:
    drawn = chart(many(60, seconds=2.5))
    assert [(row.lane, row.lanes) for row in drawn.rows] == [(1, 3), (2, 3), (3, 3)]
    assert drawn.rows[0].outcome == "60 completed, 2 min 30 s in all"
    assert [row.outcome for row in drawn.rows[1:]] == ["", ""]
    for row in drawn.rows:
        ends = [bar.start + bar.width for bar in row.bars]
        assert all(end <= bar.start + 0.31 for end, bar in zip(ends, row.bars[1:], strict=False))
    assert sum(len(row.bars) for row in drawn.rows) == 60


def test_what_is_left_out_is_said_and_what_failed_is_shown() -> None:
    failed = history(("activity_started", "bad", 5), ("activity_failed", "bad", 6, {"error": "e"}))
    drawn = chart((*many(200, names=100), *failed))
    assert len(drawn.rows) <= 40
    assert row_of(drawn, "bad").word == "failed"
    shown = [row for row in drawn.rows if row.lane == 1]
    left_out = 101 - len(shown)
    assert drawn.remarks[-1].startswith(f"{2 * left_out} items ({left_out} names) not shown")


def test_the_last_error_of_a_name_stands_below_its_last_lane() -> None:
    events = tuple(
        event.replace(type=EventType.ACTIVITY_FAILED, error="boom")
        if event.type is EventType.ACTIVITY_COMPLETED
        else event
        for event in many(60, seconds=2.5)
    )
    assert [row.error for row in chart(events).rows] == ["", "", "the last error: boom"]


def test_lanes_that_are_not_drawn_are_counted() -> None:
    drawn = chart(many(100, seconds=1_000))
    assert len(drawn.rows) == 8
    assert drawn.rows[0].outcome.endswith("92 more lines not shown")


@pytest.mark.parametrize("every", [0.01, 1, 3])
def test_ten_thousand_activities_give_a_bounded_picture(every: float) -> None:
    drawn = chart(many(10_000, names=7, every=every))
    assert len(drawn.rows) <= 40
    assert sum(len(row.bars) for row in drawn.rows) <= 1_000
    assert "neighbors are drawn as one" in drawn.remarks[-1]


def test_a_short_failure_among_many_bars_is_not_drawn_over() -> None:
    events = tuple(
        event
        if (event.type, event.input) != (EventType.ACTIVITY_COMPLETED, 4_000)
        else event.replace(type=EventType.ACTIVITY_FAILED, error="boom")
        for event in many(10_000)
    )
    assert "failed" in {bar.word for row in chart(events).rows for bar in row.bars}


def test_every_go_document_can_be_drawn() -> None:
    for one in go_states():
        assert_sound(one, datetime.now(UTC))


times = st.none() | st.datetimes(timezones=st.just(UTC)) | st.integers(0, 60).map(after)
events = st.builds(
    HistoryEvent,
    type=st.sampled_from(list(EventType)),
    timestamp=times,
    activity_name=st.sampled_from(["", "a", "b"]),
    signal_name=st.text(max_size=3),
    error=st.text(max_size=3),
    duration=st.timedeltas(timedelta(days=-100_000), timedelta(days=100_000)),
)


@given(
    st.builds(
        WorkflowState,
        workflow_id=st.text(max_size=3),
        status=st.sampled_from(["", "running", "completed", "failed", "canceled", "odd"]),
        history=st.lists(events, max_size=60),
        created_at=times,
        updated_at=times,
    )
)
def test_any_history_gives_bars_that_stay_in_the_picture(one: WorkflowState) -> None:
    assert_sound(one, NOON)


def assert_sound(one: WorkflowState, now: datetime) -> None:
    drawn = picture_of(one, now).chart
    assert len(drawn.rows) <= 40
    assert len(drawn.ticks) <= 6
    for row in drawn.rows:
        for bar in row.bars:
            assert 0 <= bar.start <= bar.start + bar.width <= 100
            assert bar.width > 0
