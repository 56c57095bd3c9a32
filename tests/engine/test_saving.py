"""A store that fails: at every save of every kind of workflow, for a while, or for one run only."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from executor_stores import CheckedStore
from small_workflows import types, waits_and_returns, waits_for_ever
from strict_documents import check_document

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    RetryPolicy,
    Signal,
    WorkflowContext,
    Write,
    wire,
)
from inngest_nb.errors import (
    ExecutorClosedError,
    StoreConnectionError,
    StoreStatusError,
    WorkflowNotSavedError,
)

NO_WAIT = RetryPolicy(initial_interval=0)


class Flaky:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, given: Any) -> Any:
        self.calls += 1
        if self.calls == 1:
            raise ConnectionError("once")
        return given


async def double(number: int) -> int:
    return number * 2


async def everything(ctx: AsyncWorkflowContext) -> list[Any]:
    numbers = await asyncio.gather(*(ctx.execute_activity(double, n) for n in range(3)))
    flaky = await ctx.execute_activity(Flaky(), "x", retry=NO_WAIT)
    await ctx.sleep(0.001)
    return [numbers, flaky, await ctx.receive_signal("go")]


def everything_plainly(ctx: WorkflowContext) -> list[Any]:
    numbers = [ctx.execute_activity(double, n) for n in range(3)]
    flaky = ctx.execute_activity(Flaky(), "x", retry=NO_WAIT)
    ctx.sleep(0.001)
    return [numbers, flaky, ctx.receive_signal("go")]


BOTH_KINDS = pytest.mark.parametrize("workflow", [everything, everything_plainly])


@BOTH_KINDS
def test_a_save_that_fails_stops_the_run_and_says_what_is_durable(workflow: Any) -> None:
    failed = 0
    for n in itertools.count(1):
        with CheckedStore() as store, Executor(store) as executor:
            store.fail_from = n
            handle = executor.execute(workflow, id="w")
            try:
                executor.signal("w", Signal("go", 1))
                assert handle.result(60) == [[0, 2, 4], "x", 1]
                break
            except WorkflowNotSavedError as error:
                failure = error
            with pytest.raises(WorkflowNotSavedError, match="'w' was stopped") as caught:
                handle.result(60)
            assert caught.value is failure or str(caught.value) == str(failure)
            assert isinstance(failure.__cause__, OSError)
            assert "the disk is full" in str(failure)
            saved = store.load("w")
            assert failure.saved_events == (len(saved.history) if saved else 0)
            assert failure.events > failure.saved_events
            assert saved is None or saved.status == "running"
            assert handle.state.status == handle.status == (saved.status if saved else "")
            # One more at most, to leave the run to others.
            assert store.saves <= n + 1, "it went on saving"
            failed += 1
    assert failed >= 5  # fewer than events, because saves that wait are made together


def test_what_happens_while_a_save_fails_is_not_saved_after_it() -> None:
    with CheckedStore() as store, ThreadPoolExecutor(1) as threads:
        sent: list[Future[None]] = []
        with Executor(store) as executor:
            handle = executor.execute(waits_for_ever, id="w")
            executor.signal("w", Signal("saved"))
            document = store.documents["w"][-1]

            def fails() -> Exception:
                if not sent:
                    sent.append(threads.submit(executor.signal, "w", Signal("meanwhile")))
                    deadline = time.monotonic() + 60
                    while handle.state.history[-1].signal_name != "meanwhile":
                        assert time.monotonic() < deadline
                return OSError("the disk is full")

            store.error, store.fail_from = fails, store.saves + 1
            saves = store.saves
            for each in (lambda: executor.signal("w", Signal("lost")), lambda: sent[0].result()):
                with pytest.raises(WorkflowNotSavedError):
                    each()
        assert store.saves <= saves + 2  # the second one, if any, leaves the run to others
        assert store.documents["w"][-1] == document


def test_code_does_not_go_on_from_what_is_not_saved() -> None:
    ran: list[str] = []

    def first(_: Any) -> None:
        ran.append("first")

    def second(_: Any) -> None:
        ran.append("second")

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(first)
        await ctx.execute_activity(second)

    def plain_workflow(ctx: WorkflowContext) -> None:
        ctx.execute_activity(first)
        ctx.execute_activity(second)

    for each in (workflow, plain_workflow):
        with CheckedStore() as store, Executor(store) as executor:
            store.fail_from = 2
            with pytest.raises(WorkflowNotSavedError, match="'w'.*the first 1 events"):
                executor.execute(each, id="w").result(60)
    assert ran == ["first", "first"]


def test_a_signal_that_was_not_saved_is_not_acknowledged() -> None:
    async def waits(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.receive_signal("go")

    with CheckedStore() as store, Executor(store) as executor:
        handle = executor.execute(waits, id="w")
        executor.signal("w", Signal("other"))
        store.fail_from = store.saves + 1
        with pytest.raises(WorkflowNotSavedError):
            executor.signal("w", Signal("go"))
        with pytest.raises(WorkflowNotSavedError):
            handle.result(60)


def test_a_cancel_that_was_not_saved_says_so() -> None:
    async def waits(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.receive_signal("go")

    with CheckedStore() as store, Executor(store) as executor:
        executor.execute(waits, id="w")
        executor.signal("w", Signal("other"))
        store.fail_from = store.saves + 1
        with pytest.raises(WorkflowNotSavedError, match="workflow_canceled"):
            executor.cancel("w")


def test_the_id_is_free_again_after_a_failed_save() -> None:
    with CheckedStore() as store, Executor(store) as executor:
        store.fail_from = 1
        with pytest.raises(WorkflowNotSavedError, match="Events known to be saved: none"):
            executor.execute(everything, id="w").result(60)
        store.fail_from = 0
        handle = executor.execute(everything, id="w")
        executor.signal("w", Signal("go", 1))
        handle.result(60)


class RefusesOne(CheckedStore):
    """Cannot save one workflow; the others are as well as ever."""

    def before_write(self, workflow_id: str) -> None:
        if workflow_id == "bad":
            raise OSError("not this one")
        super().before_write(workflow_id)


def test_a_failing_save_fails_its_own_run_only() -> None:
    with RefusesOne() as store, Executor(store) as executor:
        good = [executor.execute(everything, id=f"good-{n}") for n in range(20)]
        bad = executor.execute(everything, id="bad")
        for handle in good:
            executor.signal(handle.id, Signal("go", 1))
        with pytest.raises(WorkflowNotSavedError, match="not this one"):
            bad.result(60)
        assert [handle.result(60) for handle in good] == [[[0, 2, 4], "x", 1]] * 20


class Unreachable(CheckedStore):
    """Gives no answer, or one of a server in trouble, to some saves: the run must not notice."""

    def __init__(self, error: Callable[[], Exception], each: int) -> None:
        super().__init__()
        self.trouble = error
        self.each = each
        self.asked = 0

    def before_write(self, workflow_id: str) -> None:
        self.asked += 1
        if self.asked % self.each:
            raise self.trouble()
        super().before_write(workflow_id)


@pytest.mark.parametrize(
    "error",
    [
        lambda: StoreConnectionError("no answer"),
        lambda: StoreStatusError(operation="save", status=503),
        lambda: StoreStatusError(operation="save", status=429),
    ],
)
def test_a_save_without_an_answer_is_repeated(error: Callable[[], Exception]) -> None:
    async def short(ctx: AsyncWorkflowContext) -> int:
        return await ctx.execute_activity(double, 1)

    with Unreachable(error, each=2) as store, Executor(store) as executor:
        assert executor.execute(short, id="w").result(60) == 2
        assert store.asked == 2 * store.saves


def test_what_happens_while_a_save_is_repeated_is_saved_right_after_it() -> None:
    """And does not wait until the lease is renewed, which may be a minute."""
    begun, saving = threading.Event(), threading.Event()

    class Slow(CheckedStore):
        def append_history(self, writes: Sequence[Write]) -> list[BaseException | None]:
            outcomes = super().append_history(writes)
            if self.saves != 2:
                return outcomes
            saving.set()
            deadline = time.monotonic() + 60
            while types(handle.state).count("activity_completed") < 2:
                assert time.monotonic() < deadline
            return [StoreConnectionError("no answer")]

    async def workflow(ctx: AsyncWorkflowContext) -> list[bool]:
        waits = (ctx.execute_activity(event.wait, 10) for event in (begun, saving))
        return await asyncio.gather(*waits)

    with Slow() as store, Executor(store) as executor:
        handle = executor.execute(workflow)
        begun.set()
        assert handle.result(60) == [True, True]


def test_closing_lets_go_of_a_run_whose_first_save_is_under_way() -> None:
    saving, closing = threading.Event(), threading.Event()

    class Slow(CheckedStore):
        def before_write(self, workflow_id: str) -> None:
            super().before_write(workflow_id)
            saving.set()
            assert closing.wait(60)

    with Slow() as store:
        executor = Executor(store)
        handle = executor.execute(waits_and_returns, id="w")
        assert saving.wait(60)
        other = threading.Thread(target=executor.close)
        other.start()
        with pytest.raises(ExecutorClosedError):
            handle.result(60)
        closing.set()
        other.join(10)
        with Executor(store) as second:
            second.signal("w", Signal("go", 5))
            assert second.resume(waits_and_returns, "w").result(60) == 5


def test_closing_lets_go_of_a_run_also_while_a_save_is_repeated() -> None:
    failed = threading.Event()

    class Slow(CheckedStore):
        def append_history(self, writes: Sequence[Write]) -> list[BaseException | None]:
            outcomes = super().append_history(writes)
            if self.saves > 1:
                return outcomes
            failed.set()  # the close comes within the pause, most likely
            return [StoreConnectionError("no answer")]

    with Slow() as store:
        executor = Executor(store)
        executor.execute(waits_and_returns, id="w")
        assert failed.wait(60)
        executor.close()
        with Executor(store) as second:
            second.signal("w", Signal("go", 5))
            assert second.resume(waits_and_returns, "w").result(60) == 5


def test_a_store_that_stays_unreachable_stops_the_run_when_patience_ends() -> None:
    with Unreachable(lambda: StoreConnectionError("no answer"), each=10**9) as store:
        with Executor(store, store_patience=1) as executor:
            handles = [executor.execute(everything) for _ in range(50)]
            for handle in handles:
                with pytest.raises(WorkflowNotSavedError, match="no answer"):
                    handle.result(60)
        assert 50 * 2 <= store.asked <= 50 * 4


def test_a_refusal_is_not_repeated() -> None:
    error = lambda: StoreStatusError(operation="save", status=413)  # noqa: E731
    with Unreachable(error, each=10**9) as store, Executor(store) as executor:
        with pytest.raises(WorkflowNotSavedError, match="inngest/save: status 413"):
            executor.execute(everything).result(60)
        assert store.asked == 1


def test_a_run_that_cannot_be_saved_while_closing_is_told_by_a_log_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun, gate = threading.Event(), threading.Event()

    class Slow(CheckedStore):
        def before_write(self, workflow_id: str) -> None:
            super().before_write(workflow_id)
            if self.saves > 1:
                begun.set()
                assert gate.wait(60)
                raise OSError("the disk is full")

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(double, 1)
        await ctx.receive_signal("never")

    store = Slow()
    executor = Executor(store)
    executor.execute(workflow, id="w")
    assert begun.wait(60)
    closing = threading.Thread(target=executor.close)
    closing.start()
    while not any("1 run open" in record.message for record in caplog.records):
        assert closing.is_alive()
    gate.set()
    closing.join(10)
    assert "'w' was stopped because its state could not be saved" in caplog.text
    assert all(record.levelno == logging.WARNING for record in caplog.records)


def test_every_document_along_the_way_is_one_of_the_contract(executor: Executor) -> None:
    store = executor.store
    assert isinstance(store, CheckedStore)
    for workflow in (everything, everything_plainly):
        handle = executor.execute(workflow, id=workflow.__name__)
        executor.signal(handle.id, Signal("go", 1))
        handle.result(60)
        documents = [check_document(body) for body in store.documents[handle.id]]
        assert [document["Status"] for document in documents[:-1]] == ["running"] * (
            len(documents) - 1
        )
        assert documents[-1]["Status"] == "completed"
        for before, after in itertools.pairwise(documents):
            assert after["History"][: len(before["History"])] == before["History"]
        assert documents[-1] == check_document(wire.encode(handle.state))
