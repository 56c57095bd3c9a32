"""How the server itself is: its kind, its queue, and what it tells without a key."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from inngest_nb.api.basics._exchange import KIND, Operation, Server
from inngest_nb.api.basics._failures import Request
from inngest_nb.api.basics._values import ServerHealth
from inngest_nb.api.calls._catalog import V2

_DEPTH = re.compile(rb"^inngest_queue_depth(?:\{[^}\n]*\})? (\d{1,15})(?:\.0*)?\s*$", re.MULTILINE)
_KINDS = {"dev": "dev", "cloud": "self-hosted"}  # what the server calls itself
# The dashboard's own question, which changes nothing.
_APPS = b'{"query":"query{apps{externalID method}}"}'


def health(server: Server) -> Operation[ServerHealth]:
    """Ask for the server's health, with a key; then what it tells everyone, without one."""
    yield from server.get("health", f"{V2}/health")
    metrics = yield from server.send(Request("health", "GET", "/metrics", again=True))
    depth = _DEPTH.search(metrics.body) if metrics.status == 200 else None
    kind = _KINDS.get(metrics.headers.get(KIND, ""))
    is_open = None
    if kind != "dev":  # which asks for no key anywhere
        is_open = yield from _tells_everyone(server)
    return ServerHealth(kind=kind, queue_depth=int(depth[1]) if depth else None, is_open=is_open)


def _tells_everyone(server: Server) -> Operation[bool]:
    """Tell whether GraphQL answers without a key."""
    request = Request("health", "POST", "/v0/gql", body=_APPS, again=True)
    response = yield from server.send(request)
    try:
        said: object = msgspec.json.decode(response.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return response.status == 200 and isinstance(said, Mapping) and "data" in said
