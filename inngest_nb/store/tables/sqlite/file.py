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
from inngest_nb.store.tables.sqlite.schema import SCHEMA_VERSION, STEPS

APPLICATION_ID = 0x694E4E42  # "iNNB"
BUNDLE_ID = 0x694E4E62  # "iNNb": the same tables in a file that can only be read
_BUSY_SECONDS = 30.0
ERRORS = (sqlite3.Error, UnicodeDecodeError)  # what connections raise
_BUSY_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# SQLite reports a file size limit, and a disk that is full on opening, as I/O errors.
_FULL_CODES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)


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
        if version != SCHEMA_VERSION:
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
    if version == SCHEMA_VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        version = _checked_version(database, path)  # another process may have been faster
        database.create_function("checksum_of", 2, checksum_of, deterministic=True)
        for statement in STEPS.get(version, ()):
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def new_schema() -> Schema:
    """Return what a new file has in `sqlite_master`, and its version."""
    with contextlib.closing(_connect(":memory:")) as database:
        _prepare(database, Path(":memory:"))
        return Schema(objects_in(database), SCHEMA_VERSION)


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
    if version > SCHEMA_VERSION:
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
