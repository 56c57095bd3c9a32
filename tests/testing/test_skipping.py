"""Time that passes at once, when nothing else can happen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from started_threads import left_since, threads

import inngest_nb as inb
from inngest_nb import AsyncWorkflowContext, RetryPolicy, Signal, WorkflowContext
from inngest_nb.errors import WorkflowFailedError

DAY = 86_400.0


@pytest.fixture
def executor() -> Iterator[inb.testing.SkippingExecutor]:
    before = time.monotonic()
    with inb.testing.SkippingExecutor() as made:
        yield made
    assert time.monotonic() - before < 20


async def month(ctx: AsyncWorkflowContext) -> str:
    for _ in range(30):
        await ctx.sleep(DAY)
    return "a month"


def month_plainly(ctx: WorkflowContext) -> str:
    for _ in range(30):
        ctx.sleep(DAY)
    return "a month"


@pytest.mark.parametrize("workflow", [month, month_plainly], ids=lambda fn: fn.__name__)
def test_a_month_of_sleep_is_over_at_once(
    executor: inb.testing.SkippingExecutor, workflow: Any
) -> None:
    before = executor.now
    handle = executor.execute(workflow)
    assert handle.result(60) == "a month"
    assert timedelta(days=30) <= executor.now - before < timedelta(days=30, minutes=1)
    fired = [event.timestamp for event in handle.state.history if event.type == "timer_fired"]
    days = [round((at - before) / timedelta(days=1)) for at in fired if at]
    assert days == list(range(1, 31))


def test_awaiting_a_handle_skips_too() -> None:
    with inb.testing.SkippingExecutor() as executor:

        async def wait() -> Any:
            return await executor.execute(month)

        assert asyncio.run(wait()) == "a month"


@pytest.mark.parametrize("kind", ["async", "plain"])
def test_pauses_of_retries_and_timeouts_pass_at_once(
    executor: inb.testing.SkippingExecutor, kind: str
) -> None:
    calls: list[int] = []

    def fails(_: Any) -> str:
        calls.append(1)
        if len(calls) < 5:
            raise ConnectionError
        return "at last"

    policy = RetryPolicy(max_attempts=9, initial_interval=DAY, max_interval=9 * DAY)

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        done = await ctx.execute_activity(fails, 1, retry=policy)
        try:
            return await ctx.receive_signal("never", timeout=DAY)
        except TimeoutError:
            return done

    def plain_workflow(ctx: WorkflowContext) -> Any:
        done = ctx.execute_activity(fails, 1, retry=policy)
        try:
            return ctx.receive_signal("never", timeout=DAY)
        except TimeoutError:
            return done

    assert executor.execute(workflow if kind == "async" else plain_workflow).result(60) == "at last"


@pytest.mark.parametrize("kind", ["async", "plain"])
def test_no_time_is_skipped_while_an_activity_runs(
    executor: inb.testing.SkippingExecutor, kind: str
) -> None:
    def slow(_: Any) -> str:
        time.sleep(0.3)  # as long as real work takes
        return "in time"

    async def slowly(given: Any) -> str:
        return await asyncio.to_thread(slow, given)

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        async with asyncio.timeout(DAY):
            return await ctx.execute_activity(slow), await ctx.execute_activity(slowly)

    def plain_workflow(ctx: WorkflowContext) -> Any:
        return ctx.execute_activity(slow, timeout=DAY), ctx.execute_activity(slowly, timeout=DAY)

    handle = executor.execute(workflow if kind == "async" else plain_workflow, timeout=DAY)
    assert handle.result(60) == ["in time", "in time"]


def test_time_stands_until_somebody_waits(executor: inb.testing.SkippingExecutor) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.receive_signal("go", timeout=DAY)

    handle = executor.execute(workflow, id="w")
    while not handle.waiting_for:
        time.sleep(0.001)
    executor.signal("w", Signal("go", "in time"))
    assert handle.result(60) == "in time"


def test_a_given_time_can_be_skipped(executor: inb.testing.SkippingExecutor) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        seen = []
        for _ in range(3):
            await ctx.sleep(DAY)
            seen.append(1)
            await ctx.receive_signal("go")
        return len(seen)

    handle = executor.execute(workflow, id="w")
    executor.skip(DAY / 2)
    assert [event.type for event in handle.state.history] == ["workflow_started"]
    for _ in range(3):
        executor.skip(2 * DAY)
        assert handle.waiting_for == ("go",)
        executor.signal("w", Signal("go"))
    assert handle.result(60) == 3


def test_a_run_that_takes_too_long_fails_at_once(executor: inb.testing.SkippingExecutor) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.receive_signal("never")

    with pytest.raises(WorkflowFailedError, match="not finished within"):
        executor.execute(workflow, timeout=30 * DAY).result(60)


def test_children_and_many_runs_sleep_beside_each_other(
    executor: inb.testing.SkippingExecutor,
) -> None:
    async def child(ctx: AsyncWorkflowContext, days: int) -> int:
        await ctx.sleep(days * DAY)
        return days

    async def parent(ctx: AsyncWorkflowContext) -> Any:
        async with asyncio.timeout(100 * DAY):
            return await asyncio.gather(*(ctx.execute_workflow(child, n) for n in (3, 1, 2)))

    before = executor.now
    handles = [executor.execute(parent) for _ in range(5)]
    assert [handle.result(60) for handle in handles] == [[3, 1, 2]] * 5
    assert executor.now - before < timedelta(days=16)


def test_it_leaves_no_thread_behind() -> None:
    before = threads()
    with inb.testing.SkippingExecutor() as executor:
        executor.execute(month).result(60)
    assert left_since(before) == []
