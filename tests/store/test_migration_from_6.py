"""Files of schema 6, whose documents had a trigger, lose nothing when opened."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
from appended_parts import NOON, done, event, part, whole
from older_files import SCHEMA_6, tables

import inngest_nb as inb
from inngest_nb import SqliteStore, WorkflowState, wire


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
            self.database.execute("DELETE FROM numbered_parts WHERE workflow = ?", (number,))
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
            "INSERT INTO numbered_parts (number, workflow, body, checksum) VALUES ("
            "1 + (SELECT number FROM last_change), "
            "(SELECT number FROM workflows WHERE workflow_id = ?), ?, ?)",
            (name, body, checksum),
        )

    def delete(self, name: str) -> None:
        number = self._number(name)
        self.database.execute("DELETE FROM numbered_parts WHERE workflow = ?", (number,))
        self.database.execute("DELETE FROM documents WHERE number = ?", (number,))
        self.database.execute("DELETE FROM workflows WHERE number = ?", (number,))

    def read(self, name: str) -> tuple[bytes, int]:
        return tuple(
            self.database.execute(
                "SELECT CAST(d.body AS BLOB), d.checksum FROM workflows w "
                "LEFT JOIN documents d ON d.number = w.number WHERE w.workflow_id = ?",
                (name,),
            ).fetchone()
        )

    def _number(self, name: str) -> int | None:
        ask = "SELECT number FROM workflows WHERE workflow_id = ?"
        found = self.database.execute(ask, (name,)).fetchone()
        return found and int(found[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "old.db"


@pytest.fixture
def old(path: Path) -> Iterator[OldProcess]:
    """A process with a file that has a long workflow, a short one, and a change that is a gap."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(SCHEMA_6)
    process = OldProcess(path)
    process.save("long", "input of long", "e0")
    process.append("long", 1, "e1")
    process.append("long", 2, "e2")
    process.save("short", "input of short", "e3")
    process.save("gone", "", "e4")
    process.delete("gone")
    with contextlib.closing(process.database):
        yield process


def contents(store: SqliteStore) -> dict[str, tuple[object, int]]:
    """Return the input and the number of events of each workflow, all of which can be read."""
    states = store.list()
    assert not states.unreadable
    return {state.workflow_id: (state.input, len(state.history)) for state in states}


@pytest.mark.usefixtures("old")
def test_it_keeps_all_it_had(path: Path) -> None:
    with SqliteStore(path) as store:
        assert contents(store) == {"long": ("input of long", 2), "short": ("input of short", 0)}
        assert {head.workflow_id: head.events for head in store.heads()} == {"long": 2, "short": 0}
        changed = store.changes(2, feed="a feed of schema 6")
        assert not changed.reset
        assert [(one.number, one.workflow_id, one.deleted) for one in changed.changes] == [
            *((3, "long", False), (4, "short", False), (5, "gone", False), (6, "gone", True)),
        ]


def test_a_process_that_still_has_it_open_reads_and_writes_documents(
    old: OldProcess, path: Path
) -> None:
    with SqliteStore(path) as store:
        done(store, whole("new", "f0", input="input of new"))
        done(store, part("long", [3], "f1", "e2"))
        saved = whole("short", "f2", input="saved here")
        done(store, saved)
        assert old.read("short")[0] == saved.document
        old.save("new", "saved there", "f3")
        old.save("other", "added there", "f4")
        old.append("other", 1, "f5")
        old.save("long", "saved there, too", "f6")
        old.append("long", 1, "f7")
        assert contents(store) == {
            "long": ("saved there, too", 1),
            "short": ("saved here", 0),
            "new": ("saved there", 0),
            "other": ("added there", 1),
        }
        old.delete("other")
        old.delete("short")
        done(store, whole("long", "f8", input="saved here, too"))
        assert contents(store) == {"long": ("saved here, too", 0), "new": ("saved there", 0)}
        assert old.database.execute("SELECT count(*) FROM documents").fetchone() == (2,)
        numbers = [one.number for one in store.changes(6).changes]
        assert numbers == list(range(7, store.last_change() + 1))
    (finding,) = (one for one in inb.doctor(path=path).findings if one.subject == "file")
    assert "2 workflows, all readable; all match their checksums" in finding.words


@pytest.mark.usefixtures("old")
def test_it_has_the_tables_of_a_new_file_then(path: Path, tmp_path: Path) -> None:
    for each in (path, tmp_path / "new.db"):
        SqliteStore(each).close()
    assert tables(path) == tables(tmp_path / "new.db")
