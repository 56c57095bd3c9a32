"""Files of schema 1 are brought to the present one when they are opened, without loss."""

from __future__ import annotations

import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from appended_parts import done, part

from inngest_nb import SqliteStore, StateServer, wire
from inngest_nb.errors import StoreFileError

# Word for word what the first version wrote.
SCHEMA_1 = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS workflows (
    number INTEGER PRIMARY KEY,
    workflow_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    updated_us INTEGER NOT NULL,
    first_saved_us INTEGER,
    document BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS workflows_newest ON workflows (updated_us DESC, workflow_id);
CREATE INDEX IF NOT EXISTS workflows_status ON workflows (status, updated_us DESC, workflow_id);
PRAGMA application_id = 1766739522;
PRAGMA user_version = 1;
COMMIT;
"""


@pytest.fixture
def old_file(tmp_path: Path, go_documents: list[bytes]) -> Path:
    """A file of schema 1 with the Go documents, one of them deleted, one without a first save."""
    path = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(SCHEMA_1)
        for number, document in enumerate(go_documents):
            head = wire.head(document)
            database.execute(
                "INSERT OR REPLACE INTO workflows "
                "(workflow_id, status, updated_us, first_saved_us, document) VALUES (?, ?, ?, ?, ?)",
                (
                    head.workflow_id,
                    head.status,
                    wire.microseconds(head.updated_at),
                    1_700_000_000_000_000 + number if number else None,
                    document,
                ),
            )
        database.execute("DELETE FROM workflows WHERE number = 5")
    return path


def rows(path: Path) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT * FROM workflows ORDER BY number").fetchall()


def test_a_file_of_schema_1_keeps_all_it_had(old_file: Path) -> None:
    before = rows(old_file)
    with SqliteStore(old_file) as store:
        states = {state.workflow_id: state for state in store.list()}
    assert len(states) == len(before) > 30
    for _, workflow_id, status, updated_us, first_saved_us, document in before:
        state = states[str(workflow_id)]
        assert wire.encode(state) == document
        assert state.status == status
        assert wire.microseconds(state.updated_at) == updated_us
        first = state.first_saved_at and wire.microseconds(state.first_saved_at)
        assert first == first_saved_us
    assert len({state.etag for state in states.values()} - {""}) == len(states)


def test_it_is_listed_and_written_as_any_other(old_file: Path) -> None:
    with SqliteStore(old_file) as store:
        order = [state.workflow_id for state in store.list()]
        running = store.list(status="running")
        for state in running:
            done(store, part(state.workflow_id, [1000], if_match=state.etag))
        assert [state.workflow_id for state in store.list()] == order
        assert [state.history[-1].id for state in store.list(status="running")] == [1000] * len(
            running
        )
        store.delete(order[0])
        store.save(store.list(status="running")[1].replace(error="edited"))
    with SqliteStore(old_file) as store:
        assert [state.workflow_id for state in store.list()] == order[1:]
    with contextlib.closing(sqlite3.connect(old_file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA user_version").fetchall() == [(8,)]


def test_many_may_open_it_at_once(old_file: Path) -> None:
    count = len(rows(old_file))

    def work(number: int) -> int:
        with SqliteStore(old_file) as store:
            return len(store.list())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [count] * 8


def test_a_file_that_cannot_be_brought_over_is_left_as_it_was(old_file: Path) -> None:
    with contextlib.closing(sqlite3.connect(old_file)) as database:
        database.execute("CREATE TABLE parts (of_somebody_else)")
    before = rows(old_file)
    for use in (SqliteStore, lambda path: StateServer(path, port=0).start()):
        with pytest.raises(StoreFileError, match="parts"):
            use(old_file)
    assert rows(old_file) == before
