"""Opening the database of what is kept: made where it is missing, refused where it is not ours."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from inngest_nb.errors import StoreFileError
from inngest_nb.store.tables import write_ahead

_APPLICATION_ID = 0x694E4E52  # "iNNR"
_SCHEMA_VERSION = 1
_BUSY_SECONDS = 30.0
_MOST_PAGES = 65_536  # of 4 KiB, in memory

# Files of the same version may have been made without it.
_STARTS = "CREATE TABLE IF NOT EXISTS starts (run_id TEXT PRIMARY KEY, at INTEGER) WITHOUT ROWID"
_SCHEMA = (
    "CREATE TABLE server (url TEXT NOT NULL)",
    # Runs that were read with and without their outputs are kept apart: neither takes the
    # other's place.
    """
    CREATE TABLE runs (
        outputs INTEGER NOT NULL,
        run_id TEXT NOT NULL,
        at INTEGER NOT NULL,
        settled INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (outputs, run_id)
    )
    """,
    "CREATE INDEX runs_by_time ON runs (outputs, at DESC, run_id DESC)",
    "CREATE INDEX runs_open ON runs (outputs, at) WHERE NOT settled",
    """
    CREATE TABLE spans (
        outputs INTEGER NOT NULL, scope TEXT NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL
    )
    """,
    "CREATE TABLE names (event_id TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID",
)


def open_database(path: Path | None, url: str) -> sqlite3.Connection:
    """Connect to the file of what is kept of a server, or to a new database in memory."""
    address = ":memory:"
    if path is not None:
        address = str(path)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    database = sqlite3.connect(
        address, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(database, path, url)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path | None, url: str) -> None:
    """Look at what is there before anything is written; make what is missing."""
    if path is None:
        database.execute(f"PRAGMA max_page_count = {_MOST_PAGES}")
    database.execute("BEGIN IMMEDIATE")
    try:
        if _told(database, "SELECT count(*) FROM sqlite_master"):
            _check(database, path)
        else:
            for statement in _SCHEMA:
                database.execute(statement)
            database.execute("INSERT INTO server VALUES (?)", (url,))
            database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        whose = _told(database, "SELECT url FROM server")
        if whose != url:
            raise refused(path, f"has the runs of {whose}, not of {url}")
        database.execute(_STARTS)
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    # What a power cut takes of it is fetched again.
    write_ahead(database)
    database.execute("PRAGMA synchronous = NORMAL")


def _check(database: sqlite3.Connection, path: Path | None) -> None:
    if _told(database, "PRAGMA application_id") != _APPLICATION_ID:
        raise refused(path, "is a database of something else, not of runs")
    if _told(database, "PRAGMA user_version") != _SCHEMA_VERSION:
        raise refused(path, "was written by another version of inngest_nb")
    if (found := _told(database, "PRAGMA quick_check(1)")) != "ok":
        raise refused(path, f"is damaged ({found})")


def _told(database: sqlite3.Connection, asked: str) -> object:
    return database.execute(asked).fetchone()[0]


@contextlib.contextmanager
def in_words(path: Path | None) -> Iterator[None]:
    """Raise `StoreFileError` for what goes wrong with a file."""
    try:
        yield
    except OSError as error:
        raise refused(path, f"cannot be opened ({error.strerror})") from error
    except (sqlite3.Error, ValueError) as error:  # which includes what is no JSON
        raise refused(path, f"cannot be used ({error})") from error


def refused(path: Path | None, why: str) -> StoreFileError:
    """Make the error for a file that is not to be used."""
    return StoreFileError(
        f"cache: {path or 'memory'} {why}; it was not changed",
        target=str(path),
        hint="pass the path of another file as cache=, or leave it out to keep runs in memory",
    )
