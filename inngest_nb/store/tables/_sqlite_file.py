"""The file of an SqliteTable: made, brought to the present schema, or refused with words."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from inngest_nb.errors import StoreFileError

_APPLICATION_ID = 0x694E4E42  # "iNNB"
_SCHEMA_VERSION = 3
_BUSY_SECONDS = 30.0
_BUSY_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

# Which executor runs what, what is sent to whoever does, and what was done under which name. Only
# running workflows are indexed, by nothing but their owner: neither those that ended nor the steps
# of those that run touch this index.
_SHARING = (
    "CREATE INDEX workflows_running ON workflows (owner) WHERE status = 'running'",
    "CREATE TABLE leases (owner TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID",
    """
    CREATE TABLE messages (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        recipient TEXT NOT NULL,
        kind TEXT NOT NULL,
        payload BLOB NOT NULL,
        sent REAL NOT NULL
    )
    """,
    "CREATE INDEX messages_to ON messages (recipient, number)",
    """
    CREATE TABLE keys (
        number INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE,
        request BLOB NOT NULL,
        at REAL NOT NULL
    )
    """,
)
# A workflow is the document that was saved whole last and the partial ones appended since, a row
# each, so that appending touches nothing of what is there. There is one index for all listings,
# because each index costs every append a page: it has all that a listing needs but the document.
_SCHEMA = (
    """
    CREATE TABLE workflows (
        number INTEGER PRIMARY KEY,
        workflow_id TEXT NOT NULL UNIQUE,
        status TEXT NOT NULL,
        updated_us INTEGER NOT NULL,
        first_saved_us INTEGER,
        etag TEXT NOT NULL,
        owner TEXT NOT NULL DEFAULT ''
    )
    """,
    """
    CREATE INDEX workflows_newest
    ON workflows (updated_us DESC, workflow_id, status, etag, first_saved_us)
    """,
    "CREATE TABLE documents (number INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    """
    CREATE TABLE parts (
        number INTEGER PRIMARY KEY,
        workflow INTEGER NOT NULL,
        body BLOB NOT NULL
    )
    """,
    "CREATE INDEX parts_of_workflow ON parts (workflow)",
    *_SHARING,
)
# Schema 1 had the document in the workflow's row, and no etag.
_FROM_SCHEMA_1 = (
    "ALTER TABLE workflows RENAME TO workflows_1",
    "DROP INDEX workflows_newest",
    "DROP INDEX workflows_status",
    *_SCHEMA,
    """
    INSERT INTO workflows
    SELECT number, workflow_id, status, updated_us, first_saved_us, lower(hex(randomblob(9))), ''
    FROM workflows_1
    """,
    "INSERT INTO documents SELECT number, document FROM workflows_1",
    "DROP TABLE workflows_1",
)
# Schema 2 kept leases in the documents; they are a minute long, and all of them have ended.
_FROM_SCHEMA_2 = ("ALTER TABLE workflows ADD COLUMN owner TEXT NOT NULL DEFAULT ''", *_SHARING)


def make_private(path: Path) -> None:
    """Create the file for its owner alone; one that is there stays as it is."""
    try:
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True)
            if path.parent.name == ".inngest-nb":
                (path.parent / ".gitignore").write_text("*\n")
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreFileError(
            f"cannot create {path}: {error.strerror}",
            target=str(path),
            hint="give another path=, in a folder that you may write to",
        ) from error


def open_file(path: Path) -> sqlite3.Connection:
    """Connect to the file, which has the present schema then."""
    database = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    version = _checked_version(database, path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    if version == _SCHEMA_VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        version = _checked_version(database, path)  # another process may have been faster
        steps = {0: _SCHEMA, 1: _FROM_SCHEMA_1, 2: _FROM_SCHEMA_2}.get(version, ())
        for statement in steps:
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _checked_version(database: sqlite3.Connection, path: Path) -> int:
    """Give the schema's version, 0 for an empty file; refuse what is not ours to touch."""
    application, version = (
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("application_id", "user_version")
    )
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and application != _APPLICATION_ID:
        raise StoreFileError(
            f"{path} is a database of another program; it was left as it is",
            target=str(path),
            hint="give another path=",
        )
    if version > _SCHEMA_VERSION:
        raise StoreFileError(
            f"{path} was written by a newer inngest_nb (schema {version}); it was left as it is",
            target=str(path),
            hint="update inngest_nb, or give another path=",
        )
    return int(version)


@contextlib.contextmanager
def words_for(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, with the file's name and something to try."""
    try:
        yield
    except sqlite3.Error as error:
        raise in_words(error, path) from error


def in_words(error: sqlite3.Error, path: Path) -> StoreFileError:
    """Say what SQLite says, with the file's name and something to try."""
    hint = "nothing of it was written"
    for text, advice in _ADVICE.items():
        if text in str(error):
            hint = advice
    told = StoreFileError(f"{path}: {error}", target=str(path), hint=hint)
    told.busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY_CODES
    return told


_ADVICE = {
    "not a database": "the file was left as it is; give another path=",
    "malformed": "the file is damaged and was left as it is; restore it, or give another path=",
    "full": "nothing of it was written; make room on the disk and try again",
    "locked": "another process holds the file for longer than 30 s; close it and try again",
    "readonly": "the file may not be written to; give another path=",
}
