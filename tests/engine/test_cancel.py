"""Cancel: at every await, against code that will not listen, and once only."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

import pytest
from crashes import Lives, wait_until_saved
from executor_stores import CheckedStore
from small_workflows import add_one, waits_and_returns
from strict_documents import check_document

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    RetryPolicy,
    Signal,
    WorkflowContext,
    WorkflowStatus,
)
from inngest_nb.errors import (
    ActivityError,
    WorkflowCanceledError,
    WorkflowNotFoundError,
    WorkflowNotRunningError,
    WorkflowNotSavedError,
)


class Gate:
    """An activity that says it has begun and then never ends by itself."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.begun = threading.Event()
        self.canceled = threading.Event()
        self.open = threading.Event()

    async def wait(self, _: Any) -> None:
        self.begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.canceled.set()
            raise

    def wait_plainly(self, _: Any) -> str:
        self.begun.set()
        assert self.open.wait(60)
        return "too late"


def fail(_: Any) -> None:
    raise ValueError


async def in_gather(ctx: AsyncWorkflowContext, gate: Gate) -> None:
    await asyncio.gather(ctx.execute_activity(gate.wait), ctx.receive_signal("never"))


async def in_task_group(ctx: AsyncWorkflowContext, gate: Gate) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(ctx.execute_activity(gate.wait))
        group.create_task(ctx.sleep(1000))


async def in_retry(ctx: AsyncWorkflowContext, gate: Gate) -> None:
    await ctx.execute_activity(fail, retry=RetryPolicy(initial_interval=1000, max_interval=1000))


async def in_signals(ctx: AsyncWorkflowContext, gate: Gate) -> None:
    async for _ in ctx.signals("item"):
        pass


async def in_shield(ctx: AsyncWorkflowContext, gate: Gate) -> None:
    await asyncio.shield(ctx.execute_activity(gate.wait))


def plainly_in_retry(ctx: WorkflowContext, gate: Gate) -> None:
    ctx.execute_activity(fail, retry=RetryPolicy(initial_interval=1000, max_interval=1000))


def plainly_in_signals(ctx: WorkflowContext, gate: Gate) -> None:
    for _ in ctx.signals("item"):
        pass


def of_lambda(call: Any) -> Any:
    async def workflow(ctx: AsyncWorkflowContext, gate: Gate) -> None:
        await call(ctx, gate)

    return workflow


def of_plain_lambda(call: Any) -> Any:
    def workflow(ctx: WorkflowContext, gate: Gate) -> None:
        call(ctx, gate)

    return workflow


AWAITS = {
    "async activity": of_lambda(lambda ctx, gate: ctx.execute_activity(gate.wait)),
    "plain activity": of_lambda(lambda ctx, gate: ctx.execute_activity(gate.wait_plainly)),
    "activity with a timeout": of_lambda(
        lambda ctx, gate: ctx.execute_activity(gate.wait, timeout=1000)
    ),
    "retry": in_retry,
    "sleep": of_lambda(lambda ctx, gate: ctx.sleep(1000)),
    "signal": of_lambda(lambda ctx, gate: ctx.receive_signal("never")),
    "signal with a timeout": of_lambda(lambda ctx, gate: ctx.receive_signal("never", 1000)),
    "signals": in_signals,
    "gather": in_gather,
    "task group": in_task_group,
    "shield": in_shield,
    "plainly: async activity": of_plain_lambda(lambda ctx, gate: ctx.execute_activity(gate.wait)),
    "plainly: plain activity": of_plain_lambda(
        lambda ctx, gate: ctx.execute_activity(gate.wait_plainly)
    ),
    "plainly: plain activity with a timeout": of_plain_lambda(
        lambda ctx, gate: ctx.execute_activity(gate.wait_plainly, timeout=1000)
    ),
    "plainly: retry": plainly_in_retry,
    "plainly: sleep": of_plain_lambda(lambda ctx, gate: ctx.sleep(1000)),
    "plainly: signal": of_plain_lambda(lambda ctx, gate: ctx.receive_signal("never")),
    "plainly: signal with a timeout": of_plain_lambda(
        lambda ctx, gate: ctx.receive_signal("never", 1000)
    ),
    "plainly: signals": plainly_in_signals,
}


@pytest.mark.parametrize("swallow", [False, True], ids=["lets go", "swallows"])
@pytest.mark.parametrize("crash", [False, True], ids=["in its first life", "after a crash"])
@pytest.mark.parametrize("place", AWAITS)
def test_a_run_can_be_canceled_wherever_it_waits(
    lives: Lives, place: str, crash: bool, swallow: bool
) -> None:
    gate = Gate()
    code = AWAITS[place]
    reached, left = threading.Event(), threading.Event()
    after: list[str] = []

    async def workflow(ctx: AsyncWorkflowContext) -> str:
        reached.set()
        try:
            await code(ctx, gate)
        except BaseException:
            if not swallow:
                raise
        finally:
            left.set()
        for call in (lambda: ctx.execute_activity(fail), lambda: ctx.receive_signal("x")):
            try:
                await call()
            except BaseException as error:  # noqa: BLE001
                after.append(type(error).__name__)
        return "swallowed"

    def plain_workflow(ctx: WorkflowContext) -> str:
        reached.set()
        try:
            code(ctx, gate)
        except BaseException:
            if not swallow:
                raise
        finally:
            left.set()
        for call in (lambda: ctx.execute_activity(fail), lambda: ctx.receive_signal("x")):
            try:
                call()
            except BaseException as error:  # noqa: BLE001
                after.append(type(error).__name__)
        return "swallowed"

    def wait_until_it_is_there() -> None:
        assert reached.wait(60)
        if "activity" in place or place in ("gather", "task group", "shield"):
            assert gate.begun.wait(60)
        if "retry" in place or "timeout" in place or place in ("sleep", "plainly: sleep"):
            lives.clock.wait_for_timers(1)

    fn = plain_workflow if "plainly" in place else workflow
    handle = lives.executor.execute(fn, id="w")
    wait_until_it_is_there()
    if crash:
        wait_until_saved(lives.store, handle)
        lives.store.fail_from = 1
        gate.open.set()  # what the activity returns comes too late
        executor = lives.crash()
        for event in (reached, left):
            event.clear()
        after.clear()
        gate.renew()
        handle = executor.resume(fn, "w")
        wait_until_it_is_there()

    assert lives.executor.cancel("w")
    assert not_running(lives.executor)
    with pytest.raises(WorkflowCanceledError, match="'w' was canceled") as caught:
        handle.result(60)
    assert caught.value.run_id == handle.run_id
    document = check_document(lives.store.documents["w"][-1])
    assert (document["Status"], document["Error"]) == ("canceled", "canceled")
    if gate.begun.is_set() and "plain activity" not in place:
        assert gate.canceled.wait(60)
    gate.open.set()
    assert left.wait(60)
    lives.executor.close()  # waits for the code to end
    assert handle.status is WorkflowStatus.CANCELED
    assert len(lives.store.documents["w"]) == document_count(lives.store)
    name = "StopRun" if "plainly" in place else "CancelledError"
    assert after == ([name] * 2 if swallow else [])


def not_running(executor: Executor) -> bool:
    """A canceled run takes no signal, and cannot be canceled again."""
    with pytest.raises(WorkflowNotRunningError, match="it is canceled"):
        executor.signal("w", Signal("go"))
    return not executor.cancel("w")


def document_count(store: CheckedStore) -> int:
    """How many documents there are up to the one that says how it ended: none may follow."""
    statuses = [check_document(body)["Status"] for body in store.documents["w"]]
    return statuses.index("canceled") + 1


@pytest.mark.parametrize(
    "wait",
    [
        lambda ctx: asyncio.get_running_loop().create_future(),
        lambda ctx: ctx.receive_signal("never"),
        lambda ctx: ctx.execute_activity(fail),
        lambda ctx: ctx.signals("never").__anext__(),
        lambda ctx: ctx.sleep(1000),
        lambda ctx: asyncio.sleep(1000),
    ],
    ids=["future", "signal", "activity", "signals", "sleep", "asyncio.sleep"],
)
def test_code_that_will_not_end_is_left_behind(executor: Executor, wait: Any) -> None:
    begun = threading.Event()

    async def stubborn(ctx: AsyncWorkflowContext) -> None:
        while True:
            begun.set()
            with contextlib.suppress(asyncio.CancelledError, ActivityError):
                await wait(ctx)

    handle = executor.execute(stubborn, id="w")
    assert begun.wait(60)
    assert executor.cancel("w")
    with pytest.raises(WorkflowCanceledError):
        handle.result(60)
    assert executor.execute(in_time, id="w", if_ended="replace").result(60) == "fine"


def test_code_that_only_yields_is_left_behind_too(executor: Executor) -> None:
    begun = threading.Event()

    async def yields(ctx: AsyncWorkflowContext) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            begun.set()
            await ctx.receive_signal("never")
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)

    executor.execute(yields, id="w")
    assert begun.wait(60)
    assert executor.cancel("w")
    assert executor.execute(in_time, id="w", if_ended="replace").result(60) == "fine"


async def in_time(ctx: AsyncWorkflowContext) -> str:
    return "fine"


def test_cleaning_up_after_a_cancel_runs_but_cannot_begin_anything(executor: Executor) -> None:
    heard, cleaned = threading.Event(), threading.Event()
    gate = Gate()

    async def tidy(ctx: AsyncWorkflowContext) -> None:
        async def numbers() -> Any:
            try:
                while True:
                    yield await ctx.receive_signal("number")
            finally:
                with contextlib.suppress(asyncio.CancelledError):
                    await ctx.execute_activity(gate.wait)
                cleaned.set()

        async for _ in numbers():
            heard.set()

    executor.execute(tidy, id="w")
    executor.signal("w", Signal("number"))
    assert heard.wait(60)
    executor.cancel("w")
    assert cleaned.wait(60)
    executor.close()
    assert not gate.begun.is_set()


def test_a_run_can_cancel_itself_through_its_executor(executor: Executor) -> None:
    async def suicidal(ctx: AsyncWorkflowContext) -> None:
        executor.cancel(ctx.workflow_id)
        await ctx.receive_signal("never")

    def suicidal_plainly(ctx: WorkflowContext) -> None:
        executor.cancel(ctx.workflow_id)
        ctx.receive_signal("never")

    for workflow in (suicidal, suicidal_plainly):
        with pytest.raises(WorkflowCanceledError):
            executor.execute(workflow).result(60)


def test_a_cancel_of_what_ended_or_never_was(executor: Executor) -> None:
    executor.execute(in_time, id="w", if_ended="replace").result(60)
    assert not executor.cancel("w")
    assert executor.query("w", "status") == "completed"
    with pytest.raises(WorkflowNotFoundError, match="cannot cancel workflow 'x'"):
        executor.cancel("x")


def test_code_that_cancels_its_own_task_has_failed(executor: Executor) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> None:
        raise asyncio.CancelledError

    with pytest.raises(Exception, match="the workflow's code canceled itself"):
        executor.execute(workflow).result(60)


def test_tasks_that_outlive_the_workflow_are_canceled(executor: Executor) -> None:
    gate = Gate()

    async def workflow(ctx: AsyncWorkflowContext) -> str:
        task = asyncio.create_task(ctx.execute_activity(gate.wait))
        await ctx.receive_signal("go")
        return f"left {task.done()}"

    handle = executor.execute(workflow, id="w")
    assert gate.begun.wait(60)
    executor.signal("w", Signal("go"))
    assert handle.result(60) == "left False"
    assert gate.canceled.wait(60)


def test_code_that_goes_on_after_errors_does_not_go_on_after_a_cancel(executor: Executor) -> None:
    begun = threading.Event()
    survived: list[str] = []

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        for _ in range(3):
            try:
                begun.set()
                await ctx.receive_signal("never")
            except Exception as error:  # noqa: BLE001
                survived.append(repr(error))

    def plain_workflow(ctx: WorkflowContext) -> None:
        for _ in range(3):
            try:
                begun.set()
                ctx.receive_signal("never")
            except Exception as error:  # noqa: BLE001
                survived.append(repr(error))

    for each in (workflow, plain_workflow):
        handle = executor.execute(each)
        assert begun.wait(60)
        begun.clear()
        executor.cancel(handle.id)
    executor.close()
    assert survived == []


def test_an_activity_that_nobody_awaits_ends_with_the_run(executor: Executor) -> None:
    gate = Gate()

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        unawaited = ctx.execute_activity(gate.wait)
        await ctx.receive_signal("go")
        unawaited.close()

    executor.execute(workflow, id="w")
    assert gate.begun.wait(60)
    executor.signal("w", Signal("go"))
    assert gate.canceled.wait(60)


def test_a_cancel_between_a_crash_and_the_next_life_is_the_end(lives: Lives) -> None:
    ran = threading.Event()

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        ran.set()
        await ctx.receive_signal("go")

    handle = lives.executor.execute(workflow, id="w")
    wait_until_saved(lives.store, handle)
    second = lives.crash()
    ran.clear()
    assert second.cancel("w")
    assert not_running(second)
    with pytest.raises(WorkflowCanceledError):
        second.resume(workflow, "w").result(60)
    third = lives.crash()
    assert not_running(third)
    assert third.query("w", "status") == "canceled"
    assert not ran.is_set()
    document = check_document(lives.store.documents["w"][-1])
    assert [event["Type"] for event in document["History"]] == [
        *("workflow_started", "workflow_canceled")
    ]


def test_a_cancel_that_died_before_it_was_saved_was_none(lives: Lives) -> None:
    handle = lives.executor.execute(waits_and_returns, id="w")
    wait_until_saved(lives.store, handle)
    lives.store.fail_from = 1
    with pytest.raises(WorkflowNotSavedError):
        lives.executor.cancel("w")
    handle = lives.crash().resume(waits_and_returns, "w")
    lives.executor.signal("w", Signal("go", 7))
    assert handle.result(60) == 7


@pytest.mark.parametrize("place", ["plain workflow", "async workflow"])
def test_a_cancel_by_another_executor_reaches_the_running_activity(
    lives: Lives, place: str
) -> None:
    """It is told through the store."""
    gate = Gate()

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(gate.wait)

    def plain_workflow(ctx: WorkflowContext) -> None:
        ctx.execute_activity(gate.wait)

    fn = plain_workflow if place == "plain workflow" else workflow
    handle = lives.executor.execute(fn, id="w")
    assert gate.begun.wait(60)
    wait_until_saved(lives.store, handle)
    with Executor(lives.store, clock=lives.clock) as other:
        assert other.cancel("w")
        with pytest.raises(WorkflowNotRunningError):
            lives.executor.signal("w", Signal("anything"))
        assert gate.canceled.wait(60)
        with pytest.raises(WorkflowCanceledError):
            handle.result(60)
        assert handle.status is WorkflowStatus.CANCELED
        assert not_running(other)


def test_a_canceled_run_does_not_begin_what_waits_for_a_free_worker(store: CheckedStore) -> None:
    began, gate = threading.Event(), threading.Event()
    begun: list[int] = []

    def slow(number: int) -> None:
        begun.append(number)
        began.set()
        assert gate.wait(60)

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.map(slow, range(5))

    with Executor(store, workers=1) as executor:
        executor.execute(workflow, id="w")
        assert began.wait(60)
        executor.cancel("w")
        gate.set()
        other = executor.execute(waits_for_worker, id="other")  # behind them all
        assert other.result(60) == 1
    assert begun == [0]


async def waits_for_worker(ctx: AsyncWorkflowContext) -> int:
    return await ctx.execute_activity(add_one, 0)
