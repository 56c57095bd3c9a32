"""The same trivial work for every side: a workflow of so many activities, each adding one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from inngest_nb import AsyncWorkflowContext, WorkflowContext


def add_one(number: int) -> int:
    return number + 1


async def async_add_one(number: int) -> int:
    return number + 1


def plain_steps(ctx: WorkflowContext, count: int) -> int:
    number = 0
    for _ in range(count):
        number = ctx.execute_activity(add_one, number)
    return number


async def async_steps(ctx: AsyncWorkflowContext, count: int) -> int:
    number = 0
    for _ in range(count):
        number = await ctx.execute_activity(async_add_one, number)
    return number


class Floor:
    """Durable rows, written as directly as Python can: one commit has a row of each run."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("CREATE TABLE events (run TEXT, number INTEGER, result TEXT)")

    def activities(self, runs: int, count: int) -> None:
        """Do the activities of so many runs, and nothing for the runs themselves."""
        for step in range(count):
            self._commit([(str(run), step, str(add_one(step))) for run in range(runs)])

    def workflows(self, runs: int) -> None:
        """Do workflows of one activity each: the start, the activity, the end."""
        self._commit([(str(run), -1, "start") for run in range(runs)])
        self.activities(runs, 1)
        self._commit([(str(run), 1, "end") for run in range(runs)])

    def recovery(self, runs: int, done: int, count: int) -> None:
        """Read what runs have done, and do what they have not, 32 of them at a time."""
        rows = self._database.execute("SELECT run, count(*) FROM events GROUP BY run").fetchall()
        pending = [run for run, steps in rows if steps == done]
        assert len(pending) == runs
        for first in range(0, runs, 32):
            group = pending[first : first + 32]
            for step in range(done, count):
                self._commit([(run, step, str(add_one(step))) for run in group])
            self._commit([(run, count, "end") for run in group])

    def close(self) -> None:
        self._database.close()

    def _commit(self, rows: list[tuple[str, int, str]]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
        self._database.execute("COMMIT")
