"""Workflows that use all there is, and the samples: what replays and kills are tried on."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from small_workflows import add_one, double

from inngest_nb import (
    AsyncWorkflowContext,
    RetryPolicy,
    Signal,
    WorkflowContext,
    WorkflowHandle,
    WorkflowState,
    samples,
)
from inngest_nb.errors import ActivityError, WorkflowFailedError

FAST = {"speed": 1000}


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
    "approval": (
        samples.approval,
        FAST | {"patience": 10**6},
        [Signal("approve", {"approved": True})],
    ),
    "fan_out": (samples.fan_out, FAST, []),
    "import_rows": (samples.import_rows, FAST | {"rows": 3000}, []),
    "broken": (samples.broken, FAST, []),
}


def outcome(handle: WorkflowHandle, seconds: float = 20) -> Any:
    try:
        return handle.result(seconds)
    except WorkflowFailedError as error:
        return str(error).removeprefix(f"workflow {handle.id!r} failed: ")


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
