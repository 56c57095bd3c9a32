"""What nobody runs is found without a look at all that has ended."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from inngest_nb import SqliteStore

# What SQLite reads for a statement can be seen in its plan only.
from inngest_nb.store.tables.sqlite.sharing import ABANDONED


def test_only_what_runs_is_read(tmp_path: Path) -> None:
    path = tmp_path / "states.db"
    SqliteStore(path).close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        plan = [line[3] for line in database.execute("EXPLAIN QUERY PLAN " + ABANDONED, (1, 1))]
    assert plan[0].startswith("SCAN workflows USING")
    assert "workflows_running" in plan[0]
