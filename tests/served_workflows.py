"""Workflows for workers on Inngest."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import inngest_nb as inb

# Activities of `held` wait until this is set; only in the process that sets it.
go_on = threading.Event()


async def double(ctx: inb.AsyncWorkflowContext, input: int) -> int:
    return 2 * input


async def twice(ctx: inb.AsyncWorkflowContext, input: int) -> list[Any]:
    return [await ctx.execute_activity(charge, input), await ctx.execute_activity(charge, -input)]


async def charge(amount: int) -> int:
    return amount + 1


def hold() -> str:
    print("it holds", flush=True)  # noqa: T201  # for whoever waits for that
    go_on.wait(60)
    return "held"


async def hold_in_pool() -> str:
    return await asyncio.to_thread(hold)


async def pooled(ctx: inb.AsyncWorkflowContext) -> Any:
    return await ctx.execute_activity(hold_in_pool)


async def held(ctx: inb.AsyncWorkflowContext) -> Any:
    return await ctx.execute_activity(hold)


async def endless(ctx: inb.AsyncWorkflowContext) -> None:
    while not go_on.is_set():
        time.sleep(0.001)  # noqa: ASYNC251  # as code must not
