"""Values that are the same in every replay: the versions of code pieces, and random numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

from inngest_nb.engine.history._replay import Past


class Versions:
    """The versions that a run has chosen for changed pieces of its code."""

    told: Mapping[str, int] = MappingProxyType({})  # not in an event yet, but somebody keeps them

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self.new: dict[str, int] = {}  # not recorded in an event yet

    def of(self, name: str, latest: int, past: Past | None, calls: int) -> int:
        """Return the version of a code piece, 0 for the original; `calls` is the count so far."""
        if name not in self._known:
            if past is not None and (recorded := past.version_of(name)) is not None:
                self._known[name] = recorded
                if name not in past.versions:
                    self.told = {**self.told, name: recorded}
            elif past is not None and past.has_passed(calls):
                self._known[name] = 0  # the run passed here before the call was added
            else:
                self._known[name] = self.new[name] = latest
        return self._known[name]

    def take_new(self) -> dict[str, int]:
        """Return and clear the versions that the next event has to record."""
        new, self.new = {**self.told, **self.new}, {}
        self.take_told()
        return new

    def take_told(self) -> dict[str, int]:
        """Return and clear the versions that somebody else keeps, and that no event has yet."""
        told = dict(self.told)
        if told:
            self.told = {}
        return told


class RepeatedRandom(random.Random):
    """Random numbers for workflow code only: any other use would change the sequence."""

    check_code: Callable[[], object] = object

    def random(self) -> float:
        self.check_code()
        return super().random()

    def getrandbits(self, count: int, /) -> int:
        self.check_code()
        return super().getrandbits(count)
