"""The runs that were read of one server, so that those that have ended are not fetched again.

An SQLite database, in memory or in a file. It has the runs as the server wrote them, and from when
to when all runs are here. Nothing here asks the server; see `_again` for what still holds.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from inngest_nb.api.basics._listed import Listed, Page, read_written, written
from inngest_nb.api.reading._kept_file import in_words, open_database, refused
from inngest_nb.api.reading._moments import (
    FIRST,
    Span,
    milliseconds_of,
    moment,
    nanoseconds,
    nanoseconds_of,
)
from inngest_nb.errors import StoreFileError

# A run may show in lists some time after its scheduling, and what has just ended may be told more
# exactly a moment later: what is younger is looked at again. By the server's clock.
_MARGIN = timedelta(minutes=2)
_ROWS = 1_000
_PUT = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)"
_BETWEEN = "FROM runs WHERE outputs = ? AND at BETWEEN ? AND ?"


class Kind(NamedTuple):
    """Which runs were read: of some app or function, or of any, and with outputs or without."""

    scope: str
    outputs: bool


class Kept:
    """What is kept of one server. Safe to use from many threads, a file from many processes."""

    def __init__(self, url: str, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else Path(path).absolute()
        self._url = url
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._margin = FIRST  # what was before it can change no more
        with in_words(self.path):
            self._database = open_database(self.path, url)
        self._finalizer = weakref.finalize(self, _close, self._database, self._pid)

    def close(self) -> None:
        """Close the file."""
        self._finalizer()

    @property
    def is_usable(self) -> bool:
        """Whether it belongs to this process: SQLite does not survive a fork."""
        return self._pid == os.getpid()

    # Reading

    def spans(self, scopes: Collection[str], outputs: bool) -> list[Span]:
        """Return from when to when all runs are here, the latest first, none overlapping."""
        marks = ", ".join("?" * len(scopes))
        asked = f"SELECT low, high FROM spans WHERE outputs = ? AND scope IN ({marks})"  # noqa: S608
        found = self._all(f"{asked} ORDER BY high DESC", (outputs, *scopes))
        merged: list[Span] = []
        for low, high in found:
            if merged and high >= merged[-1].low:
                merged[-1] = Span(min(low, merged[-1].low), merged[-1].high)
            else:
                merged.append(Span(low, high))
        return merged

    def runs(self, outputs: bool, span: Span) -> Iterator[tuple[Listed, ...]]:
        """Yield the runs of a span, the latest first, in parts."""
        latest, name = span.high, "~"  # behind all ids
        while True:
            found = self._all(
                f"SELECT at, run_id, body {_BETWEEN} AND (at, run_id) < (?, ?) "
                "ORDER BY at DESC, run_id DESC LIMIT ?",
                (outputs, span.low, span.high, latest, name, _ROWS),
            )
            if not found:
                return
            latest, name = found[-1][:2]
            yield self._read([body for _, _, body in found])

    def ends(self, outputs: bool, span: Span) -> tuple[str, ...]:
        """Return the ids of the first and the last run of a span."""
        found = [
            self._all(f"SELECT run_id {_BETWEEN} ORDER BY at {way} LIMIT 1", (outputs, *span))
            for way in ("ASC", "DESC")
        ]
        return tuple(rows[0][0] for rows in found if rows)

    def unsettled(self, outputs: bool, span: Span) -> list[Listed]:
        """Return those runs of a span that had not ended, or had only just."""
        found = self._all(f"SELECT body {_BETWEEN} AND NOT settled", (outputs, *span))
        return [*self._read([body for (body,) in found])]

    def has_more_than(self, count: int, outputs: bool, span: Span) -> bool:
        """Tell whether a span has more than so many runs."""
        asked = f"SELECT count(*) FROM (SELECT 1 {_BETWEEN} LIMIT ?)"  # noqa: S608
        return bool(self._all(asked, (outputs, *span, count + 1))[0][0] > count)

    def names(self, event_ids: Iterable[str]) -> dict[str, str]:
        """Return the names of those events that are known; "" for Inngest's own."""
        return self._of_each("SELECT event_id, name FROM names WHERE event_id IN", event_ids)

    def starts(self, run_ids: Iterable[str]) -> dict[str, datetime | None]:
        """Return when those runs were first executed of which that is known; None for never."""
        found = self._of_each("SELECT run_id, at FROM starts WHERE run_id IN", run_ids)
        return {key: None if at is None else moment(at) for key, at in found.items()}

    # Writing

    def keep(self, kind: Kind, read: Span | None, page: Page) -> None:
        """Keep a page, after which all runs of a span have been read.

        Without the server's own time, or that of a run, nothing can be said of the time between.
        """
        now = nanoseconds_of(page.fetched_at)
        at = [nanoseconds(each.started_at) for each in page.listed]
        if now is None or None in at:
            return
        margin = now - int(_MARGIN.total_seconds() * 1e9)
        self._margin = max(self._margin, margin)
        with self._writing() as database:
            self._put(database, kind.outputs, page.listed, margin)
            if read is None or read.low > margin:
                return
            low, high = read.low, min(read.high, margin)
            known = (kind.outputs, kind.scope, high, low)
            touching = "FROM spans WHERE outputs = ? AND scope = ? AND low <= ? AND high >= ?"
            asked = f"SELECT min(low), max(high) {touching}"
            lowest, highest = database.execute(asked, known).fetchone()
            if lowest is not None:
                database.execute(f"DELETE {touching}", known)
                low, high = min(low, lowest), max(high, highest)
            row = (kind.outputs, kind.scope, low, high)
            database.execute("INSERT INTO spans VALUES (?, ?, ?, ?)", row)

    def _put(
        self, database: sqlite3.Connection, outputs: bool, listed: Iterable[Listed], margin: int
    ) -> None:
        rows = []
        for each in listed:
            ended = nanoseconds_of(each.true_end()[0])
            settled = ended is not None and ended <= margin
            row = (outputs, each.id, nanoseconds(each.started_at), settled, written(each))
            rows.append(row)
        database.executemany(_PUT, rows)

    def keep_names(self, names: Mapping[str, str]) -> None:
        """Keep names of events; "" for those that are in no list: Inngest's own.

        A young one may only not be in a list yet, and is not kept.
        """
        rows = [
            (event_id, name)
            for event_id, name in names.items()
            if name or milliseconds_of(event_id) * 1_000_000 < self._margin
        ]
        with self._writing() as database:
            database.executemany("INSERT OR REPLACE INTO names VALUES (?, ?)", rows)

    def keep_starts(self, starts: Mapping[str, datetime | None]) -> None:
        """Keep when runs that have ended were first executed; None for never."""
        with self._writing() as database:
            rows = [(run_id, nanoseconds_of(at)) for run_id, at in starts.items()]
            database.executemany("INSERT OR REPLACE INTO starts VALUES (?, ?)", rows)

    # The database

    def _of_each(self, asked: str, ids: Iterable[str]) -> dict[str, Any]:
        wanted = [*ids]
        found: dict[str, Any] = {}
        with self._using() as database:
            for start in range(0, len(wanted), _ROWS):
                part = wanted[start : start + _ROWS]
                marks = ", ".join("?" * len(part))
                found.update(database.execute(f"{asked} ({marks})", part).fetchall())
        return found

    def _read(self, bodies: list[bytes]) -> tuple[Listed, ...]:
        with in_words(self.path):
            return read_written(bodies)

    def _all(self, asked: str, values: tuple[object, ...]) -> list[Any]:
        with self._using() as database:
            return database.execute(asked, values).fetchall()

    @contextlib.contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock, in_words(self.path):
            yield self._database

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._using() as database:
            try:
                database.execute("BEGIN IMMEDIATE")
                yield database
                database.execute("COMMIT")
            except BaseException as error:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                # Memory has a bound: what is beyond it is not kept, and fetched each time.
                if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_FULL or self.path:
                    raise

    def replaced(self) -> StoreFileError:
        """Make the error for a server that no longer has what is kept here."""
        return refused(
            self.path,
            f"has runs that {self._url} does not know: it has lost its data, or a different server "
            "is at that address",
        )


_inherited: list[object] = []


def _close(database: sqlite3.Connection, pid: int) -> None:
    if pid == os.getpid():
        database.close()
    else:  # SQLite's connections must not be closed in another process
        _inherited.append(database)
