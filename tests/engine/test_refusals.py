"""What workflows and activities may not do, and the words in which they hear of it."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from small_workflows import (
    add_one,
    async_sum,
    double,
    waits_for_ever,
)

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    RetryPolicy,
    WorkflowContext,
)
from inngest_nb.errors import (
    WorkflowCodeError,
    WorkflowFailedError,
)


@pytest.mark.parametrize("value", [{1, object()}, float("nan"), object()])
def test_what_json_cannot_hold_is_refused_with_words(executor: Executor, value: Any) -> None:
    def give() -> Any:
        return value

    async def gives(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(give)

    async def asks(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(add_one, value)

    async def returns(ctx: AsyncWorkflowContext) -> Any:
        return value

    with pytest.raises((TypeError, ValueError), match="input of the workflow"):
        executor.execute(async_sum, input=value)
    for workflow, words in [
        (gives, "the result of activity 'give' cannot be written as JSON"),
        (asks, "the input of activity 'add_one' cannot be written as JSON"),
        (returns, "the workflow's result cannot be written as JSON"),
    ]:
        with pytest.raises(WorkflowFailedError, match=words):
            executor.execute(workflow).result(60)


@pytest.mark.parametrize("bad", ["", "..", "\ud800"])
def test_an_id_that_no_store_can_keep_is_refused(executor: Executor, bad: str) -> None:
    with pytest.raises(ValueError, match="workflow id"):
        executor.execute(async_sum, id=bad)


def test_io_and_foreign_awaits_in_a_workflows_code_are_refused_with_words(
    executor: Executor,
) -> None:
    other = asyncio.new_event_loop()
    open_run = executor.execute(waits_for_ever)

    async def thread(ctx: AsyncWorkflowContext) -> None:
        await asyncio.to_thread(time.time)

    async def connects(ctx: AsyncWorkflowContext) -> None:
        await asyncio.open_connection("127.0.0.1", 9)

    async def foreign(ctx: AsyncWorkflowContext) -> None:
        await other.create_future()

    async def another_run(ctx: AsyncWorkflowContext) -> None:
        await open_run

    async def another_run_blocking(ctx: AsyncWorkflowContext) -> None:
        open_run.result()

    async def wakes_from_a_thread(ctx: AsyncWorkflowContext) -> None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=loop.call_soon_threadsafe, args=(print,)).start()
        await ctx.receive_signal("never")

    async def nothing_known(ctx: AsyncWorkflowContext) -> None:
        await Odd()

    class Odd:
        def __await__(self) -> Any:
            yield "something"

    for workflow in [thread, connects, foreign]:
        with pytest.raises(WorkflowFailedError, match="I/O belongs in an activity"):
            executor.execute(workflow).result(60)
    for workflow in [another_run, another_run_blocking]:
        with pytest.raises(WorkflowFailedError, match="waiting for another run is not allowed"):
            executor.execute(workflow).result(60)
    for workflow in [wakes_from_a_thread, nothing_known]:
        with pytest.raises(WorkflowFailedError, match="I/O belongs in an activity") as caught:
            executor.execute(workflow).result(60)
        assert isinstance(caught.value.__cause__, WorkflowCodeError)
    other.close()


def test_a_context_cannot_leave_its_workflow(executor: Executor) -> None:
    async def leaks(ctx: AsyncWorkflowContext) -> Any:
        async def inner(_: Any) -> None:
            await ctx.execute_activity(add_one, 1)

        await ctx.execute_activity(inner)

    def leaks_too(ctx: WorkflowContext) -> Any:
        def inner(_: Any) -> None:
            ctx.execute_activity(add_one, 1)

        ctx.execute_activity(inner, timeout=10)

    for workflow in [leaks, leaks_too]:
        with pytest.raises(WorkflowFailedError, match="activities cannot use it"):
            executor.execute(workflow).result(60)


def test_an_async_activity_that_waits_blocking_is_refused_and_may_await(executor: Executor) -> None:
    async def blocks(_: Any) -> Any:
        return executor.execute(waits_for_ever).result()

    async def awaits(_: Any) -> Any:
        return await executor.execute(async_sum, input=[1])

    async def workflow(ctx: AsyncWorkflowContext, fine: bool) -> Any:
        return await ctx.execute_activity(awaits if fine else blocks)

    with pytest.raises(WorkflowFailedError, match="use `await handle`"):
        executor.execute(workflow, input=False).result(60)
    assert executor.execute(workflow, input=True).result(60)["sum"] == 3


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), StopIteration(), GeneratorExit()]
)
def test_what_ends_programs_ends_only_the_run(executor: Executor, error: BaseException) -> None:
    def raises(_: Any = None) -> None:
        raise error

    async def raises_async(_: Any) -> None:
        raise error

    async def in_code(ctx: AsyncWorkflowContext) -> None:
        raise error

    async def in_activity(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(raises)

    async def in_async_activity(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(raises_async)

    def in_plain_code(ctx: WorkflowContext) -> None:
        raise error

    for workflow in [in_code, in_activity, in_async_activity, in_plain_code]:
        with pytest.raises(WorkflowFailedError):
            executor.execute(workflow).result(60)
    assert executor.execute(async_sum, input=[1]).result(60)["sum"] == 3


def test_wrong_arguments_are_refused_with_words(executor: Executor) -> None:
    def generator(ctx: WorkflowContext) -> Any:
        yield 1

    def wrong_policy(ctx: WorkflowContext) -> None:
        ctx.sleep(-1)

    for call, words in [
        (lambda: executor.execute("order"), "a workflow must be a function, got str"),  # type: ignore[arg-type]
        (lambda: executor.execute(generator), "is a generator"),
        (lambda: executor.execute(async_sum, timeout="1"), "a timedelta or a number"),  # type: ignore[arg-type]
        (lambda: executor.execute(async_sum, timeout=-1), "must not be negative"),
        (lambda: executor.signal("w", "go"), "signal must be a Signal"),  # type: ignore[arg-type]
        (lambda: executor.query("w", "history"), "'status' or 'result'"),
        (lambda: Executor(workers=0), "workers must be at least 1"),
    ]:
        with pytest.raises((TypeError, ValueError), match=words):
            call()
    with pytest.raises(WorkflowFailedError, match="must not be negative"):
        executor.execute(wrong_policy).result(60)


@pytest.mark.parametrize("zero", [0, 0.0, timedelta()])
def test_a_timeout_of_zero_is_no_limit_for_work_but_refused_and_no_wait_where_one_waits(
    executor: Executor, zero: float | timedelta
) -> None:
    async def activity(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(add_one, 1, timeout=zero)

    async def mapped(ctx: AsyncWorkflowContext) -> None:
        await ctx.map(add_one, [1], timeout=zero)

    def plain(ctx: WorkflowContext) -> None:
        ctx.execute_activity(add_one, 1, timeout=zero)

    async def waits(ctx: AsyncWorkflowContext) -> None:
        await ctx.receive_signal("never", timeout=zero)

    with pytest.raises(ValueError, match="must be greater than zero, got .*; omit it for no limit"):
        executor.execute(async_sum, input=[1], timeout=zero)
    for workflow in (activity, mapped, plain):
        with pytest.raises(WorkflowFailedError, match="must be greater than zero"):
            executor.execute(workflow).result(60)
    with pytest.raises(WorkflowFailedError, match="TimeoutError"):
        executor.execute(waits).result(60)
    handle = executor.execute(waits_for_ever)
    with pytest.raises(TimeoutError):
        handle.result(timeout=zero)
    executor.cancel(handle.id)


def test_a_plain_function_that_returns_a_promise_fails_with_words(executor: Executor) -> None:
    with pytest.raises(
        WorkflowFailedError, match="returned an awaitable; define it with `async def`"
    ):
        executor.execute(lambda ctx: double(1)).result(60)

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(lambda n: double(n), 1)

    with pytest.raises(
        WorkflowFailedError, match="returned an awaitable; define it with `async def`"
    ):
        executor.execute(workflow).result(60)


def test_an_error_that_cannot_be_written_as_text_still_fails_the_run(executor: Executor) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def mute(_: Any) -> None:
        raise MuteError

    def half(_: Any) -> None:
        raise ValueError("\ud800")

    async def workflow(ctx: AsyncWorkflowContext, which: int) -> None:
        await ctx.execute_activity([mute, half][which])

    for which, words in [(0, "its text raised RuntimeError"), (1, r"ValueError: \\ud800")]:
        with pytest.raises(WorkflowFailedError, match=words):
            executor.execute(workflow, input=which).result(60)


def test_no_time_to_work_is_refused_and_not_taken_for_no_limit() -> None:
    async def asks(ctx: AsyncWorkflowContext, what: str) -> None:
        if what == "an activity":
            await ctx.execute_activity(add_one, 1, timeout=0)
        else:
            await ctx.execute_workflow(asks, "nothing", timeout=0)

    with pytest.raises(ValueError, match="total_timeout must be greater than zero"):
        RetryPolicy(total_timeout=0)
    with Executor() as executor:
        with pytest.raises(ValueError, match="timeout must be greater than zero"):
            executor.execute(asks, input="an activity", timeout=0)
        for what in ("an activity", "a child"):
            with pytest.raises(WorkflowFailedError, match="timeout must be greater than zero"):
                executor.execute(asks, input=what).result(60)
