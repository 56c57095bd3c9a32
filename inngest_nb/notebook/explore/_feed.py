"""What an explorer has read of a store, and how it keeps up with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from inngest_nb.errors import ListingUnsupportedError
from inngest_nb.notebook.explore._catalog import PAGE_SIZE, Entry, Query, entry_of, matching
from inngest_nb.state import WorkflowState
from inngest_nb.store import Head, HeadStore, States, WorkflowStore, unreadable_in

__all__ = ["Feed"]

# A look reads the newest workflows until it meets what is known; these are its reaches.
_REACHES = (100, 1_000)
# Nothing in a listing tells of deletions further down, so all is read again now and then: after so
# many times the time it takes.
_REST = 20


class Feed:
    """The workflows of a store as entries. Safe to use from many threads.

    `lists` tells whether the store can list what others saved; where it cannot, the entries are
    the ones at hand. `whole` tells whether all were read, `at` when something was read last,
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
        self._newest: Sequence[Head] | None = None  # heads, before the last look that read more
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
        states = self._read(PAGE_SIZE + 1)
        self._take(states, whole=len(states) <= PAGE_SIZE)

    def read_all(self) -> None:
        """Read every workflow, and ask again whether the store can list."""
        self.lists = True
        self._read_all()

    def look(self) -> None:
        """Read what is new, and now and then all."""
        if not self.whole or time.monotonic() >= self._next_whole:
            self._read_all()
            return
        newest = self._newest_heads()
        if newest is not None and newest == self._newest:
            self.at = datetime.now(UTC)
            return
        self._look_further()
        with self._lock:
            self._newest = None if self._closed else newest

    def _newest_heads(self) -> Sequence[Head] | None:
        """Read the newest heads: while they stay the same, no document has to be read."""
        if not (self.lists and isinstance(self._store, HeadStore)):
            return None
        try:
            return self._store.heads(limit=_REACHES[0])
        except ListingUnsupportedError:
            self.lists = False
            return None

    def _look_further(self) -> None:
        """Read the newest workflows until they meet what is known."""
        for reach in _REACHES:
            states = self._read(reach)
            if len(states) < reach:
                self._take(states, whole=True)
                return
            last = self._entry(states[-1])
            with self._lock:
                joined = self._entries.get(last.workflow_id) == last
            if joined:
                self._take(states, whole=False)
                return
        self._read_all()

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

    def states(self, query: Query) -> States:
        """Read what a query finds, in its order."""
        read = self.read()
        known = {state.workflow_id: state for state in read}
        found, _ = matching(map(self._entry, read), query, datetime.now(UTC))
        return States((known[entry.workflow_id] for entry in found), unreadable_in(read))

    def _entry(self, state: WorkflowState) -> Entry:
        return entry_of(state)

    def _changed(self) -> None:
        self.news += 1
        self._sorted = None

    def _read_all(self) -> None:
        began = time.monotonic()
        self._take(self._read(0), whole=True)
        self._next_whole = time.monotonic() + _REST * (time.monotonic() - began)

    def _read(self, limit: int) -> list[WorkflowState]:
        with self._lock:
            self._own.clear()
        return self.read(limit)

    def read(self, limit: int = 0) -> list[WorkflowState]:
        """Read the newest workflows of the store, or those at hand where it cannot list."""
        if self.lists:
            try:
                return self._store.fetch(limit=limit)
            except ListingUnsupportedError:
                self.lists = False
        return self._store.list(limit=limit)

    def _take(self, states: Sequence[WorkflowState], *, whole: bool) -> None:
        """Take in a listing from its newest on; what should be in it and is not, is gone."""
        fresh = {state.workflow_id: self._entry(state) for state in states}
        with self._lock:
            if self._closed:
                return
            end = None if whole or not states else fresh[states[-1].workflow_id].order
            kept = {
                key: entry
                for key, entry in self._entries.items()
                if key in self._own or (end is not None and entry.order > end)
            }
            new = {key: entry for key, entry in fresh.items() if key not in self._own}
            if self._entries != kept | new:
                self._entries = kept | new
                self._changed()
            known = {} if whole else self.unreadable
            self.unreadable = {**known, **unreadable_in(states)}
            self.whole = self.whole or whole
            self.at = datetime.now(UTC)
