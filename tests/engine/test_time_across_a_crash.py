"""Deadlines are those that were stored: after a crash, and whatever the clock says then."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from crashes import Lives
from drunk_clock import DrunkClock
from executor_stores import CheckedStore
from replayed_workflows import WORKFLOWS, alike, outcome
from small_workflows import waits_for_ever, waits_plainly

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    RetryPolicy,
    Signal,
    WorkflowContext,
    WorkflowHandle,
    WorkflowState,
)
from inngest_nb.engine import replay_steps
from inngest_nb.errors import LeaseLostError, WorkflowFailedError, WorkflowLeasedError

HOUR = 3600.0
TEN_YEARS = timedelta(days=3653)
KINDS = pytest.mark.parametrize("kind", ["async workflow", "plain workflow"])
FUNCTIONS = pytest.mark.parametrize("function", ["plain", "asynchronous"])


async def sleeps(ctx: AsyncWorkflowContext) -> str:
    await ctx.sleep(HOUR)
    return "slept"


def sleeps_plainly(ctx: WorkflowContext) -> str:
    ctx.sleep(HOUR)
    return "slept"


async def gives_up_receiving(ctx: AsyncWorkflowContext) -> str:
    with pytest.raises(TimeoutError):
        await ctx.receive_signal("never", timeout=HOUR)
    return "slept"


def gives_up_receiving_plainly(ctx: WorkflowContext) -> str:
    with pytest.raises(TimeoutError):
        ctx.receive_signal("never", timeout=HOUR)
    return "slept"


async def gives_up(ctx: AsyncWorkflowContext) -> str:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(HOUR):
            await ctx.execute_activity(never_ends)
    return "slept"


async def never_ends(_: Any) -> None:
    await asyncio.get_running_loop().create_future()


WAITS = pytest.mark.parametrize(
    "workflow",
    [sleeps, sleeps_plainly, gives_up_receiving, gives_up_receiving_plainly, gives_up],
    ids=lambda fn: fn.__name__,
)


def about(*seconds: float) -> list[Any]:
    return [pytest.approx(each, abs=0.05) for each in seconds]


@WAITS
@pytest.mark.parametrize("crashes", [1, 3])
def test_a_wait_ends_when_it_would_have_ended_without_the_crash(
    lives: Lives, workflow: Callable[..., Any], crashes: int
) -> None:
    handle = lives.executor.execute(workflow, id="w")
    assert lives.clock.wait_for_timers(1) == about(HOUR)
    for number in range(1, crashes + 1):
        lives.clock.advance(300)
        handle = lives.crash_and_resume(handle, workflow, down=500)
        assert lives.clock.wait_for_timers(1) == about(HOUR - 800 * number)
    lives.clock.advance(HOUR - 800 * crashes)
    assert handle.result(60) == "slept"
    (fired,) = (event for event in handle.state.history if event.type == "timer_fired")
    assert fired.duration == timedelta(hours=1)


@WAITS
def test_a_wait_that_ended_meanwhile_is_over_at_once(
    lives: Lives, workflow: Callable[..., Any]
) -> None:
    handle = lives.executor.execute(workflow, id="w")
    lives.clock.wait_for_timers(1)
    handle = lives.crash_and_resume(handle, workflow, down=2 * HOUR)
    lives.clock.advance(0)
    assert handle.result(60) == "slept"


@KINDS
def test_a_run_fails_at_its_timeout_in_whatever_life_it_is(lives: Lives, kind: str) -> None:
    workflow = waits_for_ever if kind == "async workflow" else waits_plainly
    handle = lives.executor.execute(workflow, id="w", timeout=HOUR)
    handle = lives.crash_and_resume(handle, workflow, down=500)
    assert lives.clock.wait_for_timers(1) == about(HOUR - 500)
    lives.executor.signal("w", Signal("other"))  # it has been claimed, and still counts
    handle = lives.crash_and_resume(handle, workflow, down=500)
    assert lives.clock.wait_for_timers(1) == about(HOUR - 1000)
    lives.clock.advance(HOUR - 1000)
    with pytest.raises(WorkflowFailedError, match="not finished within 3600 s"):
        handle.result(60)


@KINDS
def test_a_run_whose_timeout_has_passed_meanwhile_fails_when_it_is_resumed(
    lives: Lives, kind: str
) -> None:
    workflow = waits_for_ever if kind == "async workflow" else waits_plainly
    handle = lives.executor.execute(workflow, id="w", timeout=HOUR)
    handle = lives.crash_and_resume(handle, workflow, down=2 * HOUR)
    lives.clock.advance(0)
    with pytest.raises(WorkflowFailedError, match="not finished within 3600 s"):
        handle.result(60)
    stored = lives.store.load("w")
    assert stored is not None
    assert stored.status == "failed"


class Flaky:
    """Fails so many times, then works; counts its calls, whatever life they are in."""

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


def workflow_of(activity: Any, kind: str, **options: Any) -> Callable[..., Any]:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.execute_activity(activity, "x", **options)

    def plain_workflow(ctx: WorkflowContext) -> Any:
        return ctx.execute_activity(activity, "x", **options)

    return workflow if kind == "async workflow" else plain_workflow


def attempts(state: WorkflowState) -> list[tuple[str, Any]]:
    return [(e.type.removeprefix("activity_"), e.attempt) for e in state.history if e.activity_name]


def wait_for_retry(lives: Lives, handle: WorkflowHandle, failures: int) -> list[float]:
    """Wait until so many attempts have failed and the next is due; return in how many seconds."""
    deadline = time.monotonic() + 60
    while attempts(handle.state).count(("failed", failures)) == 0:
        assert time.monotonic() < deadline, attempts(handle.state)
    return lives.clock.wait_for_timers(1)


THRICE = RetryPolicy(max_attempts=3, initial_interval=400, backoff_coefficient=3, max_interval=1200)


@KINDS
@FUNCTIONS
@pytest.mark.parametrize("timeout", [None, 50], ids=["", "with a timeout"])
def test_retries_go_on_at_the_attempt_and_the_time_where_they_were(
    lives: Lives, kind: str, function: str, timeout: Any
) -> None:
    flaky = Flaky(2)
    workflow = workflow_of(getattr(flaky, function), kind, retry=THRICE, timeout=timeout)
    handle = lives.executor.execute(workflow, id="w")
    assert wait_for_retry(lives, handle, failures=1) == about(400)
    lives.clock.advance(100)
    handle = lives.crash_and_resume(handle, workflow, down=200)
    assert lives.clock.wait_for_timers(1) == about(100)
    lives.clock.advance(100)
    assert wait_for_retry(lives, handle, failures=2) == about(1200)
    handle = lives.crash_and_resume(handle, workflow, down=5000)
    lives.clock.advance(0)
    assert handle.result(60) == "x"
    assert flaky.calls == 3
    begun_and_ended = [("started", 1), ("failed", 1), ("started", 2), ("failed", 2)]
    assert attempts(handle.state) == [*begun_and_ended, ("started", 3), ("completed", 3)]


@KINDS
@FUNCTIONS
def test_the_last_attempt_is_the_last_in_whatever_life_it_is(
    lives: Lives, kind: str, function: str
) -> None:
    flaky = Flaky(9)
    workflow = workflow_of(getattr(flaky, function), kind, retry=THRICE)
    handle = lives.executor.execute(workflow, id="w")
    for failures in (1, 2):
        wait_for_retry(lives, handle, failures)
        handle = lives.crash_and_resume(handle, workflow, down=9000)
        lives.clock.advance(0)
    with pytest.raises(WorkflowFailedError, match="after 3 attempts: ConnectionError: failure 3"):
        handle.result(60)
    assert flaky.calls == 3


@KINDS
@FUNCTIONS
def test_an_attempt_that_the_crash_cut_off_is_made_again_under_its_number(
    lives: Lives, kind: str, function: str
) -> None:
    begun, gates = threading.Semaphore(0), [threading.Event() for _ in range(3)]
    numbers = iter(range(3))

    def plain(given: Any) -> Any:
        begun.release()
        number = next(numbers)
        assert gates[number].wait(60)
        if number == 0:
            raise ConnectionError
        return given

    async def asynchronous(given: Any) -> Any:
        return await asyncio.to_thread(plain, given)

    activity = {"plain": plain, "asynchronous": asynchronous}[function]
    workflow = workflow_of(activity, kind, retry=RetryPolicy(max_attempts=2, initial_interval=1))
    handle = lives.executor.execute(workflow, id="w")
    gates[0].set()
    wait_for_retry(lives, handle, failures=1)
    lives.clock.advance(1)
    for _ in range(2):
        assert begun.acquire(timeout=60)
    lives.executor.signal("w", Signal("other"))  # takes the start of the attempt along
    lives.store.fail_from = 1  # what the second call returns comes too late
    gates[1].set()
    handle = lives.crash().resume(workflow, "w")
    lives.clock.advance(0)
    assert begun.acquire(timeout=60)
    gates[2].set()
    assert handle.result(60) == "x"
    assert attempts(handle.state) == [
        *[("started", 1), ("failed", 1), ("started", 2)],
        *[("started", 2), ("completed", 2)],
    ]


@KINDS
def test_an_activity_that_is_made_again_has_its_whole_timeout(lives: Lives, kind: str) -> None:
    workflow = workflow_of(never_ends, kind, timeout=HOUR)
    handle = lives.executor.execute(workflow, id="w")
    assert lives.clock.wait_for_timers(1) == about(HOUR)
    handle = lives.crash_and_resume(handle, workflow, down=2 * HOUR)
    assert lives.clock.wait_for_timers(1) == about(HOUR)
    lives.clock.advance(HOUR)
    with pytest.raises(WorkflowFailedError, match="TimeoutError: not finished within 3600 s"):
        handle.result(60)


# Clocks that are wrong


@WAITS
def test_a_clock_that_jumps_back_moves_no_deadline(
    lives: Lives, workflow: Callable[..., Any]
) -> None:
    handle = lives.executor.execute(workflow, id="w")
    lives.clock.wait_for_timers(1)
    lives.clock.set(lives.clock.now() - timedelta(hours=1))
    assert lives.clock.wait_for_timers(1) == about(2 * HOUR)
    handle = lives.crash_and_resume(handle, workflow, down=500)
    assert lives.clock.wait_for_timers(1) == about(2 * HOUR - 500)
    lives.clock.advance(2 * HOUR - 500)
    assert handle.result(60) == "slept"


@WAITS
def test_a_clock_that_jumps_ten_years_ahead_ends_what_is_due(
    lives: Lives, workflow: Callable[..., Any]
) -> None:
    handle = lives.executor.execute(workflow, id="w", timeout=TEN_YEARS * 2)
    lives.clock.wait_for_timers(2)
    handle = lives.crash_and_resume(handle, workflow, down=TEN_YEARS.total_seconds())
    lives.clock.advance(0)
    assert handle.result(60) == "slept"


@KINDS
def test_time_in_the_code_never_goes_back_and_events_keep_their_order(
    lives: Lives, kind: str
) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> list[str]:
        times = []
        for _ in range(4):
            await ctx.receive_signal("tick")
            times.append(ctx.now().isoformat())
        return times

    def plain_workflow(ctx: WorkflowContext) -> list[str]:
        times = []
        for _ in range(4):
            ctx.receive_signal("tick")
            times.append(ctx.now().isoformat())
        return times

    code = workflow if kind == "async workflow" else plain_workflow
    handle = lives.executor.execute(code, id="w")
    for hours in (-1, 3, -2):
        lives.executor.signal("w", Signal("tick"))
        lives.clock.set(lives.clock.now() + timedelta(hours=hours))
        handle = lives.crash_and_resume(handle, code)
    lives.executor.signal("w", Signal("tick"))
    times = handle.result(60)
    assert times == sorted(times)
    history = handle.state.history
    assert [event.id for event in history] == [1, 2, 3, 4, 5, 6]
    stamps = [event.timestamp for event in history]
    assert stamps != sorted(stamps, key=str)
    assert all(event.duration >= timedelta() for event in history)
    assert [step.event for step in replay_steps(code, handle.state)] == list(history)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", WORKFLOWS)
def test_runs_come_to_the_same_end_and_replay_by_a_clock_that_says_anything(
    name: str, seed: int
) -> None:
    fn, given, signals = WORKFLOWS[name]
    results = []
    for clock in (None, DrunkClock(seed)):
        with CheckedStore() as store, Executor(store, clock=clock) as executor:
            handle = executor.execute(fn, id="w", input=given)
            for signal in signals:
                executor.signal("w", signal)
            results.append(outcome(handle))
    assert alike(results[1], results[0])
    history = handle.state.history
    assert [event.id for event in history] == list(range(1, len(history) + 1))
    assert all(event.duration >= timedelta() for event in history)
    assert [step.event for step in replay_steps(fn, handle.state)] == list(history)


def test_a_holder_whose_clock_stood_still_is_stopped_when_its_lease_has_ended(
    lives: Lives,
) -> None:
    """A lease ends by the store's clock, whatever the executors' clocks say."""
    handle = lives.executor.execute(waits_for_ever, id="w")
    lives.executor.signal("w", Signal("a"))
    ahead = type(lives.clock)()
    ahead.set(lives.clock.now() + TEN_YEARS)
    with Executor(lives.store, clock=ahead) as other:
        with pytest.raises(WorkflowLeasedError):
            other.resume(waits_for_ever, "w")
        (owner,) = lives.store.leases()
        lives.store.hold_lease(owner, 0)
        resumed = other.resume(waits_for_ever, "w")
        other.signal("w", Signal("b"))
        with pytest.raises(LeaseLostError, match="by another executor, which has resumed it"):
            lives.executor.signal("w", Signal("c"))
        with pytest.raises(LeaseLostError):
            handle.result(60)
        names = [event.signal_name for event in resumed.state.history[1:]]
        assert names == ["a", "b"]
