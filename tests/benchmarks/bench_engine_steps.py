"""What a step at 1,000 and at 10,000 of one long run costs, beside a step at 10.

The other side is the same workflow on the same store, a new run for each round. Both take turns of
20 steps. On a SqliteStore, and over HTTP to a state server in a process of its own.
"""

from __future__ import annotations

import queue
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alternating import judge, measure, show
from same_steps import add_one, async_add_one
from served import state_server

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    InngestStore,
    SqliteStore,
    WorkflowContext,
    WorkflowHandle,
)

EARLY = 10
GOALS = {1_000: 0.8, 10_000: 0.5}
TURN = 20
ROUNDS = 31


class SteppedRun:
    """A run that does as many steps as it is told to, then waits to be told again."""

    def __init__(self, executor: Executor, workflow: Callable[..., Any]) -> None:
        self._orders: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._waits: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.handle: WorkflowHandle = executor.execute(workflow(self._next_order))
        self._waits.get()

    def do(self, steps: int) -> None:
        self._orders.put(steps)
        self._waits.get()

    def end(self) -> None:
        self._orders.put(0)
        self.handle.result(600)

    def _next_order(self) -> int:
        self._waits.put(None)
        return self._orders.get()


def plain_stepped(next_order: Callable[[], int]) -> Callable[..., None]:
    def workflow(ctx: WorkflowContext) -> None:
        while steps := ctx.execute_activity(next_order):
            for step in range(steps):
                ctx.execute_activity(add_one, step)

    return workflow


def async_stepped(next_order: Callable[[], int]) -> Callable[..., Any]:
    async def workflow(ctx: AsyncWorkflowContext) -> None:
        while steps := await ctx.execute_activity(next_order):
            for step in range(steps):
                await ctx.execute_activity(async_add_one, step)

    return workflow


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        state_server((folder := Path(name)) / "served.db") as url,
        SqliteStore(folder / "states.db") as file,
        InngestStore(url) as client,
        Executor(file) as on_file,
        Executor(client) as over_http,
    ):
        for store, executor in {"SqliteStore": on_file, "HTTP": over_http}.items():
            for kind, workflow in {"async": async_stepped, "plain": plain_stepped}.items():
                compare(executor, workflow, f"{kind} functions, {store}")


def compare(executor: Executor, workflow: Callable[..., Any], what: str) -> None:
    long = SteppedRun(executor, workflow)
    done = 0
    for place, goal in GOALS.items():
        long.do(place - done)
        early = [SteppedRun(executor, workflow) for _ in range(ROUNDS)]
        for run in early:
            run.do(EARLY)
        fresh = iter(early)
        late_name, early_name = f"step {place:,}", f"step {EARLY}"
        times = measure(
            {late_name: lambda: long.do(TURN), early_name: lambda: next(fresh).do(TURN)},  # noqa: B023
            rounds=ROUNDS,
            units=TURN,
        )
        done = place + len(times[late_name]) * TURN
        for run in early:
            run.end()
        print(f"A step, {what}")
        show(times)
        benchmark = f"engine: steps per second at {place:,} to at {EARLY}, {what}"
        judge(benchmark, times[late_name], times[early_name], goal=goal)
    long.end()
    assert sum(event.result is not None for event in long.handle.state.history) > done


if __name__ == "__main__":
    main()
