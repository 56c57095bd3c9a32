"""The connect gateway of a stand-in for Inngest: workers of the official SDK connect to it.

    with InngestEngine() as inngest, InngestGateway(inngest) as gateway:
        ...                     # inngest.connect.connect(...) with `inngest.url` as its base URL
        gateway.wait_until(lambda: gateway.workers)
        gateway.drop()          # cut every connection in the middle
        gateway.refuse(30)      # and take no new one for so many seconds

It asks connected workers what the engine wants to know (`call`), each the next that is free. A
worker that is lost is noticed when its lease runs out, after `lease` seconds, as by the real
server, whose lease is of two minutes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, Self

from canned_server import Answer as Said
from canned_server import Seen
from inngest.connect._internal import connect_pb2 as pb
from inngest_engine_transport import Answer, WorkerLostError
from inngest_gateway_door import Door
from inngest_gateway_frames import Frame
from inngest_gateway_requests import OpenRequests
from inngest_gateway_worker import Worker
from inngest_replay import Kind
from websockets.asyncio.server import Server, ServerConnection, serve

from inngest_nb.engine.threads._loop import Clock, Timer

PROTOCOL = "v0.connect.inngest.com"
PATIENCE_S = 60.0
_MOST_BYTES = 8 * 2**20  # of a frame; a connection with a bigger one is closed


class Engine(Protocol):
    """Who keeps the runs. `mounted` are the answers of its HTTP server, by how paths begin."""

    mounted: dict[str, Callable[[Seen], Said | None]]

    def register(self, app: str, functions: Iterable[dict[str, Any]], transport: Any) -> None: ...
    def unregister(self, transport: Any) -> None: ...
    def note_sync(self, app: str, **about: Any) -> None: ...


class InngestGateway:
    """The gateway, on a free port while the `with` block lasts.

    `lease`, `heartbeat` and `extend` are seconds, the latter two what workers are told. With
    `kind="cloud"` only workers that show the key may connect. `frames` are all that went over
    sockets.
    """

    def __init__(
        self,
        engine: Engine,
        kind: Kind = "dev",
        *,
        lease: float = 120,
        heartbeat: int = 10,
        extend: int = 30,
        clock: Clock | None = None,
    ) -> None:
        self.frames: list[Frame] = []
        self.heartbeat_interval, self.extend_lease_interval = f"{heartbeat}s", f"{extend}s"
        self.loses_replies = False  # while True, replies over sockets are neither taken nor acked
        self.opened = 0  # connections so far
        self.url = ""
        self._engine = engine
        self._lease = lease
        self._workers: list[Worker] = []
        self._served: set[str] = set()  # the apps that the engine knows us for
        self._is_closing = False
        self._turn = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._noticed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._clock = clock or _LoopClock(self._loop)
        self._door = Door(kind, self._clock.now, self._flushed)
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="inngest-gateway", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        self._engine.mounted["/v0/connect/"] = self._door.answer
        self._do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cut every connection and lose every call. Calling it again does nothing."""
        if not self._loop.is_closed():
            self._do(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    # What tests ask.

    @property
    def workers(self) -> list[Worker]:
        """The workers that take requests, in the order in which they connected."""
        return [worker for worker in list(self._workers) if worker.state == "ready"]

    @property
    def waiting(self) -> int:
        """How many calls wait for a worker."""
        return len(self._waiting)

    def wait_until(self, condition: Callable[[], object], patience: float = PATIENCE_S) -> None:
        """Wait until something is so; it is asked after each frame and change."""
        with self._noticed:
            assert self._noticed.wait_for(condition, patience), f"not within {patience:g} s"

    def kinds(self, request_id: str) -> list[str]:
        """The kinds of the frames of a request, in order."""
        return [frame.kind for frame in list(self.frames) if frame.request_id == request_id]

    def drop(self) -> None:
        """Cut every connection, and return when the gateway knows it."""
        gone = list(self._workers)
        self._loop.call_soon_threadsafe(lambda: [worker.abort() for worker in gone])
        self.wait_until(lambda: all(worker.state == "gone" for worker in gone))

    def drain(self) -> None:
        """Tell all workers to connect anew, as a gateway that is shut down does."""
        self._do(self._drain())

    def refuse(self, seconds: float | None = None) -> None:
        """Take no new connection, for so many seconds or until `accept`; open ones stay."""
        self._door.is_open = False
        if seconds is not None:
            end = self._clock.now() + timedelta(seconds=seconds)
            self._loop.call_soon_threadsafe(self._clock.call_at, end, self.accept)

    def accept(self) -> None:
        """Take new connections again."""
        self._door.is_open = True

    # What the engine asks.

    async def call(self, function: str, step: str, body: dict[str, Any]) -> Answer:
        """Return what a worker answers, once one is there and free.

        `WorkerLostError` is raised when its lease has run out, or the gateway is closed.
        """
        if self._loop.is_closed():
            raise _closed()
        asked = asyncio.run_coroutine_threadsafe(self._ask(function, step, body), self._loop)
        return await asyncio.wrap_future(asked)

    # What connections ask.

    def knows(self, connect: pb.WorkerConnectRequestData) -> bool:
        return self._door.knows(connect)

    def register(self, worker: Worker) -> None:
        for app, functions in worker.apps.items():
            self._served.add(app)
            self._engine.register(app, functions, self)
            self._engine.note_sync(app, **worker.sdk, url=f"ws://connect?app_name={app}")

    def seen(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._notify()

    def changed(self) -> None:
        there = {app for worker in self.workers for app in worker.apps}
        if self._served - there:  # runs of an app without workers wait as QUEUED
            self._served.clear()
            self._engine.unregister(self)
            for worker in self.workers:
                self.register(worker)
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._notify()

    def _flushed(self, reply: pb.SDKResponse) -> None:
        self._loop.call_soon_threadsafe(self.requests.close, reply)

    def _notify(self) -> None:
        with self._noticed:
            self._noticed.notify_all()

    def _do(self, what: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(PATIENCE_S)

    async def _open(self) -> None:
        self.requests = OpenRequests(self._clock, self._lease, self.changed)
        self._server: Server = await serve(
            self._talk,
            "127.0.0.1",
            0,
            subprotocols=[PROTOCOL],
            process_request=self._door.admit,
            max_size=_MOST_BYTES,
        )
        port = self._server.sockets[0].getsockname()[1]
        self.url = self._door.url = f"ws://127.0.0.1:{port}/v0/connect"

    async def _close(self) -> None:
        self.refuse()
        self._is_closing = True
        for worker in self._workers:
            worker.abort()
        self._server.close()
        await self._server.wait_closed()
        self.requests.lose_all()
        self.changed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)  # callers, who know it by then

    async def _drain(self) -> None:
        for worker in self.workers:
            await worker.drain()

    async def _talk(self, socket: ServerConnection) -> None:
        self.opened += 1
        worker = Worker(socket, self.opened, self)
        self._workers.append(worker)
        try:
            await worker.talk()
        finally:
            self._workers.remove(worker)

    async def _ask(self, function: str, step: str, body: dict[str, Any]) -> Answer:
        while True:
            worker = await self._next_free(function)
            self._turn += 1
            worker.last_used = self._turn
            request = self.requests.open(worker.functions[function], function, step, body)
            if await worker.send(request):
                return await asyncio.shield(request.answer)
            self.requests.forget(request)

    async def _next_free(self, function: str) -> Worker:
        """Wait for a worker that has the function and is free: the one that was idle longest."""
        while not self._is_closing:
            free = [each for each in self.workers if each.is_free and function in each.functions]
            if free:
                return min(free, key=lambda worker: worker.last_used)
            waiting = self._loop.create_future()
            self._waiting.add(waiting)
            self._notify()
            try:
                await waiting
            finally:
                self._waiting.discard(waiting)
        raise _closed()


def _closed() -> WorkerLostError:
    return WorkerLostError("the gateway was shut down", unassigned=True)


class _LoopClock:
    """The system's time; its timers are the loop's, and set there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return datetime.now(UTC)

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        return self._loop.call_later((when - self.now()).total_seconds(), callback)
