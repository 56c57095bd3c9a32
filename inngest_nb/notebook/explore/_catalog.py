"""What an explorer knows of each workflow, and how it finds, counts and orders them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from inngest_nb.query import having, words_of
from inngest_nb.store import NEVER_US, Head, duration_us, newest_first
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
    key = _SORTS[query.sort]
    # Where there is nothing to sort by, an entry comes last in both directions.
    keyed = [(key(entry.head, now_us), entry) for entry in found]
    known = [pair for pair in keyed if pair[0] is not None]
    known.sort(key=itemgetter(0), reverse=query.descending)
    rest = [entry for by, entry in keyed if by is None]
    return [*(entry for _, entry in known), *rest], counts


def last_page(count: int) -> int:
    """Give the number of the last page of so many entries, counted from 0."""
    return max(0, count - 1) // PAGE_SIZE


_BY_ORDER = attrgetter("order")
_SORTS: dict[str, Callable[[Head, int], Any]] = {
    "status": lambda head, _: head.status,
    "workflow": lambda head, _: head.workflow_id.casefold(),
    "updated": lambda head, _: None if head.updated_us == NEVER_US else head.updated_us,
    "took": duration_us,
    "events": lambda head, _: head.events,
    "function": lambda head, _: head.workflow.casefold() or None,
    "error": lambda head, _: head.error.casefold() or None,
}
