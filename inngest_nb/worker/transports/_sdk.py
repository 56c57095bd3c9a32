"""The official SDK: how its client is made, and all that is used of its private parts.

Private, and therefore to be looked at with each new version of the SDK (this was written for
0.5.19): `_internal.comm_lib`, which answers the server's requests over HTTP, where the SDK's own
doors need FastAPI or Flask; a connection's `_state`, which says that the SDK has given up, and how
many requests it has in hand; and the HTTP clients of its client, which nothing public closes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import inngest
from inngest._internal import comm_lib, const, server_lib, transforms

from inngest_nb.worker._running import Running
from inngest_nb.worker._settings import WorkerSettings

_log = logging.getLogger("inngest_nb.worker.sdk")


class _Aside(logging.LoggerAdapter[logging.Logger]):
    """The SDK's own lines, for who asks for them: what matters is said by `Presence`."""

    def log(self, level: int, msg: object, *args: object, **more: Any) -> None:
        super().log(logging.DEBUG, msg, *args, **more)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, kwargs


def make_client(settings: WorkerSettings) -> inngest.Inngest:
    """Make the SDK's client; its connections belong to the calling thread's event loop."""
    server = settings.server
    signing = [named.key.revealed() for named in server.signing_keys]
    return inngest.Inngest(
        app_id=settings.app_id,
        api_base_url=_with_port(server.url),
        event_api_base_url=_with_port(server.event_url),
        is_production=bool(signing),
        signing_key=signing[0] if signing else None,
        event_key=server.event_key.key.revealed() if server.event_key else None,
        logger=_Aside(_log, {}),
        middleware=[_noting(settings.running)],
    )


async def close_client(client: inngest.Inngest) -> None:
    """Close the connections of a client."""
    connections = client._http_client  # noqa: SLF001
    await connections._http_client.aclose()  # noqa: SLF001
    connections._http_client_sync.close()  # noqa: SLF001


def _with_port(url: str) -> str:
    """Return an address as the SDK wants it: `http://localhost` alone is none to it."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts._replace(netloc=f"{parts.netloc.removesuffix(f':{parts.port}')}:{port}").geturl()


def _noting(running: Running) -> type[inngest.Middleware]:
    """Return a middleware that notes which functions run."""

    class Noting(inngest.Middleware):
        async def transform_input(
            self, ctx: Any, function: inngest.Function[Any], steps: Any
        ) -> None:
            running.begin(self, function.local_id)

        async def before_response(self) -> None:
            running.end(self)

    return Noting


# Private: a connection


async def given_up(connection: Any) -> str:
    """Wait until the SDK has given up to reach the server, and return why.

    Its `start` returns only when the functions that run have ended, too.
    """
    error: Exception = await _state(connection).fatal_error.wait_for_not_none()
    return str(error)


def in_hand(connection: Any) -> int:
    """Return how many requests a connection has not answered yet."""
    count: int = _state(connection).pending_request_count.value
    return count


def _state(connection: Any) -> Any:
    return connection._state  # noqa: SLF001


# Private: requests over HTTP


class Answer(NamedTuple):
    """What the server is answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpRequests:
    """Answers the server's requests to the address `url`, and registers that with the server."""

    def __init__(
        self, client: inngest.Inngest, functions: list[inngest.Function[Any]], url: str
    ) -> None:
        self._url = url
        self._client = client
        self._handler = self._make_handler(functions, enable_unauthed_sync=None)
        # To register ourselves; a request for that from elsewhere is up to the SDK's settings.
        self._own_handler = self._make_handler(functions, enable_unauthed_sync=True)

    def _make_handler(
        self, functions: list[inngest.Function[Any]], *, enable_unauthed_sync: bool | None
    ) -> comm_lib.CommHandler:
        return comm_lib.CommHandler(
            client=self._client,
            enable_unauthed_sync=enable_unauthed_sync,
            framework=server_lib.Framework.FAST_API,
            functions=functions,
            streaming=const.Streaming.DISABLE,
        )

    async def answer(
        self, method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Answer a request of the server."""
        request = self._request(query, headers, body)
        if method == "POST":
            response = await self._handler.post(request)
        elif method == "PUT":
            response = await self._handler.put(request)
        else:
            response = self._handler.get_sync(request)
        text = transforms.dump_json(response.body)
        if isinstance(text, Exception):
            response = comm_lib.CommResponse.from_error(self._client.logger, text)
            text = json.dumps(response.body)
        return Answer(response.status_code, response.headers, text.encode())

    async def register(self) -> str | None:
        """Tell the server the functions and the address; return why it did not take them."""
        response = await self._own_handler.put(self._request({}, {}, b""))
        said = response.body if isinstance(response.body, dict) else {}
        if response.status_code == 200 and said.get("ok") is True:
            return None
        return str(said.get("error") or said.get("message") or "it gave no reason")

    def _request(
        self, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> comm_lib.CommRequest:
        return comm_lib.CommRequest(
            body=body,
            headers=dict(headers),
            public_path=None,
            query_params=dict(query),
            raw_request=None,
            request_url=self._url,  # ours, and not what the sender calls us
            serve_origin=None,
            serve_path=None,
        )
