"""The work of all forms, done by a few threads that exist only while there is work."""

from __future__ import annotations

import contextvars
import heapq
import itertools
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

__all__ = ["Errands"]

_MOST = 16  # threads at once, so that forms on a store that hangs cannot pile up


class _Errand(NamedTuple):
    due: float
    number: int  # decides between errands that are due at the same time
    work: Callable[[], object]


class Errands:
    """Runs work in daemon threads, at once or later.

    While errands only wait for their time, one thread waits for all of them; without errands there
    is no thread.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: list[_Errand] = []
        self._numbers = itertools.count()
        self._threads = 0
        self._waiting = False

    def do(self, work: Callable[[], object], after: float = 0.0) -> Callable[[], None]:
        """Run something after so many seconds; the returned function calls it off."""
        in_context = partial(contextvars.copy_context().run, work)  # which knows its cell
        with self._changed:
            errand = _Errand(time.monotonic() + after, next(self._numbers), in_context)
            heapq.heappush(self._queue, errand)
            self._see_to_it()
        return partial(self._call_off, errand)

    def _call_off(self, errand: _Errand) -> None:
        with self._changed:
            if errand in self._queue:
                self._queue.remove(errand)
                heapq.heapify(self._queue)
                self._changed.notify()

    def _see_to_it(self) -> None:
        """Have a thread look at the queue, which has just changed."""
        if self._waiting:
            self._changed.notify()
        elif self._threads < _MOST:
            self._threads += 1
            threading.Thread(target=self._serve, name="inngest-nb-form", daemon=True).start()

    def _serve(self) -> None:
        try:
            while (work := self._next()) is not None:
                work()
                del work  # or a form would live as long as the wait for the next errand
        except BaseException:
            with self._changed:
                self._threads -= 1
            raise

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            while self._queue and not self._waiting:
                pause = self._queue[0].due - time.monotonic()
                if pause <= 0:
                    work = heapq.heappop(self._queue).work
                    if self._queue:
                        self._see_to_it()
                    return work
                self._waiting = True
                self._changed.wait(pause)
                self._waiting = False
            self._threads -= 1
            return None
