"""A client for a server on this machine, without what only other servers need."""

from __future__ import annotations

from typing import Any

import httpx


class DirectClient:
    """Gives each request to httpx's transport as it is. Safe to use from many threads.

    The contract has no cookies, redirects and authentication flows, and no proxy stands before
    this machine: looking for them was a fifth of the client's work for a request.
    """

    def __init__(self) -> None:
        self._transport = httpx.HTTPTransport(trust_env=False)
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
