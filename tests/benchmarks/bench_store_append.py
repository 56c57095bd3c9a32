"""What it costs to append a step to a stored run: late steps beside early ones, and the floor.

The floor is bare Python that writes the same rows with sqlite3 into the same tables: the part, and
the run's entry with its index, each commit on disk before the next.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from alternating import compare

from inngest_nb import (
    AppendingStore,
    HistoryEvent,
    InngestStore,
    SqliteStore,
    WorkflowState,
    Write,
    wire,
)

BATCH = 32
ROUNDS, CALLS = 21, 40
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
PART = wire.encode_part(
    [
        HistoryEvent(
            id=1,
            type="activity_completed",  # type: ignore[arg-type]
            timestamp=NOW,
            activity_name="reserve",
            result={"order": 42, "reserved": True},
            duration=timedelta(milliseconds=3),
            seq=1,
            attempt=1,
        )
    ],
    updated_at=NOW,
)


class Run:
    """A stored run that grows step by step."""

    def __init__(self, store: AppendingStore, workflow_id: str, steps: int = 0) -> None:
        self._store = store
        self._id = workflow_id
        self._steps = count(1)
        state = WorkflowState(workflow_id=workflow_id, run_id="r", status="running", updated_at=NOW)  # type: ignore[arg-type]
        write = Write(workflow_id, wire.encode(state), True, etag="e0", if_match="")
        _check(store.append_history([write]))
        for _ in range(0, steps, 100):  # many at once, where that is possible
            _check(store.append_history([self.next() for _ in range(min(100, steps))]))

    def next(self) -> Write:
        """Make the write of the next step, each a little later than the one before."""
        step = next(self._steps)
        updated_us = 1_800_000_000_000_000 + step
        return Write(self._id, PART, False, None, updated_us, f"e{step}", f"e{step - 1}")

    def step(self) -> None:
        """Append one step."""
        _check(self._store.append_history([self.next()]))


class Floor:
    """The same rows, written as directly as Python can."""

    def __init__(self, path: Path, runs: int) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "CREATE TABLE runs (number INTEGER PRIMARY KEY, id TEXT, updated INTEGER, etag TEXT)",
            "CREATE INDEX newest ON runs (updated DESC, id, etag)",
            "CREATE TABLE parts (number INTEGER PRIMARY KEY, run INTEGER, body BLOB)",
            "CREATE INDEX parts_of_run ON parts (run)",
        ):
            self._database.execute(statement)
        rows = [(run, f"floor/{run}", 0, "") for run in range(runs)]
        self._database.executemany("INSERT INTO runs VALUES (?, ?, ?, ?)", rows)
        self._steps = count(1)

    def step(self, runs: int) -> None:
        """Append one step to each of some runs, in one commit."""
        step = next(self._steps)
        self._database.execute("BEGIN IMMEDIATE")
        for run in range(runs):
            entries = (1_800_000_000_000_000 + step, f"e{step}", run)
            self._database.execute(
                "UPDATE runs SET updated = ?, etag = ? WHERE number = ?", entries
            )
            self._database.execute("INSERT INTO parts (run, body) VALUES (?, ?)", (run, PART))
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def main() -> None:
    """Measure both stores that can append, then the floor."""
    with tempfile.TemporaryDirectory() as folder:
        with SqliteStore(Path(folder) / "states.db") as store:
            late_steps(store, "SqliteStore")
            with closing(Floor(Path(folder) / "floor.db", BATCH)) as floor:
                beside_the_floor(store, floor)
        command = [sys.executable, "-m", "inngest_nb", "serve", "--port", "0"]
        server = subprocess.Popen(
            [*command, "--path", f"{folder}/server.db"], stdout=subprocess.PIPE, text=True
        )
        assert server.stdout is not None
        url = re.findall(r"http://[^\s,]+", server.stdout.readline())[0]
        try:
            with InngestStore(url) as store:
                late_steps(store, "state server")
        finally:
            server.terminate()
            server.wait()
            server.stdout.close()


def late_steps(store: AppendingStore, name: str) -> None:
    """Compare steps of a long run with the first ones of fresh runs."""
    for steps, goal in ((1_000, 0.8), (10_000, 0.5)):
        long = Run(store, f"long/{steps}", steps)
        early = _early_steps(store, steps)
        compare(
            f"store: appends per second at step {steps:,} beside step 10, {name}",
            long.step,
            lambda early=early: next(early).step(),
            names=(f"at step {steps:,}", "from step 10 on"),
            goal=goal,
            rounds=ROUNDS,
            calls=CALLS,
        )


def _early_steps(store: AppendingStore, label: int) -> Iterator[Run]:
    """Give a run that has few steps, a fresh one for each round."""
    runs = [Run(store, f"early/{label}/{number}", 10) for number in range(ROUNDS)]
    for run in runs:
        for _ in range(CALLS):
            yield run


def beside_the_floor(store: AppendingStore, floor: Floor) -> None:
    """Compare appends one by one, and 32 at once, with the same rows written by hand."""
    runs = [Run(store, f"run/{number}") for number in range(BATCH)]
    compare(
        "store: appends one by one beside the same rows by bare sqlite3",
        runs[0].step,
        lambda: floor.step(1),
        names=("append_history([write])", "bare sqlite3"),
        goal=0.85,
    )
    compare(
        "store: appends of 32 runs at once beside the same rows by bare sqlite3",
        lambda: _check(store.append_history([run.next() for run in runs])),
        lambda: floor.step(BATCH),
        names=("append_history(32 writes)", "bare sqlite3"),
        goal=0.5,
    )


def _check(outcomes: object) -> None:
    assert isinstance(outcomes, list)
    assert not any(outcomes), outcomes


if __name__ == "__main__":
    main()
