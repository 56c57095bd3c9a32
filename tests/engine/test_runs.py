"""A run from start to end: results, failures, ids, and what the history says."""

from __future__ import annotations

import asyncio
import functools
from datetime import timedelta
from typing import Any

import pytest
from executor_stores import CheckedStore
from small_workflows import (
    add_one,
    async_sum,
    double,
    plain_sum,
    refuse,
    types,
    waits_and_returns,
    waits_for_ever,
    waits_plainly,
)
from started_threads import threads
from strict_documents import check_document

from inngest_nb import (
    AsyncWorkflowContext,
    EventType,
    Executor,
    Signal,
    WorkflowContext,
    WorkflowStatus,
    WorkflowStore,
    wire,
)
from inngest_nb.errors import (
    ActivityError,
    ExecutorClosedError,
    WorkflowAlreadyRunningError,
    WorkflowFailedError,
    WorkflowNotHereError,
)

BOTH_KINDS = pytest.mark.parametrize("workflow", [async_sum, plain_sum])


@BOTH_KINDS
def test_a_run_gives_its_result_and_is_stored_whole(
    any_store: WorkflowStore, workflow: Any
) -> None:
    with Executor(any_store) as executor:
        handle = executor.execute(workflow, id="sum/1", input=[1, 2], timeout=60)
        assert handle.result(60) == {"sum": 7, "id": "sum/1"}
        assert handle.status is WorkflowStatus.COMPLETED

    stored = any_store.load("sum/1")
    assert stored == handle.state
    check_document(wire.encode(stored))
    assert (stored.status, stored.run_id) == (WorkflowStatus.COMPLETED, handle.run_id)
    assert (stored.input, stored.result) == ([1, 2], {"sum": 7, "id": "sum/1"})
    assert stored.history[0].timeout == timedelta(seconds=60)
    assert types(stored)[-3:] == ["activity_started", "activity_completed", "workflow_completed"]
    first = next(event for event in stored.history if event.type == EventType.ACTIVITY_STARTED)
    assert (first.activity_name, first.input, first.seq, first.attempt) == ("double", 1, 1, 1)


@BOTH_KINDS
def test_each_step_is_saved_before_the_code_goes_on(
    store: CheckedStore, executor: Executor, workflow: Any
) -> None:
    seen: list[Any] = []

    def look(_: int) -> int:
        seen.append(types(store.load("w"))[-1])
        return 0

    async def looking(ctx: AsyncWorkflowContext) -> None:
        seen.append(types(store.load("w"))[-1])
        await ctx.execute_activity(look, 1)
        seen.append(types(store.load("w"))[-1])

    def looking_too(ctx: WorkflowContext) -> None:
        seen.append(types(store.load("w"))[-1])
        ctx.execute_activity(look, 1)
        seen.append(types(store.load("w"))[-1])

    executor.execute(looking if workflow is async_sum else looking_too, id="w").result(60)

    assert seen == ["workflow_started", "workflow_started", "activity_completed"]


@BOTH_KINDS
def test_a_failed_run_shows_the_activity_and_the_original_error(
    store: CheckedStore, executor: Executor, workflow: Any
) -> None:
    async def failing(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(refuse, "no money")

    def failing_too(ctx: WorkflowContext) -> None:
        ctx.execute_activity(refuse, "no money")

    handle = executor.execute(failing if workflow is async_sum else failing_too, id="w")
    with pytest.raises(WorkflowFailedError, match="'w' failed: activity 'refuse' failed") as caught:
        handle.result(60)

    failure = caught.value
    assert (failure.workflow_id, failure.run_id, failure.activity) == ("w", handle.run_id, "refuse")
    activity = failure.__cause__
    assert isinstance(activity, ActivityError)
    assert (activity.activity, activity.attempts) == ("refuse", 1)
    assert activity.error == "ValueError: no money"
    assert (activity.error_type, activity.message) == ("ValueError", "no money")
    assert activity.__cause__ is None
    stored = store.load("w")
    assert stored is not None
    assert "in refuse" in str(stored.history[-2].trace)
    assert (stored.status, stored.error) == ("failed", str(activity))
    assert types(stored)[-2:] == ["activity_failed", "workflow_failed"]


def test_a_failure_in_a_task_group_names_its_activity_too(executor: Executor) -> None:
    async def grouped(ctx: AsyncWorkflowContext) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.execute_activity(double, 1))
            group.create_task(ctx.execute_activity(refuse, "no"))

    with pytest.raises(WorkflowFailedError, match="failed: activity 'refuse' failed") as caught:
        executor.execute(grouped).result(60)
    assert caught.value.activity == "refuse"


def test_code_can_catch_a_failed_activity_and_go_on(executor: Executor) -> None:
    async def lenient(ctx: AsyncWorkflowContext) -> str:
        try:
            await ctx.execute_activity(refuse, "no")
        except ActivityError as error:
            return error.error
        return ""

    assert executor.execute(lenient).result(60) == "ValueError: no"


def test_results_are_delivered_as_json_reads_them_back(executor: Executor) -> None:
    def odd(_: Any) -> Any:
        return {1: (2, 3)}

    async def workflow(ctx: AsyncWorkflowContext, given: Any) -> Any:
        return [await ctx.execute_activity(odd), given]

    assert executor.execute(workflow, input=(1, {2: 3})).result(60) == [
        {"1": [2, 3]},
        [1, {"2": 3}],
    ]


def test_what_the_code_does_to_a_value_does_not_change_the_history(executor: Executor) -> None:
    def numbers() -> list[int]:
        return [1]

    async def workflow(ctx: AsyncWorkflowContext, given: list[int]) -> list[int]:
        given.append(9)
        got: list[int] = await ctx.execute_activity(numbers)
        got.append(9)
        return got

    handle = executor.execute(workflow, input=[0])
    handle.result(60).append(8)
    assert handle.result(60) == [1, 9]
    assert (handle.state.input, handle.state.history[2].result) == ([0], [1])


def test_functions_without_an_input_are_called_without(executor: Executor) -> None:
    def seven() -> int:
        return 7

    @functools.wraps(seven)
    def wrapped(*args: Any) -> int:
        return seven(*args)

    class Seven:
        def __call__(self, *, base: int = 7) -> int:
            return base

        def method(self, *given: Any) -> int:
            return 7 + len(given)

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        some = [seven, wrapped, Seven(), lambda given=7: given, functools.partial(add_one, 6)]
        answers = [await ctx.execute_activity(fn) for fn in [*some, Seven().method]]
        return [*answers, await ctx.execute_activity(max, [7, 1])]

    handle = executor.execute(workflow)
    assert handle.result(60) == [7, 7, 7, 7, 7, 7, 7]
    names = [
        event.activity_name for event in handle.state.history if event.type == "activity_started"
    ]
    assert names == ["seven", "seven", "Seven", "<lambda>", "add_one", "method", "max"]
    with pytest.raises(TypeError, match="workflow 'workflow' takes no input, but one was passed"):
        executor.execute(workflow, input=1)


def test_the_same_id_is_refused_while_alive_and_a_new_run_once_it_ended(
    store: CheckedStore, executor: Executor
) -> None:
    async def waits(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.receive_signal("go")

    first = executor.execute(waits, id="w")
    with pytest.raises(WorkflowAlreadyRunningError, match=r"cancel\('w'\)") as caught:
        executor.execute(waits, id="w")
    assert caught.value.workflow_id == "w"
    executor.signal("w", Signal("go", 1))
    assert first.result(60) == 1

    second = executor.execute(async_sum, id="w", input=[], if_ended="replace")
    second.result(60)
    stored = store.load("w")
    assert stored is not None
    assert second.run_id != first.run_id
    assert (stored.run_id, stored.input) == (second.run_id, [])


def test_an_id_stored_as_running_is_refused_until_it_is_canceled(
    store: CheckedStore, executor: Executor
) -> None:
    with Executor(store) as other:
        other.execute(waits_for_ever, id="w")
        other.signal("w", Signal("hello"))
    with pytest.raises(WorkflowNotHereError, match=r"resume\(fn, 'w'\).*cancel\('w'\)"):
        executor.execute(waits_for_ever, id="w")
    assert executor.query("w", "status") == "running"

    assert executor.cancel("w")
    assert not executor.cancel("w")
    assert check_document(store.documents["w"][-1])["Status"] == "canceled"
    again = executor.execute(async_sum, id="w", input=[], if_ended="replace")
    assert again.result(60)["sum"] == 1


def test_ids_are_unique_and_begin_with_the_name_of_the_function(executor: Executor) -> None:
    ids = {executor.execute(async_sum, input=[]).id for _ in range(50)}
    assert len(ids) == 50
    assert all(each.startswith("async_sum-") for each in ids)
    assert executor.execute(lambda ctx: 1).id.startswith("lambda-")


def test_a_handle_gives_its_result_again_and_again_to_anyone(executor: Executor) -> None:
    handle = executor.execute(waits_and_returns, id="w")
    with pytest.raises(TimeoutError, match="'w' has not ended after 0.01 s and is still running"):
        handle.result(timedelta(milliseconds=10))

    async def impatient() -> None:
        async with asyncio.timeout(0.01):
            await handle

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())
    assert handle.status is WorkflowStatus.RUNNING

    async def patient() -> list[Any]:
        waiting = [asyncio.ensure_future(handle) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.to_thread(executor.signal, "w", Signal("go", "x"))
        return await asyncio.gather(*waiting)

    assert asyncio.run(patient()) == ["x"] * 3
    assert asyncio.run(patient_again(handle)) == handle.result(60) == "x"
    assert repr(handle) == "WorkflowHandle('w', status='completed')"


async def patient_again(handle: Any) -> Any:
    return await asyncio.wait_for(handle, 10)


def test_a_closed_executor_says_so_and_leaves_its_runs_as_running(
    store: CheckedStore, caplog: pytest.LogCaptureFixture
) -> None:
    executor = Executor(store)
    handles = [executor.execute(fn, id=fn.__name__) for fn in (waits_for_ever, waits_plainly)]
    for handle in handles:
        executor.signal(handle.id, Signal("hello"))
    executor.close()
    executor.close()

    for handle in handles:
        with pytest.raises(ExecutorClosedError, match="stored as running"):
            handle.result(60)
        assert types(store.load(handle.id)) == ["workflow_started", "signal_received"]
    assert "2 runs open, stored as running" in caplog.text
    assert "'waits_for_ever', 'waits_plainly'" in caplog.text
    with pytest.raises(ExecutorClosedError, match="create a new one"):
        executor.execute(async_sum)


def test_closing_can_wait_for_runs_to_end(store: CheckedStore) -> None:
    executor = Executor(store)
    handle = executor.execute(async_sum, input=[1, 2])
    executor.close(timeout=20)
    assert handle.result()["sum"] == 7


def test_an_executor_that_nobody_holds_ends_with_its_last_run(store: CheckedStore) -> None:
    before = threads()
    executor = Executor(store)
    handle = executor.execute(waits_and_returns, id="w")
    executor.signal("w", Signal("hello"))
    engine = threads() - before
    assert {thread.name for thread in engine} == ENGINE_THREADS
    signal = executor.signal
    del executor
    signal("w", Signal("go", 5))
    del signal
    assert handle.result(60) == 5
    for thread in threads() - before:
        thread.join(10)
        assert not thread.is_alive()


ENGINE_THREADS = {
    "inngest-nb-loop",
    "inngest-nb-engine-writer",
    "inngest-nb-lease",
    "inngest-nb-messages",
    "inngest-nb-watchdog",
}


def test_a_query_tells_the_status_and_the_result(executor: Executor) -> None:
    executor.execute(async_sum, id="done", input=[1]).result(60)
    executor.execute(waits_for_ever, id="gone")
    assert executor.query("gone", "status") == "running"
    executor.cancel("gone")
    assert executor.query("gone", "status") == "canceled"
    assert executor.query("gone", "result") is None
    assert executor.query("done", "result")["sum"] == 3
