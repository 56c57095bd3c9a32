"""A store that dies at any write, then a resume: what is recorded is not done again."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from executor_stores import CheckedStore

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    HistoryEvent,
    Hooks,
    RetryPolicy,
    Signal,
    WorkflowContext,
    WorkflowState,
    samples,
)
from inngest_nb.errors import ActivityError, EngineError, WorkflowFailedError, WorkflowNotSavedError

FAST = {"speed": 1000}


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return number * 2


def add_one(number: int) -> int:
    return number + 1


def fail(number: int) -> None:
    raise ValueError(f"no {number}")


async def for_ever(number: int) -> None:
    await asyncio.Event().wait()


async def everything(ctx: AsyncWorkflowContext) -> Any:
    seen: list[Any] = [str(ctx.uuid()), ctx.random().random()]
    seen.append(await ctx.execute_activity(double, 1))
    seen += await asyncio.gather(*(ctx.execute_activity(double, n) for n in range(4)))
    seen += await ctx.map(add_one, range(5), concurrency=2)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(helper(ctx, n)) for n in (3, 1, 2)]
    seen += [task.result() for task in tasks]
    race = [asyncio.ensure_future(ctx.execute_activity(f, 5)) for f in (double, for_ever)]
    done, late = await asyncio.wait(race, return_when=asyncio.FIRST_COMPLETED)
    seen.append(done.pop().result())
    for task in late:
        task.cancel()
    try:
        async with asyncio.timeout(0.001):
            await ctx.execute_activity(for_ever, 1)
    except TimeoutError:
        seen.append("too late")
    await ctx.sleep(0.001)
    seen.append(await ctx.receive_signal("go"))
    try:
        await ctx.execute_activity(fail, 3, retry=RetryPolicy(max_attempts=3, initial_interval=0))
    except ActivityError as error:
        seen.append(str(error))
    seen.append(ctx.version("new"))
    async for payload in ctx.signals("go"):
        seen.append(payload)
        if payload == 2:
            break
    assert ctx.now().tzinfo is not None
    return [*seen, str(ctx.uuid())]


async def helper(ctx: AsyncWorkflowContext, number: int) -> Any:
    doubled = await ctx.execute_activity(double, number)
    return await ctx.execute_activity(add_one, doubled)


def everything_plainly(ctx: WorkflowContext) -> Any:
    seen: list[Any] = [str(ctx.uuid()), ctx.random().random()]
    seen.append(ctx.execute_activity(double, 1))
    seen.append(ctx.execute_activity(add_one, 1))
    seen += ctx.map(double, range(5), concurrency=2)
    ctx.sleep(0.001)
    try:
        ctx.receive_signal("never", timeout=0.001)
    except TimeoutError:
        seen.append("nothing came")
    seen.append(ctx.receive_signal("go"))
    try:
        ctx.execute_activity(fail, 3, retry=RetryPolicy(max_attempts=3, initial_interval=0))
    except ActivityError as error:
        seen.append(str(error))
    try:
        ctx.execute_activity(for_ever, 3, timeout=0.001)
    except ActivityError as error:
        seen.append(str(error))
    seen.append(ctx.version("new"))
    seen += itertools.islice(ctx.signals("go"), 2)
    assert ctx.now().tzinfo is not None
    return [*seen, str(ctx.uuid())]


WORKFLOWS: dict[str, tuple[Callable[..., Any], Any, list[Signal]]] = {
    "everything": (everything, None, [Signal("go", 1), Signal("go", 2)]),
    "plainly": (everything_plainly, None, [Signal("go", 1), Signal("go", 2)]),
    "order": (samples.order, FAST, []),
    "approval": (samples.approval, FAST, [Signal("approve", {"approved": True})]),
    "fan_out": (samples.fan_out, FAST, []),
    "import_rows": (samples.import_rows, FAST, []),
    "broken": (samples.broken, FAST, []),
}


class Witness:
    """Hooks that count how often each attempt began."""

    def __init__(self) -> None:
        self.begun: Counter[tuple[int, int]] = Counter()
        self.hooks = Hooks(on_activity_start=self.see)

    def see(self, workflow_id: str, event: HistoryEvent) -> None:
        self.begun[int(event.seq or 0), int(event.attempt or 0)] += 1


def outcome(handle: Any) -> Any:
    try:
        return handle.result(20)
    except WorkflowFailedError as error:
        return str(error)


def ended(state: WorkflowState | None) -> set[tuple[int, int]]:
    """Return the attempts whose end is recorded."""
    kinds = ("activity_completed", "activity_failed")
    events = state.history if state else ()
    return {(int(e.seq or 0), int(e.attempt or 0)) for e in events if e.type in kinds}


def alike(result: Any, other: Any) -> bool:
    """Compare results of two runs, whose random numbers differ."""
    if isinstance(result, list) and isinstance(other, list):
        return bool(result[2:-1] == other[2:-1])
    return bool(result == other)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_run_whose_store_died_at_any_write_goes_on_where_it_was(name: str) -> None:
    fn, given, signals = WORKFLOWS[name]
    with CheckedStore() as store, Executor(store) as executor:
        handle = executor.execute(fn, id="w", input=given)
        for signal in signals:
            executor.signal("w", signal)
        undisturbed = outcome(handle)
    deaths = 0
    for n in itertools.count(1):
        store, witness = CheckedStore(), Witness()
        store.fail_from = n
        sent = 0
        with store, Executor(store, witness.hooks) as executor:
            handle = executor.execute(fn, id="w", input=given)
            try:
                for signal in signals:
                    executor.signal("w", signal)
                    sent += 1
            except EngineError:
                pass
            try:
                result = outcome(handle)
            except WorkflowNotSavedError:
                deaths += 1
            else:
                assert alike(result, undisturbed)
                break
            store.fail_from = 0
            stored = store.load("w")
            if stored is None:
                continue  # it never began
            recorded = ended(stored)
            resumed = executor.resume(fn, "w")
            assert resumed.run_id == handle.run_id
            for signal in signals[sent:]:
                executor.signal("w", signal)
            assert alike(outcome(resumed), undisturbed), n
        for attempt in recorded:
            assert witness.begun[attempt] == 1, (n, attempt)
        assert all(count <= 2 for count in witness.begun.values())
        final = store.load("w")
        assert final is not None
        assert final.history[: len(stored.history)] == stored.history
        once = Counter(
            (event.seq, event.attempt, event.type)
            for event in final.history
            if event.type == "activity_completed"
        )
        assert set(once.values()) == {1}
    assert deaths >= 4
