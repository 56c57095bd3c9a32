"""Context variables: a run has those of who began it, and nobody else's."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest
from crashes import Lives

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    Hooks,
    MemoryStore,
    RetryPolicy,
    Signal,
    WorkflowContext,
)
from inngest_nb.errors import ActivityError

KINDS = pytest.mark.parametrize("kind", ["async", "plain"])
ACTIVITIES = pytest.mark.parametrize("activity", ["async", "plain"])
tenant: contextvars.ContextVar[str | None] = contextvars.ContextVar("tenant", default=None)


def plain_who() -> str | None:
    return tenant.get()


async def async_who() -> str | None:
    await asyncio.sleep(0)
    return tenant.get()


async def workflow(ctx: AsyncWorkflowContext, activity: str) -> list[Any]:
    who = async_who if activity == "async" else plain_who
    first = await ctx.execute_activity(who)
    await ctx.sleep(0.01)
    return [first, tenant.get(), await ctx.execute_activity(who, timeout=60)]


def plain_workflow(ctx: WorkflowContext, activity: str) -> list[Any]:
    who = async_who if activity == "async" else plain_who
    first = ctx.execute_activity(who)
    ctx.sleep(0.01)
    return [first, tenant.get(), ctx.execute_activity(who, timeout=60)]


@KINDS
@ACTIVITIES
def test_each_of_many_requests_is_its_own_tenants(kind: str, activity: str) -> None:
    fn = workflow if kind == "async" else plain_workflow

    async def request(executor: Executor, name: str) -> Any:
        tenant.set(name)
        return await executor.execute(fn, input=activity)

    async def main() -> list[Any]:
        with Executor() as executor:
            requests = [request(executor, f"tenant {n}") for n in range(40)]
            return await asyncio.gather(*map(asyncio.create_task, requests))

    assert asyncio.run(main()) == [[f"tenant {n}"] * 3 for n in range(40)]


@KINDS
def test_what_a_workflow_sets_is_seen_by_its_activities_and_by_no_other_run(
    executor: Executor, kind: str
) -> None:
    async def sets(ctx: AsyncWorkflowContext, name: str) -> list[Any]:
        tenant.set(name)
        return [await ctx.execute_activity(plain_who), await ctx.execute_activity(async_who)]

    def sets_plainly(ctx: WorkflowContext, name: str) -> list[Any]:
        tenant.set(name)
        return [ctx.execute_activity(plain_who), ctx.execute_activity(async_who)]

    fn = sets if kind == "async" else sets_plainly
    assert executor.execute(fn, input="ann").result(60) == ["ann", "ann"]
    assert tenant.get() is None
    other = workflow if kind == "async" else plain_workflow
    assert executor.execute(other, input="plain").result(60) == [None, None, None]


@KINDS
@ACTIVITIES
def test_what_an_activity_sets_is_seen_by_that_attempt_alone(
    executor: Executor, kind: str, activity: str
) -> None:
    seen = []

    def spoil() -> None:
        seen.append(tenant.get())
        tenant.set("spoiled")
        raise ValueError("again")

    async def spoil_async() -> None:
        spoil()

    act = spoil_async if activity == "async" else spoil
    retry = RetryPolicy(max_attempts=2, initial_interval=0.01)

    async def spoils(ctx: AsyncWorkflowContext) -> Any:
        try:
            await ctx.execute_activity(act, retry=retry)
        except ActivityError:
            return tenant.get()

    def spoils_plainly(ctx: WorkflowContext) -> Any:
        try:
            ctx.execute_activity(act, retry=retry)
        except ActivityError:
            return tenant.get()

    assert executor.execute(spoils if kind == "async" else spoils_plainly).result(60) is None
    assert seen == [None, None]


@KINDS
def test_a_resumed_run_has_the_variables_of_who_resumed_it(lives: Lives, kind: str) -> None:
    async def waits(ctx: AsyncWorkflowContext) -> Any:
        await ctx.receive_signal("go")
        return [tenant.get(), await ctx.execute_activity(plain_who)]

    def waits_plainly(ctx: WorkflowContext) -> Any:
        ctx.receive_signal("go")
        return [tenant.get(), ctx.execute_activity(plain_who)]

    fn = waits if kind == "async" else waits_plainly
    handle = lives.executor.execute(fn, id="w")
    later = contextvars.copy_context()
    later.run(tenant.set, "bob")
    again = later.run(lives.crash_and_resume, handle, fn)
    lives.executor.signal("w", Signal("go"))
    assert again.result(60) == ["bob", "bob"]


def test_hooks_have_nobodys_variables() -> None:
    seen = []
    hooks = Hooks(on_workflow_complete=lambda name, event: seen.append(tenant.get()))

    async def nothing(ctx: AsyncWorkflowContext) -> None:
        """Return at once."""

    def request(executor: Executor) -> None:
        tenant.set("ann")
        executor.execute(nothing).result(60)

    with Executor(MemoryStore(), hooks) as executor:
        contextvars.copy_context().run(request, executor)
    assert seen == [None]


async def child(ctx: AsyncWorkflowContext) -> list[Any]:
    return [tenant.get(), await ctx.execute_activity(plain_who)]


async def parent(ctx: AsyncWorkflowContext) -> list[Any]:
    tenant.set("the parent's own")
    return await ctx.execute_workflow(child)


def plain_parent(ctx: WorkflowContext) -> list[Any]:
    tenant.set("the parent's own")
    return ctx.execute_workflow(child)


@pytest.mark.parametrize("fn", [parent, plain_parent])
def test_a_child_has_the_variables_of_the_code_that_asked_for_it(fn: Any) -> None:
    with Executor(MemoryStore()) as executor:
        assert executor.execute(fn).result(60) == ["the parent's own"] * 2
