"""What an explorer has read of the runs of a real Inngest server, and how it keeps up with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from inngest_nb.api import RunStore
from inngest_nb.history import OPEN, registered_name
from inngest_nb.notebook.explore._catalog import PAGE_SIZE, Entry, Query, entry_of, matching
from inngest_nb.notebook.explore._feed import Feed
from inngest_nb.state import WorkflowState
from inngest_nb.store import Head, States

__all__ = ["RunFeed"]

# Seconds between two words of how far a long read has come: few, because each goes to the page.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0
# Two servers' clocks, and runs whose end was seen late, are hardly further apart.
_OVERLAP = timedelta(seconds=15)


class RunFeed(Feed):
    """The runs of a server as entries, without their traces.

    It is read page by page, which takes a while: `grew` is called now and then meanwhile. Later it
    reads only what has changed. A server keeps its runs, so none goes missing, unless another one
    that knows none of them has taken its place.
    """

    grows = True

    def __init__(self, store: RunStore, grew: Callable[[], None]) -> None:
        super().__init__(store)
        self._runs, self._grew = store, grew
        self._pause = _FIRST_PAUSE

    def close(self) -> None:
        """Let go of all entries, and of whoever is called."""
        super().close()
        self._grew = lambda: None

    def begin(self) -> None:
        """Read as much as the first page shows."""
        states = self._runs.newest(PAGE_SIZE + 1)
        self._add(states)
        self.whole = len(states) <= PAGE_SIZE

    def look(self) -> None:
        """Read what has changed, or all again where that was cut short."""
        newest = next((entry.head for entry in self.entries()), None)
        if not self.whole or newest is None or newest.updated_at is None:
            self._read_all()
            return
        states = self._runs.changed_since(newest.updated_at - _OVERLAP)
        is_there = any(state.workflow_id == newest.workflow_id for state in states)
        if newest.status in OPEN or is_there:
            self._add(states)
        else:
            self._read_all()

    def states(self, query: Query) -> States:
        """Read what a query finds, in its order, each run with its trace."""
        self.look()
        found, _ = matching(self.entries(), query, datetime.now(UTC))
        return self._runs.load_many(entry.head.workflow_id for entry in found)

    def find(self, where: str) -> frozenset[str]:
        """Refuse a condition: a server of runs knows none, and their traces are read one by one."""
        raise ValueError(
            "the runs of an Inngest server cannot be searched by a condition; filter them by "
            "words, status and time"
        )

    def _entry(self, state: WorkflowState) -> Entry:
        """Make an entry, which is the same of a run that was listed and of one with its trace."""
        name = registered_name(state)
        head = Head.of(state)._replace(workflow=name, events=0, activities=0, retries=0)
        return entry_of(head._replace(step="", waiting_for="", signal=""))

    def _read_all(self) -> None:
        gone = {entry.head.workflow_id for entry in self.entries()}
        pause, since = self._pause, time.monotonic()
        with self._lock:
            self._own.clear()
        for page in self._runs.pages():
            if self._closed:
                return
            self._add(page)
            gone.difference_update(state.workflow_id for state in page)
            if time.monotonic() - since > pause:
                self._grew()
                pause, since = min(pause * 1.5, _LONGEST_PAUSE), time.monotonic()
        self._drop(gone)
        self.whole = True

    def _add(self, states: Iterable[WorkflowState]) -> None:
        """Take in what was read, unless something newer came from elsewhere meanwhile."""
        fresh = {state.workflow_id: self._entry(state) for state in states}
        with self._lock:
            if self._closed:
                return
            changed = {
                key: entry
                for key, entry in fresh.items()
                if key not in self._own and self._entries.get(key) != entry
            }
            if changed:
                self._entries.update(changed)
                self._changed()
            self.at = datetime.now(UTC)

    def _drop(self, gone: Iterable[str]) -> None:
        with self._lock:
            for key in gone:
                if key not in self._own and key in self._entries:
                    del self._entries[key]
                    self._changed()
