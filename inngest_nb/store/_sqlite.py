"""Documents in an SQLite file: durable before a write is answered, shared by processes.

One thread writes. It takes what has queued up and commits it together, because the commit costs
far more than the rows in it. Readers have connections of their own and never wait for it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

from inngest_nb.errors import StoreFileError
from inngest_nb.store._table import Done, Position, Row, within

_APPLICATION_ID = 0x694E4E42  # "iNNB"
_SCHEMA_VERSION = 1
_BUSY_SECONDS = 30.0
_ROWS_A_COMMIT = 512

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS workflows (
    number INTEGER PRIMARY KEY,
    workflow_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    updated_us INTEGER NOT NULL,
    first_saved_us INTEGER,
    document BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS workflows_newest ON workflows (updated_us DESC, workflow_id);
CREATE INDEX IF NOT EXISTS workflows_status ON workflows (status, updated_us DESC, workflow_id);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_SCHEMA_VERSION};
COMMIT;
"""

_PUT = """
INSERT INTO workflows (workflow_id, status, updated_us, first_saved_us, document)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (workflow_id) DO UPDATE SET
    status = excluded.status, updated_us = excluded.updated_us, document = excluded.document,
    first_saved_us = coalesce(first_saved_us, excluded.first_saved_us)
"""
_DELETE = "DELETE FROM workflows WHERE workflow_id = ?"
_COLUMNS = "SELECT workflow_id, status, updated_us, first_saved_us, document FROM workflows"

_Write = tuple[str, tuple[object, ...], Done]


class SqliteTable:
    """The rows of one file. Safe to use from many threads, and by many processes at once."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        _make_private(self.path)
        with _words_for(self.path):
            _open(self.path).close()  # says now, and here, what is wrong with the file
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._finalizer = weakref.finalize(self, _let_go, self._writes, self._idle)
        self._finalizer.atexit = False  # a daemon thread and the system do it faster

    def put_soon(self, row: Row, done: Done) -> None:
        """Write a row and call `done` from the writer's thread once it is on disk."""
        self._submit((_PUT, row, done))

    def delete_soon(self, workflow_id: str, done: Done) -> None:
        """Remove a row, if it is there, and call `done` once that is on disk."""
        self._submit((_DELETE, (workflow_id,), done))

    def get(self, workflow_id: str) -> Row | None:
        """Return the row of an id."""
        with self._reader() as database:
            found = database.execute(_COLUMNS + " WHERE workflow_id = ?", (workflow_id,)).fetchone()
        return Row(*found) if found else None

    def page(
        self,
        status: str | None = None,
        limit: int = 0,
        after: Position | None = None,
        max_bytes: int = 0,
    ) -> list[Row]:
        """Return rows in order, at most `limit` (0: all), those behind `after` only."""
        where, values = [], list[object]()
        if status is not None:
            where.append("status = ?")
            values.append(status)
        if after is not None:
            # In these words SQLite goes straight to the place in the index.
            where.append("updated_us <= ? AND (updated_us < ? OR workflow_id > ?)")
            values += [after.updated_us, after.updated_us, after.workflow_id]
        sql = f"{_COLUMNS} {'WHERE ' + ' AND '.join(where) if where else ''}"
        sql += " ORDER BY updated_us DESC, workflow_id LIMIT ?"
        with self._reader() as database:
            rows = database.execute(sql, (*values, limit or -1))
            return within((Row(*row) for row in rows), max_bytes)

    def close(self) -> None:
        """Finish what was begun and let go of the file; again is no error."""
        with self._lock:
            self._closed.set()
            writer = self._writer
        self._finalizer()
        if writer is not None:
            writer.join()

    def _submit(self, write: _Write) -> None:
        with self._lock:
            if self._closed.is_set():
                raise StoreFileError("the store is closed", target=str(self.path))
            if self._writer is None:
                self._writer = threading.Thread(
                    target=_write_all,
                    args=(self.path, self._writes),
                    name="inngest-nb-writer",
                    daemon=True,
                )
                self._writer.start()
            self._writes.put(write)

    @contextlib.contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        if self._closed.is_set():
            raise StoreFileError("the store is closed", target=str(self.path))
        with _words_for(self.path):
            try:
                database = self._idle.get_nowait()
            except queue.Empty:
                database = _open(self.path)
            try:
                yield database
            finally:
                self._idle.put(database)
                if self._closed.is_set():
                    _close_all(self._idle)


def _write_all(path: Path, writes: queue.SimpleQueue[_Write | None]) -> None:
    """Commit writes as they come, those that wait together, until None comes."""
    database: sqlite3.Connection | None = None
    going = True
    while going:
        batch = [writes.get()]
        with contextlib.suppress(queue.Empty):
            while len(batch) < _ROWS_A_COMMIT:
                batch.append(writes.get_nowait())
        going = None not in batch
        work = [write for write in batch if write is not None]
        try:
            with _words_for(path):
                database = database or _open(path)
                outcomes = _commit(database, path, work)
        except BaseException as error:  # noqa: BLE001  # raised where the write is waited for
            outcomes = [error] * len(work)
        for (_, _, done), outcome in zip(work, outcomes, strict=True):
            done(outcome)
    if database is not None:
        database.close()


def _commit(
    database: sqlite3.Connection, path: Path, work: list[_Write]
) -> list[BaseException | None]:
    """Write a batch in one commit. A row that fails alone does not take the others with it."""
    if not work:
        return []
    outcomes: list[BaseException | None] = []
    database.execute("BEGIN IMMEDIATE")
    try:
        for sql, values, _ in work:
            try:
                with _words_for(path):
                    database.execute(sql, values)
                outcomes.append(None)
            except StoreFileError as error:
                if not database.in_transaction:  # a full disk ends the whole transaction
                    raise
                outcomes.append(error)
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    return outcomes


def _make_private(path: Path) -> None:
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


def _open(path: Path) -> sqlite3.Connection:
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
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    if not version:
        database.executescript(_SCHEMA)


@contextlib.contextmanager
def _words_for(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, with the file's name and something to try."""
    try:
        yield
    except sqlite3.Error as error:
        hint = "nothing of it was written"
        for text, advice in _ADVICE.items():
            if text in str(error):
                hint = advice
        raise StoreFileError(f"{path}: {error}", target=str(path), hint=hint) from error


_ADVICE = {
    "not a database": "the file was left as it is; give another path=",
    "malformed": "the file is damaged and was left as it is; restore it, or give another path=",
    "full": "nothing of it was written; make room on the disk and try again",
    "locked": "another process holds the file for longer than 30 s; close it and try again",
    "readonly": "the file may not be written to; give another path=",
}


def _let_go(
    writes: queue.SimpleQueue[_Write | None], idle: queue.SimpleQueue[sqlite3.Connection]
) -> None:
    writes.put(None)
    _close_all(idle)


def _close_all(idle: queue.SimpleQueue[sqlite3.Connection]) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            idle.get_nowait().close()


def wait_for(write: Callable[[Done], None]) -> None:
    """Do a write of a table and come back when it is durable; raise what went wrong."""
    ready = threading.Event()
    outcome: list[BaseException | None] = []

    def done(error: BaseException | None) -> None:
        outcome.append(error)
        ready.set()

    write(done)
    ready.wait()
    if outcome[0] is not None:
        raise outcome[0]
