"""Real servers for tests: one that keeps the plain contract, one that says what it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

PREFIX = "/v1/workflows/"


class _PlainHandler(BaseHTTPRequestHandler):
    """The contract and nothing else, as a Go program would serve it from a map."""

    protocol_version = "HTTP/1.1"
    server: PlainServer

    def do_GET(self) -> None:
        body = self.server.documents.get(unquote(self.path.removeprefix(PREFIX)))
        self._reply(200 if body is not None else 404, body or b"404 page not found")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.documents[unquote(self.path.removeprefix(PREFIX))] = body
        self._reply(200, b"")

    def do_DELETE(self) -> None:
        found = self.server.documents.pop(unquote(self.path.removeprefix(PREFIX)), None)
        self._reply(200 if found is not None else 404, b"")

    def _reply(self, status: int, body: bytes) -> None:
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class PlainServer(ThreadingHTTPServer):
    """Documents by id, and the requests it saw."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _PlainHandler)
        self.documents: dict[str, bytes] = {}
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


@contextlib.contextmanager
def plain_server() -> Iterator[PlainServer]:
    with PlainServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


# What a scripted server does with one request: the bytes to send back, then close or keep open.
Reply = bytes | Callable[[socket.socket], None]


class ScriptedServer:
    """Answers its n-th request with the n-th reply, the last one for ever after."""

    def __init__(self, replies: list[Reply]) -> None:
        self._replies = replies
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._connection = self._listener
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connection = connection
            with connection:
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        while (request := _read_request(connection)) is not None:
            self.requests.append(request)
            reply = self._replies[min(len(self.requests), len(self._replies)) - 1]
            if callable(reply):
                reply(connection)
                return
            with contextlib.suppress(OSError):
                connection.sendall(reply)
            if b"connection: close" in reply.lower() or not reply:
                return


def _read_request(connection: socket.socket) -> bytes | None:
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            data += (more := connection.recv(65536))
            if not more:
                return None
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (
                int(line[15:])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            ),
            0,
        )
        while len(body) < length:
            body += (more := connection.recv(65536))
            if not more:
                break
    except OSError:
        return None
    return head + b"\r\n\r\n" + body


def reply(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Build an answer; header names are written with underscores."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextlib.contextmanager
def scripted_server(*replies: Reply) -> Iterator[ScriptedServer]:
    server = ScriptedServer(list(replies))
    yield server
    server.close()
