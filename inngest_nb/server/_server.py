"""Starting and stopping the state server, in a thread or as a process."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import Self

import uvicorn

from inngest_nb.errors import ServerStartError
from inngest_nb.server._app import App
from inngest_nb.server._guard import Guard
from inngest_nb.server._indexing import Indexing
from inngest_nb.store.http import identify
from inngest_nb.store.tables import StateTable, open_table, path_of

__all__ = ["StateServer"]

_START_SECONDS = 30.0


class StateServer:
    """An HTTP server that implements the contract and stores workflow states in an SQLite file.

        with StateServer("workflows.db", port=0) as server:
            store = InngestStore(server.url)

    A save is on disk before the server responds. With the path `":memory:"` there is no file, and
    everything is lost when the server stops. `port=0` chooses a free port. With an `event_key`,
    every request must send it; without one, the server listens on loopback only. As a context
    manager, or with `start` and `close`, it runs in a thread; `run` blocks the calling thread.

    Raises `ServerStartError` if it cannot listen, and `StoreFileError` if the file cannot be used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = ".inngest-nb/state.db",
        host: str = "127.0.0.1",
        port: int = 8288,
        event_key: str | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._guard = Guard(host, event_key)
        self.path = path_of(path)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"StateServer({str(self.path)!r}, {self.url!r})"

    @property
    def url(self) -> str:
        """The base URL for clients; with port 0, it is known once the server has started."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self) -> Self:
        """Start the server in its own thread, and return when it accepts requests."""
        self._check_idle()
        listener, table = self._prepare()
        self._server = server = _Server(table, self._guard)
        self._thread = threading.Thread(
            target=_serve, args=(server, listener, table), name="inngest-nb-server", daemon=True
        )
        self._thread.start()
        if not server.ready.wait(_START_SECONDS) or not server.started:
            self.close()
            raise ServerStartError(
                f"the state server did not start at {self.url} within {_START_SECONDS:g} s"
            )
        return self

    def run(self, started: Callable[[], None] | None = None) -> None:
        """Serve in this thread until SIGINT or SIGTERM; calls `started` when it is ready."""
        self._check_idle()
        listener, table = self._prepare()
        self._server = server = _Server(table, self._guard, started)
        try:
            with asyncio.Runner(loop_factory=_fast_loop()) as runner:
                runner.run(server.serve([listener]))
        finally:
            self._server = None
            table.close()

    def stop_soon(self) -> None:
        """Ask the server to stop, without waiting for it."""
        if self._server is not None:
            self._server.should_exit = True

    def close(self) -> None:
        """Stop the server and wait for it. Calling it again does nothing."""
        self.stop_soon()
        if self._thread is not None:
            self._thread.join()
            self._thread = self._server = None

    def __enter__(self) -> Self:
        return self if self._is_running() else self.start()

    def __exit__(self, *error: object) -> None:
        self.close()

    def _is_running(self) -> bool:
        return self._server is not None and (self._thread is None or self._thread.is_alive())

    def _check_idle(self) -> None:
        """Raise if the server is running, because nothing could stop the first one any more."""
        if self._is_running():
            raise ServerStartError(
                f"this state server is already running at {self.url}; call close() before you "
                "start it again"
            )

    def _prepare(self) -> tuple[socket.socket, StateTable]:
        """Bind the port first, so that the file is not touched if that fails."""
        listener = self._listen()
        try:
            table = open_table(self.path)
        except BaseException:
            listener.close()
            raise
        self.port = listener.getsockname()[1]
        return listener, table

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # With an explicit protocol, because asyncio sets TCP_NODELAY only on such sockets.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.host, self.port))
            listener.listen(2048)
            return listener
        except OSError as error:
            listener.close()
            raise ServerStartError(self._why_not(error)) from error

    def _why_not(self, error: OSError) -> str:
        if error.errno in (98, 48, 10048):  # EADDRINUSE on Linux, macOS, Windows
            # Most often it is Inngest itself, which uses port 8288. The key is not sent there.
            there = identify(self.url, "", timeout=1).words
            return (
                f"port {self.port} of {self.host} is already used by {there}; "
                "choose another one with --port or port=, or 0 for any free port"
            )
        return f"cannot listen on {self.host} port {self.port}: {error.strerror or error}"


class _Server(uvicorn.Server):
    """Uvicorn without its logs, which signals when it is ready."""

    def __init__(
        self, table: StateTable, guard: Guard, started: Callable[[], None] | None = None
    ) -> None:
        # Long polls return when the server is stopping.
        self._app = App(table, guard, closing=lambda: self.should_exit)
        super().__init__(
            uvicorn.Config(
                self._app,
                http="httptools",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=3,
            )
        )
        self.ready = threading.Event()
        self._table = table
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._indexing = Indexing(self._table)
        self.ready.set()
        if self._tell is not None:
            self._tell()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        await asyncio.to_thread(self._indexing.close)
        await asyncio.to_thread(self._app.close)


def _serve(server: _Server, listener: socket.socket, table: StateTable) -> None:
    # Not `asyncio.run`, which does not accept our loop if nest-asyncio 1.x is applied.
    loop = asyncio.SelectorEventLoop()
    try:
        loop.run_until_complete(server.serve([listener]))
    finally:
        server.ready.set()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        table.close()


def _fast_loop() -> type[asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.Loop
