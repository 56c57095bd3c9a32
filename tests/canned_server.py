"""A real HTTP server on loopback whose answers a function gives."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """A response, as it goes over the wire."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Seen:
    """A request that came in; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class CannedServer:
    """The server, on a free port while the `with` block lasts; `seen` is what it was asked.

    Where the function has no answer the connection is closed without one.
    """

    def __init__(self, answer: Callable[[Seen], Answer | None], port: int = 0) -> None:
        self.seen: list[Seen] = []
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.seen, self._server.answer = self.seen, answer
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


class _Server(ThreadingHTTPServer):
    # Joined on closing, so that no thread outlives the test that started it.
    daemon_threads = False
    request_queue_size = 128  # a client that finds the queue full tries again only after a second
    seen: list[Seen]
    answer: Callable[[Seen], Answer | None]

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
    disable_nagle_algorithm = True  # or a body waits 40 ms for the client to acknowledge the head
    server: _Server

    def _reply(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, self.path, headers, body)
        self.server.seen.append(seen)
        answer = self.server.answer(seen)
        if answer is None:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_PUT = do_POST = do_DELETE = _reply  # noqa: N815  # http.server's names

    def log_message(self, format: str, *args: object) -> None:  # likewise
        """Keep the test's output clean."""
