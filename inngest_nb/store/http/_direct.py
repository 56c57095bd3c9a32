"""How requests are sent: for a server on this machine without what only others need, and in time.

A transport's timeout is for each read, so that a server which sends a byte now and then holds a
call for ever. Here the whole request has one.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpcore
import httpx

# As many as there are requests: those that wait for a change must not keep others from their turn.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)


# A body that comes or goes at this rate may take longer than the timeout.
_BYTES_A_SECOND = 8 * 2**10


class Deadline:
    """Until when a request is to be done; what moves a large body puts it off."""

    def __init__(self, seconds: float | None, sent: int) -> None:
        self._at = None if seconds is None else time.monotonic() + seconds + sent / _BYTES_A_SECOND

    def left(self, received: int = 0) -> float | None:
        """Return the seconds that are left after so many bytes of a body, None for any number."""
        if self._at is None:
            return None
        return self._at + received / _BYTES_A_SECOND - time.monotonic()

    def check(self, received: int) -> None:
        """Raise `httpx.ReadTimeout` when there is no time left."""
        if (left := self.left(received)) is not None and left <= 0:
            raise httpx.ReadTimeout("the answer came too slowly")


class _Current(threading.local):
    """The deadline of the request that a thread is sending, until its answer begins."""

    deadline: Deadline | None = None


_current = _Current()


@contextlib.contextmanager
def until(deadline: Deadline) -> Iterator[None]:
    """Hold what this thread sends and reads on a client of `in_time` to a deadline."""
    _current.deadline = deadline
    try:
        yield
    finally:
        _current.deadline = None


class _Stream(httpcore.NetworkStream):
    """A connection that waits no longer than the deadline says."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _shortened(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

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
        raise httpcore.ReadTimeout("the answer came too slowly")
    return left if timeout is None else min(left, timeout)


class _Backend(httpcore.NetworkBackend):
    """Makes connections that know of deadlines."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(self, *given: Any, **named: Any) -> httpcore.NetworkStream:
        return _Stream(self._backend.connect_tcp(*given, **named))

    def connect_unix_socket(self, *given: Any, **named: Any) -> httpcore.NetworkStream:
        return _Stream(self._backend.connect_unix_socket(*given, **named))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


def in_time(client: object) -> None:
    """Let a client that has made no connection yet, or a transport, know of deadlines.

    httpx has no word for it. Without it only the body of an answer is held to the deadline.
    """
    inside = vars(client)
    for transport in (inside.get("_transport"), *inside.get("_mounts", {}).values()):
        if transport is not None:
            in_time(transport)
    pool = inside.get("_pool")
    backend = getattr(pool, "_network_backend", None)
    if backend is not None:
        vars(pool)["_network_backend"] = _Backend(backend)


@functools.cache
def _trust() -> ssl.SSLContext:
    """Read once whom to trust over TLS: that takes longer than to start a state server."""
    return httpx.create_ssl_context(trust_env=False)


class DirectClient:
    """Gives each request to httpx's transport as it is. Safe to use from many threads.

    The contract has no cookies, redirects and authentication flows, and no proxy stands before
    this machine: looking for them was a fifth of the client's work for a request.
    """

    def __init__(self) -> None:
        self._transport = httpx.HTTPTransport(verify=_trust(), trust_env=False, limits=LIMITS)
        in_time(self._transport)
        self._closed = False

    def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """Send a request and return the response, whose body is not read yet."""
        if self._closed:
            raise RuntimeError("the client has been closed")
        return self._transport.handle_request(request)

    def close(self) -> None:
        """Close the connections; again is no error."""
        self._closed = True
        self._transport.close()


class AsyncDirectClient:
    """The same to await, meant for one request at a time, and so for one connection.

    With many connections a transport looks at all of them for each request: 32 took three times
    the work of one.
    """

    def __init__(self) -> None:
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._closed = False

    async def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """Send a request and return the response, whose body is not read yet."""
        if self._closed:
            raise RuntimeError("the client has been closed")
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport(
                verify=_trust(), trust_env=False, limits=LIMITS
            )
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connection; again is no error."""
        self._closed = True
        if self._transport is not None:
            await self._transport.aclose()
