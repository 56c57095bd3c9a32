"""A worker: its own event loop in its own thread, which serves functions until it is closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

from inngest_nb import words
from inngest_nb.api import AsyncInngestAPI, InngestAPI
from inngest_nb.engine import refuse_in_code
from inngest_nb.engine.basics import Duration, name_of
from inngest_nb.engine.driven import DrivenEngine
from inngest_nb.errors import InngestError
from inngest_nb.worker._mirror import Mirror
from inngest_nb.worker._presence import Presence, State
from inngest_nb.worker._settings import WorkerSettings

if TYPE_CHECKING:
    from inngest_nb.worker._handle import InngestHandle

_CLOSE_SECONDS = 2.0
_FIRST_SECONDS = 5.0

_log = logging.getLogger("inngest_nb.worker")


class InngestWorker:
    """Serves workflows to an Inngest server; made by `serve_on_inngest`.

        with inb.serve_on_inngest([order]) as worker:
            worker.wait()

    It runs in a thread of its own, so it serves while cells run, and an interrupt stops the cell
    only. Whenever the server goes down, the worker waits for it and comes back; `state` and `error`
    say so, and so does the log `inngest_nb.worker`, once each time.
    """

    def __init__(self, settings: WorkerSettings, functions: Sequence[Callable[..., Any]]) -> None:
        self._settings = settings
        self._functions = tuple(functions)
        self._presence = Presence(settings.app_id, settings.server.url)
        self._begun = False
        self._api: InngestAPI | None = None  # for handles
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"inngest-nb-worker-{settings.app_id}", daemon=True
        )

    @property
    def app_id(self) -> str:
        """The id of the app under which the server knows the functions."""
        return self._settings.app_id

    @property
    def url(self) -> str:
        """The address of the Inngest server."""
        return self._settings.server.url

    @property
    def via(self) -> str:
        """How the server reaches the worker: "connect" or "http"."""
        return self._settings.via

    @property
    def port(self) -> int | None:
        """The port on which it listens, with `via="http"`."""
        return self._presence.port

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of the workflows that it serves."""
        return tuple(name_of(fn) for fn in self._functions)

    @property
    def state(self) -> State:
        """Is "connecting" at first, "active", "away" while it waits for the server, or "closed"."""
        return self._presence.state

    @property
    def error(self) -> InngestError | None:
        """Why it cannot reach the server, else None."""
        return self._presence.error

    @property
    def running(self) -> tuple[str, ...]:
        """The names of what runs now: workflows, or their activities as in `order: charge`."""
        return self._settings.running.names()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the worker has ended, for scripts; False if `timeout` seconds pass before.

        Ctrl-C, or a cell's interrupt, ends the waiting only; the worker ends with `close`.
        """
        return self._presence.wait_ended(timeout)

    def close(self) -> tuple[str, ...]:
        """Take no more work, and wait up to two seconds for the end of what runs.

        Returns the names of what still runs after that, and logs them: it continues in the
        background, and its results still reach the server, unless the process ends before. Calling
        it again waits again.
        """
        self._presence.closing()
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended
            self._loop.call_soon_threadsafe(self._closing.set)
        if self._presence.wait_ended(_CLOSE_SECONDS):
            self._thread.join(_CLOSE_SECONDS)
            return ()
        left = self.running
        if left:
            _log.warning(
                "worker %r is closed, but still running: %s",
                *(self.app_id, words.short(", ".join(left), 300)),
            )
        return left

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        names = words.short(", ".join(self.functions), 60)
        return (
            f"InngestWorker({self.app_id!r}, {self.url!r}, via={self.via!r}, "
            f"functions={names!r}, state={self.state!r})"
        )

    def start(
        self,
        fn: Callable[..., Any],
        input: Any = None,
        *,
        id: str | None = None,
        timeout: Duration | None = None,
    ) -> InngestHandle:
        """Start a run of a workflow that this worker serves, and return a handle at once.

        `id` defaults to a new unique id. If the workflow was started under this id within the last
        day, that run's handle is returned, and nothing is started. `timeout` (a timedelta or
        seconds) limits the whole run: it then fails.

        The run is the server's: any worker of the app runs its steps, this one or another. Raises
        `InngestConnectionError` if the server is offline, and `ValueError` for a function that this
        worker does not serve.
        """
        from inngest_nb.worker._handle import InngestHandle, start_run

        refuse_in_code("starting a run")
        if name_of(fn) not in self.functions:
            raise ValueError(
                f"fn must be one of the workflows that this worker serves "
                f"({', '.join(self.functions)}), got {name_of(fn)!r}"
            )
        if self._api is None:
            self._api = InngestAPI(**self._settings.api_arguments())
        workflow_id, run_id = start_run(self._api, self.app_id, fn, input, id, timeout)
        return InngestHandle(self._api, fn, workflow_id, run_id, self._settings.store)

    def begin(self) -> None:
        """Start the thread, and return when the server has the functions, or can't be used.

        Raises what the worker ended with, if it could not begin. Called by `serve_on_inngest`.
        """
        try:
            self._thread.start()
        except BaseException:
            self._loop.close()
            raise
        try:
            self._presence.wait_settled(_FIRST_SECONDS)
        except BaseException:  # an interrupt: nobody has the worker yet
            self.close()
            raise
        refusal = self._presence.refusal
        if refusal is not None:
            self.close()
            raise refusal

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as caught:  # noqa: BLE001  # told to whoever waits
            error = caught
            if self._begun:
                _log.exception("worker %r ended; please report this", self.app_id)
        finally:
            with contextlib.suppress(RuntimeError):
                self._loop.run_until_complete(self._loop.shutdown_asyncgens())
                self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()
            self._presence.ended(error)

    async def _serve(self) -> None:
        # Loaded only now: whoever does not serve does not need the SDK.
        from inngest_nb.worker._functions import functions_of
        from inngest_nb.worker.steps import Served
        from inngest_nb.worker.transports import close_client, make_client, serve

        settings, names = self._settings, frozenset(self.functions)
        engine = DrivenEngine(settings.clock)
        api = AsyncInngestAPI(**settings.api_arguments())
        client = make_client(settings)
        mirror = None if settings.store is None else Mirror(settings.store)
        saw = None if mirror is None else mirror.saw
        served = Served(engine, api, settings.app_id, names, saw, settings.running)
        try:
            functions = functions_of(client, self._functions, served, retries=settings.retries)
            self._begun = True
            await serve(client, functions, settings, self._presence, self._closing)
        finally:
            await close_client(client)
            await api.aclose()
            engine.close()
            if mirror is not None:
                mirror.close(_CLOSE_SECONDS)
