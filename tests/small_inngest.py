"""A small Inngest server for workers: registers them by HTTP or connect, and calls them once each.

It has what a worker asks for and no more: no runs, no retries. It can refuse, hang, forget, and be
away and back at the same address.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import httpx
import uvicorn
from inngest.connect._internal import connect_pb2 as pb
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

SECONDS = 30.0  # how long anything may take on a busy machine
_KIND = {"x-inngest-server-kind": "dev"}
_PROTOCOL = "v0.connect.inngest.com"


class Worker:
    """A worker's connection."""

    def __init__(self, socket: WebSocket, hello: pb.WorkerConnectRequestData) -> None:
        self.socket = socket
        self.instance_id = hello.instance_id
        self.apps = {
            app.app_name: {each["id"] for each in json.loads(app.functions)} for app in hello.apps
        }
        self.paused = False
        self.replies: dict[str, asyncio.Future[pb.SDKResponse]] = {}


class SmallInngest:
    """The server, in a thread; `with` starts and stops it.

    `status`, if set, is what every request is answered with; `hangs` lets every request wait until
    the server stops. `key` is the signing key that it wants.
    """

    def __init__(self, key: str = "") -> None:
        self.key = key
        self.status = 0
        self.hangs = False
        self.registered: list[dict[str, Any]] = []  # the bodies, in order
        self.urls: dict[str, str] = {}  # of functions, by full id
        self.workers: list[Worker] = []
        self.connected = 0
        # Bound, and never listening: while the server is away, nobody else is given its port.
        self._port = socket.socket()
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port.bind(("127.0.0.1", 0))
        self.port = self._port.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> Self:
        self.come()
        return self

    def __exit__(self, *error: object) -> None:
        self.go()
        self._port.close()

    def come(self) -> None:
        """Be there, at the same address as before; nothing is remembered."""
        self.urls.clear()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app(),
                ws="websockets-sansio",
                lifespan="off",
                log_config=None,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._run, args=(listener,), daemon=True)
        self._thread.start()
        until(lambda: self._server is not None and self._server.started)

    def go(self) -> None:
        """Be away: all connections break."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(SECONDS)
            assert not self._thread.is_alive()
            self._server = self._thread = None

    def functions(self, app: str) -> set[str]:
        """The full ids of the functions of an app that can be called now."""
        found = {each for each in self.urls if each.startswith(f"{app}-")}
        for worker in self.workers:
            if not worker.paused:
                found |= worker.apps.get(app, set())
        return found

    def call(self, app: str, function: str, **data: Any) -> tuple[int, Any]:
        """Call a function with the data of an event; return the status and the body."""
        return self.begin(app, function, **data).result(SECONDS)

    def begin(
        self, app: str, function: str, **data: Any
    ) -> concurrent.futures.Future[tuple[int, Any]]:
        """Call a function, and return a future of its answer."""
        slug = f"{app}-{function}"
        until(lambda: slug in self.functions(app))
        body = json.dumps(request_of(slug, data))
        if slug in self.urls:
            work = self._call_http(self.urls[slug], body)
        else:
            work = self._call_worker(app, slug, body)
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _call_http(self, url: str, body: str) -> tuple[int, Any]:
        async with httpx.AsyncClient(timeout=SECONDS) as client:
            answer = await client.post(url, content=body)
        return answer.status_code, answer.json()

    async def _call_worker(self, app: str, slug: str, body: str) -> tuple[int, Any]:
        worker = next(each for each in reversed(self.workers) if slug in each.apps.get(app, ()))
        number = f"request-{len(worker.replies)}"
        reply = worker.replies[number] = asyncio.get_running_loop().create_future()
        await self._send(
            worker.socket,
            pb.GATEWAY_EXECUTOR_REQUEST,
            pb.GatewayExecutorRequestData(
                request_id=number,
                app_name=app,
                function_slug=slug,
                step_id="step",
                request_payload=body.encode(),
            ),
        )
        answer = await reply
        status = {pb.DONE: 200, pb.NOT_COMPLETED: 206}.get(answer.status, 500)
        return status, json.loads(answer.body)

    def accepts(self, given: str) -> bool:
        """Tell whether a key, or its hash as the SDK sends it, is the one that is wanted."""
        digits = self.key.rpartition("-")[2]
        return given in (self.key, digits, hashlib.sha256(bytes.fromhex(digits)).hexdigest())

    # The server

    def _app(self) -> Starlette:
        app = Starlette(
            routes=[
                Route("/health", self._health),
                Route("/fn/register", self._register, methods=["POST"]),
                Route("/api/v2/apps", self._apps),
                Route("/api/v2/apps/{app}/functions", self._functions),
                Route("/v0/connect/start", self._start, methods=["POST"]),
                WebSocketRoute("/gateway", self._gateway),
            ]
        )
        app.add_middleware(_Moody, server=self)
        return app

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": 200, "message": "OK"})

    async def _register(self, request: Request) -> Response:
        body = await request.json()
        self.registered.append(body)
        for function in body["functions"]:
            self.urls[function["id"]] = function["steps"]["step"]["runtime"]["url"]
        return JSONResponse({"ok": True, "modified": True})

    async def _apps(self, request: Request) -> Response:
        return JSONResponse({"data": []})

    async def _functions(self, request: Request) -> Response:
        app = request.path_params["app"]
        listed = [
            {"id": each.removeprefix(f"{app}-"), "app": {"id": app}} for each in self.functions(app)
        ]
        return JSONResponse({"data": listed, "page": {}})

    async def _start(self, request: Request) -> Response:
        answer = pb.StartResponse(
            connection_id=f"connection-{self.connected}",
            gateway_endpoint=f"ws://127.0.0.1:{self.port}/gateway",
            gateway_group="small",
            session_token="session",  # noqa: S106
            sync_token="sync",  # noqa: S106
        )
        return Response(answer.SerializeToString(), media_type="application/protobuf")

    async def _gateway(self, socket: WebSocket) -> None:
        await socket.accept(subprotocol=_PROTOCOL)
        await self._send(socket, pb.GATEWAY_HELLO)
        worker: Worker | None = None
        try:
            while True:
                message = pb.ConnectMessage.FromString(await socket.receive_bytes())
                if message.kind == pb.WORKER_CONNECT:
                    hello = pb.WorkerConnectRequestData.FromString(message.payload)
                    await self._send(
                        socket,
                        pb.GATEWAY_CONNECTION_READY,
                        pb.GatewayConnectionReadyData(
                            heartbeat_interval="10s", extend_lease_interval="30s"
                        ),
                    )
                    worker = Worker(socket, hello)
                    self.connected += 1
                    self.workers.append(worker)
                elif worker is not None:
                    await self._hear(worker, message)
        except WebSocketDisconnect:
            pass
        finally:
            if worker is not None:
                self.workers.remove(worker)

    async def _hear(self, worker: Worker, message: pb.ConnectMessage) -> None:
        if message.kind == pb.WORKER_HEARTBEAT:
            await self._send(worker.socket, pb.GATEWAY_HEARTBEAT)
        elif message.kind == pb.WORKER_PAUSE:
            worker.paused = True
        elif message.kind == pb.WORKER_REPLY:
            answer = pb.SDKResponse.FromString(message.payload)
            worker.replies[answer.request_id].set_result(answer)
            await self._send(
                worker.socket,
                pb.WORKER_REPLY_ACK,
                pb.WorkerReplyAckData(request_id=answer.request_id),
            )

    async def _send(self, socket: WebSocket, kind: Any, payload: Any = None) -> None:
        content = b"" if payload is None else payload.SerializeToString()
        message = pb.ConnectMessage(kind=kind, payload=content)
        await socket.send_bytes(message.SerializeToString())

    def _run(self, listener: socket.socket) -> None:
        assert self._server is not None
        self._loop = loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._server.serve([listener]))
            for task in (left := asyncio.all_tasks(loop)):
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.wait(left))
        finally:
            listener.close()
            loop.close()


class _Moody:
    """What stands before every request: the key, a refusal, or silence."""

    def __init__(self, app: Any, server: SmallInngest) -> None:
        self._app, self._server = app, server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = self._server
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        while server.hangs:  # noqa: ASYNC110  # another thread sets it
            await asyncio.sleep(0.01)
        headers = dict(scope["headers"])
        given = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
        refused = server.key and scope["path"] != "/health" and not server.accepts(given)
        status = 401 if refused else server.status

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                kind = [(name.encode(), value.encode()) for name, value in _KIND.items()]
                message["headers"] = [*message["headers"], *kind]
            await send(message)

        if status:
            await PlainTextResponse("Authentication failed", status)(scope, receive, marked)
        else:
            await self._app(scope, receive, marked)


def request_of(slug: str, data: dict[str, Any]) -> dict[str, Any]:
    """Give an executor's first request for a function."""
    event = {"id": "e", "name": f"nb/{slug}", "data": data, "ts": 1795855815468}
    ctx = {
        "attempt": 0,
        "disable_immediate_execution": False,
        "fn_id": slug,
        "run_id": "01M8GNJ510A3GPJFCGHHRGB2P8",
        "stack": {"current": 0, "stack": []},
        "use_api": False,
    }
    return {"ctx": ctx, "event": event, "events": [event], "steps": {}, "use_api": False}


def until(holds: Callable[[], Any], seconds: float = SECONDS) -> None:
    """Wait until something holds, which another thread or process brings about."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
