"""Workflows in a module of their own that don't do the same again, each for another reason."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from inngest_nb import AsyncWorkflowContext, WorkflowContext

WORDS = [f"word {number}" for number in range(20)]


def keep(given: Any) -> Any:
    return given


async def takes_a_set_in_order(ctx: AsyncWorkflowContext) -> list[Any]:
    return [await ctx.execute_activity(keep, word) for word in set(WORDS)]


async def returns_a_set_in_order(ctx: AsyncWorkflowContext) -> list[Any]:
    await ctx.execute_activity(keep, 1)
    return list(set(WORDS))


def looks_at_its_process(ctx: WorkflowContext) -> Any:
    return ctx.execute_activity(keep, os.getpid())


async def fails_by_its_process(ctx: AsyncWorkflowContext) -> Any:
    await ctx.execute_activity(keep, 1)
    raise ValueError(f"in process {os.getpid()}")


async def is_like_itself(ctx: AsyncWorkflowContext) -> list[Any]:
    steps = [ctx.execute_activity(keep, word) for word in sorted(set(WORDS))]
    done = [await each for each in asyncio.as_completed(steps)]
    await ctx.sleep(0.001)
    print("is not an answer")  # noqa: T201
    return [done, str(ctx.uuid())]


def is_plainly_like_itself(ctx: WorkflowContext) -> list[Any]:
    return [ctx.execute_activity(keep, 1), str(ctx.uuid()), ctx.now().isoformat()]


async def fails_like_itself(ctx: AsyncWorkflowContext) -> Any:
    await ctx.execute_activity(keep, 1)
    raise ValueError(f"an object: {object()}")
