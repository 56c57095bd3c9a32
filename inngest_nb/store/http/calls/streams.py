"""Connections that keep one deadline for a whole request.

A transport's timeout applies to each read, so a server that sends a byte now and then could block a
call forever.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from typing import Any

import httpcore
import httpx

# A body that is transferred at this rate or faster may take longer than the timeout.
_BYTES_A_SECOND = 8 * 2**10
# Less than a connection takes at once.
_BYTES_TOGETHER = 64 * 2**10


class Deadline:
    """The time by which a request must be done; extended while a large body is transferred.

    `with deadline:` applies it to what this thread sends and reads on connections of a `Backend`.
    """

    def __init__(self, seconds: float | None, sent: int) -> None:
        self._at = None if seconds is None else time.monotonic() + seconds + sent / _BYTES_A_SECOND

    def __enter__(self) -> None:
        _current.deadline = self

    def __exit__(self, *error: object) -> None:
        _current.deadline = None

    def left(self, received: int = 0) -> float | None:
        """Return the seconds left after `received` bytes of the body, None for no limit."""
        if self._at is None:
            return None
        return self._at + received / _BYTES_A_SECOND - time.monotonic()

    def check(self, received: int) -> None:
        """Raise `httpx.ReadTimeout` when there is no time left."""
        if (left := self.left(received)) is not None and left <= 0:
            raise httpx.ReadTimeout("the response took too long")


class _Current(threading.local):
    """The deadline of the request that a thread is sending, until the response starts."""

    deadline: Deadline | None = None


_current = _Current()


class _Stream(httpcore.NetworkStream):
    """A connection whose reads respect the current deadline.

    httpcore writes the head of a request and then its body. Small ones are sent together, so that
    the server wakes up once.
    """

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._unsent = b""
        self._seconds_to_send: float | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            # A server may respond and close the connection before it has read all, as httpcore says
            # where it writes.
            with contextlib.suppress(httpcore.WriteError):
                self._send()
        return self._stream.read(max_bytes, _shortened(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._seconds_to_send = timeout
        if len(self._unsent) + len(buffer) <= _BYTES_TOGETHER:
            self._unsent += buffer
        else:
            self._send()
            self._stream.write(buffer, timeout)

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, b""
        self._stream.write(unsent, self._seconds_to_send)

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, *given: Any, **named: Any) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(*given, **named))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _shortened(timeout: float | None) -> float | None:
    deadline = _current.deadline
    left = None if deadline is None else deadline.left()
    if left is None:
        return timeout
    if left <= 0:
        raise httpcore.ReadTimeout("the response took too long")
    return left if timeout is None else min(left, timeout)


class Backend(httpcore.NetworkBackend):
    """Creates connections that respect deadlines, and closes them."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._streams: weakref.WeakSet[_Stream] | None = weakref.WeakSet()

    def connect_tcp(self, *given: Any, **named: Any) -> httpcore.NetworkStream:
        """Open a connection, unless this has been closed meanwhile."""
        stream = _Stream(self._backend.connect_tcp(*given, **named))
        with self._lock:
            if self._streams is not None:
                self._streams.add(stream)
                return stream
        stream.close()
        raise RuntimeError("the client has been closed")

    def close(self) -> None:
        """Close all connections, also those that a thread is opening right now.

        A pool that is closed forgets these, and they would stay open.
        """
        with self._lock:
            streams, self._streams = self._streams, None
        for stream in streams or ():
            stream.close()

    def connect_unix_socket(self, *given: Any, **named: Any) -> httpcore.NetworkStream:
        """Open a connection to a socket of this machine."""
        return _Stream(self._backend.connect_unix_socket(*given, **named))

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._backend.sleep(seconds)


def in_time(client: object) -> None:
    """Make a client without open connections, or a transport, respect deadlines.

    httpx has no public way to do this. Without it, only the body of a response has a deadline.
    """
    inside = vars(client)
    for transport in (inside.get("_transport"), *inside.get("_mounts", {}).values()):
        if transport is not None:
            in_time(transport)
    pool = inside.get("_pool")
    backend = getattr(pool, "_network_backend", None)
    if backend is not None:
        vars(pool)["_network_backend"] = Backend(backend)
