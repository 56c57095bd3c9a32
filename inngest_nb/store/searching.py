"""Searches of a store: which heads match, in which order, and what is at paths of their payloads.

Every store searches through here, so that all of them find the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple, Protocol

from inngest_nb import wire
from inngest_nb.errors import StoreDecodeError
from inngest_nb.query import MISSING, PAYLOADS, Path, Search
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store.heads import (
    Head,
    HeadRow,
    digest_of,
    digest_of_state,
    payloads_in,
    sort_newest_first,
)
from inngest_nb.store.rows import Row, check_limit, status_text

Payloads = tuple[bytes, bytes]
Fields = list[bytes | None]  # of each head found, the raw JSON at one path
# Ask for the activities or the events of each head, as in a `Digest`, instead of a payload. Then
# heads may lack what does not tell whose these are.
ACTIVITIES, EVENTS = Path("activities"), Path("events")
DETAILS = {str(path): path for path in (ACTIVITIES, EVENTS)}


class Found(NamedTuple):
    """What a search has found: heads in order, at most `limit` of the `total` that match.

    `fields` has a list for each path that was asked for, with the raw JSON of each head's payload
    there, None where there is nothing. `change` is the number of the store's last change that it
    has seen.
    """

    heads: Sequence[Head]
    total: int
    fields: Sequence[Fields] = ()
    change: int = 0


class Slice(NamedTuple):
    """A part of a store: the `size` workflows that come after a number, in their order."""

    after: int
    size: int


class FoundHere(NamedTuple):
    """What was found in a slice, in the order of numbers, and where the next one begins (0: no)."""

    found: Found
    next: int


def search_for(status: WorkflowStatus | str | None, limit: int) -> Search:
    """Return the search for workflows of a status, at most `limit` (0 means all)."""
    return Search.of(now=datetime.now(UTC), status=status_text(status), limit=check_limit(limit))


class Behind(Protocol):
    """Reads what is behind heads, in their order."""

    def payloads(self, heads: Sequence[Head]) -> Iterable[Payloads]:
        """Return the raw JSON of each head's input and result, b"" where there is none."""

    def details(self, heads: Sequence[Head], name: str) -> Iterable[bytes]:
        """Return the `activities` or the `events` of each head, as in a `Digest`."""


class BehindRows:
    """Reads what is behind the heads of rows, by their ids."""

    def __init__(self, row_of: Callable[[str], Row]) -> None:
        self._row_of = row_of

    def payloads(self, heads: Sequence[Head]) -> Iterator[Payloads]:
        """Return the payloads of each head."""
        return (payloads_in(self._row_of(head.workflow_id).document) for head in heads)

    def details(self, heads: Sequence[Head], name: str) -> Iterator[bytes]:
        """Return the `activities` or the `events` of each head."""
        return (getattr(digest_of(self._row_of(head.workflow_id)), name) for head in heads)


class BehindStates:
    """Reads what is behind the heads of states, which are numbered by their places."""

    def __init__(self, states: Sequence[WorkflowState]) -> None:
        self._states = states

    def payloads(self, heads: Sequence[Head]) -> Iterator[Payloads]:
        """Return the payloads of each head."""
        return (
            payloads_in(b"" if head.flaw else wire.encode(self._states[head.number]))
            for head in heads
        )

    def details(self, heads: Sequence[Head], name: str) -> Iterator[bytes]:
        """Return the `activities` or the `events` of each head."""
        return (
            b"[]" if head.flaw else getattr(digest_of_state(self._states[head.number]), name)
            for head in heads
        )


def search_states(
    states: Sequence[WorkflowState],
    search: Search,
    paths: Sequence[Path] = (),
    unreadable: Mapping[str, str] | None = None,
) -> Found:
    """Search states that are at hand; the numbers of the heads are their places.

    Without a `sort` they stay in their order. `unreadable` maps ids to reasons.
    """
    behind = BehindStates(states)
    heads = heads_of(states, unreadable or {})
    found = ordered(matching(heads, search, behind), search)
    first = found[: search.limit] if search.limit else found
    return Found(first, len(found), fields_of(first, behind, paths) if paths else ())


def heads_of(
    states: Sequence[WorkflowState], unreadable: Mapping[str, str], status: str = ""
) -> list[Head]:
    """Return the heads of states, numbered by their places, and of what cannot be read.

    `unreadable` maps ids to reasons; all of these have the `status`.
    """
    bare = (Head(0, key, status=status, flaw=why) for key, why in unreadable.items())
    return [*(Head.of(state, place) for place, state in enumerate(states)), *bare]


def search_heads(
    heads: Iterable[Head], search: Search, behind: Behind, paths: Sequence[Path] = ()
) -> Found:
    """Find the heads that match, sort and cut them, and look up paths in their payloads."""
    return cut(matching(heads, search, behind), search, behind, paths)


def search_rows(rows: Iterable[Row], search: Search, paths: Sequence[Path] = ()) -> Found:
    """Search rows whose documents are at hand."""
    known = {row.workflow_id: row for row in rows}
    heads = [digest_of(row).head for row in known.values()]
    return search_heads(heads, search, BehindRows(known.__getitem__), paths)


def matching(heads: Iterable[Head], search: Search, behind: Behind) -> list[Head]:
    """Take the heads that match, in any order."""
    if search.compares_columns:
        matches, now_us = search.matches_columns, search.now_us
        heads = [head for head in heads if matches(HeadRow(head, now_us))]
    found = list(heads)
    return _with_payloads(found, search, behind) if search.needs_payloads else found


def cut(found: list[Head], search: Search, behind: Behind, paths: Sequence[Path] = ()) -> Found:
    """Sort heads that match, take as many as are wanted, and look up paths in their payloads.

    Without a `sort`, the newest update comes first.
    """
    sort_newest_first(found)
    total = len(found)
    found = ordered(found, search)
    if search.limit:
        del found[search.limit :]
    return Found(found, total, fields_of(found, behind, paths) if paths else ())


def ordered(found: list[Head], search: Search) -> list[Head]:
    """Sort heads as the search says; without a `sort` they stay as they are."""
    if not search.sort:
        return found
    return [row.head for row in search.ordered([HeadRow(head, search.now_us) for head in found])]


def merged(pages: Sequence[Found], search: Search) -> Found:
    """Join what was found in slices, in the order of the search, and cut it."""
    heads = [head for page in pages for head in page.heads]
    columns = [
        list(chain(*column)) for column in zip(*(page.fields for page in pages), strict=True)
    ]
    places = {head.number: place for place, head in enumerate(heads)} if columns else {}
    sort_newest_first(heads)
    heads = ordered(heads, search)
    total = len(heads)
    if search.limit:
        del heads[search.limit :]
    order = [places[head.number] for head in heads] if columns else []
    fields = [[column[place] for place in order] for column in columns]
    change = min((page.change for page in pages), default=0)
    return Found(heads, total, fields, change)


def _with_payloads(heads: Sequence[Head], search: Search, behind: Behind) -> list[Head]:
    """Take the heads whose payloads match; what cannot be read never does."""
    matches, now_us = search.matches_payloads, search.now_us
    return [
        head
        for head, payloads in zip(heads, behind.payloads(heads), strict=True)
        if not head.flaw and _holds(matches, HeadRow(head, now_us, payloads))
    ]


def _holds(matches: Callable[[HeadRow], bool], row: HeadRow) -> bool:
    try:
        return matches(row)
    except StoreDecodeError:  # a payload that nothing can read
        return False


def fields_of(heads: Sequence[Head], behind: Behind, paths: Sequence[Path]) -> list[Fields]:
    """Look up paths in the payloads of heads."""
    columns: list[Fields] = [[None] * len(heads) for _ in paths]
    in_payloads = []
    for column, path in zip(columns, paths, strict=True):
        if path.root in DETAILS:
            column[:] = behind.details(heads, path.root)
        else:
            in_payloads.append((column, path, PAYLOADS.index(path.root)))
    if in_payloads:
        # A file has them by their numbers: in this order, each of its pages is read once.
        order = sorted(range(len(heads)), key=[head.number for head in heads].__getitem__)
        payloads = behind.payloads([heads[place] for place in order])
        for place, both in zip(order, payloads, strict=True):
            for column, path, which in in_payloads:
                column[place] = _at(path, both[which])
    return columns


def _at(path: Path, payload: bytes) -> bytes | None:
    try:
        raw = path.of(payload)
    except StoreDecodeError:
        return None
    return None if raw is MISSING else raw
