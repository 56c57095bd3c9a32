"""Signals: before, during and after a run; to one that receives, to many that listen."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from executor_stores import CheckedStore
from manual_clock import ManualClock

from inngest_nb import AsyncWorkflowContext, EventType, Executor, Signal, WorkflowContext
from inngest_nb.errors import (
    WorkflowFailedError,
    WorkflowNotFoundError,
    WorkflowNotRunningError,
)


async def receive(ctx: AsyncWorkflowContext, count: int) -> list[Any]:
    return [await ctx.receive_signal("item") for _ in range(count)]


def receive_plainly(ctx: WorkflowContext, count: int) -> list[Any]:
    return [ctx.receive_signal("item") for _ in range(count)]


async def listen(ctx: AsyncWorkflowContext, count: int) -> list[Any]:
    heard = []
    async for payload in ctx.signals("item"):
        heard.append(payload)
        if len(heard) == count:
            break
    return heard


def listen_plainly(ctx: WorkflowContext, count: int) -> list[Any]:
    return [payload for _, payload in zip(range(count), ctx.signals("item"), strict=False)]


@pytest.mark.parametrize("workflow", [receive, receive_plainly, listen, listen_plainly])
def test_every_payload_arrives_once_and_in_order(executor: Executor, workflow: Any) -> None:
    handle = executor.execute(workflow, id="w", input=100)
    executor.signal("w", Signal("other", "not this"))
    for number in range(100):
        executor.signal("w", Signal("item", {"n": number}))
    assert handle.result(60) == [{"n": number} for number in range(100)]


@pytest.mark.parametrize("workflow", [receive, receive_plainly])
def test_a_signal_is_stored_when_it_is_acknowledged(
    store: CheckedStore, executor: Executor, workflow: Any
) -> None:
    executor.execute(workflow, id="w", input=2)
    executor.signal("w", Signal("item", [1]))
    stored = store.load("w")
    assert stored is not None
    last = stored.history[-1]
    assert (last.type, last.signal_name, last.signal_payload) == ("signal_received", "item", [1])


def test_a_signal_to_an_id_that_was_never_started_says_so(executor: Executor) -> None:
    with pytest.raises(WorkflowNotFoundError, match="'w'.*start it with execute") as caught:
        executor.signal("w", Signal("item"))
    assert caught.value.workflow_id == "w"


@pytest.mark.parametrize("workflow", [receive, receive_plainly])
def test_a_signal_after_the_end_says_so_and_changes_nothing(
    store: CheckedStore, executor: Executor, workflow: Any
) -> None:
    executor.execute(workflow, id="w", input=0).result(60)
    before = store.documents["w"][-1]
    with pytest.raises(WorkflowNotRunningError, match="'item' because it is completed") as caught:
        executor.signal("w", Signal("item"))
    assert caught.value.status == "completed"
    assert store.documents["w"][-1] == before


@pytest.mark.parametrize("workflow", [receive, receive_plainly])
def test_signals_that_come_before_the_code_asks_wait_for_it(
    executor: Executor, workflow: Any
) -> None:
    gate = threading.Event()

    def wait_for_gate(_: Any) -> None:
        assert gate.wait(60)

    async def late(ctx: AsyncWorkflowContext) -> list[Any]:
        await ctx.execute_activity(wait_for_gate)
        return await receive(ctx, 2)

    def late_plainly(ctx: WorkflowContext) -> list[Any]:
        ctx.execute_activity(wait_for_gate)
        return receive_plainly(ctx, 2)

    handle = executor.execute(late if workflow is receive else late_plainly, id="w")
    executor.signal("w", Signal("item", 1))
    executor.signal("w", Signal("item", 2))
    gate.set()
    assert handle.result(60) == [1, 2]


def test_each_subscriber_hears_every_payload_and_receivers_share_them(executor: Executor) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> list[Any]:
        first = asyncio.create_task(listen(ctx, 3))
        one, two = await asyncio.gather(ctx.receive_signal("item"), ctx.receive_signal("item"))
        late = await listen(ctx, 2)
        three = await ctx.receive_signal("item")
        return [await first, [one, two, three], late]

    handle = executor.execute(workflow, id="w")
    for number in (1, 2, 3):
        executor.signal("w", Signal("item", number))
    assert handle.result(60) == [[1, 2, 3], [1, 2, 3], [1, 2]]


def test_a_plain_workflow_has_the_same_rules_for_subscribers(executor: Executor) -> None:
    def workflow(ctx: WorkflowContext) -> list[Any]:
        received = [ctx.receive_signal("item") for _ in range(2)]
        return [received, listen_plainly(ctx, 3), ctx.receive_signal("item")]

    handle = executor.execute(workflow, id="w")
    for number in (1, 2, 3):
        executor.signal("w", Signal("item", number))
    assert handle.result(60) == [[1, 2], [1, 2, 3], 3]


def test_subscribers_do_not_share_a_payload_that_one_of_them_changes(executor: Executor) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> list[Any]:
        (mine,) = await listen(ctx, 1)
        mine.append("changed")
        return [*await listen(ctx, 1), await ctx.receive_signal("item")]

    handle = executor.execute(workflow, id="w")
    executor.signal("w", Signal("item", []))
    assert handle.result(60) == [[], []]
    assert handle.state.history[1].signal_payload == []


def test_a_receiver_that_gives_up_loses_no_payload(timed: Executor, clock: ManualClock) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> list[Any]:
        with pytest.raises(TimeoutError, match="no signal 'item' came within 5 s"):
            await ctx.receive_signal("item", timeout=5)
        return await receive(ctx, 1)

    def plain_workflow(ctx: WorkflowContext) -> list[Any]:
        with pytest.raises(TimeoutError, match="no signal 'item' came"):
            ctx.receive_signal("item", timeout=5)
        return receive_plainly(ctx, 1)

    for each in (workflow, plain_workflow):
        handle = timed.execute(each, id="w", if_ended="replace")
        clock.advance(5)
        timed.signal("w", Signal("item", 7))
        assert handle.result(60) == [7]
        kinds = [event.type for event in handle.state.history]
        assert kinds == [
            EventType.WORKFLOW_STARTED,
            EventType.TIMER_FIRED,
            EventType.SIGNAL_RECEIVED,
            EventType.WORKFLOW_COMPLETED,
        ]
        assert handle.state.history[1].duration.total_seconds() == 5


def test_a_signal_in_time_leaves_no_timer_behind(timed: Executor, clock: ManualClock) -> None:
    def look() -> list[float]:
        return clock.wait_for_timers(0)

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return [await ctx.receive_signal("item", timeout=5), await ctx.execute_activity(look)]

    def plain_workflow(ctx: WorkflowContext) -> Any:
        return [ctx.receive_signal("item", timeout=5), ctx.execute_activity(look)]

    for each in (workflow, plain_workflow):
        handle = timed.execute(each, id="w", if_ended="replace")
        clock.wait_for_timers(1)
        timed.signal("w", Signal("item", 7))
        assert handle.result(60) == [7, []]


def test_signals_from_many_threads_are_all_received(executor: Executor) -> None:
    handle = executor.execute(receive, id="w", input=200)
    threads = [
        threading.Thread(
            target=lambda k=k: [executor.signal("w", Signal("item", [k, n])) for n in range(25)]
        )
        for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = handle.result(60)
    for k in range(8):
        assert [n for sender, n in got if sender == k] == list(range(25))


def test_a_payload_that_json_cannot_hold_is_refused(executor: Executor) -> None:
    executor.execute(receive, id="w", input=1)
    with pytest.raises(TypeError, match="the payload of signal 'item' cannot be written as JSON"):
        executor.signal("w", Signal("item", object()))
    assert executor.query("w", "status") == "running"


def test_an_error_in_code_that_was_woken_by_a_signal_fails_the_run(executor: Executor) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> None:
        raise LookupError(await ctx.receive_signal("item"))

    handle = executor.execute(workflow, id="w")
    executor.signal("w", Signal("item", "boom"))
    with pytest.raises(WorkflowFailedError, match="LookupError: boom"):
        handle.result(60)


def test_one_can_ask_which_signals_a_run_waits_for(executor: Executor) -> None:
    def ask() -> list[str]:
        return list(executor.waiting_for("w"))

    async def workflow(ctx: AsyncWorkflowContext) -> list[str]:
        waits = [asyncio.ensure_future(ctx.receive_signal(name)) for name in ("b", "a")]
        asked: list[str] = await ctx.execute_activity(ask)
        for wait in waits:
            wait.cancel()
        return asked + await ctx.execute_activity(ask)

    assert executor.execute(workflow, id="w").result(60) == ["a", "b"]
    assert executor.waiting_for("w") == ()


def test_a_task_that_nobody_holds_goes_on(executor: Executor) -> None:
    collected = threading.Event()

    def collect_garbage(_: Any) -> None:
        gc.collect()
        collected.set()

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        heard: list[Any] = []

        async def hear() -> None:
            async for payload in ctx.signals("item"):
                heard.append(payload)

        asyncio.ensure_future(hear())  # noqa: RUF006  # as code does that should know better
        await ctx.execute_activity(collect_garbage)
        await receive(ctx, 2)
        return heard

    handle = executor.execute(workflow, id="w")
    assert collected.wait(60)
    executor.signal("w", Signal("item", 1))
    executor.signal("w", Signal("item", 2))
    assert handle.result(60) == [1, 2]


@pytest.fixture
def impatient_threads() -> Iterator[None]:
    """Threads that take turns a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 1000)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("impatient_threads")
def test_one_may_ask_what_a_run_waits_for_while_that_changes(executor: Executor) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> None:
        for number in range(1000):
            with contextlib.suppress(TimeoutError):
                await ctx.receive_signal(f"name {number}", timeout=0)

    handle = executor.execute(workflow, id="w")
    while handle.status == "running":
        assert len(handle.waiting_for) <= 1
    handle.result()
