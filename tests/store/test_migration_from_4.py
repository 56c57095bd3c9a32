"""Files of schema 4, which did not number changes, do so when they are opened, and lose nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from appended_parts import NOON, done, event, part
from older_files import SCHEMA_4, tables

from inngest_nb import SqliteStore, WorkflowState, wire

_STEP = (
    "UPDATE workflows SET updated_us = coalesce(?, updated_us), etag = ? WHERE number = ?",
    "INSERT INTO parts (workflow, body, checksum) VALUES (?, ?, NULL)",
)


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    """A file with two workflows that have no parts."""
    path = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(SCHEMA_4)
        for number, name in enumerate(("one", "two"), 1):
            entries = number, name, "running", wire.microseconds(NOON) - number, 5, f"e{number}"
            database.execute("INSERT INTO workflows VALUES (?, ?, ?, ?, ?, ?, 'me', 0)", entries)
            state = WorkflowState(workflow_id=name, updated_at=NOON, input=f"input of {name}")
            database.execute(
                "INSERT INTO documents VALUES (?, ?, NULL)", (number, wire.encode(state))
            )
    return path


def changes(path: Path) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute(
            "SELECT number, workflow_id, deleted FROM changes ORDER BY number"
        ).fetchall()


def test_it_keeps_all_it_had_and_numbers_what_changes_then(old_file: Path) -> None:
    with SqliteStore(old_file) as store:
        done(store, part("one", [1], "e3", "e1"))
        store.delete("two")
        (state,) = store.list()
        assert (state.workflow_id, state.input) == ("one", "input of one")
    numbered = [(1, "two", 0), (2, "one", 0), (3, "one", 0), (4, "two", 1)]
    assert changes(old_file) == numbered  # the least recently updated first


def test_a_process_that_still_has_it_open_numbers_its_changes_too(old_file: Path) -> None:
    with contextlib.closing(sqlite3.connect(old_file, isolation_level=None)) as old:
        old.execute("SELECT count(*) FROM workflows").fetchall()
        SqliteStore(old_file).close()
        old.execute(_STEP[0], (None, "e3", 2))
        old.execute(_STEP[1], (2, wire.encode_part([event(1)])))
    assert changes(old_file)[-1] == (3, "two", 0)


def test_it_has_the_tables_of_a_new_file_then(old_file: Path, tmp_path: Path) -> None:
    for path in (old_file, tmp_path / "new.db"):
        SqliteStore(path).close()
    assert tables(old_file) == tables(tmp_path / "new.db")
