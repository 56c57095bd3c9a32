"""Signals around a crash: none lost, none doubled, all in the order of their acknowledgements."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from crashes import Lives
from executor_stores import CheckedStore
from small_workflows import types

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    MemoryStore,
    Signal,
    WorkflowContext,
    WorkflowState,
    Write,
)
from inngest_nb.errors import (
    StoreConnectionError,
    WorkflowNotRunningError,
    WorkflowNotSavedError,
)
from inngest_nb.store import Message


async def receive(ctx: AsyncWorkflowContext, count: int) -> list[Any]:
    return [await ctx.receive_signal("item") for _ in range(count)]


def receive_plainly(ctx: WorkflowContext, count: int) -> list[Any]:
    return [ctx.receive_signal("item") for _ in range(count)]


async def listen(ctx: AsyncWorkflowContext, count: int) -> list[Any]:
    heard: list[Any] = []
    async for payload in ctx.signals("item"):
        heard.append(payload)
        if len(heard) == count:
            break
    return heard


def listen_plainly(ctx: WorkflowContext, count: int) -> list[Any]:
    return [payload for _, payload in zip(range(count), ctx.signals("item"), strict=False)]


KINDS = pytest.mark.parametrize("workflow", [receive, receive_plainly, listen, listen_plainly])
BOTH_KINDS = pytest.mark.parametrize("workflow", [receive, receive_plainly])


def send(executor: Executor, payloads: Sequence[Any]) -> None:
    for payload in payloads:
        executor.signal("w", Signal("item", payload))


def payloads_of(state: WorkflowState | None) -> list[Any]:
    assert state is not None
    return [e.signal_payload for e in state.history if e.type == "signal_received"]


@KINDS
def test_signals_before_during_and_after_a_crash_arrive_in_order(
    lives: Lives, workflow: Callable[..., Any]
) -> None:
    lives.executor.execute(workflow, id="w", input=15)
    send(lives.executor, range(5))
    second = lives.crash()
    send(second, range(5, 10))  # it runs nowhere
    handle = second.resume(workflow, "w")
    send(second, range(10, 15))
    assert handle.result(60) == list(range(15))
    assert payloads_of(lives.store.load("w")) == list(range(15))


@KINDS
def test_signals_that_nobody_took_before_a_crash_are_there_after_two(
    lives: Lives, workflow: Callable[..., Any]
) -> None:
    async def later(ctx: AsyncWorkflowContext) -> list[Any]:
        await ctx.receive_signal("begin")
        return await receive(ctx, 3)

    def later_plainly(ctx: WorkflowContext) -> list[Any]:
        ctx.receive_signal("begin")
        return receive_plainly(ctx, 3)

    code = later_plainly if "plainly" in workflow.__name__ else later
    lives.executor.execute(code, id="w")
    send(lives.executor, "ab")
    lives.crash().resume(code, "w")
    send(lives.executor, "c")
    handle = lives.crash().resume(code, "w")
    lives.executor.signal("w", Signal("begin"))
    assert handle.result(60) == ["a", "b", "c"]


def test_a_signal_that_comes_while_the_past_is_replayed_waits_for_its_turn(lives: Lives) -> None:
    """It is saved together with the claim, before the code has seen all that came before."""
    replaying, gate = threading.Event(), threading.Event()
    gate.set()

    def workflow(ctx: WorkflowContext) -> list[Any]:
        replaying.set()
        assert gate.wait(60)
        return receive_plainly(ctx, 5)

    lives.executor.execute(workflow, id="w")
    send(lives.executor, "abc")
    second = lives.crash()
    gate.clear()
    replaying.clear()
    handle = second.resume(workflow, "w")
    assert replaying.wait(60)
    send(second, "de")
    gate.set()
    assert handle.result(60) == ["a", "b", "c", "d", "e"]
    assert payloads_of(lives.store.load("w")) == ["a", "b", "c", "d", "e"]


@BOTH_KINDS
def test_a_signal_that_was_not_acknowledged_is_there_once_or_not_at_all(
    lives: Lives, workflow: Callable[..., Any]
) -> None:
    lives.executor.execute(workflow, id="w", input=3)
    send(lives.executor, "a")
    lives.store.fail_from = lives.store.saves + 1
    with pytest.raises(WorkflowNotSavedError):
        send(lives.executor, "b")
    second = lives.crash()
    handle = second.resume(workflow, "w")
    send(second, "cd")
    assert handle.result(60) == ["a", "c", "d"]


class LosesAnswers(CheckedStore):
    """Does what it is asked for, but answers only when it is asked for the second time."""

    def __init__(self) -> None:
        super().__init__()
        self.losing = True
        self.lost: set[str] = set()
        self.meanwhile: Callable[[], None] = lambda: None

    def _append(self, write: Write) -> BaseException | None:
        outcome = super()._append(write)
        if not self.losing or outcome is not None or write.etag in self.lost:
            return outcome
        self.lost.add(write.etag)
        self.meanwhile()
        return StoreConnectionError("no answer")

    def send(self, message: Message) -> None:
        super().send(message)
        if self.losing and message.kind == "signal" and message.id not in self.lost:
            self.lost.add(message.id)
            self.meanwhile()
            raise StoreConnectionError("no answer")


@contextmanager
def left_running(workflow: Callable[..., Any], count: int) -> Iterator[LosesAnswers]:
    """Give a store with a run that is alive nowhere, and that loses answers from now on."""
    with LosesAnswers() as store:
        store.losing = False
        with Executor(store) as executor:
            executor.execute(workflow, id="w", input=count)
        store.losing = True
        yield store


@KINDS
def test_a_signal_whose_acknowledgement_was_lost_is_not_doubled(
    workflow: Callable[..., Any],
) -> None:
    with LosesAnswers() as store, Executor(store) as executor:
        handle = executor.execute(workflow, id="w", input=4)
        send(executor, "abcd")
        assert handle.result(60) == ["a", "b", "c", "d"]
        assert len(store.lost) >= 4


def test_nor_is_one_to_a_run_that_is_alive_nowhere() -> None:
    with left_running(receive, 2) as store, Executor(store) as executor:
        send(executor, "ab")
        assert len(store.lost) == 2
        assert executor.resume(receive, "w").result(60) == ["a", "b"]


def test_nor_is_one_behind_which_somebody_else_sends_another_meanwhile() -> None:
    with left_running(receive, 2) as store, Executor(store) as executor, Executor(store) as other:

        def interfere() -> None:
            store.losing = False
            send(other, "b")

        store.meanwhile = interfere
        send(executor, "a")
        assert executor.resume(receive, "w").result(60) == ["a", "b"]


def test_a_signal_for_a_run_of_another_executor_reaches_it(lives: Lives) -> None:
    handle = lives.executor.execute(receive, id="w", input=3)
    send(lives.executor, "a")
    with Executor(lives.store, clock=lives.clock) as other:
        send(other, "bc")
        assert handle.result(60) == ["a", "b", "c"]
    assert payloads_of(lives.store.load("w")) == ["a", "b", "c"]


@BOTH_KINDS
def test_a_signal_after_the_end_says_so_in_every_later_life(
    lives: Lives, workflow: Callable[..., Any]
) -> None:
    lives.executor.execute(workflow, id="w", input=0).result(60)
    second = lives.crash()
    with pytest.raises(WorkflowNotRunningError, match="it is completed"):
        send(second, "a")
    assert types(lives.store.load("w")) == ["workflow_started", "workflow_completed"]


class Dying(MemoryStore):
    """Refuses its n-th write, as if the process had died there."""

    def __init__(self, dies_at: int) -> None:
        super().__init__()
        self.dies_at = dies_at  # 0: never
        self.writes = 0

    def append_history(self, writes: Sequence[Write]) -> list[BaseException | None]:
        self.writes += 1
        if self.writes == self.dies_at:
            return [OSError("the disk is full")] * len(writes)
        return super().append_history(writes)


@pytest.mark.slow
@pytest.mark.parametrize("workflow", [receive, receive_plainly, listen])
@pytest.mark.parametrize("crash", [False, True], ids=["one life", "a crash in the middle"])
def test_ten_thousand_signals_in_a_burst_arrive_in_order(
    workflow: Callable[..., Any], crash: bool
) -> None:
    count = 10_000
    with Dying(3000 if crash else 0) as store, Executor(store) as executor:
        handle = executor.execute(workflow, id="w", input=count)
        sent = crashes = 0
        while sent < count:
            try:
                executor.signal("w", Signal("item", sent))
            except WorkflowNotSavedError:
                handle = executor.resume(workflow, "w")
                crashes += 1
            else:
                sent += 1
        assert handle.result(60) == list(range(count))
        assert crashes == crash


def test_a_burst_from_many_senders_keeps_the_order_of_each() -> None:
    senders, each = 8, 1250
    with Executor(MemoryStore()) as executor:
        handle = executor.execute(receive, id="w", input=senders * each)
        threads = [
            threading.Thread(target=send, args=(executor, [[k, n] for n in range(each)]))
            for k in range(senders)
        ]
        for thread in threads:
            thread.start()
        got = handle.result(60)
        for thread in threads:
            thread.join()
    for k in range(senders):
        assert [n for sender, n in got if sender == k] == list(range(each))


@pytest.mark.parametrize("kind", ["async workflow", "plain workflow"])
def test_a_signal_that_is_saved_in_mid_replay_does_not_cut_it_short(
    lives: Lives, kind: str
) -> None:
    done: list[int] = []
    replaying, go_on = threading.Event(), threading.Event()

    def work(number: int) -> int:
        done.append(number)
        return number

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        await ctx.execute_activity(work, 1)
        replaying.set()
        assert go_on.wait(60)
        await ctx.execute_activity(work, 2)
        return await ctx.receive_signal("go")

    def plain_workflow(ctx: WorkflowContext) -> Any:
        ctx.execute_activity(work, 1)
        replaying.set()
        assert go_on.wait(60)
        ctx.execute_activity(work, 2)
        return ctx.receive_signal("go")

    fn = workflow if kind == "async workflow" else plain_workflow
    go_on.set()
    handle = lives.executor.execute(fn, id="w")
    while not handle.waiting_for:
        assert handle.status == "running"
    go_on.clear()
    replaying.clear()
    handle = lives.crash().resume(fn, "w")
    assert replaying.wait(60)
    lives.executor.signal("w", Signal("go", 7))
    go_on.set()
    assert handle.result(60) == 7
    assert done == [1, 2]
