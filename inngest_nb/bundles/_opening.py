"""Opens the file of a bundle, which may come from anywhere, and verifies it before it is used.

Nothing is written, here or beside the file, and no SQL of the file runs: what it defines has to be
what we define.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple, NoReturn

import msgspec

from inngest_nb.bundles._checksum import DIGITS, is_intact
from inngest_nb.bundles._info import FORMAT, BundleInfo, decoded
from inngest_nb.bundles._writing import TABLE
from inngest_nb.errors import StoreFileError
from inngest_nb.store.tables import APPLICATION_ID, BUNDLE_ID, Schema, new_schema, objects_in

_MAGIC = b"SQLite format 3\0"
_HEADER = 100  # bytes
_MOST_SQL = 100_000  # bytes of one statement; ours have less than 1,000
_MOST_INFO = 1_000_000  # characters
_MOST_STEPS = 100_000  # of SQLite's machine, for reading what a file defines; ours takes hundreds
_DAMAGED = "ask its sender for another copy, and compare the checksums in the reprs"


class Seen(NamedTuple):
    """A file as it was when it was verified; another one may take its place."""

    device: int
    number: int
    size: int
    changed_ns: int


def verified(path: Path) -> tuple[BundleInfo, Seen]:
    """Verify a file and return its metadata.

    Raises `StoreFileError` for anything that is not a whole, unchanged bundle.
    """
    with _in_words(path):
        seen = _seen(path)
        _check_header(path, seen.size)
        with contextlib.closing(_connect(path, seen.size)) as database:
            info = _read(database, path, seen.size)
        if _seen(path) != seen:
            raise _changed(path)
    return info, seen


def connect(path: Path, seen: Seen) -> sqlite3.Connection:
    """Connect to a file that was verified. Raises `StoreFileError` if it is no longer the same."""
    with _in_words(path):
        database = _connect(path, seen.size)
        if _seen(path) != seen:
            database.close()
            raise _changed(path)
    return database


def is_bundle(path: Path) -> bool:
    """Tell whether a file is a bundle, by its header."""
    try:
        header = _header_of(path)
    except OSError:
        return False
    return header.startswith(_MAGIC) and _number(header, 68) == BUNDLE_ID


def _header_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEADER)


def _check_header(path: Path, size: int) -> None:
    """Check what kind of file it is, before SQLite looks at it."""
    header = _header_of(path)
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        what = "is empty" if not size else "is not a bundle, nor any other SQLite file"
        _refuse(path, what, "inb.export(store, path) writes bundles")
    application, version = _number(header, 68), _number(header, 60)
    if application == APPLICATION_ID:
        _refuse(
            path,
            "is the file of a store, not a bundle",
            "open it with inb.SqliteStore(path), or inb.export a bundle from it",
        )
    if application != BUNDLE_ID:
        _refuse(path, "is a database of another program", "inb.export(store, path) writes bundles")
    if version > _schema().version:
        _refuse_newer(path, f"schema {version}")
    if version < _schema().version:
        _refuse(
            path,
            f"was written by an older inngest_nb (schema {version})",
            "open it with that version, and export it again with this one",
        )
    page = _number(header, 16, 2)
    whole = _number(header, 28) * (65_536 if page == 1 else page)
    if size != whole:
        _refuse(path, f"is incomplete: it has {size:,} of {whole:,} bytes", _DAMAGED)


def _number(header: bytes, place: int, size: int = 4) -> int:
    return int.from_bytes(header[place : place + size])


def _connect(path: Path, size: int) -> sqlite3.Connection:
    """Connect for reading what nobody changes; files beside it, such as a journal, are ignored."""
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro&immutable=1",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        database.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, _MOST_SQL)
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(size, _MOST_SQL))
        database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        database.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 1)
        for setting in ("query_only = 1", "trusted_schema = 0", "cell_size_check = 1"):
            database.execute(f"PRAGMA {setting}")
    except BaseException:
        database.close()
        raise
    return database


def _read(database: sqlite3.Connection, path: Path, size: int) -> BundleInfo:
    """Read the metadata of a bundle, after a look at all that its file defines."""
    database.set_progress_handler(lambda: 1, _MOST_STEPS)  # 1 stops it
    try:
        defined = objects_in(database)
    except sqlite3.OperationalError as error:
        # An error of decoding text has no code.
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            raise
        defined = frozenset()
    if defined != _schema().objects:
        _refuse(
            path,
            "is not a bundle as inngest_nb writes them: it defines other tables, indexes, views "
            "or triggers",
            "do not use it: it may be malicious",
        )
    database.set_progress_handler(None, 0)
    entries = dict(database.execute("SELECT key, value FROM bundle LIMIT 3"))
    text, checksum = entries.get("info"), entries.get("checksum")
    if not isinstance(text, str) or not isinstance(checksum, str) or len(checksum) != DIGITS:
        raise sqlite3.DatabaseError("its metadata is missing or incomplete")
    if not is_intact(path, checksum):
        _refuse(path, "is damaged, or was changed: its checksum does not match", _DAMAGED)
    # Of pages that are used twice SQLite could otherwise make rows without end.
    ((flaw,),) = database.execute("PRAGMA quick_check(1)")
    if flaw != "ok":
        raise sqlite3.DatabaseError(flaw)
    return _info_in(text, path, size, checksum)


def _info_in(text: str, path: Path, size: int, checksum: str) -> BundleInfo:
    if len(text) > _MOST_INFO:
        raise sqlite3.DatabaseError("its metadata is too long")
    found = msgspec.json.decode(text, type=_Format).format
    if found > FORMAT:
        _refuse_newer(path, f"format {found}")
    return decoded(text, path=str(path), size=size, checksum=checksum)


class _Format(msgspec.Struct):
    """The first thing to know of a bundle's metadata."""

    format: int


def _refuse_newer(path: Path, what: str) -> NoReturn:
    _refuse(path, f"was written by a newer inngest_nb ({what})", "update inngest_nb")


@cache
def _schema() -> Schema:
    """Return what every bundle defines."""
    schema = new_schema()
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute(TABLE)
        return schema._replace(objects=schema.objects | objects_in(database))


def _seen(path: Path) -> Seen:
    if path.is_dir():
        _refuse(path, "is a folder", "give the path of a bundle's file")
    found = os.stat(path)
    return Seen(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _changed(path: Path) -> StoreFileError:
    return StoreFileError(
        f"{path} was changed or replaced after it was opened",
        target=str(path),
        hint="open it again with inb.open_bundle(path)",
    )


def _refuse(path: Path, what: str, hint: str) -> NoReturn:
    raise StoreFileError(f"{path} {what}", target=str(path), hint=hint)


@contextlib.contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Turn the errors of files, of SQLite and of decoders into ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise StoreFileError(
            f"there is no file {path}", target=str(path), hint="check the path and the folder"
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreFileError(f"cannot read {path}: {reason}", target=str(path)) from error
    except (sqlite3.Error, msgspec.MsgspecError, UnicodeError) as error:
        raise StoreFileError(
            f"{path} is damaged: {error}", target=str(path), hint=_DAMAGED
        ) from error
