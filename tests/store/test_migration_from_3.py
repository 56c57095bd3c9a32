"""Files of schema 3, which had no checksums, get them when they are opened, and lose nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from appended_parts import NOON, done, event, part

import inngest_nb as inb
from inngest_nb import SqliteStore, WorkflowState, wire
from inngest_nb.errors import StoreFileError

# Word for word what the version before wrote.
SCHEMA_3 = """
BEGIN IMMEDIATE;
CREATE TABLE workflows (
    number INTEGER PRIMARY KEY,
    workflow_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    updated_us INTEGER NOT NULL,
    first_saved_us INTEGER,
    etag TEXT NOT NULL,
    owner TEXT NOT NULL DEFAULT ''
);
CREATE INDEX workflows_newest
    ON workflows (updated_us DESC, workflow_id, status, etag, first_saved_us);
CREATE TABLE documents (number INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE parts (
    number INTEGER PRIMARY KEY,
    workflow INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX parts_of_workflow ON parts (workflow);
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
PRAGMA user_version = 3;
COMMIT;
"""


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    """A file with a workflow that has two parts, and one that has none."""
    path = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(SCHEMA_3)
        for number, name in enumerate(("long", "short"), 1):
            entries = number, name, "running", wire.microseconds(NOON), 5, f"e{number}", "me"
            database.execute("INSERT INTO workflows VALUES (?, ?, ?, ?, ?, ?, ?)", entries)
            state = WorkflowState(workflow_id=name, updated_at=NOON, input=f"input of {name}")
            database.execute("INSERT INTO documents VALUES (?, ?)", (number, wire.encode(state)))
        for number in (1, 2):
            body = wire.encode_part([event(number)])
            database.execute("INSERT INTO parts (workflow, body) VALUES (1, ?)", (body,))
    return path


def test_it_keeps_all_it_had_and_has_checksums_then(old_file: Path) -> None:
    with SqliteStore(old_file) as store:
        long, short = store.load("long"), store.load("short")
        assert long is not None
        assert short is not None
        assert (long.etag, [each.id for each in long.history]) == ("e1", [1, 2])
        assert (short.etag, short.input, short.history) == ("e2", "input of short", ())
        done(store, part("long", [3], "e3", "e1"), part("short", [1], "e4", "e2"))
        assert [len(state.history) for state in store.list()] == [3, 1]
        assert store.abandoned() == ["long", "short"]
    (finding,) = (one for one in inb.doctor(path=old_file).findings if one.subject == "file")
    assert "2 workflows, all readable; all match their checksums" in finding.words


@pytest.mark.parametrize("text", [b"input of long", b'"ActivityName":"reserve"'])
def test_what_is_damaged_afterwards_is_noticed(old_file: Path, text: bytes) -> None:
    SqliteStore(old_file).close()
    content = bytearray(old_file.read_bytes())
    content[content.index(text) + 3] ^= 1
    old_file.write_bytes(content)
    with SqliteStore(old_file) as store:
        listed = store.list()
        assert [state.workflow_id for state in listed] == ["short"]
        assert [*listed.unreadable] == ["long"]


def test_it_has_the_tables_of_a_new_file_then(old_file: Path, tmp_path: Path) -> None:
    shapes = []
    for path in (old_file, tmp_path / "new.db"):
        SqliteStore(path).close()
        with contextlib.closing(sqlite3.connect(path)) as database:
            names = "SELECT name FROM sqlite_master ORDER BY name"
            shapes.append(
                {
                    name: [line[1:] for line in database.execute(f"PRAGMA table_xinfo({name})")]
                    + database.execute(f"PRAGMA index_xinfo({name})").fetchall()
                    for (name,) in database.execute(names).fetchall()
                }
            )
    assert shapes[0] == shapes[1]


def test_doctor_does_not_bring_it_over(old_file: Path) -> None:
    before = old_file.read_bytes()
    (finding,) = (one for one in inb.doctor(path=old_file).findings if one.subject == "file")
    assert "schema 3" in finding.words
    assert old_file.read_bytes() == before


def test_one_that_cannot_be_brought_over_is_left_as_it_was(old_file: Path) -> None:
    with contextlib.closing(sqlite3.connect(old_file)) as database:
        database.execute("CREATE TRIGGER older_save DELETE ON leases BEGIN SELECT 1; END")
        before = [*database.iterdump()]
    with pytest.raises(StoreFileError, match="older_save"):
        SqliteStore(old_file)
    with contextlib.closing(sqlite3.connect(old_file)) as database:
        assert [*database.iterdump()] == before
