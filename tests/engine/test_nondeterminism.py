"""Recorded histories and code that has changed since: it fits, or is told where it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from code_variants import ORDER, Steps, activity, history, workflow
from executor_stores import CheckedStore
from manual_clock import ManualClock
from small_workflows import double, types

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    Signal,
    WorkflowContext,
    WorkflowState,
    wire,
)
from inngest_nb.engine import replay_steps
from inngest_nb.errors import ActivityError, NonDeterminismError, WorkflowFailedError

KINDS = pytest.mark.parametrize("kind", ["async", "plain"])
DONE = ["reserve done", None, "charge done", {"by": "ann"}, "ship done"]
# The recorded code: reserve, sleep, charge, wait for a signal, ship. Its events: 2 and 3 are of
# reserve, 4 is the timer's, 5 and 6 are of charge, and there it waits.
CHANGES: dict[str, tuple[Steps, int, str, str]] = {
    "an activity added at the start": (
        ("pack", *ORDER), 2, "call 1 is activity 'reserve'", "call 1 is activity 'pack' (",
    ),
    "an activity added in the middle": (
        ("reserve", 3600.0, "pack", *ORDER[2:]), 5,
        "call 3 is activity 'charge'", "call 3 is activity 'pack' (",
    ),
    "the first activity removed": (
        ORDER[1:], 2, "call 1 is activity 'reserve'", "call 1 is a timer (",
    ),
    "the last activity removed": (
        ("reserve", 3600.0, "signal go", "ship"), 5, "call 3 is activity 'charge'",
        "it did not make that call; its last call is signal 'go' (",
    ),
    "an activity renamed": (
        ("reserve", 3600.0, "bill", *ORDER[3:]), 5,
        "call 3 is activity 'charge'", "call 3 is activity 'bill' (",
    ),
    "activities reordered": (
        ("charge", 3600.0, "reserve", *ORDER[3:]), 2,
        "call 1 is activity 'reserve'", "call 1 is activity 'charge' (",
    ),
    "a sleep added at the start": (
        (1.0, *ORDER), 2, "call 1 is activity 'reserve'", "call 1 is a timer (",
    ),
    "a sleep added in the middle": (
        ("reserve", 3600.0, 1.0, *ORDER[2:]), 5,
        "call 3 is activity 'charge'", "call 3 is a timer (",
    ),
    "the sleep removed": (
        ("reserve", *ORDER[2:]), 4, "call 2 is a timer", "call 2 is activity 'charge' (",
    ),
    "a signal waited for too early": (
        ("reserve", "signal go", *ORDER[1:]), 4, "call 2 is a timer",
        "it did not make that call; its last call is signal 'go' (",
    ),
    "code that ends early": (
        ("reserve",), 4, "call 2 is a timer",
        "it did not make that call; its last call is activity 'reserve' (",
    ),
    "code that raises early": (
        ("reserve", "raise"), 4, "call 2 is a timer",
        "it raised ValueError: no more (",
    ),
    "code that does nothing any more": (
        (), 2, "call 1 is activity 'reserve'", "it has made no calls yet",
    ),
}  # fmt: skip


class Recorded:
    """A stored run of recorded history, and who may go on with it."""

    def __init__(self, executor: Executor, store: CheckedStore, state: WorkflowState) -> None:
        self.executor = executor
        self.store = store
        store.save(state)
        self.etag, self.writes = self.now.etag, store.saves

    @property
    def now(self) -> WorkflowState:
        state = self.store.load("w")
        assert state is not None
        return state

    def parts(self, fn: Callable[..., Any]) -> NonDeterminismError:
        """Return why a function does not fit; see that the store has what it had."""
        before = wire.encode(self.now)
        with pytest.raises(NonDeterminismError) as raised:
            self.executor.resume(fn, "w").result(60)
        assert wire.encode(self.now) == before
        assert (self.now.etag, self.store.saves) == (self.etag, self.writes)
        assert self.now.status == "running"
        return raised.value


@pytest.fixture
def waiting(timed: Executor, store: CheckedStore) -> Recorded:
    return Recorded(timed, store, history("waiting"))


@KINDS
@pytest.mark.parametrize("change", CHANGES)
def test_changed_code_is_told_at_which_event_it_parts_from_history(
    waiting: Recorded, kind: str, change: str
) -> None:
    steps, event_id, recorded, asked = CHANGES[change]
    log: list[str] = []
    error = waiting.parts(workflow(kind, steps, log))
    assert (error.event_id, error.recorded) == (event_id, recorded)
    assert error.asked.startswith(asked)
    assert ("(code_variants.py:" in error.asked) == ("(" in asked)
    event = waiting.now.history[event_id - 1]
    assert f"history at event {event_id} ({event.type}). History: {recorded}. Code: " in str(error)
    assert error.workflow_id == "w"
    assert error.__notes__ == [
        "nothing was changed; run the code that recorded this history, or guard the changed "
        "code with ctx.version(name)"
    ]
    assert log == []
    with pytest.raises(NonDeterminismError) as seen:
        replay_steps(workflow(kind, steps), waiting.now)
    assert (seen.value.event_id, str(seen.value)) == (event_id, str(error))
    # Nothing is lost: the code that wrote it still goes on.
    handle = waiting.executor.resume(workflow(kind, ORDER, log), "w")
    waiting.executor.signal("w", Signal("go", {"by": "ann"}))
    assert handle.result(60) == DONE
    assert log == ["ship"]


@KINDS
@pytest.mark.parametrize("name", ["waiting", "completed"])
def test_the_code_that_wrote_a_history_fits_it(kind: str, name: str) -> None:
    log: list[str] = []
    state = history(name)
    steps = replay_steps(workflow(kind, ORDER, log), state)
    assert [step.event for step in steps] == list(state.history)
    names = [[call.name or call.kind for call in step.calls] for step in steps]
    assert names[:6] == [["reserve"], [], ["timer"], ["charge"], [], ["go"]]
    assert names[6:] == ([] if name == "waiting" else [["ship"], [], [], []])
    assert log == []


@KINDS
@pytest.mark.parametrize(
    ("steps", "event_id", "recorded", "asked"),
    [
        ((*ORDER, "pack"), 10, "the workflow completed", "it is still running"),
        ((*ORDER, "signal go"), 10, "the workflow completed", "it is still running"),
        ((*ORDER[:-1], "pack"), 8, "call 4 is activity 'ship'", "call 4 is activity 'pack' ("),
        (ORDER[:-1], 8, "call 4 is activity 'ship'", "it did not make that call"),
        ((*ORDER[:-1], 1.0, "ship"), 8, "call 4 is activity 'ship'", "call 4 is a timer ("),
    ],
)
def test_code_that_goes_on_where_history_ended_is_told_so(
    kind: str, steps: Steps, event_id: int, recorded: str, asked: str
) -> None:
    with pytest.raises(NonDeterminismError) as raised:
        replay_steps(workflow(kind, steps), history("completed"))
    assert (raised.value.event_id, raised.value.recorded) == (event_id, recorded)
    assert raised.value.asked.startswith(asked)


VERSIONED: dict[str, tuple[Steps, list[str]]] = {
    "at the start": (("version pack", *ORDER), ["ship"]),
    "in the middle": (("reserve", "version pack", *ORDER[1:]), ["ship"]),
    "at the end": ((*ORDER, "version pack"), ["ship", "pack"]),
    "where it waits": ((*ORDER[:3], "version pack", *ORDER[3:]), ["pack", "ship"]),
}


@KINDS
@pytest.mark.parametrize("place", VERSIONED)
def test_changed_code_that_asks_for_the_version_goes_on_with_an_old_run(
    waiting: Recorded, clock: ManualClock, kind: str, place: str
) -> None:
    """It does what is new only where the old run has not been; each resume answers the same."""
    steps, done = VERSIONED[place]
    log: list[str] = []
    fn = workflow(kind, steps, log)
    for _ in range(3):
        with Executor(waiting.store, clock=clock) as executor:
            handle = executor.resume(fn, "w")
            while "go" not in handle.waiting_for:
                assert handle.status == "running"
            executor.signal("w", Signal("noise"))
    replay_steps(fn, waiting.now)
    handle = waiting.executor.resume(fn, "w")
    waiting.executor.signal("w", Signal("go", {"by": "ann"}))
    assert len(handle.result(60)) == len(DONE) + ("pack" in done)
    assert log == done
    answers = [event.versions for event in handle.state.history if event.versions]
    assert answers == ([{"pack": 1}] if "pack" in done else [])
    replay_steps(fn, handle.state)
    # A new run does it, wherever it is.
    fresh = waiting.executor.execute(fn, id="new")
    clock.advance(3600)
    waiting.executor.signal("new", Signal("go", 1))
    assert "pack done" in fresh.result(60)


@KINDS
def test_code_that_does_not_ask_any_more_is_told_so(timed: Executor, kind: str) -> None:
    """What a run did because of the answer is in its history."""
    handle = timed.execute(workflow(kind, ("version pack", "reserve")))
    assert handle.result(60) == ["pack done", "reserve done"]
    with pytest.raises(NonDeterminismError, match="call 1 is activity 'pack'. Code: call 1 is act"):
        replay_steps(workflow(kind, ("reserve",)), handle.state)
    replay_steps(workflow(kind, ("pack", "reserve")), handle.state)


@KINDS
def test_an_input_that_json_cannot_hold_any_more_is_told_at_its_call(
    waiting: Recorded, kind: str
) -> None:
    """The call was made, says history; the code of today cannot even make it."""
    reserve = activity("reserve", [])

    async def order(ctx: AsyncWorkflowContext) -> Any:
        await ctx.execute_activity(reserve, object())

    def plain_order(ctx: WorkflowContext) -> Any:
        ctx.execute_activity(reserve, object())

    error = waiting.parts(plain_order if kind == "plain" else order)
    assert (error.event_id, error.recorded) == (2, "call 1 is activity 'reserve'")


@KINDS
def test_a_result_that_json_cannot_hold_is_a_failure_that_replays(
    timed: Executor, kind: str
) -> None:
    def measure(_: Any) -> Any:
        return object()

    async def order(ctx: AsyncWorkflowContext) -> Any:
        with pytest.raises(ActivityError, match="the result of .* cannot be written as JSON"):
            await ctx.execute_activity(measure)
        return object()

    def plain_order(ctx: WorkflowContext) -> Any:
        with pytest.raises(ActivityError, match="the result of .* cannot be written as JSON"):
            ctx.execute_activity(measure)
        return object()

    fn = plain_order if kind == "plain" else order
    handle = timed.execute(fn, id="w")
    with pytest.raises(WorkflowFailedError, match="the workflow's result cannot be written as"):
        handle.result(60)
    kinds = ["workflow_started", "activity_started", "activity_failed", "workflow_failed"]
    assert types(handle.state) == kinds
    assert [step.event.type for step in replay_steps(fn, handle.state)] == kinds


def test_fewer_at_a_time_than_the_history_has_is_told(timed: Executor) -> None:
    def mapping(concurrency: int | None) -> Callable[..., Any]:
        async def workflow(ctx: AsyncWorkflowContext) -> list[int]:
            return await ctx.map(double, range(4), concurrency=concurrency)

        return workflow

    handle = timed.execute(mapping(2))
    assert handle.result(60) == [0, 2, 4, 6]
    replay_steps(mapping(2), handle.state)
    with pytest.raises(NonDeterminismError, match="call 2 is activity 'double'. Code: it did not"):
        replay_steps(mapping(1), handle.state)


def test_code_that_gives_up_what_history_has_waited_for_is_told(timed: Executor) -> None:
    async def given_up(ctx: AsyncWorkflowContext) -> Any:
        task = asyncio.ensure_future(ctx.execute_activity(for_ever))
        first = await ctx.execute_activity(double, 1)
        task.cancel()
        return [first, await ctx.execute_activity(double, 2)]

    async def waited_for(ctx: AsyncWorkflowContext) -> Any:
        task = asyncio.ensure_future(ctx.execute_activity(for_ever))
        return [await ctx.execute_activity(double, n) for n in (1, 2)], await task

    handle = timed.execute(given_up)
    assert handle.result(60) == [2, 4]
    replay_steps(given_up, handle.state)
    with pytest.raises(NonDeterminismError) as raised:
        replay_steps(waited_for, handle.state)
    assert raised.value.recorded == "call 1 was canceled"


async def for_ever(_: Any) -> None:
    await asyncio.Event().wait()
