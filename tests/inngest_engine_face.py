"""The HTTP API of the stand-in: its routes and keys, and what workers ask."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from canned_server import Answer, Seen
from inngest_engine_runs import uuid_of
from inngest_engine_serve import HttpServe
from inngest_engine_v1 import V1
from inngest_engine_v2 import V2
from inngest_replay import SIGNING_KEY, Kind, wire_body
from story_events import Taken, broken_json
from story_lists import Query, RefusedError
from story_server import EVENT_KEY, welcome

if TYPE_CHECKING:
    from inngest_engine_executor import Executor

JSON, TEXT = "application/json", "text/plain; charset=utf-8"


class Face:
    """Answers requests on the executor's thread: a status, a media type and a body."""

    def __init__(self, executor: Executor, kind: Kind, *, caches: bool) -> None:
        self._executor, self._kind = executor, kind
        self._v2 = V2(executor)
        self.note_sync = self._v2.note_sync
        routes = self._routes_of_workers() | V1(executor, caches=caches).routes()
        self._routes = [
            (re.compile(route.replace("*", "([^/]+)")), answer)
            for route, answer in (routes | self._v2.routes()).items()
        ]

    def _routes_of_workers(self) -> dict[str, Callable[..., Any]]:
        return {
            "GET /health": lambda *_: (200, JSON, {"status": 200, "message": "OK"}),
            "GET /metrics": lambda *_: (200, TEXT, "inngest_queue_depth 0\n"),
            "GET /dev": self._dev,
            "POST /e/*": self._ingest,
            "POST /fn/register": self._register,
            "GET /v0/runs/*/batch": self._batch,
            "GET /v0/runs/*/actions": self._actions,
        }

    def answer(self, seen: Seen) -> Answer:
        """Answer a request."""
        parts = urlsplit(seen.target)
        path = re.sub(r"^/v2/", "/api/v2/", parts.path)
        open_to_all = path in ("/health", "/metrics") or path.startswith("/e/")
        if self._kind == "cloud" and not open_to_all and not welcome(seen):
            return self._made(401, TEXT, "Authentication failed\n")
        query = Query(parse_qsl(parts.query, keep_blank_values=True))
        for route, answer in self._routes:
            if match := route.fullmatch(f"{seen.method} {path}"):
                given = [unquote(part) for part in match.groups()]
                try:
                    return self._made(*answer(query, seen.body, *given))
                except RefusedError as refused:
                    return self._made(refused.status, JSON, refused.body)
        if path.startswith("/api/v2/"):
            said = {"errors": [{"code": "api_error", "message": "Not Found"}]}
            return self._made(404, JSON, said)
        return self._made(404, TEXT, "404 page not found\n")

    def _made(self, status: int, media_type: str, body: Any) -> Answer:
        headers = ("content-type", media_type), ("x-inngest-server-kind", self._kind)
        return Answer(status, headers, wire_body(body))

    def _dev(self, query: Query, body: bytes) -> Any:
        functions = [
            {"id": uuid_of(each.slug), "name": each.name, "slug": each.slug}
            for each in self._executor.functions.values()
        ]
        return 200, JSON, {"version": "dev-", "authed": False, "functions": functions}

    def _register(self, query: Query, body: bytes) -> Any:
        try:
            given = json.loads(body)
        except ValueError:
            return 400, TEXT, {"error": f"Invalid request: {broken_json(body)}"}
        key = SIGNING_KEY if self._kind == "cloud" else None
        app = given["appname"]
        self._executor.register(app, given["functions"], HttpServe(given["url"], key))
        language, _, version = given["sdk"].partition(":")
        self.note_sync(
            app,
            framework=given.get("framework"),
            sdkLanguage=language,
            sdkVersion=version,
            url=given["url"],
        )
        said = {"ok": True, "modified": True, "sync_id": uuid_of(f"{app} sync")}
        return 200, JSON, said | {"app_id": uuid_of(app)}

    def _batch(self, query: Query, body: bytes, run_id: str) -> Any:
        return 200, JSON, self._executor.runs[run_id].events

    def _actions(self, query: Query, body: bytes, run_id: str) -> Any:
        return 200, JSON, self._executor.runs[run_id].steps

    def _ingest(self, query: Query, body: bytes, key: str) -> Any:
        if self._kind == "cloud" and key != EVENT_KEY:
            return 401, JSON, {"status": 401, "message": "", "error": "Event key not found"}
        taken = Taken(body, self._executor.events.send)
        return taken.status, TEXT, taken.body
