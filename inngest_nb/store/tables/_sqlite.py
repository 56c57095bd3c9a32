"""A table of documents in an SQLite file that processes can share; writes are durable on return.

One connection writes. Readers have their own connections and never wait for it; a document and its
parts are read in one transaction, so that they belong to the same version.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from inngest_nb.errors import StoreFileError
from inngest_nb.query import Path as FieldPath
from inngest_nb.query import Search
from inngest_nb.store.changes import Changes, Told, tell
from inngest_nb.store.messages import Message
from inngest_nb.store.rows import Number, Position, Row
from inngest_nb.store.searching import Found, FoundHere, Slice
from inngest_nb.store.table import Done
from inngest_nb.store.tables._commits import Commits
from inngest_nb.store.tables.sqlite.file import (
    ERRORS,
    closed_error,
    in_words,
    make_private,
    open_file,
    words_for,
)
from inngest_nb.store.tables.sqlite.heads import (
    find_heads,
    find_in_slice,
    next_heads,
    read_documents,
)
from inngest_nb.store.tables.sqlite.keys import remembered
from inngest_nb.store.tables.sqlite.looker import Looker
from inngest_nb.store.tables.sqlite.rows import read_row, read_rows
from inngest_nb.store.tables.sqlite.sharing import (
    abandoned,
    changes_after,
    changes_kept,
    leases,
    messages,
)
from inngest_nb.store.tables.sqlite.writer import Writer
from inngest_nb.store.writes import Outcome, Work

_ETAG = "SELECT etag FROM workflows WHERE workflow_id = ?"

# So few changed workflows a search reads by itself, because keeping their heads takes a commit.
_WORTH_KEEPING = 50

# SQLite connections must not be used or closed in a forked process.
_tables: weakref.WeakSet[SqliteTable] = weakref.WeakSet()
_inherited: list[object] = []


class SqliteTable:
    """The rows of one file. Thread-safe; several processes can use the same file.

    `connect` opens a connection for reading, in place of one that creates or migrates the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        connect: Callable[[Path], sqlite3.Connection] | None = None,
    ) -> None:
        self.path = Path(path).absolute()
        self._connect_reader = connect or open_file
        if connect is None:
            make_private(self.path)
        with words_for(self.path):
            reader = self._connect_reader(self.path)  # raises early if something is wrong
        self._closed = threading.Event()
        self._connect()
        self._idle.put(reader)  # to close it would copy the whole write-ahead log into the file
        _tables.add(self)

    def apply(self, works: Sequence[Work]) -> Sequence[Outcome]:
        """Perform works in one commit, and return when they are on disk."""
        outcomes = self._commits.now(works)
        self._tell(works)
        return outcomes

    def apply_soon(self, works: Sequence[Work], done: Done) -> None:
        """Perform works in one commit, and call `done` from another thread once it is on disk."""

        def told(outcomes: Sequence[Outcome]) -> None:
            done(outcomes)
            self._tell(works)

        self._commits.soon(works, told)

    def _tell(self, works: Sequence[Work]) -> None:
        self.changes.tell()
        if Message in map(type, works):
            self.mail.tell()

    def get(self, workflow_id: str, max_bytes: int = 0) -> Row | None:
        """Return the row of an id; a document longer than `max_bytes` (0: no limit) is left out."""
        with self._reader() as database:
            return read_row(database, workflow_id, max_bytes)

    def page(
        self,
        status: str | None = None,
        limit: int = 0,
        after: Position | Number | None = None,
        max_bytes: int = 0,
    ) -> list[Row]:
        """Return rows in order, after `after`, at most `limit` (0 means all)."""
        where, values = [], list[object]()
        if status is not None:
            where.append("w.status = ?")
            values.append(status)
        if isinstance(after, Number):
            where.append("w.number > ?")
            values.append(after)
        elif after is not None:
            # Written like this, SQLite seeks directly to the position in the index.
            where.append("w.updated_us <= ? AND (w.updated_us < ? OR w.workflow_id > ?)")
            values += [after.updated_us, after.updated_us, after.workflow_id]
        rest = "WHERE " + " AND ".join(where) if where else ""
        newest = "w.updated_us DESC, w.workflow_id"
        rest += f" ORDER BY {'w.number' if isinstance(after, Number) else newest} LIMIT ?"
        values.append(limit or -1)
        with self._reader() as database:
            return read_rows(database, rest, values, max_bytes=max_bytes)

    def find(self, search: Search, paths: Sequence[FieldPath] = ()) -> Found:
        """Search the workflows by their heads, and look up paths in their payloads."""
        self._index_all()
        with self._reader() as database:
            return find_heads(database, search, paths)

    def find_in(self, part: Slice, search: Search, paths: Sequence[FieldPath] = ()) -> FoundHere:
        """Search a part of the workflows."""
        if not part.after:
            self._index_all()
        with self._reader() as database:
            return find_in_slice(database, part, search, paths)

    def documents(self, ids: Sequence[str], max_bytes: int = 0) -> list[Row]:
        """Return the rows of some workflows in their order, without those that are gone."""
        with self._reader() as database:
            return read_documents(database, ids, max_bytes)

    def _index_all(self) -> None:
        """Keep the heads of all that has changed by now.

        A search makes the heads of what changes meanwhile; steady writes would have no end.
        """
        with self._reader() as database:
            goal = changes_kept(database).last
        with contextlib.suppress(StoreFileError):  # of a file that cannot be written to
            upto = self._keep_heads(_WORTH_KEEPING)
            while upto is not None and upto < goal:
                upto = self._keep_heads(_WORTH_KEEPING)

    def index(self, at_least: int) -> bool:
        """Keep heads of some workflows that have changed, if at least so many have."""
        return self._keep_heads(at_least) is not None

    def _keep_heads(self, at_least: int) -> int | None:
        """Keep some heads, and return up to which change all are kept; None if there is no need."""
        with self._reader() as database:
            work = next_heads(database, at_least)
        if work is None:
            return None
        (error,) = self._commits.now([work])
        if error is not None:
            raise error
        return work.upto

    def etag(self, workflow_id: str) -> str | None:
        """Return the stored etag, None if nothing is stored."""
        with self._reader() as database:
            found = database.execute(_ETAG, (workflow_id,)).fetchone()
            return found[0] if found else None

    def changed(
        self,
        after: int | None,
        limit: int = 0,
        *,
        feed: str = "",
        documents: bool = False,
        max_bytes: int = 0,
    ) -> Told:
        """Return the changes numbered above `after`, in order, at most `limit`."""
        with self._reader() as database:
            kept, lines = changes_kept(database), partial(changes_after, database)
            present = partial(read_row, database) if documents else None
            return tell(kept, after, feed, lines, limit, present, max_bytes)

    def leases(self) -> dict[str, float]:
        """Return the seconds left of each lease that has not expired."""
        with self._reader() as database:
            return leases(database)

    def messages(self, after: int, to: str | None) -> list[Message]:
        """Return messages numbered above `after`, in order."""
        with self._reader() as database:
            return messages(database, after, to)

    def abandoned(self, limit: int) -> list[str]:
        """Return the workflows that are stored as running but that no executor is running."""
        with self._reader() as database:
            return abandoned(database, limit)

    def request_under(self, key: bytes) -> bytes | None:
        """Return the digest of the request that was done with a key, None if it is not known."""
        with self._reader() as database:
            return remembered(database, key)

    def close(self) -> None:
        """Finish pending writes and close the file. Calling it again does nothing."""
        self._closed.set()
        self.changes.close()
        self.mail.close()
        self._finalizer.detach()
        self._commits.close()
        _close_all(self._idle)
        self._looker.close()

    def _connect(self) -> None:
        self._looker = Looker(self.path)
        self.changes = Changes(self._looker.version)
        self.mail = Changes(self._looker.last_message)
        writer = Writer(self.path)
        self._commits = Commits(writer.commit, writer.close, partial(closed_error, self.path))
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._finalizer = weakref.finalize(self, _abandon, self._commits, self._idle, self._looker)
        self._finalizer.atexit = False  # at exit, the operating system is faster

    def connect_anew(self) -> None:
        """Open new connections in a forked process; the old ones belong to its parent."""
        if not self._closed.is_set():
            self._finalizer.detach()
            _inherited.append((self._commits, self._idle, self._looker))
            self._connect()

    @contextlib.contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection in a transaction, which sees a consistent snapshot of the file."""
        if self._closed.is_set():
            raise closed_error(self.path)
        try:
            try:
                database = self._idle.get_nowait()
            except queue.Empty:
                database = self._connect_reader(self.path)
            try:
                database.execute("BEGIN")
                yield database
            finally:
                database.rollback()  # not by `execute`, whose cursors a connection remembers
                self._idle.put(database)
                if self._closed.is_set():
                    _close_all(self._idle)
        except ERRORS as error:
            raise in_words(error, self.path) from error


def _abandon(commits: Commits, idle: queue.SimpleQueue[sqlite3.Connection], looker: Looker) -> None:
    commits.abandon()
    looker.abandon()
    _close_all(idle)


def _close_all(idle: queue.SimpleQueue[sqlite3.Connection]) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            idle.get_nowait().close()


def _after_fork() -> None:
    for table in _tables:
        table.connect_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
