"""Workflows that go through sets of tasks, and two lives of them in processes of their own.

    python ordered_workflows.py begin|resume PATH

`begin` starts some runs of each and dies where they wait; `resume` goes on with them, in another
order, and prints their results as JSON: what was given to the wrong item, which should be nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from inngest_nb import AsyncWorkflowContext, Executor, Signal, SqliteStore

_ITEMS = range(12)
_RUNS = range(4)
# Whatever the process does before moves the addresses of all that comes after.
_JUNK = [bytearray(random.Random(os.getpid() + n).randrange(10, 5_000)) for n in range(5_000)]


def price(item: int) -> str:
    return f"price of {item}"


def ship(item: int) -> str:
    return f"shipped {item}"


async def undo(item: int) -> str:
    return f"undone {item}"


def keep(order: list[Any]) -> list[Any]:
    return order


def wrong(pairs: list[Any], word: str) -> list[Any]:
    return [pair for pair in pairs if pair[1] != f"{word} {pair[0]}"]


async def priced(ctx: AsyncWorkflowContext, item: int) -> tuple[int, str]:
    return item, await ctx.execute_activity(price, item)


async def as_completed(ctx: AsyncWorkflowContext) -> list[Any]:
    """Coroutines, which asyncio puts into a set before they are tasks."""
    steps = [priced(ctx, item) for item in _ITEMS]
    return wrong([await each for each in asyncio.as_completed(steps)], "price of")


async def as_completed_at_once(ctx: AsyncWorkflowContext) -> list[Any]:
    """Coroutines that do something of their own before they ask for anything."""
    begun = []

    async def step(item: int) -> None:
        begun.append(item)

    for each in asyncio.as_completed([step(item) for item in _ITEMS]):
        await each
    return wrong([(item, await ctx.execute_activity(ship, item)) for item in begun], "shipped")


async def wait(ctx: AsyncWorkflowContext) -> list[Any]:
    tasks = [asyncio.create_task(priced(ctx, item)) for item in _ITEMS]
    done, _ = await asyncio.wait(tasks)
    items = [task.result()[0] for task in done]
    return wrong([(item, await ctx.execute_activity(ship, item)) for item in items], "shipped")


async def wait_for_the_first(ctx: AsyncWorkflowContext) -> list[Any]:
    pending = {asyncio.create_task(priced(ctx, item)) for item in _ITEMS}
    pairs = []
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            item = task.result()[0]
            pairs.append((item, await ctx.execute_activity(ship, item)))
    return wrong(pairs, "shipped")


async def wait_for_gathered(ctx: AsyncWorkflowContext) -> list[Any]:
    """Futures that asyncio makes for itself, which have no number."""
    pairs = [asyncio.gather(priced(ctx, item), priced(ctx, -item)) for item in _ITEMS]
    done, _ = await asyncio.wait(pairs)
    items = [pair.result()[0][0] for pair in done]
    return wrong([(item, await ctx.execute_activity(ship, item)) for item in items], "shipped")


async def task_group(ctx: AsyncWorkflowContext) -> list[Any]:
    pairs = []

    async def child(item: int) -> None:
        try:
            await ctx.receive_signal("never")
        except asyncio.CancelledError:
            pairs.append((item, await ctx.execute_activity(undo, item)))
            raise

    try:
        async with asyncio.TaskGroup() as group:
            for item in _ITEMS:
                group.create_task(child(item))
            await ctx.execute_activity(price, 0)
            raise ValueError("all of it is to be undone")
    except* ValueError:
        pass
    return wrong(pairs, "undone")


async def sets_of_tasks(ctx: AsyncWorkflowContext) -> list[Any]:
    tasks = {asyncio.create_task(priced(ctx, item)) for item in _ITEMS}
    futures = {asyncio.get_running_loop().create_future() for _ in _ITEMS}
    for place, future in enumerate(futures):
        future.set_result(place)
    names = [task.get_name() for task in tasks]
    order = [(await task)[0] for task in tasks]
    places = [future.result() for future in sorted(futures)]
    # What is recorded here is compared in the next life.
    await ctx.execute_activity(keep, [names, order, places])
    return []


WORKFLOWS: tuple[Callable[[AsyncWorkflowContext], Awaitable[list[Any]]], ...] = (
    as_completed,
    as_completed_at_once,
    wait,
    wait_for_the_first,
    wait_for_gathered,
    task_group,
    sets_of_tasks,
)


def waiting(fn: Callable[..., Any]) -> Callable[..., Any]:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        found = await fn(ctx)
        await ctx.receive_signal("go")
        return found

    return workflow


def main(phase: str, path: str) -> None:
    runs = [(f"{fn.__name__}-{number}", waiting(fn)) for fn in WORKFLOWS for number in _RUNS]
    executor = Executor(SqliteStore(path))
    if phase == "begin":
        handles = [executor.execute(fn, id=name) for name, fn in runs]
        deadline = time.monotonic() + 60
        while not all("go" in handle.waiting_for for handle in handles):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os._exit(0)
    random.Random(path).shuffle(runs)
    handles = [executor.resume(fn, name) for name, fn in runs]
    results: dict[str, Any] = {}
    for handle in handles:
        try:
            if handle.status == "running":
                executor.signal(handle.id, Signal("go"))
            results[handle.id] = handle.result(30)
        except Exception as error:  # noqa: BLE001  # for the test to see
            results[handle.id] = str(error)
    sys.stdout.write(json.dumps(results))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
