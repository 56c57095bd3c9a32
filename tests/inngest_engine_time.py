"""The two times of the executor stand-in: the real one, and one that skips to what is due next."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

Kind = Literal["own", "wait", "limit"]  # whose an entry is: the executor's, or a worker's timer

PATIENCE = 0.5


class Entry(Protocol):
    """What is due at a time."""

    def cancel(self) -> None:
        """Take it back."""


class RealTime:
    """The system's time. What is due is done at once, in the order in which it became due."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return datetime.now(UTC)

    def call_at(self, when: datetime, callback: Callable[[], None]) -> _Later:
        """Call a function at a time, on the stand-in's thread; any thread can ask for it."""
        timer = _Later(self._loop)
        self._loop.call_soon_threadsafe(self._arm, timer, when, callback)
        return timer

    def call_later(self, delay: timedelta, callback: Callable[[], None]) -> _Later:
        """Call a function after a delay."""
        return self.call_at(self.now() + delay, callback)

    def _arm(self, timer: _Later, when: datetime, callback: Callable[[], None]) -> None:
        if not timer.canceled:
            delay = max(0.0, (when - self.now()).total_seconds())
            timer.handle = self._loop.call_later(delay, callback)

    def add(self, when: datetime, do: Callable[[], object]) -> Entry:
        """Do something of the executor's own at a time; only its thread may ask for it."""
        return self._loop.call_later(max(0.0, (when - self.now()).total_seconds()), do)

    def began(self) -> None:
        """Note that a worker has a request."""

    def answered(self, do: Callable[[], object]) -> None:
        """Take a worker's answer."""
        do()

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Real time cannot be held."""
        yield


class _Later:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.canceled = False
        self.handle: asyncio.TimerHandle | None = None
        self._loop = loop

    def cancel(self) -> None:
        self.canceled = True
        with contextlib.suppress(RuntimeError):  # the stand-in is closed
            self._loop.call_soon_threadsafe(self._drop)

    def _drop(self) -> None:
        if self.handle is not None:
            self.handle.cancel()


@dataclass(order=True)
class _Entry:
    when: datetime
    number: int
    do: Callable[[], object] = field(compare=False)
    kind: Kind = field(compare=False)
    time: VirtualTime = field(compare=False)

    def cancel(self) -> None:
        self.time.drop(self)


class VirtualTime:
    """A time that stands still, and skips to what is due next when everybody waits for it.

    Everybody waits when workers have no more requests than timers that they armed here with
    `call_at`. One armed with `call_later` is a limit, of what goes on meanwhile: time skips to it
    only when for `PATIENCE` real seconds nothing was heard from the workers, which so must hang.

    With `shuffle`, answers and what is due are taken one by one, each only when everybody waits,
    and `shuffle` draws which: so one seed is one order, whatever the threads do.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, start: datetime, shuffle: random.Random | None
    ) -> None:
        self._loop, self._now, self._shuffle = loop, start, shuffle
        self._entries: list[_Entry] = []
        self._numbers = itertools.count()
        self._answers: list[Callable[[], object]] = []
        self._armed = {"own": 0, "wait": 0, "limit": 0}
        self._requests = self._holds = 0
        self._woken = 0  # timers that went off, and what their workers do now has not been heard
        self._heard = 0  # how often something was heard from a worker
        self._is_patient = True
        self._is_turning = False
        self._lock = threading.RLock()  # timers come from any thread

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def call_at(self, when: datetime, callback: Callable[[], None]) -> _Entry:
        """Call a function at a time, on the stand-in's thread; any thread can ask for it."""
        return self._push(when, callback, "wait")

    def call_later(self, delay: timedelta, callback: Callable[[], None]) -> _Entry:
        """Call a function when something has taken too long."""
        return self._push(self.now() + delay, callback, "limit")

    def add(self, when: datetime, do: Callable[[], object]) -> Entry:
        """Do something of the executor's own at a time."""
        return self._push(when, do, "own")

    def _push(self, when: datetime, do: Callable[[], object], kind: Kind) -> _Entry:
        with self._lock:
            entry = _Entry(when, next(self._numbers), do, kind, self)
            heapq.heappush(self._entries, entry)
            self._armed[kind] += 1
            if kind != "own":
                self._hear()
        self._turn_soon()
        return entry

    def drop(self, entry: _Entry) -> None:
        """Take back an entry."""
        with self._lock:
            if entry in self._entries:
                self._entries.remove(entry)
                heapq.heapify(self._entries)
                self._armed[entry.kind] -= 1
            if entry.kind != "own":
                self._hear()
        self._turn_soon()

    def began(self) -> None:
        """Note that a worker has a request."""
        with self._lock:
            self._requests += 1

    def answered(self, do: Callable[[], object]) -> None:
        """Take a worker's answer, at once or when it is drawn."""
        with self._lock:
            self._requests -= 1
            self._hear()
            if self._shuffle is not None:
                self._answers.append(do)
        if self._shuffle is None:
            do()
        self._turn_soon()

    def _hear(self) -> None:
        self._heard += 1
        self._woken = max(0, self._woken - 1)
        self._is_patient = True

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Let the time stand still meanwhile, whatever is due later; any thread can do so."""
        with self._lock:
            self._holds += 1
        try:
            yield
        finally:
            with self._lock:
                self._holds -= 1
            self._turn_soon()

    def _turn_soon(self) -> None:
        with self._lock:
            if self._is_turning:
                return
            self._is_turning = True
        with contextlib.suppress(RuntimeError):  # the stand-in is closed
            self._loop.call_soon_threadsafe(self._turn)

    def _turn(self) -> None:
        with self._lock:
            self._is_turning = False
        while (do := self._next()) is not None:
            do()
        with self._lock:
            if self._entries and not self._everybody_waits():
                self._loop.call_later(PATIENCE, self._lose_patience, self._heard)

    def _lose_patience(self, heard: int) -> None:
        with self._lock:
            if heard != self._heard or not self._is_patient:
                return
            self._is_patient, self._woken = False, 0
        self._turn()

    def _everybody_waits(self) -> bool:
        busy = self._requests - self._armed["wait"]
        if not self._is_patient:
            busy -= self._armed["limit"]
        return busy <= 0 and not self._woken

    def _next(self) -> Callable[[], object] | None:
        """Return what is to be done now, after a skip of the time if need be."""
        with self._lock:
            while True:
                first = self._entries[0] if self._entries else None
                is_due = first is not None and first.when <= self._now
                # A worker's timers are its own business: nobody draws when they go off.
                if first is not None and is_due and (first.kind != "own" or not self._shuffle):
                    return self._taken(first)
                if not self._everybody_waits():
                    return None
                if is_due or self._answers:
                    return self._drawn()
                if first is None or self._holds:
                    return None
                self._now = first.when

    def _taken(self, entry: _Entry) -> Callable[[], object]:
        self._entries.remove(entry)
        heapq.heapify(self._entries)
        self._armed[entry.kind] -= 1
        self._woken += entry.kind != "own"
        return entry.do

    def _drawn(self) -> Callable[[], object]:
        """Draw one of the answers and of the executor's own entries that are due."""
        assert self._shuffle is not None
        due = [each for each in sorted(self._entries) if each.when <= self._now]
        due = [each for each in due if each.kind == "own"]
        chosen = self._shuffle.randrange(len(due) + len(self._answers))
        if chosen < len(due):
            return self._taken(due[chosen])
        return self._answers.pop(chosen - len(due))


def rounded(delay: timedelta) -> timedelta:
    """Round to whole seconds, halves up; what is past is no delay."""
    return max(timedelta(), timedelta(seconds=int(delay / timedelta(seconds=1) + 0.5)))
