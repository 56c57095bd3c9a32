"""How workers come to the gateway: the HTTP calls of connect, and the tokens they get there."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime

from canned_server import Answer, Seen
from google.protobuf.message import Message
from inngest.connect._internal import connect_pb2 as pb
from inngest_gateway_frames import new_ulid
from inngest_replay import Kind
from story_server import welcome
from websockets.asyncio.server import Request, Response, ServerConnection


class Door:
    """Lets workers in while it is open; `url` is where they are sent, `flushed` takes replies.

    With `kind="cloud"` they have to show the signing key.
    """

    def __init__(
        self, kind: Kind, now: Callable[[], datetime], flushed: Callable[[pb.SDKResponse], None]
    ) -> None:
        self.is_open = True
        self.url = ""
        self._kind, self._now, self._flushed = kind, now, flushed
        self._announced: dict[str, pb.StartResponse] = {}

    def answer(self, seen: Seen) -> Answer | None:
        """Answer a request to /v0/connect/…, in any thread; None while it is closed."""
        if not self.is_open:
            return None
        if self._kind == "cloud" and not welcome(seen):
            return Answer(401)
        match seen.method, seen.target:
            case "POST", "/v0/connect/start":
                return _made(self._start())
            case "POST", "/v0/connect/flush":
                reply = pb.SDKResponse.FromString(seen.body)
                self._flushed(reply)
                return _made(pb.FlushResponse(request_id=reply.request_id))
        return Answer(404)

    def admit(self, socket: ServerConnection, request: Request) -> Response | None:
        """Answer the request for a socket only while it is closed."""
        return None if self.is_open else socket.respond(503, "")

    def knows(self, connect: pb.WorkerConnectRequestData) -> bool:
        """Whether a connection was announced with the tokens that it shows; true only once."""
        start, shown = self._announced.pop(connect.connection_id, None), connect.auth_data
        return start is not None and (start.session_token, start.sync_token) == (
            shown.session_token,
            shown.sync_token,
        )

    def _start(self) -> pb.StartResponse:
        start = pb.StartResponse(
            connection_id=new_ulid(self._now()),
            gateway_endpoint=self.url,
            gateway_group="stand-in",
            session_token=secrets.token_hex(),
            sync_token=secrets.token_hex(),
        )
        self._announced[start.connection_id] = start
        return start


def _made(message: Message) -> Answer:
    body = message.SerializeToString()
    return Answer(200, (("content-type", "application/protobuf"),), body)
