"""From the writer's thread back to the event loop, with one wake-up for a whole commit."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from functools import partial

from inngest_nb.store._table import Done


class Wakeups:
    """Outcomes of writes, gathered in any thread and delivered on the loop that waits."""

    def __init__(self) -> None:
        self._outcomes: list[tuple[asyncio.Future[BaseException | None], BaseException | None]] = []
        self._lock = threading.Lock()

    def expect(self) -> tuple[asyncio.Future[BaseException | None], Done]:
        """Give a future of the running loop, and what to call with its outcome."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[BaseException | None] = loop.create_future()
        return future, partial(self._done, loop, future)

    def _done(
        self,
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[BaseException | None],
        error: BaseException | None,
    ) -> None:
        with self._lock:
            self._outcomes.append((future, error))
            first = len(self._outcomes) == 1
        if first:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            outcomes, self._outcomes = self._outcomes, []
        for future, error in outcomes:
            if not future.done():
                future.set_result(error)
