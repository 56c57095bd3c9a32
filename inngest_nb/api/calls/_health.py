"""How the server itself is: its kind, its queue, and what it tells without a key."""

from __future__ import annotations

import re

from inngest_nb.api.basics._exchange import KIND, Operation, Server
from inngest_nb.api.basics._failures import Request
from inngest_nb.api.basics._values import ServerHealth
from inngest_nb.api.calls import _graphql
from inngest_nb.api.calls._catalog import V2

_DEPTH = re.compile(rb"^inngest_queue_depth(?:\{[^}\n]*\})? (\d{1,15})(?:\.0*)?\s*$", re.MULTILINE)
_KINDS = {"dev": "dev", "cloud": "self-hosted"}  # what the server calls itself


def health(server: Server) -> Operation[ServerHealth]:
    """Ask for the server's health, with a key; then what it tells everyone, without one."""
    yield from server.get("health", f"{V2}/health")
    metrics = yield from server.send(Request("health", "GET", "/metrics", again=True))
    depth = _DEPTH.search(metrics.body) if metrics.status == 200 else None
    kind = _KINDS.get(metrics.headers.get(KIND, ""))
    is_open = None
    if kind != "dev":  # which asks for no key anywhere
        told = yield from _graphql.ask(server, "health", _graphql.APPS)
        if told.because in (None, _graphql.OFF):  # else it said something against the question
            is_open = told.because is None
    return ServerHealth(kind=kind, queue_depth=int(depth[1]) if depth else None, is_open=is_open)
