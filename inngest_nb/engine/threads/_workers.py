"""A pool of daemon threads for plain functions, which grows on demand."""

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
    """Runs plain calls in its own threads, at most `limit` at a time (None for no limit).

    Unlike those of a `ThreadPoolExecutor`, its threads never keep the process alive.
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
        """Queue a call for an idle thread, a new one, or the first that becomes idle.

        Raises `RuntimeError` or `MemoryError`, and drops the call, if no thread can be started and
        none can become idle.
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
        """End idle threads, wait up to `grace` seconds for busy ones, and return who still runs."""
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
            except BaseException:  # noqa: BLE001  # must not affect later calls
                _log.exception("a call in a worker thread failed; please report this")
            del call  # keep nothing alive while idle

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            called = True
            while not self._work or self._is_one_too_many():
                if self._is_one_too_many() or self._closed or not called:
                    # Under the lock, so that no caller counts on this thread any more.
                    self._threads.discard(threading.current_thread())
                    return None
                self._idle += 1
                called = self._changed.wait(_IDLE_SECONDS)
                self._idle -= 1
            return self._work.popleft()

    def _is_one_too_many(self) -> bool:
        """Tell whether a thread must end because abandoned calls have returned."""
        return self._limit is not None and len(self._threads) > self._limit + self._blocked

    def replace_thread(self) -> None:
        """Allow one more thread, to replace one whose call was abandoned."""
        with self._changed:
            self._blocked += 1
            left = self._blocked
            if self._work:
                with contextlib.suppress(RuntimeError, MemoryError):  # the next call tries again
                    self._find_a_thread()
        _log.warning(
            "a plain activity is still running in its thread although its result is no longer "
            "needed; the pool has %d extra threads until such calls, and waits for other runs, end",
            left,
        )

    def thread_returned(self) -> None:
        """Undo `replace_thread`."""
        with self._changed:
            self._blocked -= 1

    @contextlib.contextmanager
    def extra_thread(self) -> Iterator[None]:
        """Allow one more thread inside a `with` block."""
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
    """Give a worker's pool one more thread while the worker waits for another run.

    Otherwise, activities that wait for other runs' activities could block the whole pool.
    """
    workers: Workers | None = getattr(_mine, "workers", None)
    return workers.extra_thread() if workers else contextlib.nullcontext()
