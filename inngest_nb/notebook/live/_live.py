"""`run`, `start` and `resume`: a workflow that runs in a cell, with a live picture."""

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

from markupsafe import Markup

from inngest_nb.engine import Executor, WorkflowHandle
from inngest_nb.errors import EngineError, WorkflowCanceledError, WorkflowFailedError
from inngest_nb.frames import default_store
from inngest_nb.notebook.live._interrupt import (
    HEARING,
    AwaitStoppedError,
    RunStoppedError,
    interrupting,
)
from inngest_nb.notebook.live._painter import Painter
from inngest_nb.notebook.live._recheck import warn_if_replay_differs
from inngest_nb.notebook.live._screens import NotebookScreen, screen_here
from inngest_nb.notebook.page import output
from inngest_nb.notebook.timeline import picture_bundle
from inngest_nb.state import Signal, WorkflowState, WorkflowStatus
from inngest_nb.store import WorkflowStore
from inngest_nb.words import short

__all__ = ["LiveRun", "executor_of", "resume", "run", "start"]

# How long the stop button waits for the run to be saved as canceled, and the end of a run for its
# last picture, in seconds. Both continue by themselves. Hearing of the button, waiting for the
# store and then for the picture must all fit into a second.
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
    def id(self) -> str:
        """The id of the run, "" before it has begun."""
        begun = self.begun.done() and self.begun.exception() is None
        return self.begun.result().id if begun else ""

    @property
    def is_pressed(self) -> bool:
        return self._canceling is not None

    def press(self) -> None:
        """Begin to cancel the run; called by a signal handler, so it waits for nothing."""
        if self._canceling is None:
            self._canceling = threading.Thread(target=self._cancel, daemon=True)
            self._canceling.start()

    def wait(self) -> None:
        """Wait for the run to be saved as canceled, but not long; it continues by itself."""
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
        self._screen = screen_here()
        self._painter = Painter(handle, self._screen)
        self._painter.start()

    def __repr__(self) -> str:
        return f"LiveRun({self.id!r}, status={str(self.status)!r})"

    def _ipython_display_(self) -> None:
        """Show nothing more in the cell that shows the run already, and the live picture in others.

        Outside of cells IPython falls back to `__repr__`.
        """
        if not isinstance(self._screen, NotebookScreen):
            raise NotImplementedError
        if not self._screen.is_in_this_cell():
            self._screen.show_here(self._painter.picture())

    def _display_(self) -> Any:
        """Show the live picture in marimo, which asks for it by this name."""
        from inngest_nb.notebook.page import MovingPicture  # brings anywidget

        def draw() -> tuple[Markup, bool]:
            over = self._painter.drawn.done()  # first, so that the last picture is of the end
            return output("timeline", picture=self._painter.picture()), over

        return MovingPicture(draw, asks=True)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return picture_bundle(self._painter.picture())

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
        """The status now, as `WorkflowHandle.status` has it."""
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
        """Send the run a signal, and return once it is saved."""
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
        """Return when the run ends, whether it succeeded or not, and its last picture is shown.

        The stop button cancels the run. Raises what kept the run from being saved.
        """
        try:
            with interrupting(self._stop.press):
                try:
                    while not self._is_over():
                        pass
                finally:
                    self._finish()
        except KeyboardInterrupt:
            if not self._stop.is_pressed:
                raise
        if self._stop.is_pressed:  # whoever else handles it may not have raised
            raise RunStoppedError(_canceled(self.id))
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
                try:
                    result = await self.handle
                except EngineError:
                    await self._picture()
                    raise
                await self._picture()
                return result
            except (asyncio.CancelledError, WorkflowCanceledError):
                # The run may have been canceled before the task that awaits it is.
                if not self._stop.is_pressed:
                    raise
                self._finish()
                raise AwaitStoppedError(_canceled(self.id)) from None

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
    check: bool = False,
) -> LiveRun:
    """Run a workflow, show it live, and return its handle when it ends, successful or not.

    With `check` a run that failed or was canceled raises what `result()` raises, so that a
    scheduled notebook fails too. The other arguments are those of `start`. The stop button cancels
    the run within a second. While a cell blocks, some kernels do not process clicks: use
    `await start(...)` for a run that waits for a button. A short run's history is replayed once
    afterwards, without side effects; a warning tells where its code would act differently after a
    crash.
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

    # In another thread, so that a stop in the middle of it does not lose the run's handle.
    as_here = partial(contextvars.copy_context().run, begin)
    beginning = threading.Thread(target=as_here, name="inngest-nb-begin", daemon=True)
    try:
        with interrupting(stop.press):
            beginning.start()
            while not stop.begun.done():
                concurrent.futures.wait([stop.begun], HEARING)
            done = LiveRun(executor, stop.begun.result()).wait()
    except KeyboardInterrupt:
        stop.press()
        stop.wait()
        raise RunStoppedError(_canceled(stop.id or id or "")) from None
    warn_if_replay_differs(fn, done.state)
    if check and done.status != "completed":
        done.result()
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
    """Start a workflow, show it live, and return its handle at once; it runs in the background.

    `fn(ctx, input)` is an `async def` or a plain function, kept in `store` (None: the store of
    `inb.use`, else memory) under `id` (None: a new one). If a run of that id has ended, a cell may
    run it again if this kernel ran it before; otherwise `if_ended` is "raise", "return" (its
    handle) or "replace". After `timeout` (seconds or a timedelta) the run fails. The picture in
    the cell is updated until the run ends; outside of notebooks, a line on stderr is. `await` the
    handle for the result: the stop button then cancels the run. Raises what `Executor.execute`
    raises.

        live = inb.start(order, {"order": 42}, store=store)
        await live
    """
    executor = executor_of(store)
    handle = executor.execute(fn, id=id, input=input, timeout=timeout, if_ended=if_ended)
    return LiveRun(executor, handle)


def resume(
    fn: Callable[..., Any],
    id: str,
    *,
    store: WorkflowStore | None = None,
    take_over: bool = False,
) -> LiveRun:
    """Resume a workflow that is stored as running, show it live, and return its handle at once.

    Nothing in its history is executed again. The store is that of `inb.use` unless given. The
    handle is like that of `start`; with `.wait()` the cell blocks until the run ends, as with
    `run`. Raises what `Executor.resume` raises, such as `WorkflowLeasedError` while another
    executor runs it, unless told to `take_over`.
    """
    if store is None and default_store() is None:
        raise TypeError("resume needs store=, or a default store: inb.use(store)")
    executor = executor_of(store)
    return LiveRun(executor, executor.resume(fn, id, take_over=take_over))


def _canceled(workflow_id: str) -> str:
    return f"Canceled: {short(workflow_id)}" if workflow_id else "Canceled"


def executor_of(store: WorkflowStore | None) -> Executor:
    """Give the executor of a store, or of that of `use`: the same as long as anyone holds it."""
    store = default_store() if store is None else store
    if store is None:
        return Executor()
    with _LOCK:
        executor = _EXECUTORS.get(id(store))
        if executor is None:
            executor = _EXECUTORS[id(store)] = Executor(store)
        return executor
