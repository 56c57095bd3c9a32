"""A proxy that lets a server do its work and then loses the answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class ForgetfulProxy:
    """Passes requests on. Of those that write, it loses as many answers as `losses` says."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.losses = 0
        self.lost: list[bytes] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server, contextlib.suppress(OSError):
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while head := _message(client, server):
                answer = bytearray()
                _message(server, answer)
                if self.losses and not head.startswith(b"GET"):
                    self.losses -= 1
                    self.lost.append(head.split(b"\r\n")[0])
                    return  # the answer goes nowhere, and the connection with it
                client.sendall(answer)


def _message(source: socket.socket, sink: socket.socket | bytearray) -> bytes:
    """Pass one message on, and return its head; nothing when there is none."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := source.recv(65536)):
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = [line.lower().split(b":") for line in head.split(b"\r\n")[1:]]
    length = next((int(line[1]) for line in lines if line[0] == b"content-length"), 0)
    while len(body) < length:
        body += source.recv(65536)
    whole = head + b"\r\n\r\n" + body
    if isinstance(sink, bytearray):
        sink += whole
    else:
        sink.sendall(whole)
    return head


@contextlib.contextmanager
def forgetful_proxy(target: str) -> Iterator[ForgetfulProxy]:
    proxy = ForgetfulProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
