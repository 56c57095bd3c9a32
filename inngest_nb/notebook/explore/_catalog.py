"""What an explorer knows of each workflow, and how it finds, counts and orders them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

from inngest_nb.query import Search, having, words_of
from inngest_nb.store import Head, newest_first, ordered
from inngest_nb.wire import microseconds, uncollected

__all__ = ["PAGE_SIZE", "Entry", "Page", "Query", "entry_of", "find", "matching"]

PAGE_SIZE = 25


class Entry(NamedTuple):
    """One workflow as a table shows it, without payloads and history.

    `words` is the text that filters search, folded to one case; `order` sorts entries as stores
    list them.
    """

    head: Head
    words: str
    order: tuple[int, str]


class Query(NamedTuple):
    """What is looked for, in which order, and which page of it.

    No statuses means all of them, and no time to be `within` means any time. `where` is a condition
    and `among` the ids that the store has found by it; None means any.
    """

    statuses: frozenset[str] = frozenset()
    text: str = ""
    within: timedelta = timedelta()
    where: str = ""
    among: frozenset[str] | None = None
    sort: str = "updated"
    descending: bool = True
    page: int = 0


class Page(NamedTuple):
    """A page of what was found: its entries, the place of the first, and how many there are.

    `counts` tells for each status how many match the other filters.
    """

    number: int
    entries: Sequence[Entry]
    matching: int
    counts: Counter[str]

    @property
    def start(self) -> int:
        """How many entries come before this page."""
        return self.number * PAGE_SIZE

    @property
    def last(self) -> int:
        """The number of the last page, counted from 0."""
        return last_page(self.matching)


def entry_of(head: Head) -> Entry:
    """Make the entry of a workflow."""
    words = words_of(
        head.workflow_id, head.run_id, head.status, head.error, head.workflow, head.step
    )
    return Entry(head, words, newest_first(head))


def find(entries: Iterable[Entry], query: Query, now: datetime) -> Page:
    """Return the page of a query; a page beyond the last is the last."""
    found, counts = matching(entries, query, now)
    number = min(query.page, last_page(len(found)))
    start = number * PAGE_SIZE
    return Page(number, found[start : start + PAGE_SIZE], len(found), counts)


@uncollected()
def matching(
    entries: Iterable[Entry], query: Query, now: datetime
) -> tuple[list[Entry], Counter[str]]:
    """Return all that a query finds, in its order, and the count of each status for its chip."""
    now_us, among = microseconds(now), query.among
    if query.within:
        since_us = microseconds(now - query.within)
        entries = [entry for entry in entries if entry.head.updated_us >= since_us]
    if among is not None:
        entries = [entry for entry in entries if entry.head.workflow_id in among]
    found = having(entries, query.text)
    counts = Counter(entry.head.status for entry in found)
    if query.statuses:
        found = [entry for entry in found if entry.head.status in query.statuses]
    found.sort(key=_BY_ORDER)
    if (query.sort, query.descending) == ("updated", True):
        return found, counts
    by_id = {entry.head.workflow_id: entry for entry in found}
    sort = ("-" if query.descending else "") + _SORTS[query.sort]
    heads = ordered([entry.head for entry in found], Search(now_us=now_us, sort=sort))
    return [by_id[head.workflow_id] for head in heads], counts


def last_page(count: int) -> int:
    """Give the number of the last page of so many entries, counted from 0."""
    return max(0, count - 1) // PAGE_SIZE


_BY_ORDER = attrgetter("order")
# The columns of a search that the columns of a table are sorted by.
_SORTS = {
    "status": "status",
    "workflow": "workflow_id",
    "updated": "updated_at",
    "took": "duration",
    "events": "events",
    "function": "workflow",
    "error": "error",
}
