"""Changes of a store: waiting for them, and following them by their numbers.

Waiters are woken by changes here, and poll for those of other processes. A reader that follows
keeps the number that it was told last and asks what came after it, so that it misses nothing and is
told nothing twice, whatever happens to it or to the store in between.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from inngest_nb.state import WorkflowState
from inngest_nb.store.heads import Head, digest_of
from inngest_nb.store.rows import Row, check_limit, states_of

T = TypeVar("T")

# How often to poll for changes that other processes make to the same file.
POLL_SECONDS = 0.2
# The minimum time between two looks: under many writes, looking would cost more than writing.
MIN_LOOK_INTERVAL = 0.02
# The limits of one answer: changes, and bytes of their documents.
CHANGES_AT_ONCE = 1_000
BYTES_AT_ONCE = 8 * 2**20
# How many numbered changes are kept for readers that follow them.
CHANGES_KEPT = 100_000


class Changes:
    """Counts changes and lets threads wait for them. Thread-safe.

    `outside` returns a number that differs after another process has changed something.
    """

    def __init__(self, outside: Callable[[], int] | None = None) -> None:
        self._outside = outside
        self._seen_outside = 0
        self._count = 0
        self._closed = threading.Event()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0
        self._listeners: set[Callable[[], object]] = set()

    def tell(self) -> None:
        """Announce a change: wake all waiters and call all listeners."""
        with self._lock:
            self._count += 1
            if self._waiting:
                self._changed.notify_all()
            listeners = list(self._listeners)
        for call in listeners:
            call()

    def close(self) -> None:
        """Wake all waiters for good."""
        self._closed.set()
        self.tell()

    @property
    def count(self) -> int:
        """The number of changes so far, including those of other processes."""
        if self._outside is None or self._closed.is_set():
            return self._count
        outside = self._outside()
        with self._lock:
            if outside != self._seen_outside:
                self._seen_outside = outside
                self._count += 1
            return self._count

    def hear(self, call: Callable[[], object]) -> Callable[[], None]:
        """Call a function at each change of this process, until the returned function is called.

        It is called in the thread that makes the change, and must not raise.
        """
        with self._lock:
            self._listeners.add(call)

        def stop() -> None:
            with self._lock:
                self._listeners.discard(call)

        return stop

    def until(self, look: Callable[[], T], good: Callable[[T], bool], seconds: float) -> T:
        """Call `look` at each change until `good` accepts its result, for at most `seconds`.

        Returns the last result.
        """
        deadline = time.monotonic() + seconds
        while True:
            count = self.count
            seen = look()
            left = deadline - time.monotonic()
            if good(seen) or left <= 0 or self._closed.is_set():
                return seen
            self._closed.wait(min(left, MIN_LOOK_INTERVAL))
            while (left := deadline - time.monotonic()) > 0 and self.count == count:
                if self._closed.is_set():
                    return seen
                self._wait(count, min(left, POLL_SECONDS))

    def _wait(self, count: int, seconds: float) -> None:
        with self._lock:
            self._waiting += 1
            try:
                self._changed.wait_for(
                    lambda: self._count != count or self._closed.is_set(), seconds
                )
            finally:
                self._waiting -= 1


class Change(NamedTuple):
    """A workflow was saved, or `deleted`.

    A store numbers its changes 1, 2, 3 and so on. `state` and `head` are the workflow as it is now,
    which may be newer than the change. They are None if it was deleted, then or since, or if they
    were not asked for; `state` also if it cannot be read.
    """

    number: int
    workflow_id: str
    deleted: bool
    state: WorkflowState | None = None
    head: Head | None = None


class Changed(NamedTuple):
    """Changes in the order of their numbers, without a gap, and the number to continue from.

    `last` is the number of the last of them, or the one that was asked about if there are none.
    `feed` identifies the store's numbers: those of another file, or of a server that keeps its
    states in memory and has started again, belong to another feed. With `reset`, what came after
    the number that was asked about is no longer known, or belongs to another feed: there are no
    changes, `last` is the newest number, and what is stored has to be read anew.

    `unreadable` maps the ids of changed workflows that cannot be read to the reason.
    """

    changes: Sequence[Change]
    last: int
    feed: str
    reset: bool = False
    unreadable: Mapping[str, str] = {}


# A change as tables note it: its number, the workflow's id, and whether it was deleted.
Line = tuple[int, str, bool]


class Told(NamedTuple):
    """Changes as a table tells them; the rows or heads of the workflows in them, as they are now.

    `last` is the number to continue from. With `reset`, the changes after the number that was asked
    about are not known.
    """

    lines: Sequence[Line]
    last: int
    feed: str
    reset: bool
    rows: Sequence[Row]
    heads: Sequence[Head] = ()

    @property
    def is_news(self) -> bool:
        """Whether there is anything that a waiting reader has to know."""
        return self.reset or bool(self.lines)


class Kept(NamedTuple):
    """The numbers of the changes that a table still keeps; `first` is `last` + 1 without any."""

    feed: str
    first: int
    last: int


def tell(
    kept: Kept,
    after: int | None,
    feed: str,
    lines: Callable[[int, int], Sequence[Line]],
    limit: int,
    present: Callable[[str], Row | None] | None,
    max_bytes: int = 0,
) -> Told:
    """Tell what has changed after a number; without one, only the newest number.

    `lines` returns the changes after a number, so many at most; `present` the row of a workflow as
    it is now. With `max_bytes`, the changes end where the documents reach that size.
    """
    other = feed not in ("", kept.feed)
    if after is None or other or not kept.first - 1 <= after <= kept.last:
        return Told([], kept.last, kept.feed, after is not None, [])
    taken: list[Line] = []
    rows: dict[str, Row | None] = {}
    size = 0
    for line in lines(after, limit or CHANGES_AT_ONCE):
        _, workflow_id, deleted = line
        if present is not None and not deleted and workflow_id not in rows:
            if max_bytes and size >= max_bytes:
                break
            row = rows[workflow_id] = present(workflow_id)
            size += len(row.document) if row else 0
        taken.append(line)
    last = taken[-1][0] if taken else after
    return Told(taken, last, kept.feed, False, [row for row in rows.values() if row])


def shown(told: Told, *, heads: bool, documents: bool) -> Told:
    """Make heads of rows if they are asked for, and leave out the rows if they are not."""
    made = [digest_of(row).head for row in told.rows] if heads else []
    return told._replace(rows=told.rows if documents else [], heads=made)


def changed_of(told: Told) -> Changed:
    """Decode what was told."""
    states = states_of(told.rows)
    state_of = {state.workflow_id: state for state in states}
    head_of = {head.workflow_id: head for head in told.heads}
    flaws = {head.workflow_id: head.flaw for head in told.heads if head.flaw}
    changes = [
        Change(number, key, True)
        if deleted
        else Change(number, key, False, state_of.get(key), head_of.get(key))
        for number, key, deleted in told.lines
    ]
    return Changed(changes, told.last, told.feed, told.reset, flaws | states.unreadable)


def check_after(after: int | None) -> int | None:
    """Check a number to continue from; None means the newest."""
    whole = after is None or (isinstance(after, int) and not isinstance(after, bool))
    if not whole or (after is not None and not 0 <= after < 2**63):
        raise ValueError(f"after must be the number of a change, or 0 for all, got {after!r}")
    return after


def check_most(limit: int) -> int:
    """Check how many changes are wanted at most, and return how many may come at once."""
    return min(check_limit(limit) or CHANGES_AT_ONCE, CHANGES_AT_ONCE)
