"""What an explorer knows of each workflow, and how it finds, counts and orders them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from inngest_nb.history import Times, times_of
from inngest_nb.query import having, words_of
from inngest_nb.state import WorkflowState
from inngest_nb.wire import uncollected

__all__ = ["PAGE_SIZE", "Entry", "Page", "Query", "entry_of", "find", "matching"]

PAGE_SIZE = 25


class Entry(NamedTuple):
    """One workflow as a table shows it, without payloads and history.

    `words` is the text that filters search, folded to one case. `function` is the name of its code,
    "" where the history does not tell.
    """

    workflow_id: str
    status: str
    times: Times
    updated: datetime | None
    events: int
    error: str
    words: str
    order: tuple[float, str]
    function: str = ""


class Query(NamedTuple):
    """What is looked for, in which order, and which page of it.

    No statuses means all of them, and no time to be `within` means any time.
    """

    statuses: frozenset[str] = frozenset()
    text: str = ""
    within: timedelta = timedelta()
    sort: str = "updated"
    descending: bool = True
    page: int = 0


class Page(NamedTuple):
    """A page of what was found: its entries, the place of the first, and how many there are.

    `counts` tells of each status how many match the other filters.
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


def entry_of(state: WorkflowState) -> Entry:
    """Keep of a state what a table needs."""
    function = (state.history[0].workflow or "") if state.history else ""
    return Entry(
        state.workflow_id,
        str(state.status),
        times_of(state),
        state.updated_at,
        len(state.history),
        state.error,
        words_of(state.workflow_id, state.run_id, state.status, state.error, function),
        store_order(state.updated_at, state.workflow_id),
        function,
    )


def store_order(updated: datetime | None, workflow_id: str) -> tuple[float, str]:
    """Return what sorts workflows as stores list them: newest update first, then by id."""
    return -_number(updated), workflow_id


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
    if query.within:
        since = now - query.within
        entries = [entry for entry in entries if entry.updated and entry.updated >= since]
    found = having(entries, query.text)
    counts = Counter(entry.status for entry in found)
    if query.statuses:
        found = [entry for entry in found if entry.status in query.statuses]
    found.sort(key=_BY_ORDER)
    if (query.sort, query.descending) == ("updated", True):
        return found, counts
    key = _SORTS[query.sort]
    # Where there is nothing to sort by, an entry comes last in both directions.
    keyed = [(key(entry, now), entry) for entry in found]
    known = [pair for pair in keyed if pair[0] is not None]
    known.sort(key=itemgetter(0), reverse=query.descending)
    rest = [entry for by, entry in keyed if by is None]
    return [*(entry for _, entry in known), *rest], counts


def last_page(count: int) -> int:
    """Give the number of the last page of so many entries, counted from 0."""
    return max(0, count - 1) // PAGE_SIZE


def _number(time: datetime | None) -> float:
    return float("-inf") if time is None else time.timestamp()


_BY_ORDER = attrgetter("order")
_SORTS: dict[str, Callable[[Entry, datetime], Any]] = {
    "status": lambda entry, _: entry.status,
    "workflow": lambda entry, _: entry.workflow_id.casefold(),
    "updated": lambda entry, _: entry.updated,
    "took": lambda entry, now: entry.times.took(now),
    "events": lambda entry, _: entry.events,
    "function": lambda entry, _: entry.function.casefold() or None,
    "error": lambda entry, _: entry.error.casefold() or None,
}
