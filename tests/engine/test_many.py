"""Many runs at once, of each kind."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    Hooks,
    InngestStore,
    MemoryStore,
    Signal,
    SqliteStore,
    WorkflowContext,
    WorkflowState,
    WorkflowStore,
)
from inngest_nb.engine import Workflows
from inngest_nb.errors import WorkflowAlreadyRunningError

pytestmark = pytest.mark.slow


def add_one(number: int) -> int:
    return number + 1


async def async_add_one(number: int) -> int:
    await asyncio.sleep(0)
    return number + 1


async def count(ctx: AsyncWorkflowContext, start: int) -> int:
    one = await ctx.execute_activity(add_one, start)
    two = await ctx.execute_activity(async_add_one, one)
    return await ctx.receive_signal("go") + two


def count_plainly(ctx: WorkflowContext, start: int) -> int:
    one = ctx.execute_activity(add_one, start)
    two = ctx.execute_activity(async_add_one, one)
    return ctx.receive_signal("go") + two


@pytest.mark.parametrize("workflow", [count, count_plainly])
def test_many_runs_at_once_all_end_with_their_own_result(
    any_store: WorkflowStore, workflow: Any
) -> None:
    runs = 1000 if workflow is count and not isinstance(any_store, InngestStore) else 200
    with Executor(any_store) as executor:
        handles = [executor.execute(workflow, input=n) for n in range(runs)]
        for handle in handles:
            executor.signal(handle.id, Signal("go", 100))
        assert [handle.result(60) for handle in handles] == [n + 102 for n in range(runs)]
    stored = any_store.fetch()
    statuses = {state.status for state in stored}
    assert (len(stored), statuses) == (runs, {"completed"})


@pytest.mark.slow
def test_2000_waiting_runs_are_resumed_and_all_wake(tmp_path: Path) -> None:
    runs, begun = 2000, Counter[int]()
    code = Workflows()

    def note(number: int) -> int:
        begun[number] += 1
        return number

    async def waits(ctx: AsyncWorkflowContext, number: int) -> list[int]:
        noted = await ctx.execute_activity(note, number)
        return [noted, await ctx.receive_signal("go"), await ctx.execute_activity(note, -1 - noted)]

    code.add(waits, "waits", 1)
    with SqliteStore(tmp_path / "states.db") as store:
        saved = threading.Semaphore(0)
        hooks = Hooks(on_activity_complete=lambda *_: saved.release())
        with Executor(store, hooks) as executor:
            for number in range(runs):
                executor.execute(waits, id=f"w{number}", input=number)
            assert all(saved.acquire(timeout=60) for _ in range(runs))
        with Executor(store, workflows=code) as executor:
            handles, left = executor.recover()
            assert (len(handles), left) == (runs, {})
            for handle in handles:
                executor.signal(handle.id, Signal("go", int(handle.id[1:]) + 10_000))
            results = sorted(handle.result(60) for handle in handles)
        assert results == [[n, n + 10_000, -1 - n] for n in range(runs)]
        assert {state.status for state in store.list()} == {"completed"}
    assert begun == dict.fromkeys(range(-runs, runs), 1)


@pytest.mark.parametrize("timeout", [None, 60], ids=["right there", "in workers"])
def test_200_plain_functions_that_need_each_other_do_not_deadlock(timeout: Any) -> None:
    everyone = threading.Barrier(200)

    def meet(_: Any) -> bool:
        everyone.wait(30)  # until all 200 activities run at the same time
        return True

    def workflow(ctx: WorkflowContext) -> Any:
        return ctx.execute_activity(meet, timeout=timeout)

    with Executor(workers=200) as executor:
        handles = [executor.execute(workflow) for _ in range(200)]
        assert all(handle.result(60) for handle in handles)


def test_activities_that_wait_for_runs_with_activities_do_not_use_up_the_workers() -> None:
    with Executor(workers=2) as executor:

        async def nested(ctx: AsyncWorkflowContext, depth: int) -> int:
            return await ctx.execute_activity(one_deeper, depth)

        def one_deeper(depth: int) -> int:
            if depth == 0:
                return 0
            return executor.execute(nested, input=depth - 1).result(30) + 1

        handles = [executor.execute(nested, input=10) for _ in range(3)]
        assert [handle.result(60) for handle in handles] == [10] * 3


def test_no_more_plain_activities_run_at_a_time_than_there_are_workers() -> None:
    gate = threading.Event()
    done = itertools.count()

    def work(_: Any) -> None:
        assert gate.wait(60)
        next(done)

    async def count_workers(_: Any) -> int:
        gate.set()  # all have been begun by now
        names = [thread.name for thread in threading.enumerate()]
        return names.count("inngest-nb-activity")

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        works = [ctx.execute_activity(work) for _ in range(30)]
        return (await asyncio.gather(ctx.execute_activity(count_workers), *works))[0]

    with Executor(workers=3) as executor:
        assert executor.execute(workflow).result(60) == 3
    assert next(done) == 30


def test_one_id_asked_for_by_many_threads_runs_once() -> None:
    started: list[str] = []
    refused = threading.Semaphore(0)

    class Slow(MemoryStore):
        def load(self, workflow_id: str) -> WorkflowState | None:
            for _ in range(15):  # until all others have been refused
                assert refused.acquire(timeout=60)
            return super().load(workflow_id)

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.receive_signal("go")

    with Executor(Slow()) as executor:

        def start() -> None:
            try:
                started.append(executor.execute(workflow, id="w").run_id)
            except WorkflowAlreadyRunningError:
                refused.release()

        threads = [threading.Thread(target=start) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(started) == 1
        executor.cancel("w")
