"""The inputs of recorded calls: code that gives others is told so, unless they were edited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from crashes import Lives

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    MemoryStore,
    Signal,
    WorkflowContext,
    WorkflowHandle,
    fork,
    wire,
)
from inngest_nb.errors import NonDeterminismError, WorkflowFailedError

KINDS = pytest.mark.parametrize("kind", ["async", "plain"])


def weigh(parcel: Any) -> Any:
    return parcel


def asks(kind: str, given: Callable[[], Any], seconds: Callable[[], float]) -> Callable[..., Any]:
    """Return a workflow that takes the input of an activity, and of a sleep, from elsewhere."""

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        await ctx.execute_activity(weigh, given())
        await ctx.sleep(seconds())
        return await ctx.receive_signal("go")

    def plain(ctx: WorkflowContext) -> Any:
        ctx.execute_activity(weigh, given())
        ctx.sleep(seconds())
        return ctx.receive_signal("go")

    return workflow if kind == "async" else plain


def begun(lives: Lives, workflow: Callable[..., Any]) -> WorkflowHandle:
    """Start a run, and return its handle once its timer has fired and it waits for a signal."""
    handle = lives.executor.execute(workflow, id="w")
    lives.clock.advance(10)
    waits("go", handle)
    return handle


def waits(name: str, handle: WorkflowHandle) -> None:
    deadline = time.monotonic() + 60
    while name not in handle.waiting_for:
        assert time.monotonic() < deadline


@KINDS
@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        (1, 2),
        (1, 1.0),
        (1, True),
        (None, 0),
        ({"a": [1, 2]}, {"a": [1, 3]}),
        ({"a": 1}, {"a": 1, "b": None}),
        ([1, 2], [1]),
        ("a", ["a"]),
    ],
)
def test_another_input_than_the_recorded_one_is_told_with_both(
    lives: Lives, kind: str, recorded: Any, asked: Any
) -> None:
    given = [recorded]
    workflow = asks(kind, lambda: given[0], lambda: 1.0)
    handle = begun(lives, workflow)
    given[0] = asked
    with pytest.raises(NonDeterminismError) as raised:
        lives.crash_and_resume(handle, workflow).result(60)
    error = raised.value
    assert error.event_id == 2
    told = [wire.encode_json(recorded).decode(), wire.encode_json(asked).decode()]
    assert error.recorded == f"call 1 is activity 'weigh' with input {told[0]}"
    assert error.asked.startswith(f"call 1 is activity 'weigh' with input {told[1]} (test_inputs_")


@KINDS
def test_the_same_input_in_another_order_of_keys_is_the_same(lives: Lives, kind: str) -> None:
    given = [{"a": 1, "b": (1, 2)}]
    workflow = asks(kind, lambda: given[0], lambda: 1.0)
    handle = begun(lives, workflow)
    given[0] = {"b": [1, 2], "a": 1}  # type: ignore[dict-item]
    again = lives.crash_and_resume(handle, workflow)
    lives.executor.signal("w", Signal("go", "well"))
    assert again.result(60) == "well"


def test_long_inputs_are_shown_where_they_differ(lives: Lives) -> None:
    given = ["x" * 5_000 + "old" + "y" * 5_000]
    workflow = asks("async", lambda: given[0], lambda: 1.0)
    handle = begun(lives, workflow)
    given[0] = given[0].replace("old", "new")
    with pytest.raises(NonDeterminismError) as raised:
        lives.crash_and_resume(handle, workflow).result(60)
    assert "xold" in raised.value.recorded
    assert "xnewy" in raised.value.asked
    assert len(str(raised.value)) < 800


@KINDS
def test_a_timer_that_fired_after_another_time_is_told(lives: Lives, kind: str) -> None:
    seconds = [2.0]
    workflow = asks(kind, lambda: 1, lambda: seconds[0])
    handle = begun(lives, workflow)
    seconds[0] = 3.5
    with pytest.raises(NonDeterminismError) as raised:
        lives.crash_and_resume(handle, workflow).result(60)
    assert raised.value.recorded == "call 2 is a timer of 2 s"
    assert raised.value.asked.startswith("call 2 is a timer of 3.5 s (")


def test_calls_that_change_places_are_told(lives: Lives) -> None:
    order = [1, 2, 3]

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        await ctx.sleep(1)
        asked = {item: asyncio.ensure_future(ctx.execute_activity(weigh, item)) for item in order}
        weights = {item: await call for item, call in asked.items()}
        await ctx.receive_signal("go")
        return weights

    handle = begun(lives, workflow)
    order.reverse()
    # Which of them a worker began first is up to the machine.
    other = r"call (\d) is activity 'weigh' with input (\d)\. Code: call \1 .* with input (?!\2)"
    with pytest.raises(NonDeterminismError, match=other):
        lives.crash_and_resume(handle, workflow).result(60)


@KINDS
def test_a_fork_with_another_input_may_ask_with_other_inputs(executor: Executor, kind: str) -> None:
    async def workflow(ctx: AsyncWorkflowContext, given: int) -> Any:
        first = await ctx.execute_activity(weigh, given)
        await ctx.sleep(given / 100)
        return [first, await ctx.execute_activity(weigh, first + given)]

    def plain(ctx: WorkflowContext, given: int) -> Any:
        first = ctx.execute_activity(weigh, given)
        ctx.sleep(given / 100)
        return [first, ctx.execute_activity(weigh, first + given)]

    fn = workflow if kind == "async" else plain
    executor.execute(fn, id="w", input=1).result(60)
    original = executor.store.load("w")
    assert original is not None
    for forked, result in [
        (fork(original, input=5), [1, 2]),
        (fork(original, 4, input=5), [1, 6]),
        (fork(original, original.history[-2].id, result_of={3: 10}), [10, 2]),
        (fork(fork(original, input=5), input=7), [1, 2]),
    ]:
        executor.store.save(forked)
        assert executor.resume(fn, forked.workflow_id).result(60) == result


def test_what_follows_a_fork_is_compared(lives: Lives) -> None:
    given = [1, 2]

    async def workflow(ctx: AsyncWorkflowContext, order: Any = None) -> Any:
        await ctx.execute_activity(weigh, given[0])
        await ctx.sleep(1)
        await ctx.execute_activity(weigh, given[1])
        await ctx.receive_signal("go")

    original = begun(lives, workflow).state
    other = fork(original, 4, input="another")
    lives.store.save(other)
    handle = lives.executor.resume(workflow, other.workflow_id)
    waits("go", handle)
    given[:] = [5, 6]
    with pytest.raises(NonDeterminismError) as raised:
        lives.crash_and_resume(handle, workflow).result(60)
    assert "with input 6" in raised.value.asked


def test_a_retry_may_mend_the_input_of_what_failed() -> None:
    with MemoryStore() as store, Executor(store) as executor:
        check_mended_input(executor)


def check_mended_input(executor: Executor) -> None:
    given = ["bad"]

    def pay(amount: Any) -> int:
        return int(amount)

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        await ctx.execute_activity(weigh, 1)
        return await ctx.execute_activity(pay, given[0])

    with pytest.raises(WorkflowFailedError):
        executor.execute(workflow, id="w").result(60)
    given[0] = "12"
    assert executor.retry("w", workflow).result(60) == 12
    stored = executor.store.load("w")
    assert stored is not None
    forked = fork(stored)  # the input of the last attempt counts
    executor.store.save(forked)
    assert executor.resume(workflow, forked.workflow_id).result(60) == 12
