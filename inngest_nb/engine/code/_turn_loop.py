"""An event loop without sockets or a clock, on which one workflow's code runs."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import weakref
from asyncio.events import _set_running_loop  # the only private part that a custom loop needs
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextvars import Context
from typing import Any, NoReturn, Protocol, TypeVarTuple

from inngest_nb.engine.basics._place import NOWHERE, place_in
from inngest_nb.engine.code._in_order import NumberedFuture, NumberedTask, Numbers
from inngest_nb.errors import WorkflowBlockedError, WorkflowCodeError

_MOST_TURNS_TO_END = 100
_MOST_CALLS_TO_END = 10_000  # in each of these turns
_MOST_CUT_TURNS = 10  # of those that were cut off at that number of calls
_CALLS_BETWEEN_LOOKS = 1_000
_MOST_SECONDS = 10.0  # of CPU time that a turn may take

_log = logging.getLogger("inngest_nb.engine")
_Args = TypeVarTuple("_Args")


class Host(Protocol):
    """What a turn loop needs from its run."""

    ended: bool  # whether to stop the turn

    def start_timer(self, handle: asyncio.TimerHandle) -> None:
        """Call `make_due` with the handle when its time has come."""

    def stop_timer(self, handle: asyncio.TimerHandle) -> None:
        """Forget a handle that was canceled."""

    def refuse(self, error: WorkflowCodeError) -> None:
        """Fail the run; called from any thread."""


class TurnLoop(asyncio.AbstractEventLoop):
    """Runs a workflow's tasks in turns: one per recorded event, until no callback is ready.

    What the code can observe depends only on the events and their order, so the same events lead to
    the same calls. Tasks and futures hash by number, counted from the start of the run; `seed`
    makes the hashes differ between runs. The loop's time is that of the last event. I/O raises
    `WorkflowCodeError`.
    """

    keeps_order = True
    is_quiet = False  # whether errors that the code never looked at are not logged

    def __init__(self, host: Host, seed: str = "") -> None:
        self._host = host
        self._numbers = Numbers(seed)
        self._ready: deque[asyncio.Handle] = deque()
        self._now = 0.0
        # Strong references, unlike other loops: the garbage collector must not decide when a task
        # ends.
        self._tasks: set[asyncio.Task[Any]] = set()
        # Created on demand: most code has no generators, and there may be 10,000 waiting runs.
        self._generators: weakref.WeakSet[AsyncGenerator[Any, Any]] | None = None
        self._ending = False
        self._thread = 0

    def turn(self, now: float) -> None:
        """Run callbacks until none is ready, with the loop's time (in seconds) set to `now`.

        Raises `WorkflowBlockedError` if that takes too long.
        """
        self._now = max(self._now, now)
        outer = running_loop()
        self._thread = threading.get_ident()
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(self._keep_generator, self._close_generator)
        _set_running_loop(self)
        try:
            calls, most_seconds = 0, 0.0
            while self._ready:
                calls += 1
                if calls % _CALLS_BETWEEN_LOOKS == 0:
                    if calls > _MOST_CALLS_TO_END if self._ending else self._host.ended:
                        break
                    most_seconds = most_seconds or time.thread_time() + _MOST_SECONDS
                    if time.thread_time() > most_seconds:
                        raise _spinning(self._ready[0])
                handle = self._ready.popleft()
                if handle.cancelled():
                    continue
                try:  # noqa: SIM105  # `suppress` is too slow here
                    handle._run()  # noqa: SLF001  # as every loop does
                except (SystemExit, KeyboardInterrupt):
                    pass  # a task stores them as its error and raises them as well
        finally:
            self._thread = 0
            _set_running_loop(outer)
            sys.set_asyncgen_hooks(*hooks)

    def make_due(self, handle: asyncio.TimerHandle) -> None:
        """Let a timer's callback run in the next turn, at the timer's time or later."""
        self._now = max(self._now, handle.when())
        self._ready.append(handle)

    def end(self) -> None:
        """Cancel all tasks; from now on, every await in them raises `CancelledError`."""
        self._ending = True
        cut = 0
        for _ in range(_MOST_TURNS_TO_END):
            cut += bool(self._ready)
            tasks = [task for task in self._tasks if not task.done()]
            for generator in [] if tasks else list(self._generators or ()):
                self._close_generator(generator)
            if (not tasks and not self._ready) or cut > _MOST_CUT_TURNS:
                break
            for task in tasks:
                task.cancel()
            self.turn(self._now)
        for task in self._tasks:  # these ignore their cancellation; they never run again
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
        self._tasks.clear()
        self._ready.clear()

    def is_turning(self) -> bool:
        """Tell whether the current thread is running a turn of this loop."""
        return self._thread == threading.get_ident()

    def is_busy(self) -> bool:
        """Tell whether any thread is running a turn of this loop."""
        return self._thread != 0

    def is_ending(self) -> bool:
        """Tell whether the code is being canceled."""
        return self._ending

    def _keep_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        if self._generators is None:
            self._generators = weakref.WeakSet()
        self._generators.add(generator)

    def _close_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        if self._generators is not None:
            self._generators.discard(generator)
        self.call_soon(lambda: self.create_task(_close(generator)))

    # The interface that asyncio needs

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def get_task_factory(self) -> None:
        return None

    def create_future(self) -> asyncio.Future[Any]:
        return NumberedFuture(self._numbers.next(), self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None, **_: Any
    ) -> asyncio.Task[Any]:
        number = self._numbers.next()
        name = name or f"Task-{self._numbers.last}"  # asyncio's own numbers span all loops
        task = NumberedTask(number, coro, loop=self, name=name, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def call_soon(
        self, callback: Callable[[*_Args], object], *args: *_Args, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Args], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Args], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if self._ending:
            pass  # never fires: code that is being canceled must not wait any more
        elif when <= self._now:
            self._ready.append(handle)
        else:
            self._host.start_timer(handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self._host.stop_timer(handle)

    def call_soon_threadsafe(
        self, callback: Callable[[*_Args], object], *args: *_Args, context: Context | None = None
    ) -> asyncio.Handle:
        self._host.refuse(refusal("waiting for another thread or loop"))
        return asyncio.Handle(callback, args, self, context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.default_exception_handler(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not self.is_quiet:
            _log.error("error in workflow code: %s", context.get("message"), exc_info=error)


async def _close(generator: AsyncGenerator[Any, Any]) -> None:
    await generator.aclose()


def _spinning(handle: asyncio.Handle) -> WorkflowBlockedError:
    """Return the error for code that keeps running without waiting."""
    task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]  # noqa: SLF001
    place = place_in(task.get_coro()) if isinstance(task, asyncio.Task) else NOWHERE
    return WorkflowBlockedError(
        f"the workflow was stopped because its code ran for {_MOST_SECONDS:g} s without waiting, "
        f"most recently in {place}. It is stored as running, up to its last saved event; change "
        "the code so that it awaits instead of looping, then resume it"
    )


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that is running in this thread, if any."""
    return asyncio._get_running_loop()  # noqa: SLF001  # the public one raises, which takes longer


def refusal(what: str) -> WorkflowCodeError:
    """Return the error for workflow code that does what only an activity may do."""
    return WorkflowCodeError(
        f"{what} is not allowed in workflow code, which must be deterministic for replay; "
        "I/O belongs in an activity, as in `await ctx.execute_activity(fn, input)`"
    )


def _refused(name: str) -> Callable[..., Any]:
    def refuse(self: TurnLoop, *args: Any, **kwargs: Any) -> NoReturn:
        raise refusal(f"{name}()")

    return refuse


for _name in dir(asyncio.AbstractEventLoop):
    if not _name.startswith("_") and _name not in vars(TurnLoop):
        setattr(TurnLoop, _name, _refused(_name))
