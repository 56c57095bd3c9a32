"""Writes the file of a bundle: whole or not at all, and nothing next to it."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from inngest_nb.bundles._checksum import DIGITS, stamp
from inngest_nb.errors import StoreFileError
from inngest_nb.store import Write
from inngest_nb.store.tables import BUNDLE_ID, SqliteTable, words_for

# The table that a bundle has beside those of every database file.
TABLE = "CREATE TABLE bundle (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
_FIRST_SAVED = "UPDATE workflows SET first_saved_us = ? WHERE workflow_id = ?"
_AT_ONCE = 500
_BESIDE = ("", "-wal", "-shm", "-journal")


class Kept(NamedTuple):
    """A workflow for a bundle: its whole document, and when its store first saved it."""

    write: Write
    first_saved_us: int | None


def write_file(
    path: Path, kept: Iterable[Kept], info: Callable[[], str], *, overwrite: bool
) -> None:
    """Write a bundle, which only its owner can read; a failure leaves what was there.

    `info` is asked for its text when all workflows have been written. Raises `StoreFileError`.
    """
    with _draft(path) as draft:
        table = SqliteTable(draft)
        try:
            first_saved = _fill(table, kept)
            with words_for(path):
                _set_first_saved(draft, first_saved)
            while table.index(at_least=1):  # later there is nobody who could
                pass
        finally:
            table.close()
        mark = secrets.token_hex(DIGITS // 2)
        with words_for(path):
            _finish(draft, {"info": info(), "checksum": mark})
        stamp(draft, mark)
        if not overwrite and path.exists():
            raise exists(path)
        draft.replace(path)


def exists(path: Path) -> StoreFileError:
    """Return the error for a file that is there already."""
    return StoreFileError(
        f"{path} exists already; it was not changed",
        target=str(path),
        hint="pass overwrite=True (in a shell --overwrite) to replace the bundle, or another path",
    )


def _fill(table: SqliteTable, kept: Iterable[Kept]) -> list[tuple[int | None, str]]:
    """Save workflows; return when each was first saved, which a table takes from the clock."""
    times: list[tuple[int | None, str]] = []
    rest = iter(kept)
    while some := list(islice(rest, _AT_ONCE)):
        for error in table.apply([one.write for one in some]):
            if error is not None:
                raise error
        times += [(one.first_saved_us, one.write.workflow_id) for one in some]
    return times


def _set_first_saved(draft: Path, times: Iterable[tuple[int | None, str]]) -> None:
    with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.executemany(_FIRST_SAVED, times)
        database.execute("COMMIT")


def _finish(draft: Path, entries: dict[str, str]) -> None:
    with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = DELETE")  # no file beside it, also for readers
        database.execute("BEGIN IMMEDIATE")
        database.execute(TABLE)
        database.executemany("INSERT INTO bundle VALUES (?, ?)", sorted(entries.items()))
        database.execute(f"PRAGMA application_id = {BUNDLE_ID}")
        database.execute("COMMIT")
        database.execute("VACUUM")  # leaves no free pages, whose old contents would travel along


@contextlib.contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Yield a new file in the same folder, and remove what is left of it afterwards."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise _failed(path, error, "choose a path= in a folder that exists") from error
    try:
        yield Path(name)
    except OSError as error:
        raise _failed(path, error, "nothing was changed") from error
    finally:
        for end in _BESIDE:
            Path(name + end).unlink(missing_ok=True)


def _failed(path: Path, error: OSError, hint: str) -> StoreFileError:
    return StoreFileError(
        f"cannot write {path}: {error.strerror or error}", target=str(path), hint=hint
    )
