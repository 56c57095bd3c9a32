"""The writes of a run in the SQLite file: it begins, goes on step by step, and ends.

Whether a write is one of these is found out by performing it, because looking first takes longer.
SQLite takes some steps at once in less time than one by one.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import TypeGuard

from inngest_nb.store.tables.sqlite.rows import checksum_of
from inngest_nb.store.writes import ANY, Write

_BEGIN = """
INSERT INTO workflows (workflow_id, status, owner, updated_us, first_saved_us, etag)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (workflow_id) DO NOTHING
"""
# In a damaged file, a new workflow can get the number of a document that was left behind.
_ADD_DOCUMENT = """
INSERT OR REPLACE INTO checked_documents (body, checksum, number) VALUES (?, ?, ?)
"""
_ADVANCE = """
UPDATE workflows SET {} updated_us = coalesce(?, updated_us), etag = ?,
parts_checksum = (parts_checksum + ?) & 0xFFFFFFFF
WHERE workflow_id = ? AND etag = coalesce(?, etag) AND etag <> ? {}
"""
# SQLite writes the indexes of all that is set, also of what stays the same.
_STEP = _ADVANCE.format("", "AND status = coalesce(?, status)")
_END = _ADVANCE.format("status = ?,", "")
# Not INSERT … SELECT, for which SQLite would put the part aside first.
_APPEND = """
INSERT INTO numbered_parts (number, workflow, body, checksum) VALUES (
    1 + (SELECT number FROM last_change),
    (SELECT number FROM workflows WHERE workflow_id = ?), ?, ?)
"""
_OF_A_STEP = (None, "running")


def write_at_once(database: sqlite3.Connection, write: Write) -> bool:
    """Perform a write that begins a workflow or continues the version that it names.

    False if it is of another kind, or if what is stored does not allow it: nothing is changed then.
    """
    if write.whole:
        return write.if_match == "" and begin(database, write)
    return write.owner is None and _append(database, write)


def begin(database: sqlite3.Connection, write: Write) -> bool:
    """Add a workflow with its first document; False if there is one with its id."""
    now = time.time_ns() // 1000
    index = write.status or "", write.owner or "", write.updated_us
    added = database.execute(_BEGIN, (write.workflow_id, *index, now, write.etag))
    if added.rowcount == 0:
        return False
    add_document(database, added.lastrowid, write)
    return True


def add_document(database: sqlite3.Connection, number: int | None, write: Write) -> None:
    """Add the document of a workflow that has none."""
    checksum = checksum_of(write.workflow_id.encode(), write.document)
    database.execute(_ADD_DOCUMENT, (write.document, checksum, number))


def could_be_step(work: object) -> TypeGuard[Write]:
    """Tell whether a work is a step if the version that it continues is stored."""
    return (
        isinstance(work, Write)
        and not work.whole
        and work.owner is None
        and work.status in _OF_A_STEP
    )


def append_steps(database: sqlite3.Connection, works: Sequence[Write]) -> bool:
    """Append some works in their order, and tell whether all of them were steps.

    Otherwise some may be half written, and the transaction must be rolled back.
    """
    advances, parts = zip(*map(_entries, works), strict=True)
    if database.executemany(_STEP, advances).rowcount != len(works):
        return False
    database.executemany(_APPEND, parts)
    return True


def _append(database: sqlite3.Connection, work: Write) -> bool:
    advance, part = _entries(work)
    if work.status in _OF_A_STEP:
        advanced = database.execute(_STEP, advance)
    else:
        advanced = database.execute(_END, (work.status, *advance[:-1]))
    if advanced.rowcount == 0:
        return False
    database.execute(_APPEND, part)
    return True


def _entries(work: Write) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """Return the values for both statements of a step."""
    key, document, etag, base = work.workflow_id, work.document, work.etag, work.if_match
    checksum = checksum_of(key.encode(), document)
    base = None if base == ANY else base
    return (
        (work.updated_us, etag, checksum, key, base, etag, work.status),
        (key, document, checksum),
    )
