"""Files of schema 5, which wrote a row for the change of each part, lose nothing when opened."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
from appended_parts import NOON, done, event, part, whole
from older_files import SCHEMA_5, tables

from inngest_nb import SqliteStore, WorkflowState, wire
from inngest_nb.store import Changed


class OldProcess:
    """A process of the version before, with the statements that it writes by."""

    def __init__(self, path: Path) -> None:
        self.database = sqlite3.connect(path, isolation_level=None)

    def save(self, name: str, text: str, etag: str) -> None:
        body = wire.encode(WorkflowState(workflow_id=name, updated_at=NOON, input=text))
        entries = "running", wire.microseconds(NOON), 5, etag, "me"
        if number := self._number(name):
            self.database.execute(
                "UPDATE workflows SET status = ?, updated_us = ?, first_saved_us = "
                "coalesce(first_saved_us, ?), etag = ?, owner = ?, parts_checksum = 0 "
                "WHERE number = ?",
                (*entries, number),
            )
            self.database.execute("DELETE FROM parts WHERE workflow = ?", (number,))
        else:
            self.database.execute(
                "INSERT INTO workflows (workflow_id, status, updated_us, first_saved_us, etag, "
                "owner) VALUES (?, ?, ?, ?, ?, ?)",
                (name, *entries),
            )
        self.database.execute(
            "INSERT OR REPLACE INTO documents (number, body, checksum) VALUES (?, ?, ?)",
            (self._number(name), body, crc32(body, crc32(name.encode()))),
        )

    def append(self, name: str, number: int, etag: str) -> None:
        body = wire.encode_part([event(number)])
        checksum = crc32(body, crc32(name.encode()))
        self.database.execute(
            "UPDATE workflows SET updated_us = coalesce(?, updated_us), etag = ?, "
            "parts_checksum = (parts_checksum + ?) & 0xFFFFFFFF WHERE workflow_id = ?",
            (None, etag, checksum, name),
        )
        self.database.execute(
            "INSERT INTO parts (workflow, body, checksum) "
            "SELECT number, ?, ? FROM workflows WHERE workflow_id = ?",
            (body, checksum, name),
        )

    def delete(self, name: str) -> None:
        number = self._number(name)
        self.database.execute("DELETE FROM parts WHERE workflow = ?", (number,))
        self.database.execute("DELETE FROM documents WHERE number = ?", (number,))
        self.database.execute("DELETE FROM workflows WHERE number = ?", (number,))

    def drop_changes(self, most: int) -> None:
        self.database.execute(
            "DELETE FROM changes WHERE number <= (SELECT max(number) FROM changes) - ?", (most,)
        )

    def _number(self, name: str) -> int | None:
        ask = "SELECT number FROM workflows WHERE workflow_id = ?"
        found = self.database.execute(ask, (name,)).fetchone()
        return found and int(found[0])


@pytest.fixture
def old(tmp_path: Path) -> Iterator[OldProcess]:
    """A process with a file that has some changes, more of parts than of others."""
    path = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(SCHEMA_5)
    process = OldProcess(path)
    process.save("long", "input of long", "e0")
    for number in range(1, 9):
        process.append("long", number, f"e{number}")
    process.save("short", "input of short", "e9")
    process.save("gone", "", "e10")
    process.delete("gone")
    with contextlib.closing(process.database):
        yield process


@pytest.fixture
def path(old: OldProcess, tmp_path: Path) -> Path:
    return tmp_path / "old.db"


def told(changed: Changed) -> list[tuple[str, bool]]:
    """Return what has changed, whose numbers have no gap."""
    numbers = [one.number for one in changed.changes]
    assert numbers == list(range(changed.last - len(numbers) + 1, changed.last + 1))
    return [(one.workflow_id, one.deleted) for one in changed.changes]


def lengths(store: SqliteStore) -> dict[str, int]:
    """Return how many events each workflow has, which heads and documents agree about."""
    lengths = {head.workflow_id: head.events for head in store.heads()}
    states = store.list()
    assert not states.unreadable
    assert {state.workflow_id: len(state.history) for state in states} == lengths
    return lengths


@pytest.mark.parametrize("indexed", [0, 7, 12])
@pytest.mark.usefixtures("old")
def test_it_keeps_all_it_had(path: Path, indexed: int) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE about SET indexed = ?", (indexed,))
    with SqliteStore(path) as store:
        before = store.last_change()
        assert before == 8 + 12 - indexed  # so many parts, and what was still to be looked at
        assert len(told(store.changes(8))) == 12 - indexed
        assert store.changes(indexed, feed="a feed of schema 5").reset
        states = store.list()
        assert not states.unreadable
        assert {one.workflow_id: one.input for one in states} == {
            "long": "input of long",
            "short": "input of short",
        }
        done(store, part("long", [9], "e12", "e8"))
        store.delete("short")
        assert told(store.changes(before)) == [("long", False), ("short", True)]


@pytest.mark.usefixtures("old")
def test_heads_that_were_not_made_by_then_are_made(path: Path) -> None:
    with SqliteStore(path) as store:
        assert lengths(store) == {"long": 8, "short": 0}


@pytest.mark.usefixtures("old")
def test_heads_are_made_where_their_changes_were_dropped(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM changes WHERE number < 12")
    with SqliteStore(path) as store:
        assert lengths(store) == {"long": 8, "short": 0}


def test_a_process_that_still_has_it_open_numbers_its_changes_too(
    old: OldProcess, path: Path
) -> None:
    with SqliteStore(path) as store:
        after = store.last_change()
        old.append("short", 1, "f1")
        done(store, part("short", [2], "f2", "f1"), whole("new", "f3"))
        old.append("long", 9, "f4")
        old.append("new", 1, "f5")
        assert lengths(store) == {"long": 9, "short": 2, "new": 1}
        old.save("short", "saved anew", "f6")
        old.delete("long")
        done(store, part("short", [1], "f7", "f6"))
        assert told(store.changes(after)) == [
            *(("short", False), ("short", False), ("new", False), ("long", False)),
            *(("new", False), ("short", False), ("long", True), ("short", False)),
        ]
        assert lengths(store) == {"short": 1, "new": 1}
        short = store.load("short")
        assert short is not None
        assert short.input == "saved anew"


def test_it_drops_no_changes_that_others_follow(old: OldProcess, path: Path) -> None:
    with SqliteStore(path) as store:
        after = store.last_change()
        for number in range(1, 5):
            old.save("short", f"input {number}", f"f{number}")
            old.append("short", 1, f"g{number}")
        old.drop_changes(1)
        assert told(store.changes(after)) == [("short", False)] * 8


@pytest.mark.usefixtures("old")
def test_it_has_the_tables_of_a_new_file_then(path: Path, tmp_path: Path) -> None:
    for each in (path, tmp_path / "new.db"):
        SqliteStore(each).close()
    assert tables(path) == tables(tmp_path / "new.db")
