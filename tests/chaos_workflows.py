"""Workflows for workers that are killed, whose every activity leaves a line in a log.

Several processes append to the log, and what is written is there whatever happens to them.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time

from inngest_nb import ActivityContext, AsyncWorkflowContext, WorkflowContext, workflow

STEPS = int(os.environ.get("CHAOS_STEPS", "10"))
PAUSE = float(os.environ.get("CHAOS_PAUSE", "0.3"))
_SECONDS = 0.05


def note(ctx: ActivityContext) -> None:
    entry = [ctx.workflow_id, ctx.seq, ctx.attempt, os.getpid(), time.time()]
    log = os.open(os.environ["CHAOS_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(log, json.dumps(entry).encode() + b"\n")
    os.close(log)


async def square(ctx: ActivityContext, number: int) -> int:
    note(ctx)
    await asyncio.sleep(_SECONDS)
    return number * number


def cube(ctx: ActivityContext, number: int) -> int:
    note(ctx)
    threading.Event().wait(_SECONDS)
    return number**3


@workflow
async def chaos_async(ctx: AsyncWorkflowContext, given: int) -> int:
    total = 0
    for number in range(STEPS):
        await ctx.sleep(PAUSE)
        calls = [ctx.execute_activity(fn, given + number) for fn in (square, cube)]
        total += sum(await asyncio.gather(*calls))
    return total


@workflow
def chaos_plain(ctx: WorkflowContext, given: int) -> int:
    total = 0
    for number in range(STEPS):
        ctx.sleep(PAUSE)
        total += ctx.execute_activity(cube, given + number)
    return total


def result_of(name: str, given: int) -> int:
    """Return what a run has to end with."""
    numbers = range(given, given + STEPS)
    plain = sum(number**3 for number in numbers)
    return plain if name == "chaos_plain" else plain + sum(number**2 for number in numbers)
