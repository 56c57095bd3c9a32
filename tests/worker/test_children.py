"""Child workflows on Inngest's engine: each is a run of its own that ends with its parent."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from driven_workflows import calls_children, calls_nested, doubles
from inngest_engine import InngestEngine, Run
from small_workflows import double, refuse, waits_and_returns, waits_for_ever
from two_engines import OnInngest, error_of
from worker_runs import signal, start

from inngest_nb import AsyncWorkflowContext, Signal, WorkflowContext
from inngest_nb.errors import ChildWorkflowError


def runs_of(inngest: InngestEngine, name: str) -> list[Run]:
    """Return the runs of a function, once none of them is about to begin."""
    runs = inngest.do(lambda: [*inngest.executor.runs.values()])
    return [run for run in runs if run.function.short == name]


def test_a_child_is_a_run_that_names_its_parent() -> None:
    with OnInngest(calls_nested, calls_children, doubles) as on:
        run = on.run(calls_nested)
        assert run.output == [[4, 0, 2, 4, 6], 2]
        (middle,) = runs_of(on.inngest, "calls_children")
        assert middle.events[0]["data"]["parent"] == "w"
        inner = runs_of(on.inngest, "doubles")
        assert len(inner) == 5
        parents = {each.events[0]["data"]["parent"] for each in inner}
        assert parents == {middle.events[0]["data"]["workflow_id"]}
        assert len({each.events[0]["data"]["workflow_id"] for each in inner}) == 5
        on.check_replays()


async def leaves(ctx: AsyncWorkflowContext, how: str) -> Any:
    call = asyncio.ensure_future(ctx.execute_workflow(waits_for_ever, detached=how == "detached"))
    await ctx.execute_activity(double, 1)
    if how in ("drops", "detached"):
        call.cancel()
        await asyncio.wait([call])
        await ctx.sleep(10)
    if how == "fails":
        await ctx.execute_activity(refuse, "no")
    if how == "waits":
        await ctx.receive_signal("never")
    return how


@pytest.mark.parametrize("how", ["drops", "fails", "ends"])
def test_a_child_is_canceled_with_the_call_or_the_parent(how: str) -> None:
    with OnInngest(leaves, waits_for_ever) as on:
        run = on.run(leaves, how)
        (child,) = runs_of(on.inngest, "waits_for_ever")
        assert on.inngest.ended(child).status == "CANCELLED"
        assert run.ended_at is not None
        assert child.ended_at is not None
        if how == "drops":  # and its parent sleeps before it ends
            assert run.ended_at - child.ended_at > timedelta(seconds=5)
        on.check_replays()


def test_a_detached_child_goes_on_without_its_parent() -> None:
    with OnInngest(leaves, waits_for_ever) as on:
        assert on.run(leaves, "detached").output == "detached"
        (child,) = runs_of(on.inngest, "waits_for_ever")
        assert not child.is_over
        assert [e for e in on.inngest.executor.events.kept if "cancel" in e["name"]] == []


def test_a_parent_hears_that_its_child_was_canceled_in_the_executors_words() -> None:
    async def parent(ctx: AsyncWorkflowContext) -> Any:
        try:
            await ctx.execute_workflow(waits_for_ever, id="child")
        except ChildWorkflowError as error:
            return [str(error), error.error]

    with OnInngest(parent, waits_for_ever) as on:
        inngest = on.inngest
        with inngest.clock.hold():
            run = start(inngest, parent, id="w")
            when = inngest.clock.now() + timedelta(seconds=5)
            canceled = {"workflow_id": "child"}
            inngest.clock.add(when, lambda: inngest.send("nb/workflow.canceled", canceled) and None)
        said = "it was canceled"
        text = f"child workflow 'waits_for_ever' (child) failed: {said}"
        assert inngest.ended(run).output == [text, said]
        on.check_replays()


def test_a_child_gets_signals_by_its_own_id() -> None:
    def parent(ctx: WorkflowContext) -> Any:
        return ctx.execute_workflow(waits_and_returns, id="child")

    with OnInngest(parent, waits_and_returns) as on:
        with on.inngest.clock.hold():
            run = start(on.inngest, parent, id="w")
            signal(on.inngest, "w", [Signal("go", "the parent's")])
            signal(on.inngest, "child", [Signal("go", "the child's")])
        assert on.inngest.ended(run).output == "the child's"


def test_a_child_that_is_not_served_fails_its_parent_at_once_with_what_to_do() -> None:
    with OnInngest(calls_children) as on:
        run = on.run(calls_children)
        assert run.status == "FAILED"
        assert len(on.exchanges(run)) == 1
        assert "'doubles' is called as a child workflow, but this worker does not serve it" in (
            error_of(run)
        )
