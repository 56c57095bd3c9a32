"""What is asked often is found without a look at all that is stored.

What SQLite reads for a statement can be seen in its plan only.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from inngest_nb import SqliteStore
from inngest_nb.store.tables.sqlite.sharing import ABANDONED, CHANGES


@pytest.fixture
def plan(tmp_path: Path) -> Callable[[str], list[str]]:
    """Return the plan of a statement with two values."""
    path = tmp_path / "states.db"
    SqliteStore(path).close()

    def plan_of(statement: str) -> list[str]:
        with contextlib.closing(sqlite3.connect(path)) as database:
            lines = database.execute(f"EXPLAIN QUERY PLAN {statement}", (1, 1))
            return [line[3] for line in lines]

    return plan_of


def test_of_abandoned_workflows_only_what_runs_is_read(plan: Callable[[str], list[str]]) -> None:
    assert plan(ABANDONED)[0] == "SCAN workflows USING INDEX workflows_newest"


def test_changes_are_read_from_a_number_on_and_not_sorted(plan: Callable[[str], list[str]]) -> None:
    steps = plan(CHANGES)
    assert sum("USING INTEGER PRIMARY KEY (rowid>?)" in step for step in steps) == 2
    assert not [step for step in steps if "TEMP B-TREE" in step or step.startswith("SCAN")]
