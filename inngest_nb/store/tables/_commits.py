"""Group commit: the writes of several threads that wait at the same time share one commit.

A commit costs far more than the rows in it. The first thread commits everything that has queued up;
the others find their writes done when it is their turn.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence

from inngest_nb.store.table import Done
from inngest_nb.store.tables.sqlite.heads import Indexed
from inngest_nb.store.writes import Outcome
from inngest_nb.store.writes import Work as TableWork

Work = TableWork | Indexed

_WORKS_A_COMMIT = 512


class _Waiting:
    """Queued works, and their outcomes."""

    __slots__ = ("done", "outcomes", "works")

    def __init__(self, works: Sequence[Work], done: Done | None = None) -> None:
        self.works = works
        self.done = done
        self.outcomes: Sequence[Outcome] | None = None


class Commits:
    """A queue in front of one connection. Thread-safe.

    `commit` performs works in one transaction and returns their outcomes; it is called by one
    thread at a time. `release` closes the connection. `closed` returns the error to raise after
    that.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Work]], Sequence[Outcome]],
        release: Callable[[], None],
        closed: Callable[[], Exception],
    ) -> None:
        self._commit = commit
        self._release = release
        self._too_late = closed
        self._queue: deque[_Waiting] = deque()
        self._lock = threading.Lock()  # guards the queue's end, the thread and the closed flag
        self._turn = threading.Lock()  # guards the connection and the queue's head
        self._calls: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    def now(self, works: Sequence[Work]) -> Sequence[Outcome]:
        """Perform works in one commit, by this thread or another; return once they are durable."""
        if not self._turn.locked():
            with self._turn:
                if not self._queue and not self._closed:  # nobody to wait for
                    return self._outcomes_of(works)
        mine = self._enqueue(_Waiting(works))
        try:
            with self._turn:
                while mine.outcomes is None:
                    self._commit_next()
        finally:
            if mine.outcomes is None:  # interrupted: it must not be done later
                mine.outcomes = ()
        return mine.outcomes

    def soon(self, works: Sequence[Work], done: Done) -> None:
        """Perform works in a background thread, and call `done` from any thread."""
        self._enqueue(_Waiting(works, done))
        self._calls.put(True)

    def close(self) -> None:
        """Finish queued works and close the connection. Calling it again does nothing."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        self._calls.put(False)
        if thread is not None:
            thread.join()
        with self._turn:
            while self._queue:
                self._commit_next()
            self._release()

    def abandon(self) -> None:
        """Close on garbage collection; takes no lock, because that can happen in any thread."""
        self._calls.put(False)
        if self._thread is None:
            self._release()

    def _enqueue(self, waiting: _Waiting) -> _Waiting:
        with self._lock:
            if self._closed:
                raise self._too_late()
            self._queue.append(waiting)
            if waiting.done is not None and self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="inngest-nb-writer", daemon=True
                )
                self._thread.start()
        return waiting

    def _run(self) -> None:
        going = True
        while going:
            going = self._calls.get()
            while going and not self._calls.empty():  # no other thread takes any
                going = self._calls.get()
            with self._turn:
                while self._queue:
                    self._commit_next()
        with self._turn:
            self._release()

    def _commit_next(self) -> None:
        """Commit the works that have waited longest; if interrupted, they stay in the queue."""
        batch: list[_Waiting] = []
        size = 0
        with self._lock:  # nobody may append meanwhile
            for waiting in self._queue:
                if waiting.outcomes is not None:
                    continue
                size += len(waiting.works)
                if batch and size > _WORKS_A_COMMIT:
                    break
                batch.append(waiting)
        outcomes = self._outcomes_of([work for waiting in batch for work in waiting.works])
        place = 0
        for waiting in batch:
            waiting.outcomes = outcomes[place : place + len(waiting.works)]
            place += len(waiting.works)
        while self._queue and self._queue[0].outcomes is not None:
            self._queue.popleft()
        for waiting in batch:
            if waiting.done is not None:
                waiting.done(waiting.outcomes or ())

    def _outcomes_of(self, works: Sequence[Work]) -> Sequence[Outcome]:
        try:
            return self._commit(works) if works else ()
        except Exception as error:  # noqa: BLE001  # raised by who asked for each work
            return [error] * len(works)
