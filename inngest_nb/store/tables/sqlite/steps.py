"""Steps in the SQLite file: parts that continue the version that is stored, and change little else.

Most writes of a run are such. Whether a part is one is found out by writing it, and SQLite takes
some at once in less time than one by one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TypeGuard

from inngest_nb.store.tables.sqlite.rows import checksum_of
from inngest_nb.store.writes import ANY, Write

_ADVANCE = """
UPDATE workflows SET updated_us = coalesce(?, updated_us), etag = ?,
parts_checksum = (parts_checksum + ?) & 0xFFFFFFFF
WHERE workflow_id = ? AND etag = coalesce(?, etag) AND etag <> ? AND status = coalesce(?, status)
"""
# Not INSERT … SELECT, for which SQLite would put the part aside first.
_APPEND = """
INSERT INTO numbered_parts (number, workflow, body, checksum) VALUES (
    1 + (SELECT number FROM last_change),
    (SELECT number FROM workflows WHERE workflow_id = ?), ?, ?)
"""


def could_be_step(work: object) -> TypeGuard[Write]:
    """Tell whether a work is a step if the version that it continues is stored."""
    return (
        isinstance(work, Write)
        and not work.whole
        and work.owner is None
        and work.status in (None, "running")
    )


def append_steps(database: sqlite3.Connection, works: Sequence[Write]) -> bool:
    """Append some works in their order, and tell whether all of them were steps.

    Otherwise some may be half written, and the transaction must be rolled back.
    """
    advances, parts = zip(*map(_entries, works), strict=True)
    if database.executemany(_ADVANCE, advances).rowcount != len(works):
        return False
    database.executemany(_APPEND, parts)
    return True


def append_step(database: sqlite3.Connection, work: Write) -> bool:
    """Append a work, and tell whether it was a step; otherwise nothing is changed."""
    advance, part = _entries(work)
    if database.execute(_ADVANCE, advance).rowcount == 0:
        return False
    database.execute(_APPEND, part)
    return True


def _entries(work: Write) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """Return the values for both statements."""
    key, document, etag, base = work.workflow_id, work.document, work.etag, work.if_match
    checksum = checksum_of(key.encode(), document)
    base = None if base == ANY else base
    return (
        (work.updated_us, etag, checksum, key, base, etag, work.status),
        (key, document, checksum),
    )
