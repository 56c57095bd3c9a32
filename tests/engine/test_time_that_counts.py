"""How long live waits last, when an attempt's time begins, and what has no limit."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inngest_nb import AsyncWorkflowContext, EventType, Executor, RetryPolicy, WorkflowContext
from inngest_nb.engine.threads._loop import PrivateLoop, SystemClock


class SetClock(SystemClock):
    """The machine's clock, which somebody sets back or forward."""

    def __init__(self) -> None:
        self.private = PrivateLoop()
        super().__init__(self.private)
        self.private.start()
        self.off = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.off


HOURS = pytest.mark.parametrize("hours", [-1, 1])


@HOURS
def test_live_waits_last_as_long_as_they_should_when_the_clock_is_set(hours: int) -> None:
    clock = SetClock()
    calls: list[int] = []

    def sets(_: Any = None) -> None:
        clock.off += timedelta(hours=hours)

    def flaky(_: Any = None) -> str:
        calls.append(1)
        if len(calls) == 1:
            sets()
            raise ValueError
        return "retried"

    async def sleeps(ctx: AsyncWorkflowContext) -> str:
        await ctx.execute_activity(sets)
        await ctx.sleep(0.1)
        return "slept"

    def sleeps_plainly(ctx: WorkflowContext) -> str:
        ctx.execute_activity(sets)
        ctx.sleep(0.1)
        return "slept"

    async def retries(ctx: AsyncWorkflowContext) -> str:
        policy = RetryPolicy(max_attempts=2, initial_interval=0.1, total_timeout=60)
        return str(await ctx.execute_activity(flaky, retry=policy))

    async def waits(_: Any) -> str:
        sets()
        await asyncio.sleep(0.1)
        return "in time"

    async def in_time(ctx: AsyncWorkflowContext) -> str:
        return str(await ctx.execute_activity(waits, 1, timeout=5))

    with Executor(clock=clock) as executor:
        for workflow in (sleeps, sleeps_plainly, retries, in_time):
            begun = time.monotonic()
            assert executor.execute(workflow, timeout=600).result(60)
            assert time.monotonic() - begun > 0.09, workflow.__name__
    clock.private.stop(1)


def test_an_attempt_s_time_begins_when_its_function_does() -> None:
    gate, first = threading.Event(), threading.Event()

    def waits(number: int) -> int:
        first.set()
        assert gate.wait(60)
        return number

    async def workflow(ctx: AsyncWorkflowContext) -> list[int]:
        return list(await ctx.map(waits, range(6), timeout=60))

    with Executor(workers=2) as executor:
        handle = executor.execute(workflow)
        assert first.wait(60)
        deadline = time.monotonic() + 60
        while started(handle) < 2:
            assert time.monotonic() < deadline
        assert started(handle) == 2, "those that wait for a worker have not begun"
        gate.set()
        assert handle.result(60) == list(range(6))
        assert started(handle) == 6


def started(handle: Any) -> int:
    return sum(event.type is EventType.ACTIVITY_STARTED for event in handle.state.history)


def test_what_is_canceled_before_a_worker_takes_it_was_never_started() -> None:
    gate, begun = threading.Event(), threading.Event()

    def waits(number: int) -> int:
        begun.set()
        assert gate.wait(60)
        return number

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.map(waits, range(3))

    with Executor(workers=1) as executor:
        handle = executor.execute(workflow, id="w")
        assert begun.wait(60)
        assert executor.cancel("w")
        gate.set()
        assert started(handle) == 1


def test_the_pool_grows_by_one_for_each_call_that_nobody_waits_for_any_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = threading.Event()

    def hangs(_: Any) -> None:
        gate.wait(10)

    def quick(given: Any) -> Any:
        return given

    async def gives_up(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(hangs, 1, timeout=0.05)

    async def works(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.execute_activity(quick, 7)

    with Executor(workers=2) as executor:
        for _ in range(4):  # twice as many as there are workers
            with pytest.raises(Exception, match="not finished within"):
                executor.execute(gives_up).result(60)
        assert executor.execute(works).result(60) == 7
        assert "its result is no longer needed" in caplog.text
        pool = executor._engine.workers
        assert pool._blocked == 4
        gate.set()
        deadline = time.monotonic() + 60
        while pool._blocked or len(pool._threads) > 2:
            assert time.monotonic() < deadline, "the pool did not shrink"
            assert executor.execute(works).result(60) == 7


LONGEST: dict[str, Callable[[Executor], Any]] = {
    "a run's timeout": lambda executor: executor.execute(quickly, timeout=timedelta.max),
    "an activity's": lambda executor: executor.execute(with_longest_timeout),
    "a retry's pause": lambda executor: executor.execute(with_longest_pause, id="w"),
}


async def same(given: Any) -> Any:
    return given


async def fails(_: Any) -> None:
    raise ValueError("once")


async def quickly(ctx: AsyncWorkflowContext) -> Any:
    return await ctx.execute_activity(same, 1)


async def with_longest_timeout(ctx: AsyncWorkflowContext) -> Any:
    policy = RetryPolicy(total_timeout=timedelta.max)
    return await ctx.execute_activity(same, 1, timeout=timedelta.max, retry=policy)


async def with_longest_pause(ctx: AsyncWorkflowContext) -> Any:
    policy = RetryPolicy(initial_interval=timedelta.max, max_interval=timedelta.max)
    return await ctx.execute_activity(fails, 1, retry=policy)


@pytest.mark.parametrize("which", LONGEST)
def test_a_time_longer_than_any_calendar_is_no_limit(which: str) -> None:
    with Executor() as executor:
        handle = LONGEST[which](executor)
        if handle.id != "w":
            assert handle.result(60) == 1
            return
        with pytest.raises(TimeoutError):
            handle.result(0.2)
        assert executor.cancel("w")


def test_who_gives_up_waiting_leaves_nothing_on_the_run() -> None:
    async def waits(ctx: AsyncWorkflowContext) -> None:
        await ctx.receive_signal("never")

    with Executor() as executor:
        handle = executor.execute(waits, id="w")

        async def give_up() -> None:
            for _ in range(20):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(handle, 0.001)

        asyncio.run(give_up())
        assert not handle._run._waiters  # type: ignore[union-attr]
        executor.cancel("w")


def test_a_plain_map_takes_work_in_proportion_to_its_length() -> None:
    def workflow(ctx: WorkflowContext, count: int) -> int:
        return sum(ctx.map(same, range(count)))

    def calls_of(count: int) -> int:
        """Return how many functions the engine's threads call for so many items."""
        calls = 0

        def count_calls(_: object, event: str, __: object) -> None:
            nonlocal calls
            calls += event == "call"

        threading.setprofile(count_calls)
        try:
            with Executor() as executor:
                result = executor.execute(workflow, input=count).result(60)
        finally:
            threading.setprofile(None)
        assert result == sum(range(count))
        return calls

    assert calls_of(1000) < 5 * calls_of(250)
