"""Workflows and activities that are as small as can be, for the tests of executors."""

from __future__ import annotations

import asyncio
from typing import Any

from inngest_nb import AsyncWorkflowContext, WorkflowContext, WorkflowState


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return number * 2


def add_one(number: int) -> int:
    return number + 1


def refuse(reason: str) -> None:
    raise ValueError(reason)


async def async_sum(ctx: AsyncWorkflowContext, numbers: list[int]) -> dict[str, Any]:
    doubled = await asyncio.gather(*(ctx.execute_activity(double, n) for n in numbers))
    return {"sum": await ctx.execute_activity(add_one, sum(doubled)), "id": ctx.workflow_id}


def plain_sum(ctx: WorkflowContext, numbers: list[int]) -> dict[str, Any]:
    doubled = [ctx.execute_activity(double, n) for n in numbers]
    return {"sum": ctx.execute_activity(add_one, sum(doubled)), "id": ctx.workflow_id}


def types(state: WorkflowState | None) -> list[str]:
    assert state is not None
    return [str(event.type) for event in state.history]


async def waits_for_ever(ctx: AsyncWorkflowContext) -> None:
    await ctx.receive_signal("never")


async def waits_and_returns(ctx: AsyncWorkflowContext) -> Any:
    return await ctx.receive_signal("go")


def waits_plainly(ctx: WorkflowContext) -> None:
    ctx.receive_signal("never")
