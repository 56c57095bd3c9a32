"""Threads for plain functions: daemons that grow on demand and never keep a process alive."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

_IDLE_SECONDS = 10.0
_mine = threading.local()

_log = logging.getLogger("inngest_nb.engine")


class Workers:
    """Runs plain calls in threads of its own, at most `limit` at a time (None: any number).

    `ThreadPoolExecutor` would do, but the end of the process waits for its threads.
    """

    def __init__(self, name: str, limit: int | None = None) -> None:
        self._name = name
        self._limit = limit
        self._work: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._blocked = 0
        self._closed = False

    def submit(self, call: Callable[[], None]) -> None:
        """Have a call made by a free thread, a new one, or the first that becomes free.

        Raises what the system says when there is no thread to be had, and none that could become
        free: the call is not made then.
        """
        with self._changed:
            self._work.append(call)
            try:
                self._find_a_thread()
            except (RuntimeError, MemoryError):
                if self._limit is None or not self._threads:
                    self._work.remove(call)
                    raise

    def close(self, grace: float) -> list[str]:
        """End idle threads, wait so many seconds for busy ones, and name those that go on."""
        with self._changed:
            self._closed = True
            self._work.clear()
            self._changed.notify_all()
            threads = list(self._threads)
        deadline = time.monotonic() + grace
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        return [thread.name for thread in threads if thread.is_alive()]

    def _find_a_thread(self) -> None:
        limit = None if self._limit is None else self._limit + self._blocked
        if self._idle >= len(self._work):
            self._changed.notify()
        elif limit is None or len(self._threads) < limit:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._threads.add(thread)
            try:
                thread.start()
            except BaseException:
                self._threads.discard(thread)
                raise

    def _run(self) -> None:
        _mine.workers = self
        while (call := self._next()) is not None:
            try:
                call()
            except BaseException:  # noqa: BLE001  # the thread has other calls to make
                _log.exception("a call in a worker thread failed; please report this")
            del call  # while idle, hold on to nothing

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            called = True
            while not self._work or self._is_one_too_many():
                if self._is_one_too_many() or self._closed or not called:
                    # Under the same lock, so that nobody counts on this thread any more.
                    self._threads.discard(threading.current_thread())
                    return None
                self._idle += 1
                called = self._changed.wait(_IDLE_SECONDS)
                self._idle -= 1
            return self._work.popleft()

    def _is_one_too_many(self) -> bool:
        """Tell whether others who were left alone with their calls have come back."""
        return self._limit is not None and len(self._threads) > self._limit + self._blocked

    def leave_alone(self) -> None:
        """Allow one thread more, in place of one whose call nobody waits for any more."""
        with self._changed:
            self._blocked += 1
            left = self._blocked
            if self._work:
                with contextlib.suppress(RuntimeError, MemoryError):  # the next call tries again
                    self._find_a_thread()
        _log.warning(
            "a plain activity goes on in its thread, although nobody waits for it any more; the "
            "pool has %d threads more for as long as such calls, or waits for other runs, go on",
            left,
        )

    def came_back(self) -> None:
        """Take back what `leave_alone` allowed."""
        with self._changed:
            self._blocked -= 1

    @contextlib.contextmanager
    def one_more(self) -> Iterator[None]:
        """Allow one thread more for the time being."""
        with self._changed:
            self._blocked += 1
            if self._work:
                self._find_a_thread()
        try:
            yield
        finally:
            with self._changed:
                self._blocked -= 1


def waiting() -> contextlib.AbstractContextManager[None]:
    """While a worker's call waits for another run, let its pool have one thread more.

    Otherwise activities that wait for runs with activities could use up all threads.
    """
    workers: Workers | None = getattr(_mine, "workers", None)
    return workers.one_more() if workers else contextlib.nullcontext()
