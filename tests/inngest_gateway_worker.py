"""A worker that is connected to the gateway: what is said over its socket, and in which order."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal, Protocol

from google.protobuf.message import DecodeError, Message
from inngest.connect._internal import connect_pb2 as pb
from inngest_gateway_frames import Frame, read, written
from inngest_gateway_requests import OpenRequests, Request
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

POLICY_VIOLATION = 1008
HELLO_TIMEOUT_S = 5.0

State = Literal["greeted", "ready", "draining", "gone"]


class Desk(Protocol):
    """What a connection asks of its gateway."""

    requests: OpenRequests
    heartbeat_interval: str
    extend_lease_interval: str
    loses_replies: bool

    def knows(self, connect: pb.WorkerConnectRequestData) -> bool:
        """Return whether the connection was announced with the tokens that it shows."""

    def register(self, worker: Worker) -> None:
        """Take the worker's functions."""

    def seen(self, frame: Frame) -> None:
        """Note a frame that went over the socket."""

    def changed(self) -> None:
        """Look again at who is there and free."""


class RefusedError(Exception):
    """Ends a connection whose first frame is not as it should be; the text is Inngest's code."""


class Worker:
    """One connection. It is sent requests from when it is ready until it pauses."""

    def __init__(self, socket: ServerConnection, number: int, desk: Desk) -> None:
        self.number = number
        self.instance = ""
        self.state: State = "greeted"
        self.apps: dict[str, list[dict[str, Any]]] = {}  # the functions of each
        self.functions: dict[str, str] = {}  # by slug: the app
        self.sdk: dict[str, str] = {}
        self.limit: int | None = None
        self.last_used = 0
        self._running: set[str] = set()
        self._socket = socket
        self._desk = desk

    @property
    def is_free(self) -> bool:
        """Whether it takes one more request."""
        return self.state == "ready" and (self.limit is None or len(self._running) < self.limit)

    async def talk(self) -> None:
        """Greet the worker and listen to it until the socket is closed."""
        try:
            await self._tell("GATEWAY_HELLO")
            await self._connect(await asyncio.wait_for(self._hear(), HELLO_TIMEOUT_S))
            while True:
                await self._take(await self._hear())
        except ConnectionClosed:
            pass
        except (RefusedError, TimeoutError, DecodeError) as error:
            code = str(error) if isinstance(error, RefusedError) else type(error).__name__
            await self._socket.close(POLICY_VIOLATION, code)
        finally:
            self.state = "gone"
            self._desk.changed()

    async def send(self, request: Request) -> bool:
        """Send a request; False if the connection is closed."""
        request_id = request.data.request_id
        self._running.add(request_id)
        request.answer.add_done_callback(lambda _: self._running.discard(request_id))
        try:
            sent = pb.GatewayExecutorRequestData()
            sent.CopyFrom(request.data)  # whose lease changes
            await self._tell("GATEWAY_EXECUTOR_REQUEST", sent)
        except ConnectionClosed:
            self._running.discard(request_id)
            return False
        return True

    async def drain(self) -> None:
        """Tell the worker to look for another gateway, as one that is shut down does."""
        self.state = "draining"
        await self._tell("GATEWAY_CLOSING")

    def abort(self) -> None:
        """Cut the connection, without a word."""
        self._socket.transport.abort()

    async def _connect(self, frame: Frame) -> None:
        if frame.kind != "WORKER_CONNECT":
            raise RefusedError("connect_worker_hello_invalid_msg")
        connect = frame.payload
        if not self._desk.knows(connect):
            raise RefusedError("connect_authentication_failed")
        self.instance = connect.instance_id
        self.sdk = {"sdkLanguage": connect.sdk_language, "sdkVersion": connect.sdk_version}
        if connect.HasField("max_worker_concurrency"):
            self.limit = connect.max_worker_concurrency
        for app in connect.apps:
            functions = json.loads(app.functions)
            self.functions |= {function["id"]: app.app_name for function in functions}
            self.apps[app.app_name] = functions
        await self._tell(
            "GATEWAY_CONNECTION_READY",
            pb.GatewayConnectionReadyData(
                heartbeat_interval=self._desk.heartbeat_interval,
                extend_lease_interval=self._desk.extend_lease_interval,
            ),
        )
        self._desk.register(self)
        self.state = "ready"  # the engine knows its functions by now
        self._desk.changed()

    async def _take(self, frame: Frame) -> None:
        match frame.kind:
            case "WORKER_HEARTBEAT":
                await self._tell("GATEWAY_HEARTBEAT")
            case "WORKER_PAUSE":
                self.state = "draining"
                self._desk.changed()
            case "WORKER_REQUEST_EXTEND_LEASE":
                await self._extend(frame.payload)
            case "WORKER_REPLY" if not self._desk.loses_replies:
                self._desk.requests.close(frame.payload)
                ack = pb.WorkerReplyAckData(request_id=frame.request_id)
                await self._tell("WORKER_REPLY_ACK", ack)

    async def _extend(self, asked: pb.WorkerRequestExtendLeaseData) -> None:
        await self._tell(
            "WORKER_REQUEST_EXTEND_LEASE_ACK",
            pb.WorkerRequestExtendLeaseAckData(
                request_id=asked.request_id,
                account_id=asked.account_id,
                env_id=asked.env_id,
                app_id=asked.app_id,
                function_slug=asked.function_slug,
                new_lease_id=self._desk.requests.extend(asked),
            ),
        )

    async def _hear(self) -> Frame:
        raw = await self._socket.recv(decode=False)
        frame = read(bytes(raw), self.number)
        self._desk.seen(frame)
        return frame

    async def _tell(self, kind: str, payload: Message | None = None) -> None:
        frame = Frame(self.number, "gateway", kind, payload)
        self._desk.seen(frame)
        await self._socket.send(written(frame))
