"""Reads rows from an SQLite file and verifies their checksums.

SQLite has no checksums, so a disk that returns wrong bytes would go unnoticed. Damage is reported
in the row that has it and does not affect other rows.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from inngest_nb import wire
from inngest_nb.store.rows import Row, row_of, within

_SELECT = """
SELECT w.workflow_id, w.status, w.updated_us, w.first_saved_us, CAST(d.body AS BLOB), w.etag,
    w.number, d.checksum, w.parts_checksum,
    EXISTS (SELECT 1 FROM numbered_parts WHERE workflow = w.number)
FROM workflows w LEFT JOIN checked_documents d ON d.number = w.number
"""
# A checksum is stored after its document, so reading the checksum means reading the document.
_SELECT_SHORT = _SELECT.replace(
    "CAST(d.body AS BLOB)", "CASE WHEN length(d.body) <= ? THEN CAST(d.body AS BLOB) ELSE x'' END"
).replace("d.checksum", "CASE WHEN length(d.body) <= ? THEN d.checksum END")
_ONE = "WHERE w.workflow_id = ?"
_SELECT_ONE, _SELECT_SHORT_ONE = _SELECT + _ONE, _SELECT_SHORT + _ONE
_SELECT_ALONE = """
SELECT w.workflow_id, w.status, w.updated_us, w.first_saved_us, x'', w.etag, w.number,
    w.parts_checksum
FROM workflows w NOT INDEXED
"""
_DOCUMENT = "SELECT CAST(body AS BLOB), checksum FROM checked_documents WHERE number = ?"
_PARTS = (
    "SELECT CAST(body AS BLOB), checksum FROM numbered_parts WHERE workflow = ? ORDER BY number"
)

# A workflow's row has the sum of its parts' checksums, modulo 2**32.
_CHECKSUM_BITS = 0xFFFFFFFF
_DAMAGED = "damaged in the database file: its checksum does not match"
_MISSING = "damaged in the database file: its document is missing"
_BAD_ENTRIES = "damaged in the database file: its row has invalid entries"
# The first and the last moment of other time zones are up to a day beyond those of UTC.
_DAY_US = 86_400_000_000
_FIRST_US = wire.microseconds(None) - _DAY_US
_LAST_US = wire.microseconds(datetime.max.replace(tzinfo=UTC)) + _DAY_US


def checksum_of(workflow_id: bytes, body: bytes) -> int:
    """Return the checksum of a document or a part, which depends on the workflow's id, too."""
    return crc32(body, crc32(workflow_id))


def read_row(database: sqlite3.Connection, workflow_id: str, longest: int = 0) -> Row | None:
    """Read the row of an id, None if there is none; see `read_rows`."""
    select, first = (_SELECT_SHORT_ONE, (longest, longest)) if longest else (_SELECT_ONE, ())
    try:
        line = database.execute(select, (*first, workflow_id)).fetchone()
        return None if line is None else _row(database, line, longest)
    except sqlite3.Error as error:
        if not _tells_of_damage(error):
            raise
    rows = [*_one_by_one(database, _ONE, (workflow_id,))]
    return rows[0] if rows else None


def read_rows(
    database: sqlite3.Connection,
    rest: str,
    values: Sequence[object],
    *,
    longest: int = 0,
    max_bytes: int = 0,
) -> list[Row]:
    """Read the rows that the rest of a SELECT selects, up to `max_bytes` of documents.

    Documents longer than `longest` are left out of their rows. Damaged rows have a `flaw`.
    """
    select, first = (_SELECT_SHORT, (longest, longest)) if longest else (_SELECT, ())
    try:
        lines = database.execute(f"{select} {rest}", (*first, *values))
        return within((_row(database, line, longest) for line in lines), max_bytes)
    except sqlite3.Error as error:
        if not _tells_of_damage(error):
            raise
    return within(_one_by_one(database, rest, values), max_bytes)


def _bare(database: sqlite3.Connection, line: Any) -> Row:
    return _row(database, (*line[:7], None, 0, False))


def _row(database: sqlite3.Connection, line: Any, longest: int = 0) -> Row:
    """Build a row from a selected line, and merge its parts."""
    entries = line[:7]
    checksum, parts_checksum, has_parts = line[7:]
    if not _are_sound(entries):
        return Row(str(line[0]), "", 0, None, b"", str(line[5]), line[6], _BAD_ENTRIES)
    found = row_of((*entries, ""))
    if checksum is None and line[4] is None:
        return found._replace(document=b"", flaw=_MISSING)
    before = crc32(found.workflow_id.encode())  # as in `checksum_of`
    if checksum is not None and crc32(found.document, before) != checksum:
        return found._replace(document=b"", flaw=_DAMAGED)
    if not found.document:
        return found
    parts, size, total = list[bytes](), len(found.document), 0
    if not has_parts:
        return found if parts_checksum == 0 else found._replace(document=b"", flaw=_DAMAGED)
    for part, checksum in database.execute(_PARTS, (found.number,)):
        if checksum is not None:
            if crc32(part, before) != checksum:
                return found._replace(document=b"", flaw=_DAMAGED)
            total += checksum
        parts.append(part)
        size += len(part)
        if longest and size > longest:
            return found._replace(document=b"")
    if total & _CHECKSUM_BITS != parts_checksum:  # a part is missing or belongs elsewhere
        return found._replace(document=b"", flaw=_DAMAGED)
    return found._replace(document=wire.splice(found.document, parts))


def _are_sound(row: Sequence[Any]) -> bool:
    """Tell whether the index entries of a row are valid."""
    workflow_id, status, updated, first, _, etag, _ = row
    return (
        type(workflow_id) is type(status) is type(etag) is str
        and type(updated) is int
        and _FIRST_US <= updated <= _LAST_US
        and (first is None or (type(first) is int and _FIRST_US <= first <= _LAST_US))
    )


def _one_by_one(database: sqlite3.Connection, rest: str, values: Sequence[object]) -> Iterator[Row]:
    """Read rows of a file with damaged pages, without its indexes."""
    with _any_text(database):
        for line in database.execute(_SELECT_ALONE + rest, values):
            try:
                found = database.execute(_DOCUMENT, line[6:7]).fetchone() or (None, None)
                yield _row(database, (*line[:4], found[0], *line[5:7], found[1], line[7], True))
            except sqlite3.Error as error:
                if not _tells_of_damage(error):
                    raise
                flaw = f"damaged in the database file: {error}"
                yield _bare(database, line)._replace(flaw=flaw)


@contextlib.contextmanager
def _any_text(database: sqlite3.Connection) -> Iterator[None]:
    """Read text that is not valid UTF-8, too."""
    database.text_factory = lambda text: text.decode(errors="replace")
    try:
        yield
    finally:
        database.text_factory = str


def _tells_of_damage(error: sqlite3.Error) -> bool:
    """Tell whether an error means damage; one about invalid UTF-8 has no SQLite error code."""
    code = getattr(error, "sqlite_errorcode", None)
    return "UTF-8" in str(error) if code is None else code & 0xFF == sqlite3.SQLITE_CORRUPT
