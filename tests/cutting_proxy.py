"""A proxy that cuts connections at random: before a request arrives, or before its answer does."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class CuttingProxy:
    """Passes bytes on to a server; of each 100 pieces about `percent` are lost with their line."""

    def __init__(self, target: str, percent: float, seed: int) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 0)
        self._percent = percent
        self._random = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cuts = 0
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
            server = socket.create_connection(self._target)
            for source, sink in ((client, server), (server, client)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(target=self._pass_on, args=(source, sink))
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with source:
            with contextlib.suppress(OSError):
                while piece := source.recv(65536):
                    if self._random.random() * 100 < self._percent:
                        self.cuts += 1
                        break
                    sink.sendall(piece)
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def cutting_proxy(target: str, *, percent: float, seed: int) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(target, percent, seed)
    try:
        yield proxy
    finally:
        proxy.close()
