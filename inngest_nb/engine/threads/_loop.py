"""The engine's own event loop, in a daemon thread, and its clock."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Protocol, runtime_checkable

from inngest_nb.engine.basics._policy import later

_log = logging.getLogger("inngest_nb.engine")


class Timer(Protocol):
    """A scheduled callback."""

    def cancel(self) -> None:
        """Cancel the callback; can be called from any thread."""


class Clock(Protocol):
    """The engine's source of time. Tests can pass their own, to test retries without waiting.

    If the clock also has `call_later(delay: timedelta, callback)`, that is used for delays that
    must not depend on changes of the system time.
    """

    def now(self) -> datetime:
        """Return the current time as an aware datetime."""

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        """Schedule a callback; it is fast, and may be called in any thread."""


@runtime_checkable
class _CountingClock(Protocol):
    def call_later(self, delay: timedelta, callback: Callable[[], None]) -> Timer:
        """Schedule a callback after a delay; it may be called in any thread."""


def call_when(clock: Clock, when: datetime | timedelta, callback: Callable[[], None]) -> Timer:
    """Schedule a callback at a time (a recorded one) or after a delay (a live wait).

    Delays are not affected by changes of the system time.
    """
    if isinstance(when, datetime):
        return clock.call_at(when, callback)
    if isinstance(clock, _CountingClock):
        return clock.call_later(when, callback)
    return clock.call_at(later(clock.now(), when), callback)


class _MovableLoop(asyncio.SelectorEventLoop):
    """A loop that can move to another thread while its own is blocked by a callback."""

    def detach(self) -> None:
        """Detach the loop from its thread, so that another one can run it."""
        self._thread_id = None


class _LoopMovedError(SystemExit):
    """Ends a thread whose blocking callback returns after the loop has moved to another thread.

    A `SystemExit`, because asyncio does not catch that in callbacks.
    """


# A turn of a workflow's code. Turns are compared by identity.
Turn = tuple[str]


class PrivateLoop:
    """An event loop in its own thread, independent of a notebook's or a server's loop.

    Workflow code runs there in turns. If a turn blocks the thread, the loop can move to another
    thread, so that activities, timers and other runs continue.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.turn: Turn | None = None  # the one that is running now
        self._thread: threading.Thread | None = None
        self._ident = 0
        self._calls: deque[Callable[[], object]] = deque()
        self._awake = False
        self._stopped = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the loop. Calling it again does nothing."""
        if self.loop is None:
            # Windows' Proactor loop cannot move, but activities need it for subprocesses.
            on_windows = sys.platform == "win32"
            loop = asyncio.new_event_loop() if on_windows else _MovableLoop()
            try:
                self._thread = self._new_thread(loop)
            except BaseException:
                loop.close()
                raise
            self.loop = loop

    def is_current(self) -> bool:
        """Tell whether the current thread is the loop's."""
        return threading.get_ident() == self._ident

    def post(self, call: Callable[[], object], *, wake: bool = True) -> None:
        """Call a function on the loop; can be used from any thread.

        With `wake=False` the call waits for the next `wake`, so that several calls cost one
        wake-up.
        """
        self._calls.append(call)
        if wake:
            self.wake()

    def wake(self) -> None:
        """Wake the loop so that it makes the posted calls."""
        with self._lock:
            if self._calls and not self._awake and self.loop is not None:
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    # In an empty context, because the caller's belongs to just one of the runs.
                    self.loop.call_soon_threadsafe(self._drain, context=contextvars.Context())
                self._awake = True  # last, so that an interrupt cannot leave it set by mistake

    def stop(self, grace: float) -> None:
        """Cancel all tasks, wait up to `grace` seconds for them to end, and stop the loop."""
        loop, thread = self.loop, self._thread
        if loop is None or thread is None:
            return
        ended = asyncio.run_coroutine_threadsafe(_end_tasks(grace), loop)
        with contextlib.suppress(TimeoutError):
            ended.result(grace + 1)
        self._stopped = True
        loop.call_soon_threadsafe(loop.stop)
        thread.join(grace + 1)

    # Turns of workflow code

    def take_turn(self, workflow_id: str, go: Callable[..., object], *given: float) -> bool:
        """Run a turn of a workflow's code; False if the loop moved to another thread meanwhile.

        After False, the caller must return at once: its thread is about to end.
        """
        self.turn = (workflow_id,)
        try:
            go(*given)
        finally:
            with self._lock:
                stays = threading.get_ident() == self._ident
                if stays:
                    self.turn = None
        return stays

    def stack_of(self, turn: Turn | None) -> FrameType | None:
        """Return the loop thread's current frame if it is in that turn (None: in no turn)."""
        frame = sys._current_frames().get(self._ident)  # noqa: SLF001  # as debuggers do
        return frame if self.turn is turn else None

    def move(self, turn: Turn) -> bool:
        """Move the loop to another thread, unless that turn is over by now."""
        loop = self.loop
        with self._lock:
            if self.turn is not turn or self._stopped or not isinstance(loop, _MovableLoop):
                return False
            loop.detach()
            try:
                thread = self._thread = self._new_thread(loop)
            except (RuntimeError, MemoryError):  # no thread could be started
                return False
            self._ident = thread.ident or 0
            self.turn = None
            loop.call_soon_threadsafe(self._drain, context=contextvars.Context())
        return True

    def _new_thread(self, loop: asyncio.AbstractEventLoop) -> threading.Thread:
        thread = threading.Thread(
            target=self._run, args=(loop,), name="inngest-nb-loop", daemon=True
        )
        thread.start()
        return thread

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        mine = self._ident = threading.get_ident()
        asyncio.set_event_loop(loop)
        try:
            while not self._stopped:
                try:
                    loop.run_forever()
                except _LoopMovedError:
                    return
                except BaseException:  # noqa: BLE001  # such as sys.exit() in an activity's task
                    _log.exception("an error tried to end the engine's loop; the loop continues")
        finally:
            asyncio.set_event_loop(None)
            with self._lock:
                moved_away = self._ident != mine
                if not moved_away:
                    self._ident = 0  # a new thread may get the same id
            if not moved_away:
                loop.close()
            elif self._stopped:  # this thread has undone the stop by leaving run_forever
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(loop.stop)

    def _drain(self) -> None:
        with self._lock:
            self._awake = False
        for _ in range(len(self._calls)):  # calls that come in meanwhile wake the loop again
            try:
                self._calls.popleft()()
            except BaseException:  # noqa: BLE001  # must not affect the other calls
                _log.exception("a call on the engine's loop failed; please report this")
            if threading.get_ident() != self._ident:
                raise _LoopMovedError


async def _end_tasks(grace: float) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=grace)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.get_running_loop().shutdown_default_executor()


class SystemClock:
    """The system's time. Delays are not affected by changes of it."""

    def __init__(self, loop: PrivateLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        """Schedule a callback on the private loop at a time."""
        return self.call_later(when - self.now(), callback)

    def call_later(self, delay: timedelta, callback: Callable[[], None]) -> Timer:
        """Schedule a callback on the private loop after a delay."""
        timer = _LoopTimer(self._loop, max(0.0, delay.total_seconds()), callback)
        timer.arm()
        return timer


class _LoopTimer:
    def __init__(self, loop: PrivateLoop, delay: float, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._delay = delay
        self._callback = callback
        self._canceled = False
        self._handle: asyncio.TimerHandle | None = None

    def arm(self) -> None:
        self._on_loop(self._begin)

    def cancel(self) -> None:
        self._canceled = True
        self._on_loop(self._drop)

    def _on_loop(self, call: Callable[[], None]) -> None:
        call() if self._loop.is_current() else self._loop.post(call)

    def _begin(self) -> None:
        if not self._canceled and self._loop.loop is not None:
            self._handle = self._loop.loop.call_later(self._delay, self._fire)

    def _drop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _fire(self) -> None:
        if not self._canceled:
            self._callback()
