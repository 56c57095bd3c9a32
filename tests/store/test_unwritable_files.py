"""A file that cannot be written to, and a disk without room: read what is there, say what is not."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from inngest_nb import InngestStore, SqliteStore, StateServer, WorkflowState
from inngest_nb.errors import StoreFileError, StoreStatusError

# A store says this only after it has waited half a minute for the other process.
from inngest_nb.store.tables.sqlite.file import in_words

X = WorkflowState(workflow_id="x")
NOBODY = 65534


@pytest.fixture
def unwritable() -> Iterator[Path]:
    """A file in a folder of which this process may change nothing."""
    folder = Path(tempfile.mkdtemp())
    with SqliteStore(folder / "s.db") as store:
        store.save(X)
    (folder / "s.db").chmod(0o444)
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:  # root may write anywhere
        os.seteuid(NOBODY)
    try:
        yield folder / "s.db"
    finally:
        os.seteuid(user)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_file_on_a_read_only_disk_opens_for_reading(unwritable: Path) -> None:
    with SqliteStore(unwritable) as store:
        assert store.load("x") == X
        assert store.list() == [X]
        for write in (lambda: store.save(X), lambda: store.delete("x")):
            with pytest.raises(StoreFileError, match="readonly") as refused:
                write()
            assert "open for reading only" in refused.value.__notes__[0]
        assert store.list() == [X]
    assert os.listdir(unwritable.parent) == ["s.db"]


def test_a_state_server_serves_a_file_on_a_read_only_disk(unwritable: Path) -> None:
    with StateServer(unwritable, port=0) as server, InngestStore(server.url) as store:
        assert store.load("x") == X
        assert store.fetch() == [X]
        with pytest.raises(StoreStatusError) as refused:
            store.save(X)
        assert (refused.value.status, "readonly" in refused.value.reason) == (503, True)


def test_a_file_that_is_not_there_cannot_be_made_on_a_read_only_disk(unwritable: Path) -> None:
    with pytest.raises(StoreFileError, match="cannot create"):
        SqliteStore(unwritable.parent / "other.db")


WITHOUT_ROOM = """
import resource, sys
from inngest_nb import InngestStore, SqliteStore, StateServer, WorkflowState
path, when = sys.argv[1:]
def no_room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    if when == "start":
        no_room(100)
        SqliteStore(path)
    elif when == "save":
        with SqliteStore(path) as store:
            store.save(WorkflowState(workflow_id="x"))
            no_room(100_000)
            store.save(WorkflowState(workflow_id="y", input="y" * 200_000))
    else:
        with StateServer(path, port=0) as server, InngestStore(server.url) as store:
            store.save(WorkflowState(workflow_id="x"))
            no_room(100_000)
            store.save(WorkflowState(workflow_id="y", input="y" * 200_000))
except Exception as error:
    print(type(error).__name__, error, *error.__notes__, sep="|")
"""


@pytest.mark.parametrize(
    ("when", "kind", "words"),
    [
        ("start", "StoreFileError", "no space left to write"),
        ("save", "StoreFileError", "no space left to write"),
        ("serve", "StoreStatusError", "status 507"),
    ],
)
def test_a_disk_without_room_is_told_by_that(
    tmp_path: Path, when: str, kind: str, words: str
) -> None:
    command = [sys.executable, "-c", WITHOUT_ROOM, str(tmp_path / "s.db"), when]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    name, text, *notes = done.stdout.strip().split("|")
    assert (name, words in text) == (kind, True), done.stdout
    assert "space" in " ".join(notes)


def test_a_held_file_in_a_folder_named_full_is_not_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "half-full" / "s.db"
    SqliteStore(path).close()
    holder, late = (sqlite3.connect(path, timeout=0, isolation_level=None) for _ in "ab")
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError) as held:
        late.execute("BEGIN IMMEDIATE")
    told = in_words(held.value, path)
    assert (told.full, told.busy) == (False, True)
    assert "another process" in told.__notes__[0]
    holder.close()
    late.close()
