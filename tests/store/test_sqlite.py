"""The file of an SqliteStore: private, shared, and left alone when it is not ours."""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from started_threads import left_since, threads

from inngest_nb import SqliteStore, WorkflowState
from inngest_nb.errors import StoreFileError
from inngest_nb.store.rows import write_of
from inngest_nb.store.tables import SqliteTable

X = WorkflowState(workflow_id="x")


def execute(path: Path, sql: str) -> list[Any]:
    """Do something to the file behind the store's back."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        return database.execute(sql).fetchall()


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / ".inngest-nb" / "state.db"
    with SqliteStore(path) as store:
        store.save(X)
        files = [path, *path.parent.glob("state.db-*")]
        assert len(files) == 3
        assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (path.parent / ".gitignore").read_text() == "*\n"


def test_two_stores_share_a_file(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as one, SqliteStore(tmp_path / "s.db") as other:
        one.save(X)
        other.save(X.replace(error="from the other"))
        loaded = one.load("x")
        assert loaded is not None
        assert loaded.error == "from the other"


def test_what_was_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store:
        store.save(X)
    with SqliteStore(tmp_path / "s.db") as store:
        assert store.list() == [X]


def test_a_save_is_durable_when_it_returns(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store:
        store.save(X)
        assert execute(tmp_path / "s.db", "PRAGMA journal_mode") == [("wal",)]
        assert execute(tmp_path / "s.db", "SELECT workflow_id FROM workflows") == [("x",)]


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"\x00" * 4096])
def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(content)

    with pytest.raises(StoreFileError, match=r"s\.db"):
        SqliteStore(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    execute(path, "CREATE TABLE theirs (x)")
    before = path.read_bytes()

    with pytest.raises(StoreFileError, match="another program"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_file_of_a_newer_version_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    SqliteStore(path).close()
    execute(path, "PRAGMA user_version = 99")

    with pytest.raises(StoreFileError, match="newer inngest_nb"):
        SqliteStore(path)


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFileError, match="cannot create"):
        SqliteStore(tmp_path / "file" / "s.db")


def test_a_damaged_table_is_told_and_the_writer_goes_on(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store:
        store.save(X)
        execute(tmp_path / "s.db", "ALTER TABLE workflows RENAME TO away")
        with pytest.raises(StoreFileError, match="no such table"):
            store.save(X)
        with pytest.raises(StoreFileError, match="no such table"):
            store.load("x")
        execute(tmp_path / "s.db", "ALTER TABLE away RENAME TO workflows")
        store.save(X.replace(error="again"))
        loaded = store.load("x")
        assert loaded is not None
        assert loaded.error == "again"


def test_a_closed_store_says_so_and_leaves_no_thread(tmp_path: Path) -> None:
    before = threads()
    store = SqliteStore(tmp_path / "s.db")
    store.save(X)
    store.close()
    store.close()

    assert left_since(before) == []
    for operation in (lambda: store.save(X), lambda: store.load("x"), store.list):
        with pytest.raises(StoreFileError, match="closed"):
            operation()


def test_an_unclosed_store_lets_go_of_its_file_with_the_last_reference(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    store.save(X)
    assert store.list() == [X]
    assert open_files(tmp_path)
    del store
    gc.collect()
    assert open_files(tmp_path) == []


def test_an_unclosed_table_ends_its_thread_with_the_last_reference(tmp_path: Path) -> None:
    before = threads()
    table = SqliteTable(tmp_path / "s.db")
    written: queue.SimpleQueue[Sequence[object]] = queue.SimpleQueue()
    table.apply_soon([write_of(X)], written.put)
    assert written.get(timeout=60) == [None]
    (writer,) = threads() - before
    assert writer.name == "inngest-nb-writer"
    del table
    gc.collect()
    writer.join(10)
    assert not writer.is_alive()
    assert open_files(tmp_path) == []


FORKING = """
import os, sys, threading
from inngest_nb import SqliteStore, WorkflowState
store = SqliteStore(sys.argv[1])
store.save(WorkflowState(workflow_id="before"))
store.list()
entered, leave = threading.Event(), threading.Event()
def hold():  # the child's copy of this lock is never released
    with store._table._commits._turn:
        entered.set()
        leave.wait()
thread = threading.Thread(target=hold)
thread.start()
entered.wait()
child = os.fork()
if not child:
    store.save(WorkflowState(workflow_id="child"))
    print(sorted(state.workflow_id for state in store.list()), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
leave.set()
thread.join()
store.save(WorkflowState(workflow_id="parent"))
print(sorted(state.workflow_id for state in store.list()))
store.close()
"""


def test_a_forked_process_has_connections_of_its_own(tmp_path: Path) -> None:
    """F18: it neither hangs on a lock of its parent's nor disturbs the parent."""
    path = tmp_path / "s.db"
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["['before', 'child']", "['before', 'child', 'parent']"]
    assert execute(path, "PRAGMA integrity_check") == [("ok",)]


def open_files(folder: Path) -> list[str]:
    goals = []
    for link in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the folder's own descriptor is closed by now
            goals.append(os.readlink(f"/proc/self/fd/{link}"))
    return [goal for goal in goals if goal.startswith(str(folder))]
