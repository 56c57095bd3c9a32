"""What becomes of an id whose run has ended, and of code that doesn't fit a stored run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from crashes import wait_until_saved
from executor_stores import CheckedStore
from small_workflows import waits_and_returns

from inngest_nb import (
    AsyncWorkflowContext,
    EventType,
    Executor,
    HistoryEvent,
    Signal,
    WorkflowContext,
    WorkflowState,
    WorkflowStore,
    Write,
    wire,
)
from inngest_nb.errors import StoreConnectionError, WorkflowEndedError, WorkflowNotSavedError


class Shop:
    def __init__(self) -> None:
        self.charged: list[Any] = []

    def charge(self, given: Any) -> str:
        self.charged.append(given)
        return "paid"

    async def order(self, ctx: AsyncWorkflowContext, given: Any) -> Any:
        return await ctx.execute_activity(self.charge, given)


def after_the_first_load(store: CheckedStore, act: Callable[[WorkflowState], object]) -> None:
    """Let something happen to a workflow right after it was loaded for the first time."""
    load, loaded = store.load, []

    def load_and_act(workflow_id: str) -> Any:
        state = load(workflow_id)
        loaded.append(state)
        if state is not None and len(loaded) == 1:
            act(state)
        return state

    store.load = load_and_act  # type: ignore[method-assign]


def test_an_id_whose_run_has_ended_is_not_run_again_by_itself(any_store: WorkflowStore) -> None:
    shop = Shop()
    with Executor(any_store) as executor:
        first = executor.execute(shop.order, id="order-42", input=42)
        assert first.result(60) == "paid"
        with pytest.raises(WorkflowEndedError, match="if_ended=") as caught:
            executor.execute(shop.order, id="order-42", input=42)
        assert (caught.value.status, caught.value.workflow_id) == ("completed", "order-42")
        same = executor.execute(shop.order, id="order-42", input=42, if_ended="return")
        assert (same.result(60), same.run_id) == ("paid", first.run_id)
        assert shop.charged == [42]
        again = executor.execute(shop.order, id="order-42", input=42, if_ended="replace")
        assert again.result(60) == "paid"
        assert again.run_id != first.run_id
        assert shop.charged == [42, 42]
        with pytest.raises(ValueError, match="'raise', 'return' or 'replace'"):
            executor.execute(shop.order, id="order-42", input=42, if_ended="again")


def test_resuming_what_has_ended_gives_its_result_and_runs_nothing(
    any_store: WorkflowStore,
) -> None:
    shop = Shop()
    with Executor(any_store) as executor, Executor(any_store) as other:
        executor.execute(shop.order, id="w", input=1).result(60)
        assert other.resume(shop.order, "w").result(60) == "paid"
    assert shop.charged == [1]


async def takes_nothing(ctx: AsyncWorkflowContext) -> None: ...


def plainly_takes_nothing(ctx: WorkflowContext) -> None: ...


async def takes_two(ctx: AsyncWorkflowContext, one: Any, two: Any) -> None: ...


@pytest.mark.parametrize("fn", [takes_nothing, plainly_takes_nothing, takes_two])
def test_code_that_does_not_take_a_runs_input_is_refused_and_nothing_written(
    any_store: WorkflowStore, fn: Callable[..., Any]
) -> None:
    async def order(ctx: AsyncWorkflowContext, given: Any) -> Any:
        return [given, await ctx.receive_signal("go")]

    with Executor(any_store) as first:
        first.execute(order, id="w", input=7)
    stored = any_store.load("w")
    assert stored is not None
    with Executor(any_store) as second:
        with pytest.raises(TypeError, match=fn.__name__):
            second.resume(fn, "w")
        now = any_store.load("w")
        assert now is not None
        assert wire.encode(now) == wire.encode(stored)
        handle = second.resume(order, "w")
        second.signal("w", Signal("go", 8))
        assert handle.result(60) == [7, 8]


def test_a_run_that_could_not_be_saved_is_resumed_as_its_error_says() -> None:
    """At once, and by another executor too, although the first one still holds its lease."""
    failing = threading.Event()

    class Sick(CheckedStore):
        def before_write(self, workflow_id: str) -> None:
            super().before_write(workflow_id)
            if failing.is_set():
                raise OSError("the disk is full")

    with Sick() as store, Executor(store) as executor, Executor(store) as other:
        handle = executor.execute(waits_and_returns, id="w")
        while not handle.waiting_for:
            pass
        failing.set()
        with pytest.raises(WorkflowNotSavedError) as caught:
            executor.signal("w", Signal("go", 1))
        assert caught.value.__notes__ == ["when the store answers again, call resume(fn, 'w')"]
        failing.clear()
        deadline = time.monotonic() + 60
        while (stored := store.load("w")) and stored.owner:
            assert time.monotonic() < deadline
        resumed = other.resume(waits_and_returns, "w")
        other.signal("w", Signal("go", 2))
        assert resumed.result(60) == 2


def test_a_signal_between_the_load_and_the_claim_of_a_resumed_run_is_taken_in() -> None:
    """So is whatever else is only added to its history before it is claimed."""
    with CheckedStore() as store:
        with Executor(store) as first:
            first.execute(waits_and_returns, id="w")
        sender = Executor(store)

        with Executor(store) as executor:
            after_the_first_load(store, lambda state: sender.signal("w", Signal("go", 7)))
            assert executor.resume(waits_and_returns, "w").result(60) == 7
        sender.close()


def test_what_others_append_between_the_load_and_the_claim_is_read_again() -> None:
    with CheckedStore() as store:
        with Executor(store) as first:
            first.execute(waits_and_returns, id="w")

        def append(state: WorkflowState) -> None:
            event = HistoryEvent(
                id=2,
                type=EventType.SIGNAL_RECEIVED,
                timestamp=state.updated_at,
                signal_name="go",
                signal_payload=9,
            )
            part = wire.encode_part([event])
            (error,) = store.append_history([Write("w", part, whole=False, if_match=state.etag)])
            assert error is None

        with Executor(store) as executor:
            after_the_first_load(store, append)
            assert executor.resume(waits_and_returns, "w").result(60) == 9


def test_a_run_that_ends_before_it_is_taken_over_is_not_run_again() -> None:
    with CheckedStore() as store, Executor(store) as first, Executor(store) as second:
        first.execute(waits_and_returns, id="w")
        wait_until_saved(store, first.handle("w"))
        seen = []

        def end(state: WorkflowState) -> None:
            seen.append(state)
            first.signal("w", Signal("go", 7))
            first.handle("w").result(60)

        after_the_first_load(store, end)
        assert second.resume(waits_and_returns, "w", take_over=True).result(60) == 7
        assert [state.status for state in seen] == ["running"]


def test_an_executor_says_at_once_that_its_store_does_not_answer() -> None:
    class Away(CheckedStore):
        def can_share(self) -> bool:
            raise StoreConnectionError("no answer")

    with Away() as store, Executor(store) as executor:
        with pytest.raises(StoreConnectionError, match="no answer"):
            executor.execute(waits_and_returns)
