"""Opens the file of an SqliteTable: creates it, migrates it to the current schema or rejects it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from inngest_nb.errors import StoreFileError
from inngest_nb.store.tables.sqlite.rows import checksum_of

APPLICATION_ID = 0x694E4E42  # "iNNB"
BUNDLE_ID = 0x694E4E62  # "iNNb": the same tables in a file that can only be read
_SCHEMA_VERSION = 5
_BUSY_SECONDS = 30.0
# How large the write-ahead log may become (16 MB) before a commit copies its pages into the file.
# SQLite's 1,000 pages are 200 commits of a busy engine, and it writes the same pages each time.
_WAL_PAGES = 4_000
ERRORS = (sqlite3.Error, UnicodeDecodeError)  # what connections raise
_BUSY_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# SQLite reports a file size limit, and a disk that is full on opening, as I/O errors.
_FULL_CODES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)

# Leases, messages and idempotency keys. The index contains only running workflows, by owner, so
# that neither finished workflows nor the steps of running ones need to update it.
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
# An older version without checksums may still have the file open during the migration. This removes
# the checksum of a document that it updates; our own writes replace rows instead.
_CHANGED_UNCHECKED = """
CREATE TRIGGER documents_unchecked AFTER UPDATE OF body ON documents BEGIN
    UPDATE documents SET checksum = NULL WHERE number = new.number;
    UPDATE workflows SET parts_checksum = 0 WHERE number = new.number;
END
"""
_NEWEST = "CREATE INDEX workflows_newest ON workflows (updated_us DESC, workflow_id, status)"
# Each change of a workflow has a number, in the order of the commits. Triggers write it, so that a
# process of an older version, which still has the file open, numbers its changes, too. A head is
# what a listing tells of a workflow without its document; it is made later, from the changes
# numbered above `about.indexed`, so that saving doesn't wait for it. `about.feed` tells this file's
# numbers from those of another. What frames and searches often look
# at is kept beside the heads.
_CHANGES = (
    """
    CREATE TABLE changes (
        number INTEGER PRIMARY KEY,
        workflow INTEGER NOT NULL,
        workflow_id TEXT NOT NULL,
        deleted INTEGER NOT NULL
    )
    """,
    """
    CREATE TRIGGER workflows_added AFTER INSERT ON workflows BEGIN
        INSERT INTO changes (workflow, workflow_id, deleted)
        VALUES (new.number, new.workflow_id, 0);
    END
    """,
    """
    CREATE TRIGGER workflows_changed AFTER UPDATE OF etag ON workflows BEGIN
        INSERT INTO changes (workflow, workflow_id, deleted)
        VALUES (new.number, new.workflow_id, 0);
    END
    """,
    """
    CREATE TRIGGER workflows_deleted AFTER DELETE ON workflows BEGIN
        INSERT INTO changes (workflow, workflow_id, deleted)
        VALUES (old.number, old.workflow_id, 1);
    END
    """,
    """
    CREATE TABLE heads (
        number INTEGER PRIMARY KEY,
        workflow_id TEXT NOT NULL,
        run_id TEXT NOT NULL,
        workflow TEXT NOT NULL,
        status TEXT NOT NULL,
        began_us INTEGER,
        is_estimated INTEGER NOT NULL,
        updated_us INTEGER NOT NULL,
        ended_us INTEGER,
        events INTEGER NOT NULL,
        activities INTEGER NOT NULL,
        retries INTEGER NOT NULL,
        step TEXT NOT NULL,
        waiting_for TEXT NOT NULL,
        signal TEXT NOT NULL,
        error TEXT NOT NULL,
        parent_id TEXT NOT NULL,
        owner TEXT NOT NULL,
        first_saved_us INTEGER,
        etag TEXT NOT NULL,
        flaw TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE details (
        number INTEGER PRIMARY KEY,
        activities BLOB,
        events BLOB,
        input BLOB,
        result BLOB
    )
    """,
    "CREATE INDEX heads_newest ON heads (updated_us DESC, workflow_id)",
    "CREATE TABLE about (feed TEXT NOT NULL, indexed INTEGER NOT NULL)",
    "INSERT INTO about VALUES (lower(hex(randomblob(8))), 0)",
)
# A workflow is its last whole document and the partial ones appended since, each in its own row, so
# that appending does not touch existing rows. One index serves all listings, because every index
# costs each append a page.
_SCHEMA = (
    """
    CREATE TABLE workflows (
        number INTEGER PRIMARY KEY,
        workflow_id TEXT NOT NULL UNIQUE,
        status TEXT NOT NULL,
        updated_us INTEGER NOT NULL,
        first_saved_us INTEGER,
        etag TEXT NOT NULL,
        owner TEXT NOT NULL DEFAULT '',
        parts_checksum INTEGER NOT NULL DEFAULT 0
    )
    """,
    _NEWEST,
    "CREATE TABLE documents (number INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER)",
    """
    CREATE TABLE parts (
        number INTEGER PRIMARY KEY,
        workflow INTEGER NOT NULL,
        body BLOB NOT NULL,
        checksum INTEGER
    )
    """,
    "CREATE INDEX parts_of_workflow ON parts (workflow)",
    _CHANGED_UNCHECKED,
    *_SHARING,
    *_CHANGES,
)
# Schema 1 had the document in the workflow's row, and no etag.
_FROM_SCHEMA_1 = (
    "ALTER TABLE workflows RENAME TO workflows_1",
    "DROP INDEX workflows_newest",
    "DROP INDEX workflows_status",
    *_SCHEMA,
    """
    INSERT INTO workflows
    SELECT number, workflow_id, status, updated_us, first_saved_us, lower(hex(randomblob(9))), '', 0
    FROM workflows_1
    """,
    """
    INSERT INTO documents
    SELECT number, document, checksum_of(CAST(workflow_id AS BLOB), CAST(document AS BLOB))
    FROM workflows_1
    """,
    "DROP TABLE workflows_1",
)
# Schema 4 did not number changes, and its index had more columns, which took time to write.
_FROM_SCHEMA_4 = (
    *_CHANGES,
    "DROP INDEX workflows_newest",
    _NEWEST,
    """
    INSERT INTO changes (workflow, workflow_id, deleted)
    SELECT number, workflow_id, 0 FROM workflows ORDER BY updated_us
    """,
)
# Schema 3 had no checksums.
_FROM_SCHEMA_3 = (
    "ALTER TABLE documents ADD COLUMN checksum INTEGER",
    "ALTER TABLE parts ADD COLUMN checksum INTEGER",
    """
    UPDATE documents SET checksum = (
        SELECT checksum_of(CAST(workflow_id AS BLOB), CAST(body AS BLOB))
        FROM workflows WHERE number = documents.number)
    """,
    """
    UPDATE parts SET checksum = (
        SELECT checksum_of(CAST(workflow_id AS BLOB), CAST(body AS BLOB))
        FROM workflows WHERE number = parts.workflow)
    """,
    "ALTER TABLE workflows ADD COLUMN parts_checksum INTEGER NOT NULL DEFAULT 0",
    """
    UPDATE workflows SET parts_checksum = 0xFFFFFFFF & (
        SELECT sum(checksum) FROM parts WHERE workflow = workflows.number)
    WHERE EXISTS (SELECT 1 FROM parts WHERE workflow = workflows.number AND checksum IS NOT NULL)
    """,
    _CHANGED_UNCHECKED,
    *_FROM_SCHEMA_4,
)
# Schema 2 kept leases in the documents; they lasted a minute, so all of them have expired.
_FROM_SCHEMA_2 = (
    "ALTER TABLE workflows ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
    *_SHARING,
    *_FROM_SCHEMA_3,
)
_STEPS = {0: _SCHEMA, 1: _FROM_SCHEMA_1, 2: _FROM_SCHEMA_2, 3: _FROM_SCHEMA_3, 4: _FROM_SCHEMA_4}


class Schema(NamedTuple):
    """What a file of a version defines: the type, name, table and SQL of each object."""

    objects: frozenset[tuple[object, ...]]
    version: int


def make_private(path: Path) -> None:
    """Create the file with access for its owner only; an existing file is not changed."""
    if path.exists() and not _can_write(path):
        return  # it will be opened for reading
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
            hint="pass a different path= in a folder that you can write to",
        ) from error


def _can_write(path: Path) -> bool:
    """Tell whether an existing file can be written to, and its folder, unless the WAL exists.

    SQLite creates the WAL file beside it.
    """
    as_we_are = {"effective_ids": True} if os.access in os.supports_effective_ids else {}
    beside = Path(f"{path}-wal")
    return os.access(path, os.W_OK, **as_we_are) and (
        os.access(path.parent, os.W_OK, **as_we_are) or beside.exists()
    )


def open_file(path: Path) -> sqlite3.Connection:
    """Connect to the file and migrate it to the current schema.

    If it cannot be written to, it is opened for reading, and writes fail.
    """
    if path.exists() and not _can_write(path):
        return look_into(path)
    database = _connect(str(path))
    try:
        _prepare(database, path)
    except BaseException:
        database.close()
        raise
    return database


def look_into(path: Path) -> sqlite3.Connection:
    """Connect to an existing file for reading only."""
    address = path.absolute().as_uri() + "?mode=ro"
    database = _connect(address, uri=True)
    try:
        try:
            version = _checked_version(database, path)
        except sqlite3.OperationalError:
            if Path(f"{path}-wal").exists():
                raise
            # No process has it open, and on a read-only disk none can change it.
            database.close()
            database = _connect(address + "&immutable=1", uri=True)
            version = _checked_version(database, path)
        if version != _SCHEMA_VERSION:
            raise StoreFileError(
                f"{path} has an older format (schema {version}), which must be migrated before it "
                "can be read",
                target=str(path),
                hint="copy it to a folder that you can write to, and open it once with SqliteStore",
            )
    except BaseException:
        database.close()
        raise
    return database


def _connect(database: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(
        database, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=uri
    )


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    database.execute("BEGIN")  # what is read is of one moment: another process may be making it
    try:
        version = _checked_version(database, path)
    finally:
        database.execute("ROLLBACK")
    write_ahead(database)
    database.execute("PRAGMA synchronous = FULL")
    database.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    if version == _SCHEMA_VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        version = _checked_version(database, path)  # another process may have been faster
        database.create_function("checksum_of", 2, checksum_of, deterministic=True)
        for statement in _STEPS.get(version, ()):
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def new_schema() -> Schema:
    """Return what a new file has in `sqlite_master`, and its version."""
    with contextlib.closing(_connect(":memory:")) as database:
        _prepare(database, Path(":memory:"))
        return Schema(objects_in(database), _SCHEMA_VERSION)


def objects_in(database: sqlite3.Connection) -> frozenset[tuple[object, ...]]:
    """Return the type, name, table and SQL of each object that a file defines."""
    return frozenset(database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))


def write_ahead(database: sqlite3.Connection) -> None:
    """Turn on the write-ahead log; for that alone, SQLite does not wait while others write."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _checked_version(database: sqlite3.Connection, path: Path) -> int:
    """Return the schema version, 0 for an empty file; raise if the file is not ours."""
    application, version = (
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("application_id", "user_version")
    )
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application == BUNDLE_ID:
        raise StoreFileError(
            f"{path} is a bundle, which can only be read; it was not changed",
            target=str(path),
            hint="read it with inb.open_bundle(path); inb.import_bundle(path, store) copies its "
            "workflows into a store",
        )
    if tables and application != APPLICATION_ID:
        raise StoreFileError(
            f"{path} is a database of another program; it was not changed",
            target=str(path),
            hint="pass a different path=",
        )
    if version > _SCHEMA_VERSION:
        raise StoreFileError(
            f"{path} was written by a newer inngest_nb (schema {version}); it was not changed",
            target=str(path),
            hint="update inngest_nb, or pass a different path=",
        )
    return int(version)


@contextlib.contextmanager
def words_for(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, with the file's path and a hint."""
    try:
        yield
    except ERRORS as error:
        raise in_words(error, path) from error


def in_words(error: sqlite3.Error | UnicodeDecodeError, path: Path) -> StoreFileError:
    """Return our error for one of SQLite's, with the file's path and a hint by its code."""
    if isinstance(error, UnicodeDecodeError):  # SQLite's message quotes what is damaged
        advice = _ADVICE[sqlite3.SQLITE_CORRUPT]
        return StoreFileError(f"{path}: the file is damaged", target=str(path), hint=advice)
    code = getattr(error, "sqlite_errorcode", 0)
    full = code in _FULL_CODES
    words = f"no space left to write ({error})" if full else str(error)
    hint = _ADVICE[sqlite3.SQLITE_FULL if full else code & 0xFF]
    failure = StoreFileError(f"{path}: {words}", target=str(path), hint=hint)
    failure.busy, failure.full = code & 0xFF in _BUSY_CODES, full
    return failure


def closed_error(path: Path) -> StoreFileError:
    """Return the error for a call after the store was closed."""
    return StoreFileError(f"the store is closed ({path}); open a new one", target=str(path))


_LOCKED = "another process has locked the file for more than 30 s; close it and try again"
_ADVICE: Mapping[int, str] = defaultdict(
    lambda: "nothing was written",
    {
        sqlite3.SQLITE_NOTADB: "the file was not changed; pass a different path=",
        sqlite3.SQLITE_CORRUPT: "the file is damaged and was not changed; `inngest-nb doctor "
        "--path FILE` lists what cannot be read",
        sqlite3.SQLITE_FULL: "nothing was written; free space on the disk, or raise the file size "
        "limit, and try again",
        sqlite3.SQLITE_BUSY: _LOCKED,
        sqlite3.SQLITE_LOCKED: _LOCKED,
        sqlite3.SQLITE_READONLY: "the file is open for reading only, because it or its folder "
        "cannot be written to; to change it, copy it to another folder",
    },
)
