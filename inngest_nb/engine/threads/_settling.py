"""Notices which runs have not moved for a while, at no cost for those that move."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Protocol

from inngest_nb.engine.threads._loop import PrivateLoop
from inngest_nb.engine.threads._writer import Writer

# A run counts as settled after one to two of these periods. It is long for an engine, in which most
# waits take milliseconds, and short for a person who looks at what a run waits for.
_PERIOD_SECONDS = 0.25
# Of many runs, so many settle at a time, with a pause in between: their saves must not hold up
# those of the runs that move, and a run that is woken meanwhile needs none. The more of the others
# have been saved since the last time, the fewer settle.
_MOST_AT_ONCE, _LEAST_AT_ONCE = 200, 20
_PAUSE_SECONDS = 0.2

_log = logging.getLogger("inngest_nb.engine")


class Settler(Protocol):
    """A run, as seen here."""

    def settle(self) -> bool:
        """Bring the store up to date, because the run rests; returns False if it does not yet."""


class Settling:
    """Lets runs settle that have not moved for a period.

    One timer serves all runs, and it rests with them: 10,000 runs that wait cost nothing.
    """

    def __init__(self, loop: PrivateLoop, writer: Writer) -> None:
        self._loop = loop
        self._writer = writer
        self._expected = 0  # the writer's saves so far if nothing but the settled runs was saved
        self._moved: set[Settler] = set()  # since the last look
        self._still: set[Settler] = set()  # since the look before
        self._due: deque[Settler] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._armed = False

    def moved(self, run: Settler, *, wake: bool = True) -> None:
        """Note that something happened in a run; called from any thread, often.

        With `wake=False` the loop is woken by what is about to happen in the run.
        """
        self._moved.add(run)
        if not self._armed:
            self._armed = True
            self._loop.post(self._arm, wake=wake)

    def forget(self, run: Settler) -> None:
        """Let go of a run that is over."""
        self._moved.discard(run)
        self._still.discard(run)

    # On the loop

    def _arm(self) -> None:
        if self._timer is None and self._loop.loop is not None:
            pause = _PAUSE_SECONDS if self._due else _PERIOD_SECONDS
            self._timer = self._loop.loop.call_later(pause, self.look)

    def look(self) -> None:
        """Settle the runs that have not moved since the look before the last."""
        self._timer = None
        if not self._due:
            moved = self._moved.copy()
            self._moved.difference_update(moved)  # in place, because other threads add to it
            self._due.extend(self._still - moved)
            self._still = moved
        saves = self._writer.saves
        most = max(_LEAST_AT_ONCE, _MOST_AT_ONCE - max(0, saves - self._expected))
        settling = min(len(self._due), most)
        self._expected = saves + settling
        for _ in range(settling):
            self._settle(self._due.popleft())
        self._armed = False  # first, so that whoever moves from here on arms it
        if self._moved or self._still or self._due:
            self._armed = True
            self._arm()

    def _settle(self, run: Settler) -> None:
        try:
            if not run.settle():
                self._still.add(run)
        except BaseException:  # noqa: BLE001  # must not affect other runs
            _log.exception("a run that rests could not be stored as such; please report this")
