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
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from inngest_nb.errors import StoreFileError
from inngest_nb.query import Path as FieldPath
from inngest_nb.query import Search
from inngest_nb.store.changes import CHANGES_KEPT, Changes, Told, tell
from inngest_nb.store.keys import reused
from inngest_nb.store.messages import Message
from inngest_nb.store.rows import Number, Position, Row
from inngest_nb.store.searching import Found, FoundHere, Slice
from inngest_nb.store.table import Done
from inngest_nb.store.tables._commits import Commits
from inngest_nb.store.tables.sqlite.file import (
    ERRORS,
    in_words,
    make_private,
    open_file,
    words_for,
)
from inngest_nb.store.tables.sqlite.heads import (
    Indexed,
    find_heads,
    find_in_slice,
    keep,
    next_heads,
    read_documents,
)
from inngest_nb.store.tables.sqlite.keys import remember, remembered
from inngest_nb.store.tables.sqlite.looker import Looker
from inngest_nb.store.tables.sqlite.rows import (
    checksum_of,
    read_row,
    read_rows,
)
from inngest_nb.store.tables.sqlite.sharing import (
    abandoned,
    changes_after,
    changes_kept,
    drop_messages_of,
    leases,
    messages,
    share,
)
from inngest_nb.store.writes import ANY, Deletion, Keyed, Outcome, Work, Write, conflict, is_done

_LAST = """
SELECT CAST(coalesce(
    (SELECT body FROM parts WHERE workflow = :number ORDER BY number DESC LIMIT 1),
    (SELECT body FROM documents WHERE number = :number)) AS BLOB)
"""
_FIND = "SELECT number, etag FROM workflows WHERE workflow_id = ?"
_ADD = """
INSERT INTO workflows (workflow_id, status, updated_us, first_saved_us, etag, owner)
VALUES (?, ?, ?, ?, ?, ?)
"""
_REPLACE = """
UPDATE workflows SET status = ?, updated_us = ?, first_saved_us = coalesce(first_saved_us, ?),
etag = ?, owner = ?, parts_checksum = 0 WHERE number = ?
"""
# Most writes of a run are of this kind: a step of the version that is stored, and nothing else
# changes. That is found out by writing it.
_STEP = """
UPDATE workflows SET updated_us = coalesce(?, updated_us), etag = ?,
parts_checksum = (parts_checksum + ?) & 0xFFFFFFFF
WHERE workflow_id = ? AND etag = coalesce(?, etag) AND etag <> ? AND status = coalesce(?, status)
"""
_APPEND_TO = """
INSERT INTO parts (workflow, body, checksum)
SELECT number, ?, ? FROM workflows WHERE workflow_id = ?
"""
_ADVANCE = """
UPDATE workflows SET status = coalesce(?, status), updated_us = coalesce(?, updated_us), etag = ?,
owner = coalesce(?, owner), parts_checksum = (parts_checksum + ?) & 0xFFFFFFFF
WHERE number = ?
"""
# Not an UPDATE, because only a version without checksums uses that; see the trigger.
_SET_DOCUMENT = "INSERT OR REPLACE INTO documents (number, body, checksum) VALUES (?, ?, ?)"
_APPEND = "INSERT INTO parts (workflow, body, checksum) VALUES (?, ?, ?)"
_DROP_PARTS = "DELETE FROM parts WHERE workflow = ?"
_DROP_DOCUMENT = "DELETE FROM documents WHERE number = ?"
_DROP = "DELETE FROM workflows WHERE number = ?"
# So few changed workflows a search reads by itself, because keeping their heads takes a commit.
_WORTH_KEEPING = 50
# After how many works of a connection old changes are dropped. The newest stays always, because it
# says which number comes next.
_WORKS_BETWEEN = 10_000
_DROP_CHANGES = """
DELETE FROM changes WHERE number <= (SELECT max(number) FROM changes) - ?
"""


_OF_WORKFLOWS = (Write, Deletion)

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
            self._connect_reader(self.path).close()  # raises early if something is wrong
        self._closed = threading.Event()
        self._connect()
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
            while 0 < self._keep_heads(_WORTH_KEEPING) < goal:
                pass

    def index(self, at_least: int) -> bool:
        """Keep heads of some workflows that have changed, if at least so many have."""
        return self._keep_heads(at_least) > 0

    def _keep_heads(self, at_least: int) -> int:
        """Keep some heads, and return up to which change all are kept; 0 if there was no need."""
        with self._reader() as database:
            work = next_heads(database, at_least)
        if work is None:
            return 0
        (error,) = self._commits.now([work])
        if error is not None:
            raise error
        return work.upto

    def etag(self, workflow_id: str) -> str | None:
        """Return the stored etag, None if nothing is stored."""
        with self._reader() as database:
            found = database.execute(_FIND, (workflow_id,)).fetchone()
            return found[1] if found else None

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
        writer = _Writer(self.path)
        self._commits = Commits(writer.commit, writer.close, writer.closed_error)
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
            raise _closed(self.path)
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


class _Writer:
    """The connection that writes. To be used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._works = 0

    def commit(self, works: Sequence[Work | Indexed]) -> list[Outcome]:
        """Perform works in one commit; a work that fails does not affect the others."""
        try:
            database = self._database = self._database or open_file(self._path)
            failed: dict[int, Outcome] = {}
            while (outcomes := self._attempt(database, works, failed)) is None:
                pass
        except sqlite3.Error as error:
            raise in_words(error, self._path) from error
        return outcomes

    def close(self) -> None:
        """Close the connection, if it is open."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def closed_error(self) -> StoreFileError:
        """Return the error for a call after the store was closed."""
        return _closed(self._path)

    def _attempt(
        self,
        database: sqlite3.Connection,
        works: Sequence[Work | Indexed],
        failed: dict[int, Outcome],
    ) -> list[Outcome] | None:
        """Perform all works but the failed ones; None if another one failed and all are undone."""
        outcomes: list[Outcome] = []
        database.execute("BEGIN IMMEDIATE")
        try:
            for place, work in enumerate(works):
                try:
                    outcomes.append(failed[place] if place in failed else _apply(database, work))
                except sqlite3.Error as error:
                    if not database.in_transaction:  # a full disk ends the whole transaction
                        raise
                    database.execute("ROLLBACK")
                    failed[place] = in_words(error, self._path)
                    return None
            self._drop_changes(database, len(works))
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        return outcomes

    def _drop_changes(self, database: sqlite3.Connection, works: int) -> None:
        """Drop old changes now and then."""
        self._works += works
        if self._works >= _WORKS_BETWEEN:
            database.execute(_DROP_CHANGES, (CHANGES_KEPT,))
            self._works = 0


def _apply(database: sqlite3.Connection, work: Work | Indexed) -> Outcome:
    if isinstance(work, Write) and not work.whole and _is_step(database, work):
        return None
    if isinstance(work, Keyed):
        return _apply_once(database, work)
    if isinstance(work, Indexed):
        keep(database, work)
        return None
    if not isinstance(work, _OF_WORKFLOWS):
        share(database, work)
        return None
    found = database.execute(_FIND, (work.workflow_id,)).fetchone()
    number, etag = found or (None, None)
    if is_done(work, etag):
        if isinstance(work, Deletion):
            return None
        (last,) = database.execute(_LAST, {"number": number}).fetchone()
        return None if last == work.document else reused(work)
    if (error := conflict(work, etag)) is not None:
        return error
    if isinstance(work, Deletion):
        for statement in (_DROP_PARTS, _DROP_DOCUMENT, _DROP):
            database.execute(statement, (number,))
        drop_messages_of(database, work.workflow_id)
    elif not work.whole:
        checksum = checksum_of(work.workflow_id.encode(), work.document)
        entries = work.status, work.updated_us, work.etag, work.owner
        database.execute(_ADVANCE, (*entries, checksum, number))
        database.execute(_APPEND, (number, work.document, checksum))
    else:
        _keep(database, work, number)
    return None


def _is_step(database: sqlite3.Connection, write: Write) -> bool:
    """Append a step, and tell whether the write was one; else nothing is changed."""
    if write.owner is not None or write.status not in (None, "running"):
        return False
    key, document, etag = write.workflow_id, write.document, write.etag
    checksum = checksum_of(key.encode(), document)
    base = None if write.if_match == ANY else write.if_match
    entries = write.updated_us, etag, checksum, key, base, etag, write.status
    if database.execute(_STEP, entries).rowcount == 0:
        return False
    database.execute(_APPEND_TO, (document, checksum, key))
    return True


def _apply_once(database: sqlite3.Connection, keyed: Keyed) -> Outcome:
    """Perform a work with an idempotency key, unless it was done before."""
    done = remembered(database, keyed.key)
    if done is not None:
        return None if done == keyed.request else reused(keyed.work)
    if (error := _apply(database, keyed.work)) is None:
        remember(database, keyed.key, keyed.request)
    return error


def _keep(database: sqlite3.Connection, write: Write, number: int | None) -> None:
    """Write a whole document, replacing the one with this number, if any."""
    now_us = time.time_ns() // 1000
    entries = write.status, write.updated_us, now_us, write.etag, write.owner or ""
    if number is None:
        number = database.execute(_ADD, (write.workflow_id, *entries)).lastrowid
    else:
        database.execute(_REPLACE, (*entries, number))
        database.execute(_DROP_PARTS, (number,))
    checksum = checksum_of(write.workflow_id.encode(), write.document)
    database.execute(_SET_DOCUMENT, (number, write.document, checksum))


def _closed(path: Path) -> StoreFileError:
    return StoreFileError(f"the store is closed ({path}); open a new one", target=str(path))


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
