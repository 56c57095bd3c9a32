"""The engine's own event loop, in a daemon thread, and the clock that goes with it."""

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
    """Something that will be called at its time."""

    def cancel(self) -> None:
        """Don't call it any more; safe from any thread."""


class Clock(Protocol):
    """Where the engine gets its time from. Give another one to try out retries without waiting.

    One that also has `call_later(delay: timedelta, callback)` is asked for what has to last so long
    whatever the time of day does meanwhile.
    """

    def now(self) -> datetime:
        """Return the time, with its zone."""

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        """Call back at that time, from any thread; the callback is quick."""


@runtime_checkable
class _CountingClock(Protocol):
    def call_later(self, delay: timedelta, callback: Callable[[], None]) -> Timer:
        """Call back after so long, from any thread."""


def call_when(clock: Clock, when: datetime | timedelta, callback: Callable[[], None]) -> Timer:
    """Call back at a time, such as a recorded one, or after a while, as what is live does.

    Live waits last as long as they should, even if somebody sets the clock.
    """
    if isinstance(when, datetime):
        return clock.call_at(when, callback)
    if isinstance(clock, _CountingClock):
        return clock.call_later(when, callback)
    return clock.call_at(later(clock.now(), when), callback)


class _MovableLoop(asyncio.SelectorEventLoop):
    """A loop that another thread may go on with while its own is stuck in a callback."""

    def let_go(self) -> None:
        """Have it run by no thread, so that another one may."""
        self._thread_id = None


class _LeftBehindError(SystemExit):
    """Ends a thread that comes back when another one runs its loop: no callback holds it."""


# A turn of a workflow's code. Each is an object of its own.
Turn = tuple[str]


class PrivateLoop:
    """An event loop in a thread of its own: neither a notebook's nor a server's loop matters.

    Workflows' code runs there, in turns. While one of them keeps the thread, the loop can move to
    another thread: activities, timers and the other runs go on there.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.turn: Turn | None = None  # of the code that runs right now
        self._thread: threading.Thread | None = None
        self._ident = 0
        self._calls: deque[Callable[[], object]] = deque()
        self._awake = False
        self._stopped = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to turn; again is no error."""
        if self.loop is None:
            # Windows' own kind of loop cannot move, but it has subprocesses for activities.
            on_windows = sys.platform == "win32"
            loop = asyncio.new_event_loop() if on_windows else _MovableLoop()
            try:
                self._thread = self._new_thread(loop)
            except BaseException:
                loop.close()
                raise
            self.loop = loop

    def is_current(self) -> bool:
        """Tell whether this is the loop's own thread."""
        return threading.get_ident() == self._ident

    def post(self, call: Callable[[], object], *, wake: bool = True) -> None:
        """Make a call on the loop, from any thread; calls that come together cost one wake-up.

        Without `wake` it waits for somebody to call `wake`, so that several come together.
        """
        self._calls.append(call)
        if wake:
            self.wake()

    def wake(self) -> None:
        """Make the calls that were posted."""
        with self._lock:
            if self._calls and not self._awake and self.loop is not None:
                with contextlib.suppress(RuntimeError):  # closed: nothing of it matters any more
                    # In no context: the caller's is that of one run, and these are all runs' calls.
                    self.loop.call_soon_threadsafe(self._drain, context=contextvars.Context())
                self._awake = True  # last, lest an interrupt leave it so with nothing to come

    def stop(self, grace: float) -> None:
        """Cancel what runs there, wait so many seconds for it to end, and let go of the loop."""
        loop, thread = self.loop, self._thread
        if loop is None or thread is None:
            return
        ended = asyncio.run_coroutine_threadsafe(_end_tasks(grace), loop)
        with contextlib.suppress(TimeoutError):
            ended.result(grace + 1)
        self._stopped = True
        loop.call_soon_threadsafe(loop.stop)
        thread.join(grace + 1)

    # Turns of workflows' code

    def take_turn(self, workflow_id: str, go: Callable[..., object], *given: float) -> bool:
        """Let a workflow's code have the thread; False if the loop moved to another one meanwhile.

        What calls this then has to return: the thread is about to end.
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
        """Return where the loop's thread is, if it is in that turn (None: in no turn)."""
        frame = sys._current_frames().get(self._ident)  # noqa: SLF001  # as debuggers do
        return frame if self.turn is turn else None

    def move(self, turn: Turn) -> bool:
        """Let the loop go on in another thread, unless that turn is over by now."""
        loop = self.loop
        with self._lock:
            if self.turn is not turn or self._stopped or not isinstance(loop, _MovableLoop):
                return False
            loop.let_go()
            try:
                thread = self._thread = self._new_thread(loop)
            except (RuntimeError, MemoryError):  # no thread to be had
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
                except _LeftBehindError:
                    return
                except BaseException:  # noqa: BLE001  # such as sys.exit() in an activity's task
                    _log.exception("something wanted to end the engine's loop, which goes on")
        finally:
            asyncio.set_event_loop(None)
            with self._lock:
                is_left = self._ident != mine
                if not is_left:
                    self._ident = 0  # the next thread that begins may get the number of this one
            if not is_left:
                loop.close()
            elif self._stopped:  # which this thread has revoked on its way out
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(loop.stop)

    def _drain(self) -> None:
        with self._lock:
            self._awake = False
        for _ in range(len(self._calls)):  # what comes meanwhile wakes the loop again
            try:
                self._calls.popleft()()
            except BaseException:  # noqa: BLE001  # told; the other runs' calls go on
                _log.exception("a call on the engine's loop failed; please report this")
            if threading.get_ident() != self._ident:
                raise _LeftBehindError


async def _end_tasks(grace: float) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=grace)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.get_running_loop().shutdown_default_executor()


class SystemClock:
    """The machine's time. A wait lasts as long as it should, even if someone sets the clock."""

    def __init__(self, loop: PrivateLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        """Call back on the private loop at that time."""
        return self.call_later(when - self.now(), callback)

    def call_later(self, delay: timedelta, callback: Callable[[], None]) -> Timer:
        """Call back on the private loop after so long, even if the time is set meanwhile."""
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
