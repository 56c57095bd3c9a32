"""How many durable activities a second, on a SqliteStore: one run, and 32 runs at once.

The other side is the floor: bare Python that calls the same function and writes a row per activity
with sqlite3, each on disk before the next; for 32 runs one commit has a row of each. The goals say
how near the floor one must come to be 6 and 50 (plain functions 30) times as fast as DBOS, which
was measured at 485 and 430 activities a second beside a floor of 4,100 and 68,000.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from alternating import compare

from inngest_nb import AsyncWorkflowContext, Executor, SqliteStore, WorkflowContext

ACTIVITIES = 100
ROUNDS = 7


def add_one(number: int) -> int:
    return number + 1


async def async_add_one(number: int) -> int:
    return number + 1


async def async_steps(ctx: AsyncWorkflowContext) -> int:
    number = 0
    for _ in range(ACTIVITIES):
        number = await ctx.execute_activity(async_add_one, number)
    return number


def plain_steps(ctx: WorkflowContext) -> int:
    number = 0
    for _ in range(ACTIVITIES):
        number = ctx.execute_activity(add_one, number)
    return number


class Floor:
    """Durable rows, written as directly as Python can."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("CREATE TABLE events (run TEXT, number INTEGER, result TEXT)")

    def steps(self, runs: int) -> None:
        insert = "INSERT INTO events VALUES (?, ?, ?)"
        for step in range(ACTIVITIES):
            rows = [(str(run), step, str(add_one(step))) for run in range(runs)]
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(insert, rows)
            self._database.execute("COMMIT")

    def close(self) -> None:
        self._database.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        floor = Floor(Path(folder) / "floor.db")
        with SqliteStore(Path(folder) / "states.db") as store, Executor(store) as executor:
            for name, workflow, runs, goal in [
                ("one run, async functions", async_steps, 1, 0.71),
                ("one run, plain functions", plain_steps, 1, 0.71),
                ("32 runs, async functions", async_steps, 32, 0.32),
                ("32 runs, plain functions", plain_steps, 32, 0.19),
            ]:
                measure(executor, floor, name, workflow, runs, goal)
        floor.close()


def measure(
    executor: Executor,
    floor: Floor,
    name: str,
    workflow: Callable[..., Any],
    runs: int,
    goal: float,
) -> None:
    numbers = count()

    def ours() -> None:
        handles = [executor.execute(workflow, id=f"{name}/{next(numbers)}") for _ in range(runs)]
        for handle in handles:
            assert handle.result(600) == ACTIVITIES

    print(f"{name}: {runs * ACTIVITIES} activities in")
    compare(
        f"engine: activities per second, {name}",
        ours,
        lambda: floor.steps(runs),
        names=("Executor on SqliteStore", "bare Python and SQLite"),
        goal=goal,
        rounds=ROUNDS,
        calls=1,
    )


if __name__ == "__main__":
    main()
