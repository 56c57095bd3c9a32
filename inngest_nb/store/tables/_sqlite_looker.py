"""A look at an SQLite file that tells whether anybody has changed it."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from inngest_nb.store.tables._sqlite_file import open_file, words_for


class Looker:
    """A connection for looking only, made at the first look. Safe to use from many threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._closed = False
        self._lock = threading.Lock()

    def version(self) -> int:
        """Return a number that each commit to the file changes; reading it reads no page."""
        return self._ask("PRAGMA data_version")

    def last_message(self) -> int:
        """Return the number of the message that was sent last, which other commits leave alone."""
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
        """Close the connection, if it was ever made; again is no error."""
        with self._lock:
            self.let_go()

    def let_go(self) -> None:
        """Close when nobody is left to look. Takes no lock, since any thread may collect."""
        self._closed = True
        if self._database is not None:
            self._database.close()
            self._database = None
