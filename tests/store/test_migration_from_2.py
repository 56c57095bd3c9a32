"""Files of schema 2, which knew no executors, are brought to the present one without loss."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from appended_parts import NOON, done, event, part

from inngest_nb import SqliteStore, StateServer, WorkflowState, wire
from inngest_nb.errors import StoreFileError
from inngest_nb.store import Message

# Word for word what the version before wrote.
SCHEMA_2 = """
BEGIN IMMEDIATE;
CREATE TABLE workflows (
    number INTEGER PRIMARY KEY,
    workflow_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    updated_us INTEGER NOT NULL,
    first_saved_us INTEGER,
    etag TEXT NOT NULL
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
PRAGMA application_id = 1766739522;
PRAGMA user_version = 2;
COMMIT;
"""


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    """A file with a workflow that runs, with a part, and one that has ended."""
    path = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(SCHEMA_2)
        for number, status in enumerate(("running", "completed"), 1):
            state = WorkflowState(
                workflow_id=status,
                status=status,  # type: ignore[arg-type]
                updated_at=NOON,
                owner="0123456789ab.1.1.1",
            )
            database.execute(
                "INSERT INTO workflows VALUES (?, ?, ?, ?, ?, ?)",
                (number, status, status, wire.microseconds(NOON), 5, f"e{number}"),
            )
            database.execute("INSERT INTO documents VALUES (?, ?)", (number, wire.encode(state)))
        body = wire.encode_part([event(1)], owner="0123456789ab.2.2.2")
        database.execute("INSERT INTO parts (workflow, body) VALUES (1, ?)", (body,))
    return path


def dump(path: Path) -> Iterator[str]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        yield from database.iterdump()


def test_it_keeps_all_it_had_and_can_be_shared(old_file: Path) -> None:
    with SqliteStore(old_file) as store:
        running = store.load("running")
        assert running is not None
        assert (running.etag, running.owner) == ("e1", "0123456789ab.2.2.2")
        assert [each.id for each in running.history] == [1]
        assert store.load("completed") is not None
        done(store, part("running", [2], "e3", "e1"))
        store.hold_lease("new", 30)
        store.send(Message("m", "running", "signal", b"1"))
        assert list(store.abandoned()) == ["running"]  # executors of that schema hold no lease
        assert [each.id for each in store.receive()] == ["m"]
    with contextlib.closing(sqlite3.connect(old_file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA user_version").fetchall() == [(8,)]


def test_it_has_the_tables_of_a_new_file_then(old_file: Path, tmp_path: Path) -> None:
    new_file = tmp_path / "new.db"
    shapes = []
    for path in (old_file, new_file):
        SqliteStore(path).close()
        with contextlib.closing(sqlite3.connect(path)) as database:
            names = "SELECT name FROM sqlite_master ORDER BY name"
            shape = {
                name: [line[1:] for line in database.execute(f"PRAGMA table_xinfo({name})")]
                for (name,) in database.execute(names).fetchall()
            }
            shapes.append(shape)
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) > 10


def test_many_may_open_it_at_once(old_file: Path) -> None:
    def work(_: int) -> int:
        with SqliteStore(old_file) as store:
            return len(store.list())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [2] * 8


def test_one_that_cannot_be_brought_over_is_left_as_it_was(old_file: Path) -> None:
    with contextlib.closing(sqlite3.connect(old_file)) as database:
        database.execute("CREATE TABLE messages (of_somebody_else)")
    before = [*dump(old_file)]
    with pytest.raises(StoreFileError, match="messages"):
        SqliteStore(old_file)
    with pytest.raises(StoreFileError, match="messages"):
        StateServer(old_file, port=0).start()
    assert [*dump(old_file)] == before
