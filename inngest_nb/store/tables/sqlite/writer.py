"""The connection that writes to an SQLite file; a commit is durable when it returns."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from inngest_nb.store.changes import CHANGES_KEPT
from inngest_nb.store.keys import reused
from inngest_nb.store.tables.sqlite.file import in_words, open_file
from inngest_nb.store.tables.sqlite.heads import Indexed, keep
from inngest_nb.store.tables.sqlite.keys import remember, remembered
from inngest_nb.store.tables.sqlite.rows import checksum_of
from inngest_nb.store.tables.sqlite.sharing import drop_messages_of, share
from inngest_nb.store.tables.sqlite.steps import (
    add_document,
    append_steps,
    begin,
    could_be_step,
    write_at_once,
)
from inngest_nb.store.writes import Deletion, Keyed, Outcome, Work, Write, conflict, is_done

_LAST = """
SELECT CAST(coalesce(
    (SELECT body FROM numbered_parts WHERE workflow = :number ORDER BY number DESC LIMIT 1),
    (SELECT body FROM checked_documents WHERE number = :number)) AS BLOB)
"""
# Texts are read as bytes, so that damaged ones can be replaced.
_FIND = """
SELECT number, etag, CAST(status AS BLOB), CAST(owner AS BLOB), updated_us
FROM workflows WHERE workflow_id = ?
"""
# SQLite writes the indexes of all that is set, also of what stays the same.
_REPLACE = """
UPDATE workflows SET {} first_saved_us = coalesce(first_saved_us, ?), etag = ?, parts_checksum = 0
WHERE number = ?
"""
_ADVANCE = """
UPDATE workflows SET status = coalesce(?, status), updated_us = coalesce(?, updated_us), etag = ?,
owner = coalesce(?, owner), parts_checksum = (parts_checksum + ?) & 0xFFFFFFFF
WHERE number = ?
"""
# SQLite updates in place what keeps its length, and writes no page that stays the same.
_SET_DOCUMENT = "UPDATE checked_documents SET body = ?, checksum = ? WHERE number = ?"
_APPEND = """
INSERT INTO numbered_parts (number, workflow, body, checksum)
VALUES (1 + (SELECT number FROM last_change), ?, ?, ?)
"""
_DROP_PARTS = "DELETE FROM numbered_parts WHERE workflow = ?"
_DROP_DOCUMENT = "DELETE FROM checked_documents WHERE number = ?"
_DROP = "DELETE FROM workflows WHERE number = ?"
# After how many works of a connection old changes are dropped.
_WORKS_BETWEEN = 10_000
_KEEP_CHANGES = """
UPDATE about SET first = max(first, (SELECT number FROM last_change) + 1 - ?)
"""
_DROP_CHANGES = "DELETE FROM other_changes WHERE number < (SELECT first FROM about)"

_OF_WORKFLOWS = (Write, Deletion)


class Writer:
    """The connection that writes. To be used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._works = 0

    def commit(self, works: Sequence[Work | Indexed]) -> list[Outcome]:
        """Perform works in one commit; a work that fails does not affect the others."""
        try:
            database = self._database = self._database or open_file(self._path)
            steps = [work for work in works if could_be_step(work)]
            outcomes = None
            if 1 < len(steps) == len(works):
                outcomes = self._attempt(database, partial(_append_all, database, steps))
            failed: dict[int, Outcome] = {}
            while outcomes is None:
                one_by_one = partial(self._one_by_one, database, works, failed)
                outcomes = self._attempt(database, one_by_one)
        except sqlite3.Error as error:
            raise in_words(error, self._path) from error
        return outcomes

    def close(self) -> None:
        """Close the connection, if it is open."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _attempt(
        self, database: sqlite3.Connection, perform: Callable[[], list[Outcome] | None]
    ) -> list[Outcome] | None:
        """Perform works in one transaction; if that returns None, all is undone."""
        database.execute("BEGIN IMMEDIATE")
        try:
            outcomes = perform()
            if outcomes is not None:
                self._drop_changes(database, len(outcomes))
            database.execute("ROLLBACK" if outcomes is None else "COMMIT")
        except BaseException:
            if database.in_transaction:  # a full disk ends the transaction
                database.execute("ROLLBACK")
            raise
        return outcomes

    def _one_by_one(
        self,
        database: sqlite3.Connection,
        works: Sequence[Work | Indexed],
        failed: dict[int, Outcome],
    ) -> list[Outcome] | None:
        """Perform all works but the failed ones; None if another one has failed."""
        outcomes: list[Outcome] = []
        for place, work in enumerate(works):
            try:
                outcomes.append(failed[place] if place in failed else _apply(database, work))
            except sqlite3.Error as error:
                if not database.in_transaction:
                    raise
                failed[place] = in_words(error, self._path)
                return None
        return outcomes

    def _drop_changes(self, database: sqlite3.Connection, works: int) -> None:
        """Drop old changes now and then."""
        self._works += works
        if self._works >= _WORKS_BETWEEN:
            database.execute(_KEEP_CHANGES, (CHANGES_KEPT,))
            database.execute(_DROP_CHANGES)
            self._works = 0


def _append_all(database: sqlite3.Connection, steps: Sequence[Write]) -> list[Outcome] | None:
    """Append steps at once; None if that fails, or if one of them turns out not to be a step."""
    try:
        return [None] * len(steps) if append_steps(database, steps) else None
    except sqlite3.Error:
        if not database.in_transaction:
            raise
        return None


def _apply(database: sqlite3.Connection, work: Work | Indexed) -> Outcome:
    if isinstance(work, Write) and write_at_once(database, work):
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
    number, etag = found[:2] if found else (None, None)
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
    elif found is None:
        begin(database, work)
    else:
        _replace(database, work, found)
    return None


def _apply_once(database: sqlite3.Connection, keyed: Keyed) -> Outcome:
    """Perform a work with an idempotency key, unless it was done before."""
    done = remembered(database, keyed.key)
    if done is not None:
        return None if done == keyed.request else reused(keyed.work)
    if (error := _apply(database, keyed.work)) is None:
        remember(database, keyed.key, keyed.request)
    return error


def _replace(database: sqlite3.Connection, write: Write, found: Sequence[Any]) -> None:
    """Write a whole document over what `_FIND` found."""
    state = write.status or "", write.owner or ""
    saved = time.time_ns() // 1000, write.etag
    document = write.document, checksum_of(write.workflow_id.encode(), write.document)
    number, _, *known, updated_us = found
    settings, values = "", list[object]()
    if known != [text.encode() for text in state]:
        settings, values = "status = ?, owner = ?,", [*state]
    if updated_us != write.updated_us:
        settings += "updated_us = ?,"
        values.append(write.updated_us)
    database.execute(_REPLACE.format(settings), (*values, *saved, number))
    database.execute(_DROP_PARTS, (number,))
    if database.execute(_SET_DOCUMENT, (*document, number)).rowcount == 0:  # missing in the file
        add_document(database, number, write)
