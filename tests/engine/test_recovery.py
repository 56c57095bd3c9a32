"""All runs of a store that nobody runs go on, each with the code that its first event names."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from executor_stores import CheckedStore
from manual_clock import ManualClock
from small_workflows import waits_and_returns

import inngest_nb as inb
from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    HistoryEvent,
    MemoryStore,
    Signal,
    WorkflowContext,
    WorkflowHandle,
    WorkflowState,
    WorkflowStore,
    wire,
)
from inngest_nb.engine import Workflows
from inngest_nb.errors import EngineError
from inngest_nb.state import EventType


def code_of(*functions: Callable[..., Any]) -> Workflows:
    code = Workflows()
    for fn in functions:
        code.add(fn, fn.__name__, 1)
    return code


def waits_in_a_thread(ctx: WorkflowContext) -> Any:
    return ctx.receive_signal("go")


async def waits_unregistered(ctx: AsyncWorkflowContext) -> Any:
    return await ctx.receive_signal("go")


def until_waiting(*handles: WorkflowHandle) -> None:
    deadline = time.monotonic() + 60
    while not all(handle.waiting_for for handle in handles):
        assert time.monotonic() < deadline


def test_all_runs_that_nobody_runs_go_on(any_store: WorkflowStore, clock: ManualClock) -> None:
    code = code_of(waits_and_returns, waits_in_a_thread)
    with Executor(any_store, clock=clock, workflows=code) as executor:
        handles = [
            executor.execute(fn, id=f"{fn.__name__} {n}")
            for n in range(5)
            for fn in (waits_and_returns, waits_in_a_thread)
        ]
        until_waiting(*handles)
        ended = executor.execute(waits_and_returns, id="ended")
        executor.signal("ended", Signal("go", 0))
        ended.result(60)
    with Executor(any_store, clock=clock, workflows=code) as executor:
        alive = executor.execute(waits_and_returns, id="alive")
        recovery = executor.recover()
        assert {handle.id for handle in recovery.handles} == {handle.id for handle in handles}
        assert recovery.left == {}
        assert executor.recover() == ((), {})  # they are alive here now
        for handle in (*recovery.handles, alive):
            executor.signal(handle.id, Signal("go", handle.id))
        assert [handle.result(60) for handle in recovery.handles] == [
            handle.id for handle in recovery.handles
        ]
        assert alive.result(60) == "alive"
        assert executor.recover() == ((), {})


def test_what_cannot_go_on_is_left_with_the_reason_and_untouched(
    store: CheckedStore, clock: ManualClock
) -> None:
    code = code_of(waits_and_returns)
    begun = HistoryEvent(id=1, type=EventType.WORKFLOW_STARTED, timestamp=clock.now())
    nameless = WorkflowState(
        workflow_id="nameless",
        run_id="r",
        status="running",  # type: ignore[arg-type]
        history=(begun,),
        created_at=begun.timestamp,
        updated_at=begun.timestamp,
    )
    elsewhere = nameless.replace(
        workflow_id="elsewhere",
        history=(begun.replace(workflow="waits_and_returns"),),
        owner="feedfacecafe.1.1.0",
        fence=1,
    )
    with (
        Executor(store, clock=clock, workflows=code) as other,
        Executor(store, clock=clock, workflows=code) as executor,
    ):
        held = other.execute(waits_and_returns, id="held")
        until_waiting(held)
        with Executor(store, clock=clock) as closed:
            until_waiting(closed.execute(waits_unregistered, id="unregistered"))
        store.save(nameless)
        store.save(elsewhere)
        store.hold_lease("feedfacecafe.1.1.0", 60)
        before = {state.workflow_id: wire.encode(state) for state in store.fetch()}
        recovery = executor.recover()
        assert recovery.handles == ()
        assert sorted(recovery.left) == ["elsewhere", "held", "nameless", "unregistered"]
        assert "is being run by an executor on another machine" in recovery.left["elsewhere"]
        assert "is being run by another executor in this process" in recovery.left["held"]
        assert "does not name its function" in recovery.left["nameless"]
        assert recovery.left["unregistered"] == (
            f"workflow 'unregistered' is a run of '{__name__}:waits_unregistered'; registered workflows: "
            "'waits_and_returns'. Register its function with @workflow, or pass it: "
            "resume(fn, 'unregistered')"
        )
        assert {state.workflow_id: wire.encode(state) for state in store.fetch()} == before
        # Later the lease has ended, the code is registered, and the other one is closed.
        other.close()
        store.hold_lease("feedfacecafe.1.1.0", 0)
        code.add(waits_unregistered, "waits_unregistered", 1)
        recovery = executor.recover()
        ids = {handle.id for handle in recovery.handles}
        assert ids == {"elsewhere", "held", "unregistered"}
        assert list(recovery.left) == ["nameless"]


class BusyStore(MemoryStore):
    """Does something else right after the first look at its states or its leases."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] = list

    def leases(self) -> Any:
        return self._and_then(super().leases())

    def fetch(self, **search: Any) -> Any:
        return self._and_then(super().fetch(**search))

    def _and_then(self, found: Any) -> Any:
        meanwhile, self.meanwhile = self.meanwhile, list
        meanwhile()
        return found


def test_a_run_that_begins_elsewhere_during_a_recovery_stays_there() -> None:
    code = code_of(waits_and_returns)
    with (
        BusyStore() as store,
        Executor(store) as other,
        Executor(store, workflows=code) as executor,
    ):

        def begin() -> None:
            until_waiting(other.execute(waits_and_returns, id="new"))

        store.meanwhile = begin
        assert executor.recover().handles == ()
        other.signal("new", Signal("go", 7))
        assert other.handle("new").result(60) == 7


def test_a_run_goes_on_with_the_version_of_the_code_that_began_it(store: CheckedStore) -> None:
    @inb.workflow(name="versioned order")
    async def first(ctx: AsyncWorkflowContext) -> Any:
        return ["first", await ctx.receive_signal("go")]

    with Executor(store) as executor:
        until_waiting(executor.execute(first, id="old"))

    @inb.workflow(name="versioned order", version=2)
    def second(ctx: WorkflowContext) -> Any:
        return ["second", ctx.receive_signal("go")]

    with Executor(store) as executor:
        until_waiting(executor.execute(second, id="new"))
    begun = {state.workflow_id: state.history[0] for state in store.fetch()}
    assert {key: (event.workflow, event.version) for key, event in begun.items()} == {
        "old": ("versioned order", 1),
        "new": ("versioned order", 2),
    }
    with Executor(store) as executor:
        until_waiting(*executor.recover().handles)
    only_new = Workflows()
    only_new.add(second, "versioned order", 2)
    with Executor(store, workflows=only_new) as executor:  # the first is gone: the newest has to do
        until_waiting(*executor.recover().handles)
    with Executor(store) as executor:
        handles = executor.recover().handles
        for handle in handles:
            executor.signal(handle.id, Signal("go", 7))
        results = {handle.id: handle.result(60) for handle in handles}
    assert results == {"old": ["first", 7], "new": ["second", 7]}


def test_code_that_no_longer_fits_is_told_by_its_handle_alone(store: CheckedStore) -> None:
    async def job(ctx: AsyncWorkflowContext) -> Any:
        await ctx.execute_activity(len, [])
        return await ctx.receive_signal("go")

    async def changed(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.receive_signal("go")

    with Executor(store) as executor:
        until_waiting(executor.execute(job, id="a"), executor.execute(changed, id="b"))
    code = Workflows()
    for begun in (job, changed):
        code.add(changed, f"{__name__}:{begun.__qualname__}", 1)
    with Executor(store, workflows=code) as executor:
        recovery = executor.recover()
        parted, fits = sorted(recovery.handles, key=lambda handle: handle.id)
        with pytest.raises(EngineError, match="its code no longer matches its history at event 2"):
            parted.result(60)
        executor.signal(fits.id, Signal("go", 7))
        assert fits.result(60) == 7
