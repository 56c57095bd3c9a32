"""Functions of the official SDK, served over HTTP from a thread."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from typing import Any, Self

import httpx
import inngest
import uvicorn
from inngest._internal import comm_lib, server_lib
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH = "/api/inngest"


def client_of(app: str, url: str) -> inngest.Inngest:
    """Make a client of a dev server, which keeps its log to itself."""
    logger = logging.getLogger("sdk_app")
    logger.setLevel(logging.CRITICAL)
    return inngest.Inngest(
        app_id=app, is_production=False, api_base_url=url, event_api_base_url=url, logger=logger
    )


class SdkApp:
    """Serves the functions while the `with` block lasts, and registers them when it begins."""

    def __init__(self, client: inngest.Inngest, functions: list[inngest.Function[Any]]) -> None:
        self._client = client
        self.handler = comm_lib.CommHandler(
            client=client,
            enable_unauthed_sync=None,
            framework=server_lib.Framework.FAST_API,
            functions=functions,
            streaming=None,
        )
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{PATH}"
        app = Starlette(routes=[Route(PATH, self._serve, methods=["POST", "PUT"])])
        config = uvicorn.Config(
            app, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="sdk-app", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert httpx.put(self.url, timeout=10).status_code == 200
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        loop = asyncio.SelectorEventLoop()
        loop.run_until_complete(self._server.serve([self._listener]))
        own = self._client._http_client
        own._http_client_sync.close()
        loop.run_until_complete(own._http_client.aclose())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    async def _serve(self, request: Request) -> Response:
        asked = comm_lib.CommRequest(
            body=await request.body(),
            headers=dict(request.headers),
            public_path=None,
            query_params=dict(request.query_params),
            raw_request=request,
            request_url=str(request.url),
            serve_origin=None,
            serve_path=None,
        )
        handle = self.handler.post if request.method == "POST" else self.handler.put
        said = await handle(asked)
        return Response(json.dumps(said.body), said.status_code, said.headers)
