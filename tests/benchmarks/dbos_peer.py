"""DBOS on SQLite: the other side of the engine's benchmarks.

Its system database is a file with the settings that DBOS gives it: a rollback journal
(`journal_mode=delete`) and `synchronous=FULL`, so each recorded step is on disk. In WAL mode it is
a little slower with one run, and 1.4 times as fast with 32. It logs errors only and exports no
traces. Its functions are plain ones, with which it is faster than with async ones.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from dbos import DBOS
from same_steps import add_one

step = DBOS.step()(add_one)


@DBOS.workflow()
def steps(count: int) -> int:
    number = 0
    for _ in range(count):
        number = step(number)
    return number


@contextlib.contextmanager
def launched(file: Path) -> Iterator[None]:
    """Run DBOS in this process; pending workflows of the file are recovered, as it always does."""
    DBOS(
        config={
            "name": "benchmark",
            "application_version": "1",
            "system_database_url": f"sqlite:///{file}",
            "log_level": "ERROR",
            "enable_otlp": False,
        }
    )
    DBOS.launch()
    try:
        yield
    finally:
        DBOS.destroy()


def run(runs: int, count: int) -> None:
    """Run workflows of so many steps at once, and wait for all."""
    handles = [DBOS.start_workflow(steps, count) for _ in range(runs)]
    for handle in handles:
        assert handle.get_result() == count


def recorded(file: Path) -> tuple[int, int]:
    """Count the successful workflows and the step results that are in a file."""
    with contextlib.closing(sqlite3.connect(file)) as database:
        [workflows] = database.execute(
            "SELECT count(*) FROM workflow_status WHERE status = 'SUCCESS'"
        ).fetchone()
        [outputs] = database.execute("SELECT count(*) FROM operation_outputs").fetchone()
    return workflows, outputs
