"""A run belongs to one executor at a time: who holds it, until when, and what stops the others."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from executor_stores import CheckedStore
from manual_clock import ManualClock
from small_workflows import add_one, types, waits_and_returns, waits_plainly

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
    Write,
    wire,
)
from inngest_nb.errors import (
    ExecutorClosedError,
    LeaseLostError,
    WorkflowCanceledError,
    WorkflowLeasedError,
)
from inngest_nb.state import EventType
from inngest_nb.store import SharedStore

KINDS = pytest.mark.parametrize("kind", ["async", "plain"])


class Work:
    """Activities of one executor: they sign what they return, and `charge` waits to be let go."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.begun = threading.Event()
        self.go = threading.Event()

    def reserve(self, _: Any) -> str:
        return f"reserved by {self.name}"

    def charge(self, _: Any) -> str:
        self.begun.set()
        assert self.go.wait(60)
        return f"charged by {self.name}"

    def workflow(self, kind: str) -> Callable[..., Any]:
        async def order(ctx: AsyncWorkflowContext) -> list[str]:
            return [await ctx.execute_activity(fn) for fn in (self.reserve, self.charge)]

        def plain_order(ctx: WorkflowContext) -> list[str]:
            return [ctx.execute_activity(fn) for fn in (self.reserve, self.charge)]

        return plain_order if kind == "plain" else order


def load(store: WorkflowStore, workflow_id: str = "w") -> WorkflowState:
    state = store.load(workflow_id)
    assert state is not None
    return state


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline


def end_lease(store: WorkflowStore, handle: WorkflowHandle) -> None:
    """End the lease of a run's executor in the store, as time would if it were stuck."""
    assert isinstance(store, SharedStore)
    until(lambda: store.load(handle.id))
    store.hold_lease(str(load(store, handle.id).owner), 0)


@KINDS
def test_a_holder_that_was_only_slow_is_stopped_at_its_next_write(
    any_store: WorkflowStore, clock: ManualClock, kind: str
) -> None:
    slow, quick = Work("the slow one"), Work("the other")
    with Executor(any_store, clock=clock) as first, Executor(any_store, clock=clock) as second:
        handle = first.execute(slow.workflow(kind), id="w")
        assert slow.begun.wait(60)
        with pytest.raises(
            WorkflowLeasedError, match="is being run by another executor in this process"
        ):
            second.resume(quick.workflow(kind), "w")
        end_lease(any_store, handle)
        resumed = second.resume(quick.workflow(kind), "w")
        assert quick.begun.wait(60)

        slow.go.set()
        with pytest.raises(LeaseLostError, match="by another executor, which has resumed it"):
            handle.result(60)
        assert handle.status == "running"  # the workflow's, which goes on elsewhere
        quick.go.set()
        assert resumed.result(60) == ["reserved by the slow one", "charged by the other"]
        stored = load(any_store)
        assert b"charged by the slow one" not in wire.encode(stored)
        assert (stored.status, stored.fence) == ("completed", 2)
        assert types(stored).count("activity_completed") == 2
        # The id is free at once where it was lost.
        assert first.execute(add_only, id="w", if_ended="replace").result(60) == 2


async def add_only(ctx: AsyncWorkflowContext) -> Any:
    return await ctx.execute_activity(add_one, 1)


@KINDS
def test_a_holder_to_which_nothing_happens_is_told_that_others_took_over(
    any_store: WorkflowStore, clock: ManualClock, kind: str
) -> None:
    workflow = waits_and_returns if kind == "async" else waits_plainly
    with Executor(any_store, clock=clock, lease=1) as first, Executor(any_store) as second:
        handle = first.execute(workflow, id="w")
        until(lambda: any_store.load("w"))
        resumed = second.resume(workflow, "w", take_over=True)
        until(lambda: load(any_store).fence == 2)
        with pytest.raises(LeaseLostError, match="another executor has taken it over"):
            handle.result(60)
        assert load(any_store).fence == 2
        assert resumed.status == "running"


@KINDS
def test_one_takes_over_a_run_that_is_held_only_when_told_to(
    any_store: WorkflowStore, clock: ManualClock, kind: str
) -> None:
    stuck, mine = Work("the stuck one"), Work("me")
    mine.go.set()
    with Executor(any_store, clock=clock) as first, Executor(any_store, clock=clock) as second:
        handle = first.execute(stuck.workflow(kind), id="w")
        assert stuck.begun.wait(60)
        document = wire.encode(load(any_store))
        with pytest.raises(WorkflowLeasedError, match=r"take it over with .*take_over=True"):
            second.resume(mine.workflow(kind), "w")
        assert wire.encode(load(any_store)) == document
        taken = second.resume(mine.workflow(kind), "w", take_over=True)
        assert taken.result(60) == ["reserved by the stuck one", "charged by me"]
        assert taken.run_id == handle.run_id
        stuck.go.set()
        with pytest.raises(LeaseLostError):
            handle.result(60)


def test_a_lease_is_renewed_while_a_run_waits_and_nothing_of_the_run_is_written(
    any_store: WorkflowStore, clock: ManualClock
) -> None:
    assert isinstance(any_store, SharedStore)
    with Executor(any_store, clock=clock, lease=1) as executor, Executor(any_store) as other:
        handle = executor.execute(waits_and_returns, id="w")
        until(lambda: handle.waiting_for)
        until(lambda: load(any_store).waits)  # the last that is written of a run that waits
        stored = load(any_store)
        owner = str(stored.owner)
        for _ in range(3):  # each time it has become short, and long again
            until(lambda: any_store.leases()[owner] < 0.75)
            until(lambda: any_store.leases()[owner] > 0.9)
        with pytest.raises(WorkflowLeasedError):
            other.resume(waits_and_returns, "w")
        assert (load(any_store).etag, wire.encode(load(any_store))) == (
            stored.etag,
            wire.encode(stored),
        )
        executor.signal("w", Signal("go", 7))
        assert handle.result(60) == 7


def left_running(clock: ManualClock, signals: int = 0, **fields: Any) -> WorkflowState:
    """Return a run that nobody runs, or whoever the fields say."""
    noise = [
        HistoryEvent(id=n + 2, type=EventType.SIGNAL_RECEIVED, signal_name="noise")
        for n in range(signals)
    ]
    begun = HistoryEvent(id=1, type=EventType.WORKFLOW_STARTED, timestamp=clock.now())
    return WorkflowState(
        workflow_id="w",
        run_id="r",
        status="running",  # type: ignore[arg-type]
        history=(begun, *noise),
        **fields,
    )


@KINDS
def test_closing_an_executor_frees_what_it_ran(
    any_store: WorkflowStore, clock: ManualClock, kind: str
) -> None:
    workflow = waits_and_returns if kind == "async" else waits_plainly
    with Executor(any_store, clock=clock) as first:
        first.execute(workflow, id="w")
        until(lambda: any_store.load("w"))
    with Executor(any_store, clock=ManualClock()) as second:  # whose time is earlier still
        handle = second.resume(workflow, "w")
        until(lambda: load(any_store).fence == 2)
        assert second.cancel("w")
        with pytest.raises(WorkflowCanceledError):
            handle.result(60)


def test_a_run_that_waits_hears_of_a_cancel_elsewhere_at_once(
    any_store: WorkflowStore, clock: ManualClock
) -> None:
    with Executor(any_store, clock=clock, lease=1) as first, Executor(any_store) as second:
        handle = first.execute(waits_and_returns, id="w")
        until(lambda: any_store.load("w"))
        assert second.cancel("w")
        document = wire.encode(load(any_store))
        with pytest.raises(WorkflowCanceledError):
            handle.result(60)
        assert not second.cancel("w")
        assert wire.encode(load(any_store)) == document


@pytest.mark.parametrize(
    ("owner", "who"),
    [
        ("feedfacecafe.1.1.0", "an executor on another machine"),
        ("somebody", "an executor on another machine"),
        ("{machine}.{pid}.1.0", None),  # a process that had the same number before
        ("{machine}.999999999.1.0", None),  # more than any system gives
        ("", None),
    ],
)
def test_a_lease_counts_until_it_ends_or_its_process_is_gone(
    clock: ManualClock, owner: str, who: str | None
) -> None:
    with MemoryStore() as store, Executor(store, clock=clock) as executor:
        executor.execute(waits_and_returns, id="mine")
        until(lambda: store.load("mine"))
        machine = str(load(store, "mine").owner).partition(".")[0]
        owner = owner.replace("{machine}", machine).replace("{pid}", str(os.getpid()))
        store.save(left_running(clock, owner=owner, fence=4))
        if owner:
            store.hold_lease(owner, 30)
        if who is not None:
            with pytest.raises(
                WorkflowLeasedError, match=f"is being run by {who} .its lease expires in"
            ):
                executor.resume(waits_and_returns, "w")
            store.hold_lease(owner, 0)
        executor.resume(waits_and_returns, "w")
        until(lambda: load(store).fence == 5)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_out_of_files_takes_no_run_from_one_that_lives(store: CheckedStore) -> None:
    with Executor(store) as first, Executor(store) as second:
        first.execute(waits_and_returns, id="w")
        second.execute(waits_and_returns, id="its own")
        until(lambda: store.load("w") and store.load("its own"))
        with no_file_to_open(), pytest.raises(WorkflowLeasedError):
            second.resume(waits_and_returns, "w")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_executor_made_without_a_file_to_spare_keeps_its_runs(store: CheckedStore) -> None:
    with no_file_to_open():
        first = Executor(store)
    with first, Executor(store) as second:
        first.execute(waits_and_returns, id="w")
        until(lambda: store.load("w"))
        with pytest.raises(WorkflowLeasedError, match="another executor in this process"):
            second.resume(waits_and_returns, "w")


@contextlib.contextmanager
def no_file_to_open() -> Iterator[None]:
    import resource  # which Windows lacks

    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, most))


class HeldStore(CheckedStore):
    """Holds back the write of an activity's result, and counts how often a lease is renewed."""

    def __init__(self) -> None:
        super().__init__()
        self.holds, self.go = threading.Event(), threading.Event()
        self.renewals = threading.Semaphore(0)

    def append_history(self, writes: Sequence[Write]) -> list[BaseException | None]:
        if any(b'"activity_completed"' in write.document for write in writes):
            self.holds.set()
            assert self.go.wait(20)
        return super().append_history(writes)

    def hold_lease(self, owner: str, seconds: float) -> None:
        super().hold_lease(owner, seconds)
        if seconds:
            self.renewals.release()


@KINDS
def test_an_executor_that_is_closed_leaves_a_run_to_others_after_its_last_save(kind: str) -> None:
    store = HeldStore()
    work = Work("the only one")
    work.go.set()
    executor = Executor(store)
    handle = executor.execute(work.workflow(kind), id="w")
    assert store.holds.wait(20)
    closing = threading.Thread(target=executor.close)
    closing.start()
    with pytest.raises(ExecutorClosedError):
        handle.result(60)
    lease = executor._engine.lease
    assert lease is not None
    while store.renewals.acquire(blocking=False):
        pass
    for _ in range(2):  # what is done after the first is over when the second is made
        lease.renew_soon()
        assert store.renewals.acquire(timeout=20)
    store.go.set()
    closing.join(20)
    assert EventType.ACTIVITY_COMPLETED in types(load(store))
