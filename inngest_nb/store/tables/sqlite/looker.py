"""Checks an SQLite file: whether it has changed, and whether all of it can be read."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from dataclasses import dataclass, field
from pathlib import Path

from inngest_nb.errors import StoreDecodeError
from inngest_nb.store.rows import state_of
from inngest_nb.store.tables.sqlite.file import look_into, open_file, words_for
from inngest_nb.store.tables.sqlite.rows import read_rows

_AT_ONCE = 500
_MOST_FLAWS = 10


@dataclass
class Report:
    """The result of `examine`: how many workflows can be read, and why each other one cannot."""

    readable: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    flaws: list[str] = field(default_factory=list)
    checksums: str = "all match their checksums"


def examine(path: Path) -> Report:
    """Read a whole file without changing it. Raises `StoreFileError` if the file is not ours."""
    report = Report()
    with words_for(path), contextlib.closing(look_into(path)) as database:
        lines = database.execute(f"PRAGMA integrity_check({_MOST_FLAWS})").fetchall()
        report.flaws += [text for (text,) in lines if text != "ok"]
        last = 0
        while rows := read_rows(database, _NEXT, (last, _AT_ONCE)):
            last = rows[-1].number
            for row in rows:
                try:
                    state_of(row)
                    report.readable += 1
                except StoreDecodeError as error:
                    report.unreadable[row.workflow_id] = str(error.__cause__)
        (unchecked,) = database.execute(_UNCHECKED).fetchone()
        if unchecked:
            report.checksums = f"{unchecked:,} have no checksum yet"
    return report


_NEXT = "WHERE w.number > ? ORDER BY w.number LIMIT ?"
_UNCHECKED = "SELECT count(*) FROM checked_documents WHERE checksum IS NULL"


class Looker:
    """A connection that polls for changes, opened on first use. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._closed = False
        self._lock = threading.Lock()

    def version(self) -> int:
        """Return a number that changes with each commit to the file; this is cheap to read."""
        return self._ask("PRAGMA data_version")

    def last_message(self) -> int:
        """Return the number of the last message; other commits don't change it."""
        return self._ask("SELECT max(seq) FROM sqlite_sequence WHERE name = 'messages'")

    def _ask(self, question: str) -> int:
        with self._lock:
            if self._closed:
                return 0
            with words_for(self._path):
                self._database = self._database or open_file(self._path)
                (answer,) = self._database.execute(question).fetchone()
                return int(answer or 0)

    def close(self) -> None:
        """Close the connection, if it is open."""
        with self._lock:
            self.abandon()

    def abandon(self) -> None:
        """Close on garbage collection; takes no lock, because that can happen in any thread."""
        self._closed = True
        if self._database is not None:
            self._database.close()
            self._database = None
