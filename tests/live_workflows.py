"""Workflows for the live tests of workers: what they do on a real server, this process notes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from typing import Any

import inngest_nb as inb
from inngest_nb import ActivityContext, AsyncWorkflowContext, RetryPolicy
from inngest_nb.errors import ActivityError, ChildWorkflowError

LONG = 20.0  # seconds of an activity that nobody is to wait for
BIG = 3 * 2**20  # characters, of which two are more than a request carries
# What JSON of Inngest's engine would bend.
NUMBERS = {"big": 2**63 + 1, "odd": 2**53 + 1, "whole": 1.0, "minus": [-(2**53) - 1, 1.5, 1e300]}
_QUICK = RetryPolicy(max_attempts=3, initial_interval=0.2)

noted: defaultdict[str, list[Any]] = defaultdict(list)  # by the id of the workflow
gates: defaultdict[str, threading.Event] = defaultdict(threading.Event)


def echo(ctx: ActivityContext, value: Any) -> Any:
    noted[ctx.workflow_id].append(value)
    return value


async def slow_echo(ctx: ActivityContext, value: Any) -> Any:
    noted[ctx.workflow_id].append(f"{value} began")
    await asyncio.sleep(LONG if value == "long" else 1.0)
    noted[ctx.workflow_id].append(f"{value} ended")
    return value


def at_gate(ctx: ActivityContext, given: None) -> str:
    """Wait until the test opens the gate."""
    noted[ctx.workflow_id].append("at the gate")
    gates[ctx.workflow_id].wait(2 * LONG)
    noted[ctx.workflow_id].append("through the gate")
    return "through"


def keyed(ctx: ActivityContext, given: None) -> int:
    """Note the key, and fail twice."""
    noted[ctx.workflow_id].append((ctx.attempt, ctx.idempotency_key, time.time()))
    if ctx.attempt < 3:
        raise ValueError(f"attempt {ctx.attempt}")
    return ctx.attempt


def refuse(ctx: ActivityContext, why: str) -> None:
    noted[ctx.workflow_id].append(ctx.attempt)
    raise PermissionError(why)


def big(length: int) -> str:
    return "x" * length


async def row(ctx: AsyncWorkflowContext, count: int) -> list[int]:
    noted[f"{ctx.workflow_id} code"].append("ran")
    return [await ctx.execute_activity(echo, n) for n in range(count)]


async def beside(ctx: AsyncWorkflowContext, count: int) -> list[int]:
    noted[f"{ctx.workflow_id} code"].append("ran")
    return await asyncio.gather(*(ctx.execute_activity(echo, n) for n in range(count)))


async def race(ctx: AsyncWorkflowContext) -> list[Any]:
    calls = [ctx.execute_activity(slow_echo, "long"), ctx.execute_activity(echo, "quick")]
    tasks = [asyncio.ensure_future(call) for call in calls]
    done, late = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in late:
        task.cancel()
    return [done.pop().result(), await ctx.execute_activity(echo, "after")]


async def branches(ctx: AsyncWorkflowContext) -> list[Any]:
    async def two(first: Any, value: str) -> list[Any]:
        return [await ctx.execute_activity(first, value), await ctx.execute_activity(echo, value)]

    return await asyncio.gather(two(slow_echo, "slow"), two(echo, "quick"))


async def numbers(ctx: AsyncWorkflowContext, given: Any) -> Any:
    made = await ctx.execute_activity(echo, given)
    child = await ctx.execute_workflow(same, given)
    return [given, made, child, await ctx.receive_signal("number")]


async def same(ctx: AsyncWorkflowContext, given: Any) -> Any:
    return given


async def naps(ctx: AsyncWorkflowContext, seconds: list[float]) -> list[float]:
    async def nap(each: float) -> float:
        before = await ctx.execute_activity(clock)
        await ctx.sleep(each)
        return await ctx.execute_activity(clock) - before

    return await asyncio.gather(*map(nap, seconds))


def clock() -> float:
    return time.time()


async def signaled(ctx: AsyncWorkflowContext, count: int) -> list[Any]:
    await ctx.execute_activity(at_gate)
    seen = [await ctx.receive_signal("go") for _ in range(count)]
    return [seen, await ctx.execute_activity(echo, "all")]


async def impatient(ctx: AsyncWorkflowContext) -> list[Any]:
    seen: list[Any] = []
    try:
        await ctx.receive_signal("never", timeout=1)
    except TimeoutError as error:
        seen.append(str(error))
    try:
        async with asyncio.timeout(1):
            await ctx.execute_activity(slow_echo, "long")
    except TimeoutError:
        seen.append("too late")
    return seen


async def retries(ctx: AsyncWorkflowContext) -> int:
    return await ctx.execute_activity(keyed, retry=_QUICK)


async def caught(ctx: AsyncWorkflowContext) -> str:
    try:
        await ctx.execute_activity(refuse, "not you", retry=_QUICK)
    except ActivityError as error:
        return str(error)
    return ""


async def wrong(ctx: AsyncWorkflowContext) -> None:
    await ctx.execute_activity(echo, 1)
    raise KeyError("no such order")


async def stuck(ctx: AsyncWorkflowContext) -> None:
    noted[ctx.workflow_id].append("waits")
    try:
        await ctx.execute_activity(at_gate)
        await ctx.execute_activity(echo, "after the gate")
    finally:
        await ctx.execute_activity(echo, "finally")


async def family(ctx: AsyncWorkflowContext) -> list[Any]:
    seen: list[Any] = [await ctx.execute_workflow(row, 3)]
    try:
        await ctx.execute_workflow(wrong, id=f"{ctx.workflow_id} wrong")
    except ChildWorkflowError as error:
        seen.append(str(error))
    lasting = asyncio.ensure_future(ctx.execute_workflow(lonely, id=f"{ctx.workflow_id} lonely"))
    await ctx.sleep(1)
    lasting.cancel()
    seen.append(await ctx.execute_activity(echo, "dropped"))
    return seen


async def lonely(ctx: AsyncWorkflowContext) -> None:
    noted[ctx.workflow_id].append(ctx.run_id)
    await ctx.receive_signal("never")


async def facts(ctx: AsyncWorkflowContext) -> list[Any]:
    made = [str(ctx.uuid()), ctx.random().random(), ctx.version("live"), ctx.now().timestamp()]
    noted[ctx.workflow_id].append(made)
    await ctx.execute_activity(echo, 1)
    await ctx.sleep(1)
    return [made, ctx.now().timestamp()]


async def heavy(ctx: AsyncWorkflowContext, lengths: list[int]) -> list[int]:
    return [len(await ctx.execute_activity(big, length)) for length in lengths]


WORKFLOWS = (
    *(row, beside, race, branches, numbers, same, naps, signaled, impatient, retries, caught),
    *(wrong, stuck, family, lonely, facts, heavy, inb.samples.order, inb.samples.approval),
    *(inb.samples.fan_out, inb.samples.import_rows, inb.samples.broken),
)
