"""A history moment by moment: which line asked for what, and what was waited for."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

from frame_states import after, history, state

import inngest_nb as inb
from inngest_nb import Executor, WorkflowState

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
        assert handle.result(60) == 16
        return handle.state


def moments(one: WorkflowState, fn: Any) -> Any:
    return inb.replay(one, fn).moments


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
    return state(status="running", history=history(("workflow_started", "", 0), *events))


def charge(number: int = 0) -> None:
    raise AssertionError("a replay executes nothing")


async def in_one_line(ctx: inb.AsyncWorkflowContext) -> None:
    await asyncio.gather(*(ctx.execute_activity(charge, n) for n in (1, 2)))


async def in_two_lines(ctx: inb.AsyncWorkflowContext) -> None:
    await asyncio.gather(
        ctx.execute_activity(charge, 1),
        ctx.execute_activity(charge, 2),
    )


def test_without_numbers_a_line_is_named_only_where_no_other_could_have_asked() -> None:
    one = go_run(
        ("activity_started", "charge", 1, {"input": 1}), ("activity_completed", "charge", 2)
    )
    found = moments(one, in_one_line)
    line = line_with("await asyncio.gather(*(ctx.execute_activity(charge, n) for n in (1, 2)))")
    here = f"{HERE}:{line}"
    assert [m.asked_by and m.asked_by.place for m in found] == [None, here, here]
    found = moments(one, in_two_lines)
    assert [m.asked_by for m in found] == [None] * 3
    assert found[2].waits == ["activity charge"]


def test_an_attempt_that_fails_and_is_tried_again_is_still_waited_for() -> None:
    one = go_run(
        ("activity_started", "charge", 1, {"seq": 1}),
        ("activity_failed", "charge", 2, {"seq": 1, "retry_at": after(3)}),
        ("activity_started", "charge", 3, {"seq": 1}),
        ("activity_failed", "charge", 4, {"seq": 1}),
    )
    found = moments(one, charges)
    assert [list(m.waits) for m in found] == [["activity charge"]] * 4 + [[]]


def charges(ctx: inb.WorkflowContext) -> None:
    ctx.execute_activity(charge, retry=inb.RetryPolicy(max_attempts=2))


def test_a_line_of_a_notebook_is_said_to_be_in_a_cell() -> None:
    cell: dict[str, Any] = {"charge": charge}
    code = "def of_a_cell(ctx):\n\n    ctx.execute_activity(charge)\n"
    exec(compile(code, "/somewhere/ipykernel_77/123456.py", "exec"), cell)  # noqa: S102  # our own
    (moment,) = moments(go_run(), cell["of_a_cell"])
    assert moment.then[0].place == "a cell, line 3"


def test_the_state_at_a_moment_knows_nothing_of_what_came_later() -> None:
    one = run_of_sums()
    view = inb.replay(one, sums)
    first = view.then
    assert (first.status, first.result, len(first.history)) == ("running", None, 1)
    assert first.updated_at == one.history[0].timestamp
    view.moment = len(view.moments)
    last = view.then
    assert (last.status, last.result, last.history) == ("completed", 16, one.history)


def test_an_empty_history_has_no_moments() -> None:
    assert moments(state(), sums) == []


async def many_parts(ctx: inb.AsyncWorkflowContext) -> None:
    await asyncio.gather(*(ctx.execute_activity(charge) for _ in range(5_000)))


def run_of_many_parts() -> WorkflowState:
    return go_run(
        *(
            (kind, "charge", 0, {"seq": n})
            for n in range(1, 5_001)
            for kind in ("activity_started", "activity_completed")
        )
    )


def test_ten_thousand_events_are_read_in_one_go() -> None:
    found = moments(run_of_many_parts(), many_parts)
    assert found[0].then[0].asks == "activity charge, 5,000 times"
    assert found[-1].waits == []


def test_plain_text_has_a_line_for_each_event_and_says_what_is_left_out() -> None:
    one = go_run(("activity_started", "charge", 1, {"seq": 1}))
    line = line_with("ctx.execute_activity(charge, retry=inb.RetryPolicy(max_attempts=2))")
    code = f"{HERE}:{line}: ctx.execute_activity(charge, retry=inb.RetryPolicy(max_attempts=2))"
    assert repr(inb.replay(one, charges)).splitlines() == [
        "Replay of order-1: 2 events",
        f"1  ±0 ms  workflow_started         {code}",
        "2   +1 s  activity_started charge",
    ]
    lines = repr(inb.replay(run_of_many_parts(), many_parts)).splitlines()
    assert len(lines) == 502
    assert lines[0] == "Replay of order-1: 10,001 events"
    assert lines[-1] == "and 9,501 more events"
