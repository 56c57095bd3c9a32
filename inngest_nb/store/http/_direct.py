"""Clients for a server on this machine, without what only other servers need."""

from __future__ import annotations

import functools
import ssl
from typing import Any

import httpx

# As many as there are requests: those that wait for a change must not keep others from their turn.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)


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
