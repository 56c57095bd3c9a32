"""A worker that the server calls over HTTP: a port of its own, which it registers.

The server keeps no connection to it. So the worker looks at the server every two seconds, and
registers again after it was away, or no longer lists the functions: a dev server that was started
again has forgotten them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from typing import Any

import inngest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from inngest_nb.errors import InngestError, ServerStartError
from inngest_nb.worker._presence import Presence
from inngest_nb.worker._settings import WorkerSettings
from inngest_nb.worker.transports._sdk import HttpRequests
from inngest_nb.worker.transports._watch import Watch, dropped, ends

PATH = "/api/inngest"

_LOOK_SECONDS = 2.0
_ANY_HOST = ("0.0.0.0", "::")  # noqa: S104  # to be told from others

_log = logging.getLogger("inngest_nb.worker")


async def serve_http(
    client: inngest.Inngest,
    functions: list[inngest.Function[Any]],
    settings: WorkerSettings,
    presence: Presence,
    watch: Watch,
) -> None:
    """Listen, and stay registered, until the worker is closing; then wait for what runs."""
    listener = _listener(settings)
    presence.port = listener.getsockname()[1]
    address = _address(settings.host, presence.port)
    requests = HttpRequests(client, functions, f"{address}{PATH}")
    server = _server(requests, settings)
    serving = asyncio.ensure_future(server.serve([listener]))
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0.01)
        staying = asyncio.ensure_future(_stay_registered(requests, settings, presence, watch))
        await watch.first(staying, serving)
        if staying.done():
            staying.result()
        await dropped(staying)
    finally:
        server.should_exit = True
        error = await ends(serving)
        listener.close()
    if error is not None:
        raise error


async def _stay_registered(
    requests: HttpRequests, settings: WorkerSettings, presence: Presence, watch: Watch
) -> None:
    is_registered = is_listed = False
    while not watch.is_over():
        if not is_registered:
            await watch.until_there(presence)
            if watch.is_over():
                return
            refusal = await requests.register()
            is_registered, is_listed = refusal is None, False
            if refusal is None:
                presence.active()
            else:
                presence.away(_refused(settings, refusal))
        await watch.pause(_LOOK_SECONDS)
        seen = await watch.look()
        forgotten = is_listed and not seen.known  # it may list them otherwise, or not at all
        if seen.error is not None:
            presence.away(seen.error)
        if seen.error is not None or forgotten:
            is_registered = False
        is_listed = is_listed or seen.known


def _refused(settings: WorkerSettings, reason: str) -> InngestError:
    url = settings.server.url
    return InngestError(
        f"inngest register: {url} did not register app {settings.app_id!r}: "
        f"{settings.server.hidden(reason)}",
        operation="register",
        target=url,
    )


def _server(requests: HttpRequests, settings: WorkerSettings) -> uvicorn.Server:
    """Make the HTTP server; it ends when it has answered what it was asked."""
    return uvicorn.Server(
        uvicorn.Config(
            Starlette(routes=[Route(PATH, _Endpoint(requests, settings))]),
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=75,
        )
    )


class _Endpoint:
    """The one address that the server calls."""

    def __init__(self, requests: HttpRequests, settings: WorkerSettings) -> None:
        self._requests = requests
        self._settings = settings
        limit = settings.concurrency
        self._free = asyncio.Semaphore(limit) if limit else contextlib.nullcontext()
        self._warned = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request (ASGI)."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if "origin" in request.headers:  # a web page's: without a key, anybody's
            return PlainTextResponse("web pages must not use this worker", 403)
        if request.method not in ("GET", "POST", "PUT"):
            return PlainTextResponse("use GET, POST or PUT", 405)
        body = await request.body()
        async with self._free:
            answer = await self._requests.answer(
                request.method, request.query_params, request.headers, body
            )
        if answer.status == 401 and not self._warned:
            self._warned = True
            _log.warning(
                "worker %r refused a request that was not signed with the key from %s: it must be "
                "the server's own; a dev server signs nothing and needs no key",
                *(self._settings.app_id, self._settings.server.signing_keys[0].source),
            )
        return Response(answer.body, answer.status, dict(answer.headers))


def _listener(settings: WorkerSettings) -> socket.socket:
    """Open the port, or that of the former worker: the server still asks there."""
    if settings.former_port is not None and settings.port == 0:
        with contextlib.suppress(ServerStartError):
            return _listen(settings.host, settings.former_port)
    return _listen(settings.host, settings.port)


def _listen(host: str, port: int) -> socket.socket:
    """Open the port; several workers can share it, and the system spreads requests over them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(2048)
        return listener
    except OSError as error:
        listener.close()
        raise ServerStartError(
            f"the worker cannot listen on {host} port {port}: {error.strerror or error}; "
            "choose another port=, or 0 for any free one"
        ) from error


def _address(host: str, port: int) -> str:
    """Return the address by which the server reaches the port."""
    if host in _ANY_HOST:
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
