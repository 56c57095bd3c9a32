"""Retries, timeouts and sleeps, by a clock that the tests move."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from executor_stores import CheckedStore
from manual_clock import ManualClock

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    Hooks,
    RetryPolicy,
    WorkflowContext,
    WorkflowState,
    Write,
)
from inngest_nb.errors import ActivityError, WorkflowFailedError


class Flaky:
    """Fails so many times, then works; plain or async, as an activity may be."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    def plain(self, given: Any) -> Any:
        self.calls += 1
        if self.calls <= self.failures:
            raise ConnectionError(f"failure {self.calls}")
        return given

    async def asynchronous(self, given: Any) -> Any:
        return self.plain(given)


def workflows_of(activity: Any, retry: RetryPolicy | None, timeout: Any = None) -> list[Any]:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.execute_activity(activity, "x", retry=retry, timeout=timeout)

    def plain_workflow(ctx: WorkflowContext) -> Any:
        return ctx.execute_activity(activity, "x", retry=retry, timeout=timeout)

    return [workflow, plain_workflow]


def attempts(state: WorkflowState) -> list[tuple[str, Any, str]]:
    return [
        (event.type.removeprefix("activity_"), event.attempt, event.error)
        for event in state.history
        if event.activity_name
    ]


KINDS = pytest.mark.parametrize("kind", [0, 1], ids=["async workflow", "plain workflow"])
FUNCTIONS = pytest.mark.parametrize("function", ["plain", "asynchronous"])


@KINDS
@FUNCTIONS
def test_retries_wait_longer_each_time(
    timed: Executor, clock: ManualClock, kind: int, function: str
) -> None:
    flaky = Flaky(3)
    policy = RetryPolicy(
        max_attempts=5,
        initial_interval=10,
        backoff_coefficient=3,
        max_interval=timedelta(seconds=40),
    )
    workflow = workflows_of(getattr(flaky, function), policy)[kind]
    handle = timed.execute(workflow, id="w")
    for pause in (10, 30, 40):
        assert clock.wait_for_timers(1) == [pytest.approx(pause, abs=0.01)]
        clock.advance(pause - 0.02)
        assert len(clock.wait_for_timers(1)) == 1
        clock.advance(0.02)

    assert handle.result(60) == "x"
    assert attempts(handle.state) == [
        ("started", 1, ""),
        ("failed", 1, "ConnectionError: failure 1"),
        ("started", 2, ""),
        ("failed", 2, "ConnectionError: failure 2"),
        ("started", 3, ""),
        ("failed", 3, "ConnectionError: failure 3"),
        ("started", 4, ""),
        ("completed", 4, ""),
    ]
    assert {event.seq for event in handle.state.history if event.activity_name} == {1}


@KINDS
@FUNCTIONS
def test_the_last_failure_is_told_with_the_number_of_attempts(
    timed: Executor, clock: ManualClock, kind: int, function: str
) -> None:
    flaky = Flaky(9)
    policy = RetryPolicy(max_attempts=2, initial_interval=1)
    handle = timed.execute(workflows_of(getattr(flaky, function), policy)[kind])
    clock.advance(1)
    with pytest.raises(WorkflowFailedError, match="after 2 attempts: ConnectionError: failure 2"):
        handle.result(60)
    assert flaky.calls == 2


@KINDS
@FUNCTIONS
def test_without_a_policy_an_activity_is_tried_once(
    timed: Executor, kind: int, function: str
) -> None:
    flaky = Flaky(9)
    with pytest.raises(WorkflowFailedError, match="failed: ConnectionError: failure 1"):
        timed.execute(workflows_of(getattr(flaky, function), None)[kind]).result(60)
    assert flaky.calls == 1


def test_a_failed_attempt_is_stored_while_the_next_is_waited_for(
    store: CheckedStore, clock: ManualClock
) -> None:
    stored: queue.Queue[WorkflowState | None] = queue.Queue()
    hooks = Hooks(on_retry=lambda workflow_id, event: stored.put(store.load(workflow_id)))
    with Executor(store, hooks, clock=clock) as executor:
        for workflow in workflows_of(Flaky(9).plain, RetryPolicy()):
            executor.execute(workflow, id=workflow.__name__)
            state = stored.get(timeout=60)
            assert state is not None
            assert attempts(state)[-1] == ("failed", 1, state.history[-1].error)
            assert state.status == "running"


@KINDS
@FUNCTIONS
def test_an_attempt_begins_only_once_the_failure_before_it_is_saved(
    clock: ManualClock, kind: int, function: str
) -> None:
    """So whatever dies, no more attempts are made than the policy says."""
    failed, gate = threading.Event(), threading.Event()

    class Slow(CheckedStore):
        def append_history(self, writes: Sequence[Write]) -> list[BaseException | None]:
            if b"activity_failed" in b"".join(write.document for write in writes):
                failed.set()
                assert gate.wait(60)
            return super().append_history(writes)

    flaky = Flaky(1)
    workflow = workflows_of(getattr(flaky, function), RetryPolicy(initial_interval=1))[kind]
    with Slow() as store, Executor(store, clock=clock) as executor:
        handle = executor.execute(workflow, id="w")
        assert failed.wait(60)
        clock.advance(1)
        with pytest.raises(TimeoutError):
            handle.result(0.1)
        assert attempts(handle.state)[-1][:2] == ("failed", 1)
        gate.set()
        assert handle.result(60) == "x"
    assert flaky.calls == 2


def test_the_policy_of_retries_by_numbers() -> None:
    policy = RetryPolicy(max_attempts=2000, initial_interval=0.5, max_interval=60)
    assert policy.initial_interval == timedelta(seconds=0.5)
    assert [policy.pause_after(n) for n in (1, 2, 1999, 2000)] == [
        timedelta(seconds=0.5),
        timedelta(seconds=1),
        timedelta(seconds=60),
        None,
    ]
    for wrong in (
        {"max_attempts": 0},
        {"backoff_coefficient": 0.5},
        {"initial_interval": -1},
        {"max_interval": float("nan")},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            RetryPolicy(**wrong)


@KINDS
def test_an_async_activity_is_canceled_at_its_timeout(
    timed: Executor, clock: ManualClock, kind: int
) -> None:
    begun, canceled = threading.Event(), threading.Event()

    async def slow(_: Any) -> None:
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            canceled.set()
            raise

    handle = timed.execute(workflows_of(slow, None, timeout=3)[kind])
    assert begun.wait(60)
    clock.advance(3)
    with pytest.raises(WorkflowFailedError, match="TimeoutError: not finished within 3 s"):
        handle.result(60)
    assert canceled.wait(60)


@KINDS
def test_a_plain_activity_is_left_alone_at_its_timeout_and_its_result_dropped(
    store: CheckedStore, clock: ManualClock, kind: int
) -> None:
    begun, gate = threading.Event(), threading.Event()

    def slow_at_first(given: Any) -> Any:
        if not begun.is_set():
            begun.set()
            assert gate.wait(60)
            return "too late"
        return given

    workflow = workflows_of(slow_at_first, RetryPolicy(initial_interval=1), timeout=3)[kind]
    # With one worker, the second attempt waits until the first has come to its late end.
    with Executor(store, clock=clock, workers=1) as executor:
        handle = executor.execute(workflow)
        assert begun.wait(60)
        clock.advance(3)
        clock.advance(1)
        gate.set()
        assert handle.result(60) == "x"
    assert [kind for kind, _, _ in attempts(handle.state)] == [
        *("started", "failed"),
        *("started", "completed"),
    ]


@KINDS
def test_a_run_fails_at_its_timeout(timed: Executor, clock: ManualClock, kind: int) -> None:
    async def waits(ctx: AsyncWorkflowContext) -> None:
        await ctx.receive_signal("never")

    def waits_plainly(ctx: WorkflowContext) -> None:
        ctx.receive_signal("never")

    handle = timed.execute([waits, waits_plainly][kind], timeout=timedelta(minutes=1))
    clock.advance(59)
    clock.advance(2)
    with pytest.raises(WorkflowFailedError, match="not finished within 60 s") as caught:
        handle.result(60)
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert handle.state.status == "failed"


def test_a_run_that_ends_in_time_leaves_no_timer(timed: Executor, clock: ManualClock) -> None:
    for workflow in workflows_of(Flaky(0).plain, None, timeout=5):
        timed.execute(workflow, timeout=60).result(60)
        assert clock.wait_for_timers(0) == []


@KINDS
def test_a_sleep_is_recorded_when_it_ends(timed: Executor, clock: ManualClock, kind: int) -> None:
    async def sleeps(ctx: AsyncWorkflowContext) -> None:
        await ctx.sleep(timedelta(hours=1))
        await asyncio.sleep(0)
        await ctx.sleep(0)

    def sleeps_plainly(ctx: WorkflowContext) -> None:
        ctx.sleep(timedelta(hours=1))

    handle = timed.execute([sleeps, sleeps_plainly][kind])
    clock.advance(3599)
    clock.advance(1)
    handle.result(60)
    (fired,) = (event for event in handle.state.history if event.type == "timer_fired")
    assert (fired.seq, fired.duration) == (1, timedelta(hours=1))


@KINDS
def test_a_sleep_is_counted_from_the_event_before_it(
    timed: Executor, clock: ManualClock, kind: int
) -> None:
    async def sleeps_twice(ctx: AsyncWorkflowContext) -> None:
        await ctx.sleep(10)
        await ctx.sleep(10)

    def sleeps_twice_plainly(ctx: WorkflowContext) -> None:
        ctx.sleep(10)
        ctx.sleep(10)

    handle = timed.execute([sleeps_twice, sleeps_twice_plainly][kind])
    clock.advance(12)  # the first one is two seconds late
    assert clock.wait_for_timers(1) == [pytest.approx(10, abs=0.01)]
    clock.advance(10)
    handle.result(60)


def test_sleeps_at_once_end_in_the_order_of_their_times(
    timed: Executor, clock: ManualClock
) -> None:
    async def sleeps(ctx: AsyncWorkflowContext) -> list[int]:
        order: list[int] = []

        async def one(seconds: int) -> None:
            await ctx.sleep(seconds)
            order.append(seconds)

        await asyncio.gather(*map(one, (5, 3, 4, 3, 1)))
        return order

    handle = timed.execute(sleeps)
    clock.advance(10, waiting=5)
    assert handle.result(60) == [1, 3, 3, 4, 5]


def test_timeouts_in_the_code_are_durable_timers(timed: Executor, clock: ManualClock) -> None:
    async def slow(_: Any) -> None:
        await asyncio.get_running_loop().create_future()

    async def impatient(ctx: AsyncWorkflowContext) -> str:
        try:
            async with asyncio.timeout(5):
                await ctx.execute_activity(slow)
        except TimeoutError:
            return "gave up"
        return "?"

    handle = timed.execute(impatient)
    clock.advance(5)
    assert handle.result(60) == "gave up"
    assert [(event.type.value, event.error) for event in handle.state.history[1:4]] == [
        ("activity_started", ""),
        ("timer_fired", ""),
        ("activity_failed", "canceled"),
    ]


def test_a_sleep_without_an_end_only_waits(timed: Executor) -> None:
    begun = threading.Semaphore(0)

    async def for_ever(ctx: AsyncWorkflowContext) -> None:
        begun.release()
        await asyncio.sleep(1e15)

    def for_ever_plainly(ctx: WorkflowContext) -> None:
        begun.release()
        ctx.sleep(timedelta.max)

    for workflow in (for_ever, for_ever_plainly):
        handle = timed.execute(workflow, id="w", if_ended="replace")
        assert begun.acquire(timeout=60)
        with pytest.raises(
            TimeoutError, match="'w' has not ended after 0.1 s and is still running"
        ):
            handle.result(0.1)
        assert timed.cancel("w")


def test_an_activity_that_cancels_itself_has_failed(executor: Executor) -> None:
    async def cancels_itself(_: Any) -> None:
        raise asyncio.CancelledError

    async def workflow(ctx: AsyncWorkflowContext) -> str:
        with pytest.raises(ActivityError, match="the activity canceled itself"):
            await ctx.execute_activity(cancels_itself)
        return "went on"

    assert executor.execute(workflow).result(60) == "went on"
