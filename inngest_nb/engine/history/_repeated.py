"""What a workflow's code gets again when it is replayed: which way it goes, and random numbers."""

from __future__ import annotations

import random
from collections.abc import Callable

from inngest_nb.engine.history._replay import Past


class Versions:
    """Which versions of changed pieces of its code a run goes by."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self.new: dict[str, int] = {}  # that no event says yet

    def of(self, name: str, latest: int, past: Past | None, calls: int) -> int:
        """Return the version of a piece, 0 for that before any; the code has made so many calls."""
        if name not in self._known:
            if past is not None and name in past.versions:
                self._known[name] = past.versions[name]
            elif past is not None and past.last_seq > calls:
                self._known[name] = 0  # it has gone past here when nobody asked yet
            else:
                self._known[name] = self.new[name] = latest
        return self._known[name]

    def take_new(self) -> dict[str, int]:
        """Return the new ones, for the next event to say."""
        new, self.new = self.new, {}
        return new


class RepeatedRandom(random.Random):
    """Random numbers for a workflow's code alone: whoever else drew some would shift its own."""

    check_code: Callable[[], object] = object

    def random(self) -> float:
        self.check_code()
        return super().random()

    def getrandbits(self, count: int, /) -> int:
        self.check_code()
        return super().getrandbits(count)
