"""What one executor can do with the runs of another one on the same store."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from executor_stores import CheckedStore
from small_workflows import waits_and_returns

from inngest_nb import AsyncWorkflowContext, Executor, MemoryStore, Signal, WorkflowStore
from inngest_nb.errors import (
    WorkflowCanceledError,
    WorkflowFailedError,
    WorkflowNotFoundError,
    WorkflowNotRunningError,
)


async def collects(ctx: AsyncWorkflowContext, count: int) -> list[Any]:
    return [await ctx.receive_signal("go") for _ in range(count)]


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline


def test_signals_from_several_executors_arrive_once_each_and_in_the_order_of_each_sender(
    any_store: WorkflowStore,
) -> None:
    with Executor(any_store) as owner, Executor(any_store) as other, Executor(any_store) as third:
        handle = owner.execute(collects, id="w", input=60)
        until(lambda: any_store.load("w"))

        def send(executor: Executor, name: str) -> None:
            for number in range(20):
                executor.signal("w", Signal("go", [name, number]))

        senders = [
            threading.Thread(target=send, args=pair)
            for pair in ((owner, "owner"), (other, "other"), (third, "third"))
        ]
        for sender in senders:
            sender.start()
        got = handle.result(60)
        for sender in senders:
            sender.join()
        for name in ("owner", "other", "third"):
            assert [number for who, number in got if who == name] == list(range(20))


def test_a_handle_waits_for_a_run_of_another_executor(any_store: WorkflowStore) -> None:
    async def awaits(executor: Executor) -> Any:
        return await executor.handle("w")

    with Executor(any_store) as owner, Executor(any_store) as other:
        mine = owner.execute(waits_and_returns, id="w")
        until(lambda: any_store.load("w"))
        handle = other.handle("w")
        assert (handle.id, handle.run_id, handle.status) == ("w", mine.run_id, "running")
        with pytest.raises(
            TimeoutError, match="'w' has not ended after 0.1 s and is still running"
        ):
            handle.result(0.1)
        other.signal("w", Signal("go", 7))
        assert handle.result(60) == 7
        assert asyncio.run(awaits(other)) == 7
        assert handle.status == "completed"


def test_a_handle_on_what_failed_or_was_canceled_raises_what_it_ended_with(
    any_store: WorkflowStore,
) -> None:
    def breaks(given: Any) -> None:
        raise ValueError("no stock")

    async def fails(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(breaks, 1)

    with Executor(any_store) as owner, Executor(any_store) as other:
        failed = owner.execute(fails, id="failed")
        with pytest.raises(WorkflowFailedError):
            failed.result(60)
        with pytest.raises(WorkflowFailedError, match="no stock") as caught:
            other.handle("failed").result(60)
        assert caught.value.activity == "breaks"
        owner.execute(waits_and_returns, id="canceled")
        until(lambda: any_store.load("canceled"))
        handle = other.handle("canceled")
        assert other.cancel("canceled")
        with pytest.raises(WorkflowCanceledError):
            handle.result(60)
        with pytest.raises(WorkflowNotRunningError):
            other.signal("canceled", Signal("go"))
        with pytest.raises(WorkflowNotFoundError):
            other.handle("nobody")


def test_a_cancel_from_elsewhere_ends_the_activity_that_runs(any_store: WorkflowStore) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def works(given: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(works, 1)

    with Executor(any_store) as owner, Executor(any_store) as other:
        handle = owner.execute(workflow, id="w")
        assert begun.wait(60)
        assert other.cancel("w")
        assert ended.wait(60)
        with pytest.raises(WorkflowCanceledError):
            handle.result(60)
        stored = any_store.load("w")
        assert stored is not None
        assert [str(event.type) for event in stored.history][-1] == "workflow_canceled"
        assert not other.cancel("w")


def test_whoever_runs_it_says_what_a_run_waits_for(any_store: WorkflowStore) -> None:
    with Executor(any_store) as owner, Executor(any_store) as other:
        handle = owner.execute(waits_and_returns, id="w")
        until(lambda: handle.waiting_for)
        until(lambda: any_store.load("w"))
        assert other.waiting_for("w") == ("go",)
        owner.close()
        assert other.waiting_for("w") == ()


def test_signals_to_a_run_that_nobody_runs_come_before_those_to_the_next_life(
    any_store: WorkflowStore,
) -> None:
    with Executor(any_store) as first:
        first.execute(collects, id="w", input=30)
        until(lambda: any_store.load("w"))
    with Executor(any_store) as sender, Executor(any_store) as second:
        for number in range(15):
            sender.signal("w", Signal("go", number))
        handle = second.resume(collects, "w")
        for number in range(15, 30):
            sender.signal("w", Signal("go", number))
        assert handle.result(60) == list(range(30))


def test_a_message_to_an_earlier_run_of_an_id_does_not_reach_the_next_one(
    any_store: WorkflowStore,
) -> None:
    with Executor(any_store) as first:
        first.execute(waits_and_returns, id="w")
        until(lambda: any_store.load("w"))
    with Executor(any_store) as sender, Executor(any_store) as second:
        sender.signal("w", Signal("go", "for the first run"))
        before = sender.handle("w").run_id
        assert sender.cancel("w")
        handle = second.execute(waits_and_returns, id="w", if_ended="replace")
        until(lambda: sender.handle("w").run_id != before)
        sender.signal("w", Signal("go", "for the second run"))
        assert handle.result(60) == "for the second run"


class Frozen:
    """A clock as coarse as can be."""

    def now(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC)

    def call_at(self, when: datetime, callback: Callable[[], None]) -> threading.Timer:
        timer = threading.Timer(3600, callback)
        timer.daemon = True
        timer.start()
        return timer


def test_no_acknowledged_signal_is_lost_however_coarse_the_clock_is() -> None:
    with MemoryStore() as store:
        with Executor(store) as first:
            first.execute(collects, id="w", input=100)
            until(lambda: store.load("w"))
        senders = [Executor(store, clock=Frozen()) for _ in range(4)]

        def send(number: int) -> None:
            for count in range(25):
                senders[number].signal("w", Signal("go", [number, count]))

        threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with Executor(store) as second:
            got = second.resume(collects, "w").result(60)
        assert sorted(got) == [[number, count] for number in range(4) for count in range(25)]
        for sender in senders:
            sender.close()


def test_a_run_keeps_its_lease_while_its_writer_is_busy() -> None:
    """Its executor holds it, by a thread that does nothing else."""
    writing, go_on = threading.Event(), threading.Event()

    class Slow(CheckedStore):
        def before_write(self, workflow_id: str) -> None:
            super().before_write(workflow_id)
            if self.saves == 2:
                writing.set()
                assert go_on.wait(20)

    with Slow() as store, Executor(store, lease=1) as executor:
        handle = executor.execute(waits_and_returns, id="w")
        until(lambda: store.load("w"))
        sent = threading.Thread(target=executor.signal, args=("w", Signal("go", 5)))
        sent.start()
        assert writing.wait(60)
        (owner,) = store.leases()
        for _ in range(4):  # four times a third of the lease: longer than it lasts
            until(lambda: store.leases().get(owner, 0) < 0.75)
            until(lambda: store.leases().get(owner, 0) > 0.9)
        go_on.set()
        sent.join()
        assert handle.result(60) == 5
