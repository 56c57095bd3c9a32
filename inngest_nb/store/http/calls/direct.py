"""The clients for local servers, which send requests in the shortest way."""

from __future__ import annotations

import functools
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpcore
import httpx

from inngest_nb.store.http.calls.streams import Backend

# No limit, so that long polls cannot block other requests.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)

# What sending may raise. RuntimeError is httpx's and httpcore's word for a closed client; for what
# else httpcore raises, httpx has an error of the same name.
TIMED_OUT = (httpx.TimeoutException, httpcore.TimeoutException)
NOT_CONNECTED = (httpx.ConnectError, httpcore.ConnectError)
# These mean that a connection broke.
DROPPED = (
    *(httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.CloseError),
    *(httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError),
)
TRANSPORT_ERRORS = (
    *(httpx.HTTPError, httpx.InvalidURL, RuntimeError),
    *(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError),
    *(httpcore.UnsupportedProtocol,),
)

# A request for httpx's own clients, or for one of those below.
Built = httpx.Request | httpcore.Request


@functools.cache
def _trust() -> ssl.SSLContext:
    """Load the TLS certificates once, because that takes longer than starting a state server."""
    return httpx.create_ssl_context(trust_env=False)


@functools.lru_cache(maxsize=1024)
def _parsed(url: str) -> tuple[httpcore.URL, bytes]:
    """Parse a URL once, because the same workflow is saved many times; return its host, too."""
    parts = httpx.URL(url)
    target = httpcore.URL(
        scheme=parts.raw_scheme, host=parts.raw_host, port=parts.port, target=parts.raw_path
    )
    return target, parts.netloc


def direct_request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    extensions: dict[str, Any],
) -> httpcore.Request:
    """Return a request for a direct client. Raises `httpx.InvalidURL`."""
    target, host = _parsed(url)
    fields: list[tuple[bytes | str, bytes | str]] = [("Host", host), *headers.items()]
    if body is not None:
        fields.append(("Content-Length", str(len(body))))
    return httpcore.Request(method, target, headers=fields, content=body, extensions=extensions)


class DirectResponse:
    """A response whose body has not been read yet, with what `receive` asks of httpx's."""

    def __init__(self, response: httpcore.Response) -> None:
        self.status_code = response.status
        self.raw_headers = response.headers
        self.close, self.aclose = response.close, response.aclose
        self._stream: Any = response.stream

    def iter_bytes(self) -> Iterator[bytes]:
        """Yield the body in pieces."""
        return self._decoded().iter_bytes() if self._is_encoded() else iter(self._stream)

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Yield the body in pieces, to an async client."""
        return self._decoded().aiter_bytes() if self._is_encoded() else aiter(self._stream)

    def _is_encoded(self) -> bool:
        """Tell whether the body is compressed, though nobody asked for that."""
        return any(name.lower() == b"content-encoding" for name, _ in self.raw_headers)

    def _decoded(self) -> httpx.Response:
        return httpx.Response(self.status_code, headers=self.raw_headers, content=self._stream)


class DirectClient:
    """Sends requests with httpcore, which httpx sends with, too. Thread-safe.

    The contract has no cookies, redirects or authentication flows, and a local server needs no
    proxy. What httpx does for them, and its own requests and responses, took a third of the time of
    a request.
    """

    def __init__(self) -> None:
        self._backend = Backend(httpcore.SyncBackend())
        self._pool = httpcore.ConnectionPool(
            ssl_context=_trust(),
            max_connections=LIMITS.max_connections,
            max_keepalive_connections=LIMITS.max_keepalive_connections,
            keepalive_expiry=LIMITS.keepalive_expiry,
            network_backend=self._backend,
        )
        self._closed = False

    def send(self, request: httpcore.Request, **_: Any) -> DirectResponse:
        """Send a request and return the response, with its body not read yet."""
        if self._closed:
            raise RuntimeError("the client has been closed")
        return DirectResponse(self._pool.handle_request(request))

    def close(self) -> None:
        """Close the connections. Calling it again does nothing."""
        self._closed = True
        self._pool.close()
        self._backend.close()


class AsyncDirectClient:
    """The async version, for one request at a time, so that it has only one connection.

    A pool checks all of its connections for each request: with 32 of them, a request took three
    times as long as with one.
    """

    def __init__(self) -> None:
        self._pool: httpcore.AsyncConnectionPool | None = None
        self._closed = False

    async def send(self, request: httpcore.Request, **_: Any) -> DirectResponse:
        """Send a request and return the response, with its body not read yet."""
        if self._closed:
            raise RuntimeError("the client has been closed")
        if self._pool is None:
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=_trust(),
                max_connections=LIMITS.max_connections,
                keepalive_expiry=LIMITS.keepalive_expiry,
            )
        return DirectResponse(await self._pool.handle_async_request(request))

    async def aclose(self) -> None:
        """Close the connection. Calling it again does nothing."""
        self._closed = True
        if self._pool is not None:
            await self._pool.aclose()
