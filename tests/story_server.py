"""A real HTTP server on loopback that behaves as a real Inngest with 47 recorded runs does.

    with StoryServer() as inngest:                     # `inngest dev`
        httpx.get(f"{inngest.url}/api/v2/runs?status=FAILED")

    with StoryServer("cloud", ui=False) as inngest:    # `inngest start --no-ui`: wants SIGNING_KEY
        ...

It answers any filter, window, page and field of the calls about runs, events, apps and functions,
in v1 and v2, and takes events, invocations, cancels and reruns; GraphQL only for the few questions
of `story_graphql`. What else was recorded it says as it was recorded. `graphql.workers` are those
that are connected, but none works: a new run stays queued.

`repeated` are the exchanges of which only the recording was repeated.

`lose` tells of which requests the answer is lost although they were done.
`runs=10_000` copies the story into the past. `seconds` is how long the real server would have
worked for the run lists; `charge=time.sleep` makes the answers take that long.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from canned_server import Answer, CannedServer, Seen
from inngest_replay import FOLDER, SIGNING_KEY, Kind, wire_body
from story_events import Taken
from story_graphql import GraphQL
from story_lists import Query, RefusedError
from story_records import Asked, exchanges
from story_state import State
from story_v1 import JSON, TEXT, V1
from story_v2 import V2

__all__ = ["EVENT_KEY", "RETRYING", "SIGNING_KEY", "StoryServer"]

EVENT_KEY = "testeventkey123"

# Between two attempts, and later than the story: what was asked of it is said as it was recorded.
RETRYING = "01M82C744GR8D1FTV363DG92SG"

_HEX = SIGNING_KEY.rpartition("-")[2]
_HASH = hashlib.sha256(bytes.fromhex(_HEX)).hexdigest()
_KEYS = {prefix + key for prefix in ("", "signkey-prod-", "signkey-test-") for key in (_HEX, _HASH)}


class StoryServer(CannedServer):
    """The server, on a free port while the `with` block lasts; `seen` is what it was asked."""

    def __init__(
        self,
        kind: Kind = "dev",
        *,
        ui: bool = True,
        runs: int = 47,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        charge: Callable[[float], object] = lambda seconds: None,
        lose: Callable[[Seen], bool] = lambda seen: False,
    ) -> None:
        self.kind, self.ui, self._lose = kind, ui, lose
        self.repeated: list[str] = []
        self.state = State(runs, now)
        self._v2 = V2(self.state, now, charge)
        routes = self._v2.routes() | V1(self.state, now).routes()
        routes |= {"POST /e/*": self._ingest, "GET /health": self._health}
        self.graphql = GraphQL(self.state)
        routes |= {"POST /v0/gql": self.graphql.ask} if ui else {}
        self._routes = [
            (re.compile(route.replace("*", "([^/]+)")), answer) for route, answer in routes.items()
        ]
        super().__init__(self._sent)

    @property
    def seconds(self) -> float:
        """For how long the real server would have worked for the run lists."""
        return self._v2.seconds

    def _sent(self, seen: Seen) -> Answer | None:
        answer = self._answer(seen)
        return None if self._lose(seen) else answer

    def _answer(self, seen: Seen) -> Answer:
        parts = urlsplit(seen.target)
        path = re.sub(r"^/v2/", "/api/v2/", parts.path)
        keyed = path.startswith(("/v1/", "/api/v2/")) or path == "/dev"
        if keyed and self.kind == "cloud" and not welcome(seen):
            return self._made(401, TEXT, "Authentication failed\n")
        query = parse_qsl(parts.query, keep_blank_values=True)
        if RETRYING in path:
            return self._recorded(seen, path, query) or self._unknown(path)
        for route, answer in self._routes:
            if match := route.fullmatch(f"{seen.method} {path}"):
                given = [unquote(part) for part in match.groups()]
                try:
                    with self.state.lock:
                        return self._made(*answer(Query(query), seen.body, *given))
                except RefusedError as refused:
                    return self._made(refused.status, JSON, refused.body)
        return self._recorded(seen, path, query) or self._unknown(path)

    def _made(self, status: int, media_type: str, body: Any) -> Answer:
        headers = ("content-type", media_type), ("x-inngest-server-kind", self.kind)
        return Answer(status, headers, wire_body(body))

    def _ingest(self, query: Query, body: bytes, key: str) -> Any:
        if self.kind == "cloud" and key != EVENT_KEY:
            said = {"status": 401, "message": "", "error": "Event key not found"}
            return 401, JSON, said
        taken = Taken(body, self.state.send)
        return taken.status, TEXT, taken.body

    def _health(self, query: Query, body: bytes) -> Any:
        return 200, JSON, {"status": 200, "message": "OK"}

    def _recorded(self, seen: Seen, path: str, query: list[tuple[str, str]]) -> Answer | None:
        """Return what was said to the very same request."""
        for asked in exchanges():
            if _same(asked, self.kind, seen, path, query):
                self.repeated.append(asked.name)
                said = asked.response
                headers = tuple(said["headers"].items())
                return Answer(said["status"], headers, wire_body(said["body"]))
        return None

    def _unknown(self, path: str) -> Answer:
        if path.startswith("/api/v2/"):
            return self._made(
                404, JSON, {"errors": [{"code": "api_error", "message": "Not Found"}]}
            )
        if path.startswith("/v1/") or path == "/v0/gql" or not self.ui:
            return self._made(404, TEXT, "404 page not found\n")
        return self._made(200, "text/html; charset=utf-8", (FOLDER / "ui.html").read_text())


def welcome(seen: Seen) -> bool:
    """Tell whether a request has the signing key, in one of the forms that the server takes."""
    word, _, key = seen.headers.get("authorization", "").partition(" ")
    return word == "Bearer" and key in _KEYS


def _same(asked: Asked, kind: Kind, seen: Seen, path: str, query: list[tuple[str, str]]) -> bool:
    request = asked.request
    given = request["query"].items() if isinstance(request["query"], dict) else request["query"]
    body = request["body"]
    recorded = body if isinstance(body, str) else json.dumps(body) if body is not None else ""
    return (
        (request["method"], request["path"]) == (seen.method, path)
        and sorted(map(tuple, given)) == sorted(query)
        and recorded == seen.body.decode()
        and asked.response["headers"]["x-inngest-server-kind"] == kind
        and asked.response["status"] != 401
    )
