"""A real HTTP server on loopback that answers as a real Inngest server was recorded to answer.

    with InngestReplay("dev") as inngest:         # `inngest dev`
        httpx.get(f"{inngest.url}/v1/workflows/wf-1")

    with InngestReplay("cloud") as inngest:       # `inngest start`: its APIs want SIGNING_KEY
        ...

An exchange is found by method, path and query. Any workflow id stands for the recorded one, other
paths of the two APIs are the recorded "not found", and everything else is the dashboard's page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from canned_server import Answer, CannedServer, Seen

FOLDER = Path(__file__).parent / "data" / "inngest"
SIGNING_KEY = "signkey-prod-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

# What the server calls itself in `x-inngest-server-kind`; self-hosted `start` says "cloud".
Kind = Literal["dev", "cloud"]

_KEYED = ("/v1/", "/api/v2/")
_NOT_FOUND = {"/v1/": "v1-workflows-get-404", "/api/v2/": "v2-unknown-path-404"}
_REFUSED = "selfhosted-v1-events-none-401"


@dataclass(frozen=True)
class _Exchange:
    name: str
    method: str
    path: str
    query: frozenset[tuple[str, str]]
    authorization: str | None
    answer: Answer


class InngestReplay(CannedServer):
    """The server, on a free port while the `with` block lasts; `seen` is what it was asked."""

    def __init__(self, kind: Kind = "dev") -> None:
        self.kind = kind
        super().__init__(self._recorded)

    def _recorded(self, seen: Seen) -> Answer:
        """Return what the server said to such a request."""
        method, authorization = seen.method, seen.headers.get("authorization")
        parts = urlsplit(seen.target)
        path = re.sub(r"^/v1/workflows/.+", "/v1/workflows/wf-1", parts.path)
        query = frozenset(parse_qsl(parts.query, keep_blank_values=True))
        recorded = {
            exchange.authorization: exchange.answer
            for exchange in _exchanges(self.kind)
            if (exchange.method, exchange.path, exchange.query) == (method, path, query)
        }
        api = next((root for root in _KEYED if path.startswith(root)), None)
        if api and self.kind == "cloud" and authorization != f"Bearer {SIGNING_KEY}":
            return _named(_REFUSED).answer
        if authorization in recorded:
            return recorded[authorization]
        if None in recorded:
            return recorded[None]
        return self._as_this_kind(_named(_NOT_FOUND[api]).answer if api else _dashboard())

    def _as_this_kind(self, answer: Answer) -> Answer:
        headers = {**dict(answer.headers), "x-inngest-server-kind": self.kind}
        return Answer(answer.status, tuple(headers.items()), answer.body)


def recordings(kind: Kind) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each recording of that server with its name."""
    for file in sorted(FOLDER.glob("*.json")):
        recording = json.loads(file.read_text())
        if recording["response"]["headers"]["x-inngest-server-kind"] == kind:
            yield file.stem, recording


def wire_body(recorded: object) -> bytes:
    """Give a recorded body as bytes: text as it was, anything else as JSON."""
    return recorded.encode() if isinstance(recorded, str) else json.dumps(recorded).encode()


@cache
def _exchanges(kind: Kind) -> tuple[_Exchange, ...]:
    return tuple(_exchange(name, recording) for name, recording in recordings(kind))


def _exchange(name: str, recording: dict[str, Any]) -> _Exchange:
    request, response = recording["request"], recording["response"]
    # A key that repeats was recorded as a list of pairs.
    query = request["query"].items() if isinstance(request["query"], dict) else request["query"]
    return _Exchange(
        name=name,
        method=request["method"],
        path=request["path"],
        query=frozenset((key, value) for key, value in query),
        authorization=request["headers"].get("Authorization"),
        answer=Answer(
            response["status"], tuple(response["headers"].items()), wire_body(response["body"])
        ),
    )


def _named(name: str) -> _Exchange:
    return next(
        found for kind in ("dev", "cloud") for found in _exchanges(kind) if found.name == name
    )


def _dashboard() -> Answer:
    return Answer(
        200, (("content-type", "text/html; charset=utf-8"),), (FOLDER / "ui.html").read_bytes()
    )
