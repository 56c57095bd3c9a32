"""A real HTTP server on loopback that answers as a real Inngest server was recorded to answer.

    with InngestReplay("dev") as inngest:         # `inngest dev`
        httpx.get(f"{inngest.url}/v1/workflows/wf-1")

    with InngestReplay("cloud") as inngest:       # `inngest start`: its APIs want SIGNING_KEY
        ...

An exchange is found by method, path and query. Any workflow id stands for the recorded one, other
paths of the two APIs are the recorded "not found", and everything else is the dashboard's page.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

FOLDER = Path(__file__).parent / "data" / "inngest"
SIGNING_KEY = "signkey-prod-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

# What the server calls itself in `x-inngest-server-kind`; self-hosted `start` says "cloud".
Kind = Literal["dev", "cloud"]

_KEYED = ("/v1/", "/api/v2/")
_NOT_FOUND = {"/v1/": "v1-workflows-get-404", "/api/v2/": "v2-unknown-path-404"}
_REFUSED = "selfhosted-v1-events-none-401"


@dataclass(frozen=True)
class Answer:
    """A recorded response, as it goes over the wire."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class Seen:
    """A request that came in, for tests that ask what was sent."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class _Exchange:
    name: str
    method: str
    path: str
    query: frozenset[tuple[str, str]]
    authorization: str | None
    answer: Answer


class InngestReplay:
    """The server, on a free port while the `with` block lasts; `seen` is what it was asked."""

    def __init__(self, kind: Kind = "dev") -> None:
        self.kind = kind
        self.seen: list[Seen] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.replay = self
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, target: str, authorization: str | None) -> Answer:
        """Return what the server said to such a request."""
        parts = urlsplit(target)
        path = re.sub(r"^/v1/workflows/.+", "/v1/workflows/wf-1", parts.path)
        query = frozenset(parse_qsl(parts.query, keep_blank_values=True))
        recorded = {
            exchange.authorization: exchange.answer
            for exchange in _exchanges(self.kind)
            if (exchange.method, exchange.path, exchange.query) == (method, path, query)
        }
        api = next((root for root in _KEYED if path.startswith(root)), None)
        if api and self.kind == "cloud" and authorization != f"Bearer {SIGNING_KEY}":
            return _named(_REFUSED).answer
        if authorization in recorded:
            return recorded[authorization]
        if None in recorded:
            return recorded[None]
        return self._as_this_kind(_named(_NOT_FOUND[api]).answer if api else _dashboard())

    def _as_this_kind(self, answer: Answer) -> Answer:
        headers = {**dict(answer.headers), "x-inngest-server-kind": self.kind}
        return Answer(answer.status, tuple(headers.items()), answer.body)


def recordings(kind: Kind) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each recording of that server with its name."""
    for file in sorted(FOLDER.glob("*.json")):
        recording = json.loads(file.read_text())
        if recording["response"]["headers"]["x-inngest-server-kind"] == kind:
            yield file.stem, recording


def wire_body(recorded: object) -> bytes:
    """Give a recorded body as bytes: text as it was, anything else as JSON."""
    return recorded.encode() if isinstance(recorded, str) else json.dumps(recorded).encode()


@cache
def _exchanges(kind: Kind) -> tuple[_Exchange, ...]:
    return tuple(_exchange(name, recording) for name, recording in recordings(kind))


def _exchange(name: str, recording: dict[str, Any]) -> _Exchange:
    request, response = recording["request"], recording["response"]
    # A key that repeats was recorded as a list of pairs.
    query = request["query"].items() if isinstance(request["query"], dict) else request["query"]
    return _Exchange(
        name=name,
        method=request["method"],
        path=request["path"],
        query=frozenset((key, value) for key, value in query),
        authorization=request["headers"].get("Authorization"),
        answer=Answer(
            response["status"], tuple(response["headers"].items()), wire_body(response["body"])
        ),
    )


def _named(name: str) -> _Exchange:
    return next(
        found for kind in ("dev", "cloud") for found in _exchanges(kind) if found.name == name
    )


def _dashboard() -> Answer:
    return Answer(
        200, (("content-type", "text/html; charset=utf-8"),), (FOLDER / "ui.html").read_bytes()
    )


class _Server(ThreadingHTTPServer):
    # Joined on closing, so that no thread outlives the test that started it.
    daemon_threads = False
    replay: InngestReplay

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep alive, whose threads would wait for ever."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was quicker


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _reply(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        replay = self.server.replay
        replay.seen.append(Seen(self.command, self.path, dict(self.headers.items()), body))
        answer = replay.answer(self.command, self.path, self.headers.get("authorization"))
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_PUT = do_POST = do_DELETE = _reply  # noqa: N815 (http.server's names)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the test's output clean."""
