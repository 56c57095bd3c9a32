"""Files of schema 4, which did not number changes, do so when they are opened, and lose nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from appended_parts import NOON, done, part

from inngest_nb import SqliteStore, WorkflowState, wire

# Word for word what the version before wrote.
SCHEMA_4 = """
BEGIN IMMEDIATE;
CREATE TABLE workflows (
    number INTEGER PRIMARY KEY,
    workflow_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    updated_us INTEGER NOT NULL,
    first_saved_us INTEGER,
    etag TEXT NOT NULL,
    owner TEXT NOT NULL DEFAULT '',
    parts_checksum INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX workflows_newest
    ON workflows (updated_us DESC, workflow_id, status, etag, first_saved_us, parts_checksum);
CREATE TABLE documents (number INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER);
CREATE TABLE parts (
    number INTEGER PRIMARY KEY,
    workflow INTEGER NOT NULL,
    body BLOB NOT NULL,
    checksum INTEGER
);
CREATE INDEX parts_of_workflow ON parts (workflow);
CREATE TRIGGER documents_unchecked AFTER UPDATE OF body ON documents BEGIN
    UPDATE documents SET checksum = NULL WHERE number = new.number;
    UPDATE workflows SET parts_checksum = 0 WHERE number = new.number;
END;
CREATE INDEX workflows_running ON workflows (owner) WHERE status = 'running';
CREATE TABLE leases (owner TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    recipient TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload BLOB NOT NULL,
    sent REAL NOT NULL
);
CREATE INDEX messages_to ON messages (recipient, number);
CREATE TABLE keys (
    number INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    request BLOB NOT NULL,
    at REAL NOT NULL
);
PRAGMA application_id = 1766739522;
PRAGMA user_version = 4;
COMMIT;
"""
_STEP = "UPDATE workflows SET updated_us = coalesce(?, updated_us), etag = ? WHERE number = ?"


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
        return database.execute("SELECT number, workflow_id, deleted FROM changes").fetchall()


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
        old.execute(_STEP, (None, "e3", 2))
    assert changes(old_file)[-1] == (3, "two", 0)


def test_it_has_the_tables_of_a_new_file_then(old_file: Path, tmp_path: Path) -> None:
    shapes = []
    for path in (old_file, tmp_path / "new.db"):
        SqliteStore(path).close()
        with contextlib.closing(sqlite3.connect(path)) as database:
            found = database.execute("SELECT name, sql FROM sqlite_master")
            shapes.append({name: "".join((sql or "").split()) for name, sql in found})
    assert shapes[0] == shapes[1]
