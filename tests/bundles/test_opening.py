"""A bundle is verified before anything is shown of it; what is wrong is said, and what to do."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from frame_states import go_states, state

import inngest_nb as inb
from inngest_nb import (
    ReadOnlyStoreError,
    SqliteStore,
    StoreFileError,
    WorkflowStore,
    wire,
)
from inngest_nb.bundles._checksum import stamp
from inngest_nb.store import HeadStore, Write

STATES = go_states()[:5]
NOBODY = 65534


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "incident.db"
    inb.export(STATES, path)
    return path


@pytest.fixture
def path(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(exported, tmp_path / "incident.db"))


def forged(path: Path, change: Callable[[sqlite3.Connection], object]) -> None:
    """Change a bundle by SQL, and give it a checksum that matches, as somebody could."""
    mark = "0" * 63 + "f"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE bundle SET value = ? WHERE key = 'checksum'", (mark,))
        change(database)
    stamp(path, mark)


def refusal(path: Path) -> StoreFileError:
    with pytest.raises(StoreFileError) as raised:
        inb.open_bundle(path)
    assert str(path) in str(raised.value)
    assert raised.value.target == str(path)
    assert raised.value.__notes__
    return raised.value


# A store that can only be read


def test_a_bundle_is_a_store_that_lists_without_documents_too(path: Path) -> None:
    with inb.open_bundle(path) as bundle:
        assert isinstance(bundle, WorkflowStore)
        assert isinstance(bundle, HeadStore)
        ids = {one.workflow_id for one in STATES}
        assert {head.workflow_id for head in bundle.heads()} == ids
        assert bundle.refresh() == len(STATES)
        assert len(bundle.fetch(limit=2)) == 2
    with pytest.raises(StoreFileError, match="the store is closed"):
        bundle.list()


def test_whatever_would_change_a_bundle_is_refused_with_what_to_do(path: Path) -> None:
    before = path.read_bytes()
    with inb.open_bundle(path) as bundle:
        assert not bundle.can_append()
        assert not bundle.can_share()
        write = Write(STATES[0].workflow_id, wire.encode(STATES[0]), whole=True)
        changes: dict[str, Callable[[], object]] = {
            "save": lambda: bundle.save(state("new")),
            "delete": lambda: bundle.delete(STATES[0].workflow_id),
            "send": lambda: bundle.hold_lease("me", 60),
        }
        for operation, change in changes.items():
            with pytest.raises(ReadOnlyStoreError, match="can only be read") as raised:
                change()
            assert raised.value.operation == operation
            assert "inb.import_bundle('incident.db', store)" in raised.value.__notes__[0]
        (outcome,) = bundle.append_history([write])
        assert isinstance(outcome, ReadOnlyStoreError)
        assert len(bundle.list()) == len(STATES)
    assert path.read_bytes() == before


def test_many_threads_read_a_bundle_at_once(path: Path) -> None:
    found: list[int] = []
    with inb.open_bundle(path) as bundle:
        threads = [
            threading.Thread(target=lambda: found.append(len(bundle.list()))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [len(STATES)] * 8


@pytest.fixture
def unwritable(exported: Path) -> Iterator[Path]:
    """A bundle in a folder of which this process may change nothing."""
    folder = Path(tempfile.mkdtemp())
    shutil.copy(exported, folder / "incident.db")
    (folder / "incident.db").chmod(0o444)
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:  # root may write anywhere
        os.seteuid(NOBODY)
    try:
        yield folder / "incident.db"
    finally:
        os.seteuid(user)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_bundle_on_a_read_only_disk_is_read(unwritable: Path) -> None:
    with inb.open_bundle(unwritable) as bundle:
        assert len(bundle.list()) == len(STATES)
        assert bundle.load(STATES[0].workflow_id) == STATES[0]
        with pytest.raises(ReadOnlyStoreError):
            bundle.save(STATES[0])
    assert os.listdir(unwritable.parent) == ["incident.db"]
    with pytest.raises(StoreFileError, match="cannot write .*Permission denied"):
        inb.export(STATES, unwritable, overwrite=True)


def test_a_bundle_that_may_not_be_read_is_told(unwritable: Path) -> None:
    user = os.geteuid()
    os.seteuid(os.getuid())
    unwritable.chmod(0)
    os.seteuid(user)
    with pytest.raises(StoreFileError, match="cannot read .*Permission denied"):
        inb.open_bundle(unwritable)


def test_a_log_that_lies_beside_a_bundle_is_not_read(path: Path) -> None:
    for end in ("-wal", "-journal", "-shm"):
        Path(f"{path}{end}").write_bytes(b"\xd9\xd5\x05\xf9 \xa1c\xd7" + os.urandom(5_000))
    before = {each: each.read_bytes() for each in path.parent.iterdir()}
    with inb.open_bundle(path) as bundle:
        assert len(bundle.list()) == len(STATES)
    assert {each: each.read_bytes() for each in path.parent.iterdir()} == before


def test_a_bundle_that_is_replaced_while_it_is_open_is_told(path: Path) -> None:
    with inb.open_bundle(path) as bundle:
        with bundle._table._reader():  # the connection that is at hand is in use
            inb.export([state("other")], path, overwrite=True)
            with pytest.raises(StoreFileError, match="changed or replaced after it was opened"):
                bundle.list()
    with inb.open_bundle(path) as bundle:
        assert [one.workflow_id for one in bundle.list()] == ["other"]


def test_a_store_does_not_open_a_bundle(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(StoreFileError, match="is a bundle, which can only be read") as raised:
        SqliteStore(path)
    assert "inb.open_bundle(path)" in raised.value.__notes__[0]
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


# What is no bundle


def test_what_is_not_there_or_not_a_file_is_told(tmp_path: Path) -> None:
    assert "there is no file" in str(refusal(tmp_path / "nowhere.db"))
    assert "is a folder" in str(refusal(tmp_path))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04", "is not a bundle"),
        (b"{}" * 100, "is not a bundle"),
        (b"SQLite format 3\0", "is not a bundle"),
        (b"SQLite format 3\0" + bytes(200), "another program"),
    ],
)
def test_a_file_of_another_kind_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "incident.db"
    path.write_bytes(content)
    assert words in str(refusal(path))


def test_the_file_of_a_store_is_told_with_how_to_open_it(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with SqliteStore(path) as store:
        store.save(state())
    error = refusal(path)
    assert "is the file of a store" in str(error)
    assert "inb.SqliteStore(path)" in error.__notes__[0]


def test_a_database_of_another_program_is_told(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE workflows (a)")
    assert "another program" in str(refusal(path))


def test_a_bundle_of_another_version_is_told(path: Path, exported: Path) -> None:
    forged(path, lambda database: database.execute("PRAGMA user_version = 999"))
    error = refusal(path)
    assert "newer inngest_nb (schema 999)" in str(error)
    assert error.__notes__ == ["update inngest_nb"]
    shutil.copy(exported, path)
    forged(path, lambda database: database.execute("PRAGMA user_version = 1"))
    assert "older inngest_nb (schema 1)" in str(refusal(path))
    shutil.copy(exported, path)
    newer = "UPDATE bundle SET value = replace(value, '\"format\":1', '\"format\":2')"
    forged(path, lambda database: database.execute(newer))
    assert "newer inngest_nb (format 2)" in str(refusal(path))


# Damage


def test_a_bundle_that_was_not_received_whole_is_told(path: Path, exported: Path) -> None:
    whole = exported.read_bytes()
    for size in (99, 100, 4_096, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        refusal(path)
    assert "is incomplete" in str(refusal(path))
    path.write_bytes(whole + b"\0")
    refusal(path)


def test_each_changed_byte_is_noticed(path: Path, exported: Path) -> None:
    whole = exported.read_bytes()
    luck = random.Random(12)
    places = [*range(100), *luck.sample(range(100, len(whole)), 200)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << luck.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(StoreFileError):
            inb.open_bundle(path)


def test_a_page_of_zeros_and_pages_that_changed_places_are_noticed(
    path: Path, exported: Path
) -> None:
    whole = exported.read_bytes()
    pages = [whole[at : at + 4096] for at in range(0, len(whole), 4096)]
    for number in range(len(pages)):
        path.write_bytes(b"".join([*pages[:number], bytes(4096), *pages[number + 1 :]]))
        if pages[number].strip(b"\0"):
            refusal(path)
    swapped = [pages[0], pages[2], pages[1], *pages[3:]]
    path.write_bytes(b"".join(swapped))
    refusal(path)


# Harm


HOSTILE = {
    "a trigger": "CREATE TRIGGER bad AFTER INSERT ON bundle BEGIN DELETE FROM workflows; END",
    "a view": "CREATE VIEW more AS SELECT * FROM workflows",
    "a table": "CREATE TABLE more (a, b)",
    "an index": "CREATE INDEX more ON workflows (upper(status))",
    "a virtual table": "CREATE VIRTUAL TABLE more USING fts5(a)",
    "a view in place of a table": "DROP TABLE bundle; CREATE VIEW bundle AS "
    "SELECT 'info' AS key, randomblob(1000000000) AS value",
    "no table of its own": "DROP TABLE bundle",
    "a missing index": "DROP INDEX workflows_newest",
    "a generated column": "ALTER TABLE checked_documents ADD COLUMN bad "
    "GENERATED ALWAYS AS (randomblob(1000000000))",
    "a changed definition": "UPDATE sqlite_master SET sql = replace(sql, 'BLOB', 'CLOB') "
    "WHERE name = 'checked_documents'",
    "a definition that is no SQL": "UPDATE sqlite_master SET sql = 'CREATE TABLE checked_documents (' "
    "WHERE name = 'checked_documents'",
    "a very long definition": f"CREATE TABLE more (a DEFAULT '{'x' * 200_000}')",
    "very many tables": "WITH RECURSIVE n (i) AS (SELECT 1 UNION SELECT i + 1 FROM n LIMIT 100000) "
    "INSERT INTO sqlite_master SELECT 'table', 't' || i, 't' || i, 2, "
    "'CREATE TABLE t' || i || ' (a)' FROM n",
}


@pytest.mark.parametrize("harm", HOSTILE.values(), ids=HOSTILE)
def test_a_file_that_defines_anything_else_is_refused_unread(path: Path, harm: str) -> None:
    with contextlib.suppress(ValueError):  # where there is no place for the checksum any more
        forged(path, lambda database: database.executescript(f"BEGIN; {harm}; COMMIT"))
    before = path.read_bytes()
    words = str(refusal(path))
    assert "defines other tables" in words or "is damaged" in words
    assert path.read_bytes() == before


def test_rows_without_end_are_noticed(path: Path) -> None:
    """A page that is its own child would give rows for ever."""
    content = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as database:
        (root,) = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'checked_documents'"
        ).fetchone()
    page = (root - 1) * 4096
    # An interior page with 300 cells whose child is the page itself.
    content[page : page + 12] = b"\x05\0\0" + (300).to_bytes(2) + b"\x05\0\0" + root.to_bytes(4)
    for number in range(300):
        place = 4096 - 5 * (number + 1)
        content[page + 12 + 2 * number : page + 14 + 2 * number] = place.to_bytes(2)
        content[page + place : page + place + 5] = root.to_bytes(4) + b"\1"
    mark = b"0" * 64
    with closing(sqlite3.connect(path)) as database:
        (checksum,) = database.execute("SELECT value FROM bundle WHERE key = 'checksum'").fetchone()
    path.write_bytes(bytes(content).replace(checksum.encode(), mark))
    stamp(path, mark.decode())
    assert "is damaged" in str(refusal(path))


@pytest.mark.parametrize(
    "info",
    ["", "{}", "7", '{"format":1,"workflows":"many"}', "[" * 5_000, '{"format":1,"a":"\\ud800"}',
     '{"format":1,"workflows":1,"events":1,"statuses":{},"exported_at":"2026-01-01T00:00:00Z","author":"%s"}' % ("x" * 1_100_000)],
    ids=["empty", "nothing", "number", "types", "deep", "surrogate", "long"],
)  # fmt: skip
def test_what_a_bundle_says_of_itself_has_to_be_what_we_write(path: Path, info: str) -> None:
    def change(database: sqlite3.Connection) -> None:
        database.execute("UPDATE bundle SET value = ? WHERE key = 'info'", (info,))

    forged(path, change)
    assert "is damaged" in str(refusal(path))


def test_rows_that_only_a_forger_would_write_are_left_out_and_named(path: Path) -> None:
    def change(database: sqlite3.Connection) -> None:
        database.execute(
            "UPDATE checked_documents SET body = '[]', checksum = NULL WHERE number = 1"
        )
        database.execute("UPDATE workflows SET updated_us = 1 << 62 WHERE number = 2")
        database.execute("UPDATE checked_documents SET checksum = 'x' WHERE number = 3")

    forged(path, change)
    with inb.open_bundle(path) as bundle:
        listing = bundle.list()
        assert len(listing) == len(STATES) - 3
        assert len(listing.unreadable) == 3


def test_damage_after_the_opening_is_told_when_it_is_read(path: Path) -> None:
    with inb.open_bundle(path) as bundle:
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(path.stat().st_size - 4096))
        with pytest.raises(StoreFileError):
            bundle.list()


FORKED = """
import os, sys
import inngest_nb as inb
bundle = inb.open_bundle(sys.argv[1])
count = len(bundle.list())
if (child := os.fork()) == 0:
    os._exit(len(bundle.list()))
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == count
bundle.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes can be forked")
def test_a_forked_process_reads_with_connections_of_its_own(path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORKED, str(path)], check=True)


def test_a_bundle_without_pandas_is_opened_and_exported(tmp_path: Path) -> None:
    code = (
        "import sys, inngest_nb as inb; from inngest_nb import WorkflowState as W; "
        "print(inb.export([W(workflow_id='a')], sys.argv[1]), inb.open_bundle(sys.argv[1]).list());"
        "assert not {'pandas', 'ipywidgets', 'jinja2'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.db")], check=True)
