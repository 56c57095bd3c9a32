"""A state server that is killed and comes back: no run ends for that, and nothing is done twice."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from worker_fleet import ServerProcess

from inngest_nb import (
    ActivityContext,
    AsyncWorkflowContext,
    Executor,
    InngestStore,
    WorkflowHandle,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="kills")]

# How long the server is away, in seconds. INNGEST_NB_STORE_AWAY="3 30 300" asks for longer times.
OUTAGES = [float(each) for each in os.environ.get("INNGEST_NB_STORE_AWAY", "3").split()]
BUSY, SLEEPING, STEPS = 50, 50, 10
_SECONDS = 60.0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("outage", OUTAGES)
def test_runs_wait_for_a_server_that_is_away(outage: float, tmp_path: Path) -> None:
    done: Counter[tuple[str, int]] = Counter()
    lock = threading.Lock()

    async def step(ctx: ActivityContext, number: int) -> int:
        with lock:
            done[ctx.workflow_id, ctx.seq] += 1
        await asyncio.sleep(0.2)
        return number

    async def busy(ctx: AsyncWorkflowContext) -> int:
        return sum([await ctx.execute_activity(step, number) for number in range(STEPS)])

    async def sleeping(ctx: AsyncWorkflowContext) -> str:
        await ctx.sleep(1 + outage / 2)  # it is over while the server is away
        await ctx.execute_activity(step, 0)
        return "awake"

    server = ServerProcess(tmp_path / "states.db")
    try:
        with InngestStore(server.url) as store, Executor(store) as executor:
            busy_ones = [executor.execute(busy) for _ in range(BUSY)]
            sleepers = [executor.execute(sleeping) for _ in range(SLEEPING)]
            wait_until_saved(store, [*busy_ones, *sleepers])
            server.kill()
            begun = time.monotonic()
            wait_until_told(busy_ones)
            left = outage - (time.monotonic() - begun)
            threading.Event().wait(max(0.0, left))  # the outage itself, which no event ends
            assert {handle.status for handle in [*busy_ones, *sleepers]} == {"running"}
            server.start_again()
            results = [handle.result(_SECONDS) for handle in [*busy_ones, *sleepers]]
            assert results == [sum(range(STEPS))] * BUSY + ["awake"] * SLEEPING
            for handle in [*busy_ones, *sleepers]:
                stored = store.load(handle.id)
                assert stored is not None
                assert stored.status == "completed"
                assert [event.id for event in stored.history] == [
                    *range(1, len(stored.history) + 1)
                ]
            assert set(done.values()) == {1}
            assert len(done) == BUSY * STEPS + SLEEPING
    finally:
        server.close()


def wait_until_saved(store: InngestStore, handles: list[WorkflowHandle]) -> None:
    """Wait until each run is stored, so that it has begun."""
    deadline = time.monotonic() + _SECONDS
    for handle in handles:
        while store.load(handle.id) is None:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)


def wait_until_told(handles: list[WorkflowHandle]) -> None:
    """Wait until each run says that it waits for its store."""
    deadline = time.monotonic() + _SECONDS
    for handle in handles:
        while not handle.store_trouble:
            assert time.monotonic() < deadline, f"{handle} does not say that the store is away"
            threading.Event().wait(0.01)
