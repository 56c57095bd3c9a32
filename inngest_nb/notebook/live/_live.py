"""`run`, `start` and `resume`: a workflow that runs in a cell, where one watches it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import threading
from collections.abc import Callable, Generator
from datetime import timedelta
from functools import partial
from typing import Any, Self
from weakref import WeakValueDictionary

from inngest_nb.engine import Executor, WorkflowHandle
from inngest_nb.errors import EngineError, WorkflowCanceledError, WorkflowFailedError
from inngest_nb.notebook.live._interrupt import HEARING, interrupting
from inngest_nb.notebook.live._painter import Painter
from inngest_nb.notebook.live._recheck import warn_if_replay_differs
from inngest_nb.notebook.live._screens import screen_here
from inngest_nb.state import Signal, WorkflowState, WorkflowStatus
from inngest_nb.store import WorkflowStore

__all__ = ["LiveRun", "executor_of", "resume", "run", "start"]

# How long the stop button waits for the run to be saved as canceled, and the end of a run for its
# last picture, in seconds. Both go on by themselves. Hearing of the button, waiting for the store
# and then for the picture must all fit into a second.
_STOP_PATIENCE = 0.5
_PICTURE_PATIENCE = 2.0

# One executor for each store, as long as anyone holds it: it knows which ids are alive.
_EXECUTORS: WeakValueDictionary[int, Executor] = WeakValueDictionary()
_LOCK = threading.Lock()


class _Stop:
    """A stop button for one run, which may be about to begin."""

    def __init__(self, executor: Executor) -> None:
        self.begun: concurrent.futures.Future[WorkflowHandle] = concurrent.futures.Future()
        self._executor = executor
        self._canceling: threading.Thread | None = None

    @property
    def is_pressed(self) -> bool:
        return self._canceling is not None

    def press(self) -> None:
        """Begin to cancel the run; called by a signal handler, so it waits for nothing."""
        if self._canceling is None:
            self._canceling = threading.Thread(target=self._cancel, daemon=True)
            self._canceling.start()

    def wait(self) -> None:
        """Wait for the run to be saved as canceled, but not long; it goes on by itself."""
        if self._canceling is not None:
            self._canceling.join(_STOP_PATIENCE)

    def _cancel(self) -> None:
        with contextlib.suppress(Exception):  # it never began, or cannot be saved: others tell
            handle = self.begun.result()
            if handle.status == "running":
                self._executor.cancel(handle.id)


class LiveRun:
    """A run that was started and is shown live: the executor's handle, and ways to act on it.

    `await` it for its result: the stop button then cancels the run; a timeout around the `await`,
    or the end of its task, does not.
    """

    def __init__(self, executor: Executor, handle: WorkflowHandle) -> None:
        self.executor = executor
        self.handle = handle
        self._stop = _Stop(executor)
        self._stop.begun.set_result(handle)
        self._painter = Painter(handle, screen_here())
        self._painter.start()

    def __repr__(self) -> str:
        return f"LiveRun({self.id!r}, status={str(self.status)!r})"

    @property
    def id(self) -> str:
        """The id under which the workflow is stored."""
        return self.handle.id

    @property
    def run_id(self) -> str:
        """The id of this one run; another run under the same workflow id has another."""
        return self.handle.run_id

    @property
    def status(self) -> WorkflowStatus:
        """The status now."""
        return self.handle.status

    @property
    def state(self) -> WorkflowState:
        """The run as it is now, with what is about to be saved."""
        return self.handle.state

    @property
    def store(self) -> WorkflowStore:
        """Where the run is stored."""
        return self.executor.store

    def signal(self, name: str, payload: Any = None) -> None:
        """Give the run a signal, and return once it is saved."""
        self.executor.signal(self.id, Signal(name, payload))

    def cancel(self) -> bool:
        """End the run as canceled and return True once that is saved; False if it had ended."""
        return self.status == "running" and self.executor.cancel(self.id)

    def result(self, timeout: timedelta | float | None = None) -> Any:
        """Wait for the run and return its result; raise what made it fail.

        Giving up, by a timeout or by the stop button, leaves the run alone.
        """
        return self.handle.result(timeout)

    def wait(self) -> Self:
        """Return once the run has ended, however, and its last picture is shown.

        The stop button cancels the run. Raises what kept the run from being saved.
        """
        with interrupting(self._stop.press):
            try:
                while not self._is_over():
                    pass
            finally:
                self._finish()
        if self._stop.is_pressed:  # and whoever else handles it does not raise by himself
            raise KeyboardInterrupt
        return self

    def _is_over(self) -> bool:
        """Wait for a moment; tell whether the run has ended."""
        try:
            self.handle.result(HEARING)
        except TimeoutError:
            return False
        except (WorkflowFailedError, WorkflowCanceledError):
            pass  # the picture and `result()` tell
        return True

    def __await__(self) -> Generator[Any, None, Any]:
        return self._wait().__await__()

    async def _wait(self) -> Any:
        with interrupting(self._stop.press):
            try:
                result = await self.handle
            except asyncio.CancelledError:
                if self._stop.is_pressed:
                    self._finish()
                raise
            except EngineError:
                await self._picture()
                raise
        await self._picture()
        return result

    async def _picture(self) -> None:
        drawn = asyncio.shield(asyncio.wrap_future(self._painter.drawn))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(drawn, _PICTURE_PATIENCE)

    def _finish(self) -> None:
        """Wait for the last picture, but not long."""
        self._stop.wait()
        patience = _STOP_PATIENCE / 4 if self._stop.is_pressed else _PICTURE_PATIENCE
        with contextlib.suppress(TimeoutError):
            self._painter.drawn.result(patience)


def run(
    fn: Callable[..., Any],
    input: Any = None,
    *,
    id: str | None = None,
    store: WorkflowStore | None = None,
    timeout: timedelta | float | None = None,
    if_ended: str | None = None,
) -> LiveRun:
    """Run a workflow, show it live, and return its handle once it has ended, however.

    The stop button cancels the run within a second. A blocking cell hears of no click in some
    kernels: for a run that waits for a button, `await start(...)`. Arguments as for `start`. A
    short run's history is then replayed once, which does nothing again: a warning says where its
    code would do something else after a crash.
    """
    executor = executor_of(store)
    stop = _Stop(executor)

    def begin() -> None:
        try:
            stop.begun.set_result(
                executor.execute(fn, id=id, input=input, timeout=timeout, if_ended=if_ended)
            )
        except BaseException as error:  # noqa: BLE001  # it is raised below
            stop.begun.set_exception(error)

    with interrupting(stop.press):
        # In another thread, so that a stop in the middle of it does not lose the run's handle.
        as_here = partial(contextvars.copy_context().run, begin)
        threading.Thread(target=as_here, name="inngest-nb-begin", daemon=True).start()
        try:
            while not stop.begun.done():
                concurrent.futures.wait([stop.begun], HEARING)
            done = LiveRun(executor, stop.begun.result()).wait()
        except KeyboardInterrupt:
            stop.press()
            stop.wait()
            raise
    warn_if_replay_differs(fn, done.state)
    return done


def start(
    fn: Callable[..., Any],
    input: Any = None,
    *,
    id: str | None = None,
    store: WorkflowStore | None = None,
    timeout: timedelta | float | None = None,
    if_ended: str | None = None,
) -> LiveRun:
    """Start a workflow, show it live, and return a handle at once; it goes on by itself.

    `fn(ctx, input)` is an `async def` or a plain function, kept in `store` (None: in memory) under
    `id` (None: a new one). An id whose run has ended can be run again where this kernel ran it;
    else `if_ended` says what to do, as for `Executor.execute`. After `timeout` the run fails. The
    picture in the cell moves until the run has ended; outside of notebooks there is a line on
    stderr. `await` the handle for the result: the stop button then cancels the run. Raises what
    `Executor.execute` raises.
    """
    executor = executor_of(store)
    handle = executor.execute(fn, id=id, input=input, timeout=timeout, if_ended=if_ended)
    return LiveRun(executor, handle)


def resume(
    fn: Callable[..., Any], id: str, *, store: WorkflowStore, take_over: bool = False
) -> LiveRun:
    """Go on with a workflow that is stored as running, show it live, and return a handle at once.

    What its history has is not done again. The handle is that of `start`; with `.wait()` the cell
    blocks until the run has ended, as with `run`. Raises what `Executor.resume` raises, such as
    `WorkflowLeasedError` while another executor runs it, unless told to `take_over`.
    """
    executor = executor_of(store)
    return LiveRun(executor, executor.resume(fn, id, take_over=take_over))


def executor_of(store: WorkflowStore | None) -> Executor:
    """Give the executor of a store: the same as long as anyone holds it."""
    if store is None:
        return Executor()
    with _LOCK:
        executor = _EXECUTORS.get(id(store))
        if executor is None:
            executor = _EXECUTORS[id(store)] = Executor(store)
        return executor
