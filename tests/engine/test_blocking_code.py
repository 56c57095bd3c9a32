"""A workflow whose code does not let go of its thread is told, or stopped, and holds up nobody."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from small_workflows import add_one

from inngest_nb import AsyncWorkflowContext, Executor, MemoryStore, Signal
from inngest_nb.engine.code import _turn_loop
from inngest_nb.errors import (
    ExecutorClosedError,
    WorkflowBlockedError,
    WorkflowCanceledError,
    WorkflowFailedError,
)
from inngest_nb.state import WorkflowStatus

BUSY = "has been running for a second without waiting"


class Gate:
    """Where code stands still, in a way that asyncio does not see."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def stand_still(self) -> None:
        self.reached.set()
        assert self.open.wait(30)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


Loops = Callable[[], set[threading.Thread]]


def _loops() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "inngest-nb-loop"}


@pytest.fixture
def loops() -> Loops:
    """The loops that this test began: of others, some executor may still be there."""
    before = _loops()
    return lambda: _loops() - before


@pytest.fixture
def executor(gate: Gate, loops: Loops) -> Iterator[Executor]:
    with Executor(MemoryStore()) as executor:
        yield executor
        gate.open.set()


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


async def spins(ctx: AsyncWorkflowContext) -> None:
    while True:  # noqa: ASYNC110  # as one should not
        await asyncio.sleep(0)


async def adds(ctx: AsyncWorkflowContext, number: int) -> int:
    return int(await ctx.execute_activity(add_one, number))


def test_code_that_spins_is_stopped_and_others_go_on(
    executor: Executor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    loops: Loops,
) -> None:
    monkeypatch.setattr(_turn_loop, "_MOST_SECONDS", 2)
    spinning = executor.execute(spins, id="spinning")
    others = [executor.execute(adds, input=n) for n in range(20)]
    assert [other.result(60) for other in others] == list(range(1, 21))
    with pytest.raises(WorkflowBlockedError, match=r"in spins, test_blocking_code.py:") as stopped:
        spinning.result(60)
    assert (stopped.value.workflow_id, stopped.value.run_id) == ("spinning", spinning.run_id)
    assert spinning.status == WorkflowStatus.RUNNING
    (told,) = [record.getMessage() for record in caplog.records if BUSY in record.getMessage()]
    assert "workflow 'spinning'" in told
    assert "now in spins, test_blocking_code.py:" in told

    async def mended(ctx: AsyncWorkflowContext) -> str:
        return "mended"

    until(lambda: len(loops()) == 1)
    assert executor.resume(mended, "spinning").result(60) == "mended"


def test_code_that_spins_can_be_canceled(executor: Executor, loops: Loops) -> None:
    spinning = executor.execute(spins, id="spinning")
    until(lambda: executor.store.load("spinning"))
    assert executor.cancel("spinning")
    with pytest.raises(WorkflowCanceledError):
        spinning.result(60)
    assert executor.execute(adds, input=1).result(60) == 2
    until(lambda: len(loops()) == 1)


def test_a_turn_that_is_only_long_is_not_stopped(executor: Executor) -> None:
    async def long(ctx: AsyncWorkflowContext) -> int:
        for _ in range(100_000):
            await asyncio.sleep(0)
        return await ctx.execute_activity(add_one, 1)

    assert executor.execute(long).result(60) == 2


def test_code_that_blocks_is_told_and_all_others_go_on(
    executor: Executor, gate: Gate, caplog: pytest.LogCaptureFixture, loops: Loops
) -> None:
    begun, go = threading.Event(), asyncio.Event()
    where: list[asyncio.AbstractEventLoop] = []

    async def waits(_: Any) -> str:
        where.append(asyncio.get_running_loop())
        begun.set()
        await go.wait()
        return "went on"

    async def in_flight(ctx: AsyncWorkflowContext) -> list[Any]:
        first = await ctx.execute_activity(waits)
        await asyncio.sleep(0.01)
        return [first, await ctx.receive_signal("more")]

    async def blocks(ctx: AsyncWorkflowContext) -> list[Any]:
        before = await ctx.execute_activity(add_one, 1)
        gate.stand_still()
        return [before, await ctx.execute_activity(add_one, 2)]

    other = executor.execute(in_flight, id="other")
    assert begun.wait(20)
    blocked = executor.execute(blocks, id="blocked")
    assert gate.reached.wait(20)
    assert executor.execute(adds, input=5).result(60) == 6
    where[0].call_soon_threadsafe(go.set)
    executor.signal("other", Signal("more", "news"))
    assert other.result(60) == ["went on", "news"]
    (told,) = [record.getMessage() for record in caplog.records if BUSY in record.getMessage()]
    assert "workflow 'blocked'" in told
    assert "Other runs continue in another thread" in told
    gate.open.set()
    assert blocked.result(60) == [2, 3]
    until(lambda: len(loops()) == 1)
    assert executor.execute(adds, input=6).result(60) == 7
    assert [r.levelno for r in caplog.records if r.levelno > logging.WARNING] == []


def test_one_after_another_may_block(executor: Executor, loops: Loops) -> None:
    gates = [Gate() for _ in range(3)]

    async def blocks(ctx: AsyncWorkflowContext, number: int) -> int:
        gates[number].stand_still()
        return await ctx.execute_activity(add_one, number)

    blocked = []
    for number, gate in enumerate(gates):
        blocked.append(executor.execute(blocks, input=number))
        assert gate.reached.wait(20)
    assert executor.execute(adds, input=5).result(60) == 6
    for gate in reversed(gates):
        gate.open.set()
    assert [each.result(60) for each in blocked] == [1, 2, 3]
    until(lambda: len(loops()) == 1)


def test_signals_that_come_while_code_blocks_are_in_order_after_it(
    executor: Executor, gate: Gate
) -> None:
    async def blocks(ctx: AsyncWorkflowContext) -> list[Any]:
        gate.stand_still()
        return [await ctx.receive_signal("n") for _ in range(50)]

    blocked = executor.execute(blocks, id="blocked")
    assert gate.reached.wait(20)
    assert executor.execute(adds, input=5).result(60) == 6
    for number in range(50):
        executor.signal("blocked", Signal("n", number))
    gate.open.set()
    assert blocked.result(60) == list(range(50))


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_code_that_blocks_can_be_ended_and_is_canceled_when_it_comes_back(
    executor: Executor, gate: Gate, how: str, loops: Loops
) -> None:
    ended = threading.Event()

    async def blocks(ctx: AsyncWorkflowContext) -> None:
        gate.stand_still()
        try:
            await ctx.receive_signal("never")
        except asyncio.CancelledError:
            ended.set()
            raise

    limit = 1 if how == "timeout" else None
    blocked = executor.execute(blocks, id="blocked", timeout=limit)
    assert gate.reached.wait(20)
    if how == "cancel":
        assert executor.cancel("blocked")
    with pytest.raises(WorkflowCanceledError if how == "cancel" else WorkflowFailedError):
        blocked.result(60)
    assert executor.execute(adds, input=5).result(60) == 6
    assert not ended.is_set()
    gate.open.set()
    assert ended.wait(20)
    until(lambda: len(loops()) == 1)


def test_an_executor_closes_while_code_blocks(gate: Gate, loops: Loops) -> None:
    async def blocks(ctx: AsyncWorkflowContext) -> None:
        gate.stand_still()

    with Executor(MemoryStore()) as executor:
        blocked = executor.execute(blocks)
        assert gate.reached.wait(20)
        assert executor.execute(adds, input=5).result(60) == 6
    with pytest.raises(ExecutorClosedError):
        blocked.result(60)
    assert len(loops()) == 1
    gate.open.set()
    until(lambda: not loops())


def test_an_async_activity_that_blocks_is_told(
    executor: Executor, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    async def blocking(_: Any) -> str:
        gate.stand_still()
        return "done"

    async def asks(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.execute_activity(blocking)

    asking = executor.execute(asks, id="asking")
    until(
        lambda: [
            r for r in caplog.records if "has been blocking the engine's loop" in r.getMessage()
        ]
    )
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("activity blocking of asking has been blocking")
    assert "stand_still" in told or "blocking" in told
    gate.open.set()
    assert asking.result(60) == "done"
