"""A history moment by moment: which line asked for what, and what was waited for."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

from frame_states import after, history, state

import inngest_nb as inb
from inngest_nb import Executor, WorkflowState
from inngest_nb.engine import Call, ReplayStep, replay_steps
from inngest_nb.notebook.replay._moments import Moment, moments_of, plain_moments, state_at

HERE = __file__.rpartition("/")[2]


def double(number: int) -> int:
    return 2 * number


# Set when a run of the workflow has come to its signal, in whatever thread it is.
listening = threading.Event()


async def sums(ctx: Any, numbers: list[int]) -> int:
    doubled = await asyncio.gather(*(ctx.execute_activity(double, n) for n in numbers))
    await ctx.sleep(0.001)
    listening.set()
    extra = await ctx.receive_signal("extra", timeout=60)
    return await ctx.execute_activity(sum, [*doubled, extra])


def line_with(text: str) -> int:
    with open(__file__, encoding="utf-8") as source:
        return next(number for number, line in enumerate(source, 1) if line.strip() == text)


def run_of_sums() -> WorkflowState:
    with Executor() as executor:
        handle = executor.execute(sums, id="sums", input=[1, 2])
        listening.wait(20)
        executor.signal("sums", inb.Signal("extra", 10))
        assert handle.result(20) == 16
        return handle.state


def moments(one: WorkflowState, fn: Any) -> list[Moment]:
    return moments_of(one, replay_steps(fn, one))


def test_each_event_tells_the_line_that_asked_for_it_and_what_the_code_did_then() -> None:
    found = {(str(m.event.type), m.event.activity_name): m for m in moments(run_of_sums(), sums)}
    gather = line_with(
        "doubled = await asyncio.gather(*(ctx.execute_activity(double, n) for n in numbers))"
    )
    asks_for_sum = line_with("return await ctx.execute_activity(sum, [*doubled, extra])")
    began = found["workflow_started", ""]
    assert began.asked_by is None
    assert [(line.place, line.asks) for line in began.then] == [
        (f"{HERE}:{gather}", "activity double, 2 times")
    ]
    assert began.waits == ["activity double, 2 times"]
    doubled = found["activity_completed", "double"]  # the second one
    assert doubled.asked_by is not None
    assert doubled.asked_by.place == f"{HERE}:{gather}"
    assert [line.text for line in doubled.then] == ["await ctx.sleep(0.001)"]
    assert doubled.waits == ["timer"]
    fired = found["timer_fired", ""]
    assert fired.asked_by is not None
    assert fired.asked_by.text == "await ctx.sleep(0.001)"
    assert "signal extra" in fired.waits
    signaled = found["signal_received", ""]
    assert signaled.asked_by is not None
    assert signaled.asked_by.text.startswith('extra = await ctx.receive_signal("extra"')
    assert [line.place for line in signaled.then] == [f"{HERE}:{asks_for_sum}"]
    assert signaled.waits == ["activity sum"]
    ended = found["workflow_completed", ""]
    assert (ended.asked_by, list(ended.then), list(ended.waits)) == (None, [], [])
    assert ended.since is not None
    assert ended.since > timedelta()


def test_a_timer_that_never_fires_is_not_waited_for() -> None:
    assert all("timer" not in moment.waits for moment in moments(run_of_sums(), sums)[-3:])


def go_run(*events: tuple[Any, ...]) -> WorkflowState:
    return state(history=history(("workflow_started", "", 0), *events))


def steps_with(one: WorkflowState, *calls: Call) -> list[ReplayStep]:
    return [
        ReplayStep(event, calls if place == 0 else ()) for place, event in enumerate(one.history)
    ]


def test_without_numbers_a_line_is_named_only_where_no_other_could_have_asked() -> None:
    one = go_run(("activity_started", "charge", 1), ("activity_completed", "charge", 2))
    here = Call(1, "activity", "charge", "/code/order.py", 7)
    found = moments_of(one, steps_with(one, here, here))
    assert [m.asked_by and m.asked_by.place for m in found] == [None, "order.py:7", "order.py:7"]
    there = Call(2, "activity", "charge", "/code/order.py", 8)
    assert [m.asked_by for m in moments_of(one, steps_with(one, here, there))] == [None] * 3
    assert moments_of(one, steps_with(one, here, there))[2].waits == ["activity charge"]


def test_an_attempt_that_fails_and_is_tried_again_is_still_waited_for() -> None:
    one = go_run(
        ("activity_started", "charge", 1, {"seq": 1}),
        ("activity_failed", "charge", 2, {"seq": 1, "retry_at": after(3)}),
        ("activity_started", "charge", 3, {"seq": 1}),
        ("activity_failed", "charge", 4, {"seq": 1}),
    )
    found = moments_of(one, steps_with(one, Call(1, "activity", "charge", "order.py", 7)))
    assert [list(m.waits) for m in found] == [["activity charge"]] * 4 + [[]]


def test_a_line_of_a_notebook_is_said_to_be_in_a_cell() -> None:
    one = go_run()
    call = Call(1, "activity", "charge", "/somewhere/ipykernel_77/123456.py", 3)
    (moment,) = moments_of(one, steps_with(one, call))
    assert moment.then[0].place == "a cell, line 3"


def test_the_state_at_a_moment_knows_nothing_of_what_came_later() -> None:
    one = run_of_sums()
    found = moments(one, sums)
    first = state_at(one, found, 1)
    assert (first.status, first.result, len(first.history)) == ("running", None, 1)
    assert first.updated_at == one.history[0].timestamp
    last = state_at(one, found, len(found))
    assert (last.status, last.result, last.history) == ("completed", 16, one.history)


def test_an_empty_history_has_no_moments() -> None:
    assert moments_of(state(), []) == []


def test_ten_thousand_events_are_read_in_one_go() -> None:
    events = [
        (kind, "part", 0, {"seq": n})
        for n in range(1, 5_001)
        for kind in ("activity_started", "activity_completed")
    ]
    one = go_run(*events)
    calls = [Call(n, "activity", "part", "order.py", 7) for n in range(1, 5_001)]
    found = moments_of(one, steps_with(one, *calls))
    assert found[0].then[0].asks == "activity part, 5,000 times"
    assert found[-1].waits == []


def test_plain_text_has_a_line_for_each_event_and_says_what_is_left_out() -> None:
    one = go_run(
        ("activity_started", "charge", 1), ("signal_received", "", 2, {"signal_name": "x"})
    )
    found = moments_of(one, steps_with(one, Call(1, "activity", "charge", "order.py", 7)))
    assert plain_moments(one, found[:2], 3).splitlines() == [
        "Replay of order-1: 3 events",
        "1  ±0 ms  workflow_started         order.py:7",
        "2   +1 s  activity_started charge",
        "and 1 more event",
    ]
