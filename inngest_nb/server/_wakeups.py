"""Passes outcomes from the writer's thread to the event loop, with one wake-up per commit."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from functools import partial

from inngest_nb.store.table import Done
from inngest_nb.store.writes import Outcome


class Wakeups:
    """Outcomes of writes, collected in any thread and delivered on the event loop."""

    def __init__(self) -> None:
        self._outcomes: list[tuple[asyncio.Future[Sequence[Outcome]], Sequence[Outcome]]] = []
        self._lock = threading.Lock()

    def expect(self) -> tuple[asyncio.Future[Sequence[Outcome]], Done]:
        """Return a future on the running loop, and the function to call with its outcomes."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[Outcome]] = loop.create_future()
        return future, partial(self._done, loop, future)

    def _done(
        self,
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[Sequence[Outcome]],
        outcomes: Sequence[Outcome],
    ) -> None:
        with self._lock:
            self._outcomes.append((future, outcomes))
            first = len(self._outcomes) == 1
        if first:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            delivered, self._outcomes = self._outcomes, []
        for future, outcomes in delivered:
            if not future.done():
                future.set_result(outcomes)
