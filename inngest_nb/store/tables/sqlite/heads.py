"""Heads in the SQLite file: made from what has changed, and searched without reading documents."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from inngest_nb.query import Path, Search
from inngest_nb.store.heads import END_US, Digest, Head, digest_of, head_of, short
from inngest_nb.store.rows import Row, within
from inngest_nb.store.searching import (
    DETAILS,
    Found,
    FoundHere,
    Payloads,
    Slice,
    cut,
    fields_of,
    matching,
)
from inngest_nb.store.tables.sqlite.rows import read_rows

_INDEXED = "SELECT indexed, (SELECT number FROM last_change) FROM about"
_FIRST_KEPT = "SELECT first FROM about"
# Workflows whose heads are missing or old, and the last change of each.
_CHANGED = """
SELECT workflow AS number, max(number) AS change FROM changes WHERE number > {0} GROUP BY workflow
"""
# Where changes were dropped before anybody looked, heads are compared with what is stored.
_DIFFERING = """
SELECT w.number AS number, {0} AS change FROM workflows w LEFT JOIN heads h ON h.number = w.number
WHERE h.etag IS NOT w.etag
UNION ALL SELECT h.number, {0} FROM heads h WHERE h.number NOT IN (SELECT number FROM workflows)
"""
_COLUMNS = ", ".join(Head._fields)
_MARKS = ", ".join("?" for _ in Head._fields)
_KEEP = f"INSERT OR REPLACE INTO heads ({_COLUMNS}) VALUES ({_MARKS})"  # noqa: S608
_KEEP_DETAILS = "INSERT OR REPLACE INTO details VALUES (?, ?, ?, ?, ?)"
_DROPS = ("DELETE FROM heads WHERE number = ?", "DELETE FROM details WHERE number = ?")
_DETAILS = "SELECT number, {} FROM details WHERE number IN ({})"
# What tells whose activities or events some are, and what a search can compare with no more.
_WHOSE = Head._fields[: Head._fields.index("flaw") + 1]
_WHOSE_COLUMNS = ", ".join(_WHOSE)
_NOT_READ = (None,) * (len(Head._fields) - len(_WHOSE))
_COMPARED_BY_WHOSE = {
    *("workflow_id", "run_id", "workflow", "status"),
    *("created_at", "updated_at", "ended_at", "duration"),
}
# The columns that a file compares as a search does.
_TIMES = {"updated": "updated_us", "created": "began_us", "ended": "ended_us"}
_AT_ONCE = 500
_FEW = 100
_LARGEST = 2**63 - 1


class Indexed(NamedTuple):
    """Digests to keep in the file, unless others have kept some since its changes up to `since`.

    `gone` are numbers whose heads are dropped. Then all changes up to `upto` are in the heads.
    """

    digests: Sequence[Digest]
    gone: Sequence[int]
    since: int
    upto: int


def keep(database: sqlite3.Connection, work: Indexed) -> None:
    """Keep heads; they would be too old where another process has kept newer ones meanwhile."""
    (indexed, _) = database.execute(_INDEXED).fetchone()
    if indexed == work.since:
        for drop in _DROPS:
            database.executemany(drop, [(number,) for number in work.gone])
        database.executemany(_KEEP, (digest.head for digest in work.digests))
        details = ((digest.head.number, *short(digest)[1:]) for digest in work.digests)
        database.executemany(_KEEP_DETAILS, details)
        database.execute("UPDATE about SET indexed = ?", (work.upto,))


def next_heads(database: sqlite3.Connection, at_least: int) -> Indexed | None:
    """Make the heads of some hundred workflows that have changed; None if fewer than `at_least`."""
    indexed, last = database.execute(_INDEXED).fetchone()
    if indexed == last:
        return None
    changed, is_known = _changed(database, indexed)
    numbers = database.execute(f"{changed} ORDER BY change").fetchall()
    if is_known and len(numbers) < at_least:
        return None
    some = [number for number, _ in numbers[:_AT_ONCE]]
    upto = last if len(some) == len(numbers) else numbers[_AT_ONCE - 1][1]
    digests = list(_made(database, some))
    known = {digest.head.number for digest in digests}
    return Indexed(digests, [number for number in some if number not in known], indexed, upto)


def _changed(database: sqlite3.Connection, indexed: int) -> tuple[str, bool]:
    """Return the query for what has changed since a number, and whether all changes are kept."""
    (first,) = database.execute(_FIRST_KEPT).fetchone()
    is_known = first <= indexed + 1
    return (_CHANGED if is_known else _DIFFERING).format(int(indexed)), is_known


def _made(database: sqlite3.Connection, numbers: Sequence[int]) -> Iterator[Digest]:
    """Make the digests of workflows from their documents."""
    for some in _parts(numbers):
        for row in read_rows(database, f"WHERE w.number IN ({_marks(some)})", some):
            yield digest_of(row)


def find_heads(database: sqlite3.Connection, search: Search, paths: Sequence[Path]) -> Found:
    """Search all heads: those that are kept, and those that only documents tell by now."""
    asked, given, digests, last = _asked(database, search)
    fresh, behind = [digest.head for digest in digests], _BehindFile(database, digests)
    if not (search.limit and _is_exact(search)):
        kept = _heads(database, search, paths, asked, given)
        found = matching(chain(kept, fresh), search, behind)
        return cut(found, search, behind, paths)._replace(change=last)
    # Their index has the order of listings, so only as many are read as are wanted.
    newest = f"{asked} ORDER BY updated_us DESC, workflow_id LIMIT {search.limit}"
    first = list(_heads(database, search, paths, newest, given))
    (count,) = database.execute(f"SELECT count(*) {asked}", given).fetchone()
    other = matching(fresh, search, behind)
    found_first = cut([*first, *other], search, behind, paths)
    return found_first._replace(total=count + len(other), change=last)


def find_in_slice(
    database: sqlite3.Connection, part: Slice, search: Search, paths: Sequence[Path]
) -> FoundHere:
    """Search the workflows of a slice."""
    asked, given, digests, last = _asked(database, search)
    fresh, behind = [digest.head for digest in digests], _BehindFile(database, digests)
    some = f"{asked} AND number > ? ORDER BY number LIMIT ?"
    kept = list(_heads(database, search, paths, some, (*given, part.after, part.size)))
    following = kept[-1].number if len(kept) == part.size else 0
    upto = following or _LARGEST
    kept += [head for head in fresh if part.after < head.number <= upto]
    found = matching(kept, search, behind)
    fields = fields_of(found, behind, paths) if paths else ()
    return FoundHere(Found(found, len(found), fields, last), following)


def _heads(
    database: sqlite3.Connection,
    search: Search,
    paths: Sequence[Path],
    asked: str,
    given: Sequence[object],
) -> Iterator[Head]:
    """Read heads one by one, so that those that don't match can go.

    Where only activities or events are wanted, only what tells whose these are is read: each value
    that is not saves as much time as an event takes.
    """
    is_about_details = bool(paths) and all(path.root in DETAILS for path in paths)
    if is_about_details and search.names.columns <= _COMPARED_BY_WHOSE:
        rows = database.execute(f"SELECT {_WHOSE_COLUMNS} {asked}", given)
        return (head_of(row + _NOT_READ) for row in rows)
    return map(head_of, database.execute(f"SELECT {_COLUMNS} {asked}", given))


def _asked(
    database: sqlite3.Connection, search: Search
) -> tuple[str, tuple[object, ...], Sequence[Digest], int]:
    """Write a search in SQL, with its values; digests that are not kept yet; the last change."""
    indexed, last = database.execute(_INDEXED).fetchone()
    where, values = _conditions(search)
    fresh: Sequence[Digest] = ()
    if last > indexed:
        changed, _ = _changed(database, indexed)
        numbers = [number for number, _ in database.execute(changed)]
        fresh = list(_made(database, numbers))
        where += f" AND number NOT IN (SELECT number FROM ({changed}))"  # noqa: S608
    return f"FROM heads WHERE true {where}", tuple(values), fresh, last


def _is_exact(search: Search) -> bool:
    """Tell whether a file can compare all that is asked for, and has its order.

    It cannot tell a time that is not set from an early one.
    """
    return not (
        search.sort
        or search.where
        or search.since_us is not None
        or search.until_us is not None
        or search.text
        or search.error
        or search.longer_than_us is not None
    )


def _conditions(search: Search) -> tuple[str, list[object]]:
    """Write what a file can compare by itself, so that it reads less."""
    where: list[str] = []
    values: list[object] = []
    for column, wanted in (("status", search.status), ("workflow", search.workflow)):
        if wanted:
            where.append(f"AND {column} IN ({_marks(wanted)})")
            values += wanted
    for sign, us in ((">=", search.since_us), ("<=", search.until_us)):
        if us is not None and us not in END_US:
            where.append(f"AND {_TIMES[search.by]} {sign} ?")
            values.append(us)
    if search.prefix:
        # Of a text, SQLite's functions read only what comes before a NUL.
        prefix = search.prefix.encode()
        where.append("AND substr(CAST(workflow_id AS BLOB), 1, ?) = ?")
        values += (len(prefix), prefix)
    return " ".join(where), values


class _BehindFile:
    """Reads what is behind heads of a file; some `fresh` digests are not kept in it."""

    def __init__(self, database: sqlite3.Connection, fresh: Sequence[Digest]) -> None:
        self._database = database
        self._fresh = {digest.head.number: digest for digest in fresh}

    def payloads(self, heads: Sequence[Head]) -> Iterator[Payloads]:
        """Yield the payloads of each head, best asked for in the order of their numbers."""
        for some in _parts([head.number for head in heads]):
            given, made = self._kept(some, "input"), self._kept(some, "result")
            yield from ((given.get(number, b""), made.get(number, b"")) for number in some)

    def details(self, heads: Sequence[Head], name: str) -> Iterator[bytes]:
        """Return the `activities` or the `events` of each head."""
        numbers = [head.number for head in heads]
        found: dict[int, bytes] = {}
        for some in _parts(sorted(numbers)):  # so that each page of the file is read once
            found |= self._kept(some, name)
        return (found.get(number, b"[]") for number in numbers)

    def _kept(self, numbers: Sequence[int], name: str) -> dict[int, bytes]:
        """Return a part of digests by their numbers; what is too long to be kept is made anew."""
        found = dict(self._database.execute(_DETAILS.format(name, _marks(numbers)), numbers))
        for number in self._fresh.keys() & numbers:
            found[number] = getattr(self._fresh[number], name)
        if long := [number for number, part in found.items() if part is None]:
            for digest in _made(self._database, long):
                found[digest.head.number] = getattr(digest, name)
        return found


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield some numbers at once."""
    return (numbers[start : start + _AT_ONCE] for start in range(0, len(numbers), _AT_ONCE))


def read_documents(database: sqlite3.Connection, ids: Sequence[str], max_bytes: int) -> list[Row]:
    """Read the rows of some workflows in their order, up to `max_bytes` of documents."""
    taken: list[Row] = []
    for start in range(0, len(ids), _FEW):
        some = ids[start : start + _FEW]
        rows = read_rows(database, f"WHERE w.workflow_id IN ({_marks(some)})", some)
        found = {row.workflow_id: row for row in rows}
        taken += (found[each] for each in some if each in found)
        if max_bytes and sum(len(row.document) for row in taken) >= max_bytes:
            return within(taken, max_bytes)
    return taken


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)
