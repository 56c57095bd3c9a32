"""What an explorer has read of a store, and how it keeps up with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import datetime

from inngest_nb.bundles import told_at
from inngest_nb.errors import ListingUnsupportedError
from inngest_nb.notebook.explore._catalog import PAGE_SIZE, Entry, Query, entry_of, matching
from inngest_nb.query import Search
from inngest_nb.state import WorkflowState
from inngest_nb.store import (
    Found,
    Head,
    SearchableStore,
    States,
    WorkflowStore,
    search_states,
    states_of,
    unreadable_in,
)
from inngest_nb.wire import uncollected

__all__ = ["Feed"]

# A look reads the newest workflows until it meets what is known; these are its reaches.
_REACHES = (100, 1_000)
# The newest heads don't tell of deletions further down, so after changes all are read again now and
# then: after so many times the time it takes.
_REST = 20

# The number of a store's last change, 0 where it has none, and its newest heads.
_Newest = tuple[int, Sequence[Head]]


class Feed:
    """The workflows of a store as entries, made from their heads. Safe to use from many threads.

    `lists` tells whether the store can list what others saved; where it cannot, the entries are
    the ones at hand. `whole` tells whether all were read, `at` as of when they are told,
    `news` counts the reads that brought something new. `unreadable` says by its id why a workflow
    is not among the entries. Once it is closed it holds nothing, whatever is still being read.
    `grows` tells that a long read gives entries before its end, and that the steps of what is
    running don't show in its entry.
    """

    grows = False

    def __init__(self, store: WorkflowStore) -> None:
        self.lists = True
        self.whole = False
        self.at: datetime | None = None
        self.news = 0
        self.unreadable: dict[str, str] = {}
        self._store = store
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._sorted: list[Entry] | None = None
        self._own: set[str] = set()  # ids put or dropped here while a read was under way
        self._next_whole = 0.0
        self._owes_whole = False  # for there were changes since all were read
        self._newest: _Newest | None = None  # when entries were taken in last
        self._closed = False

    def close(self) -> None:
        """Let go of all entries, for good."""
        with self._lock:
            self._closed = True
            self._entries, self.unreadable, self._newest = {}, {}, None
            self._sorted = None

    def entries(self) -> list[Entry]:
        """Return all entries in the order of the store; the list is not to be changed."""
        with self._lock:
            if self._sorted is None:
                self._sorted = sorted(self._entries.values(), key=lambda entry: entry.order)
            return self._sorted

    def begin(self) -> None:
        """Read as much as the first page shows."""
        heads = self._read(PAGE_SIZE + 1).heads
        self._take(heads, whole=len(heads) <= PAGE_SIZE)

    def read_all(self) -> None:
        """Read every workflow, and ask again whether the store can list."""
        self.lists = True
        self._read_all()

    def look(self) -> None:
        """Read what is new, and now and then all."""
        if not self.whole:
            self._read_all()
            return
        found = self._read(_REACHES[0])
        is_due = time.monotonic() >= self._next_whole
        if found.change and _newest_in(found) == self._newest and not (is_due and self._owes_whole):
            self.at = told_at(self._store)  # nothing has changed, in the whole store
        elif is_due or not self._look_further(found.heads):
            self._read_all()
        else:
            self._owes_whole = True
            self._remember(found)

    def _look_further(self, heads: Sequence[Head]) -> bool:
        """Take in the newest workflows if they meet what is known, and tell whether they do."""
        for reach in _REACHES:
            if reach > _REACHES[0]:
                heads = self._read(reach).heads
            if (whole := len(heads) < reach) or self._joins(heads):
                self._take(heads, whole=whole)
                return True
        return False

    def _joins(self, heads: Sequence[Head]) -> bool:
        """Tell whether the last workflow of a listing is known as it is there."""
        last = next((head for head in reversed(heads) if not head.flaw), None)
        with self._lock:
            known = None if last is None else self._entries.get(last.workflow_id)
        return known is not None and known.head == last

    def put(self, state: WorkflowState) -> None:
        """Take in what was just saved or loaded."""
        with self._lock:
            if self._closed:
                return
            self._own.add(state.workflow_id)
            self._entries[state.workflow_id] = self._entry(state)
            self._sorted = None
            self._can_be_read(state.workflow_id)

    def drop(self, workflow_id: str) -> None:
        """Leave out what was just deleted."""
        with self._lock:
            self._own.add(workflow_id)
            self._entries.pop(workflow_id, None)
            self._sorted = None
            self._can_be_read(workflow_id)

    def _can_be_read(self, workflow_id: str) -> None:
        """Drop an id from those left out. A new mapping: others may be reading the old one."""
        self.unreadable = {key: why for key, why in self.unreadable.items() if key != workflow_id}

    def find(self, where: str) -> frozenset[str]:
        """Return the ids of the workflows for which a condition holds, as the store finds them.

        Where its server cannot search, those at hand are searched here.
        """
        found, _ = self._find(Search.of(where=where, now=told_at(self._store)))
        return frozenset(head.workflow_id for head in found.heads)

    def states(self, query: Query) -> States:
        """Read what a query finds, in its order: of documents, these alone."""
        now = told_at(self._store)
        (heads, *_), listing = self._find(Search.of(where=query.where or None, now=now))
        entries = [entry_of(head) for head in heads if not head.flaw]
        found, _ = matching(entries, query._replace(among=None), now)
        ids = [entry.head.workflow_id for entry in found]
        unreadable = _flaws(heads)
        if listing is None and isinstance(self._store, SearchableStore):
            try:
                read = states_of(self._store.documents(ids))
                return States(read, unreadable | read.unreadable)
            except ListingUnsupportedError:  # an older server sends them with its listing
                listing = self._listing(0)
        known = {state.workflow_id: state for state in listing or ()}
        return States((known[key] for key in ids if key in known), unreadable)

    def _entry(self, state: WorkflowState) -> Entry:
        return entry_of(Head.of(state))

    def _changed(self) -> None:
        self.news += 1
        self._sorted = None

    def _read_all(self) -> None:
        began = time.monotonic()
        found = self._read(0)
        self._take(found.heads, whole=True)
        self._remember(found)
        self._owes_whole = False
        self._next_whole = time.monotonic() + _REST * (time.monotonic() - began)

    def _remember(self, found: Found) -> None:
        with self._lock:
            self._newest = None if self._closed else _newest_in(found)

    def _read(self, limit: int) -> Found:
        """Read the heads of the newest workflows."""
        with self._lock:
            self._own.clear()
        return self._find(Search.of(now=told_at(self._store), limit=limit))[0]

    def _find(self, search: Search) -> tuple[Found, States | None]:
        """Let the store search; where it cannot, search its states, which are returned, too."""
        if self.lists and isinstance(self._store, SearchableStore):
            try:
                return self._store.find(search), None
            except ListingUnsupportedError:
                self.lists = False
        listing = self._listing(0 if search.where else search.limit)
        return search_states(listing, search, (), unreadable_in(listing)), listing

    def _listing(self, limit: int) -> States:
        """Read the newest states of the store, or those at hand where it cannot list."""
        listing: Sequence[WorkflowState] | None = None
        if self.lists:
            try:
                listing = self._store.fetch(limit=limit)
            except ListingUnsupportedError:
                self.lists = False
        if listing is None:
            listing = self._store.list(limit=limit)
        return States(listing, unreadable_in(listing))

    def _take(self, heads: Sequence[Head], *, whole: bool) -> None:
        """Take in a listing from its newest on; what should be in it and is not, is gone."""
        fresh = self._entries_of(heads)
        flaws = _flaws(heads)
        end = max((entry.order for entry in fresh.values()), default=None)
        with self._lock:
            if self._closed:
                return
            gone = [
                key
                for key, entry in self._entries.items()
                if key not in fresh
                and key not in self._own
                and (whole or key in flaws or (end is not None and entry.order <= end))
            ]
            new = {
                key: entry
                for key, entry in fresh.items()
                if key not in self._own and self._entries.get(key) != entry
            }
            if gone or new:
                for key in gone:
                    del self._entries[key]
                self._entries |= new
                self._changed()
            known = {} if whole else self.unreadable
            known = {key: why for key, why in known.items() if key not in fresh}
            self.unreadable = known | flaws
            self.whole = self.whole or whole
            self.at = told_at(self._store)

    @uncollected()
    def _entries_of(self, heads: Sequence[Head]) -> dict[str, Entry]:
        """Make the entries of heads by their ids, without what cannot be read."""
        known, fresh = self._entries, {}
        for head in heads:
            if not head.flaw:
                entry = known.get(head.workflow_id)
                same = entry is not None and entry.head == head
                fresh[head.workflow_id] = entry if entry and same else entry_of(head)
        return fresh


def _newest_in(found: Found) -> _Newest:
    return found.change, found.heads[: _REACHES[0]]


def _flaws(heads: Sequence[Head]) -> dict[str, str]:
    return {head.workflow_id: head.flaw for head in heads if head.flaw}
