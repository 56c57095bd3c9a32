"""What a supervising executor cannot go on with: it says so once, and does not try for ever."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from small_workflows import add_one, waits_and_returns

from inngest_nb import AsyncWorkflowContext, Executor, MemoryStore
from inngest_nb.engine import Workflows


def left_running(store: MemoryStore, fn: Any, *ids: str) -> None:
    with Executor(store) as executor:
        handles = [executor.execute(fn, id=each) for each in ids]
        for handle in handles:
            while not handle.waiting_for:
                pass


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    return [each for each in found if "is not resumed here" in each]


def test_a_workflow_whose_code_is_not_known_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    left_running(store, waits_and_returns, "a", "b", "c")
    with Executor(store, workflows=Workflows()) as executor:
        for _ in range(2):
            executor._take_over()
    (told,) = warnings(caplog)
    assert "Register its function with @workflow" in told


def test_code_that_parts_from_history_is_told_and_not_replayed_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    lives = []

    async def order(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(add_one, 1)
        await ctx.receive_signal("go")

    async def otherwise(ctx: AsyncWorkflowContext) -> None:
        lives.append(1)
        await ctx.execute_activity(add_one, 2)

    left_running(store, order, "w")
    stored = store.load("w")
    assert stored is not None
    changed = Workflows()
    changed.add(otherwise, str(stored.history[0].workflow), 1)
    with Executor(store, workflows=changed) as executor:
        for _ in range(3):
            executor._take_over()
            while executor._engine.runs() or "w" not in executor._not_resumed:
                pass  # it is noted a moment after the run is gone
    assert lives == [1]
    (told,) = warnings(caplog)
    assert "'w' is not resumed here" in told
    assert "add_one" in told
