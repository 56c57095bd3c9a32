"""Heads in memory: made when somebody searches, and kept as long as the version stays the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from inngest_nb.query import Path, Search
from inngest_nb.store.heads import Head, digest_of
from inngest_nb.store.rows import Row
from inngest_nb.store.searching import (
    BehindRows,
    Found,
    FoundHere,
    Slice,
    fields_of,
    matching,
    search_heads,
)


class MemoryHeads:
    """The heads of rows. To be used by one thread at a time.

    `whole` adds to a row's document what was appended to it.
    """

    def __init__(self, rows: Mapping[str, Row], whole: Callable[[Row], Row]) -> None:
        self._rows = rows
        self._whole = whole
        self._behind = BehindRows(lambda workflow_id: whole(rows[workflow_id]))
        self._known: dict[str, Head] = {}

    def find(self, search: Search, paths: Sequence[Path]) -> Found:
        """Search all workflows."""
        heads = [self._head(row) for row in self._rows.values()]
        self._known = {head.workflow_id: head for head in heads}
        return search_heads(heads, search, self._behind, paths)

    def find_in(self, part: Slice, search: Search, paths: Sequence[Path]) -> FoundHere:
        """Search the workflows of a slice."""
        later = (row for row in self._rows.values() if row.number > part.after)
        some = list(islice(later, part.size))  # rows are in the order of their numbers
        found = matching(map(self._head, some), search, self._behind)
        fields = fields_of(found, self._behind, paths) if paths else ()
        following = some[-1].number if len(some) == part.size else 0
        return FoundHere(Found(found, len(found), fields), following)

    def _head(self, row: Row) -> Head:
        head = self._known.get(row.workflow_id)
        if head is None or (head.etag, head.number) != (row.etag, row.number):
            head = self._known[row.workflow_id] = digest_of(self._whole(row)).head
        return head
