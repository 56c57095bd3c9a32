"""The HTTP API of the stand-in: what clients and workers ask, in v1, v2 and without a version."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import inngest_engine_shapes as shapes
from canned_server import Answer, Seen
from inngest_engine_runs import Function, Run, uuid_of
from inngest_engine_serve import HttpServe
from inngest_replay import SIGNING_KEY, Kind, wire_body
from story_events import BadQueryError, Taken, broken_json, listed
from story_lists import Query, RefusedError, RunList, without
from story_records import is_ulid, time_text
from story_server import EVENT_KEY, welcome

if TYPE_CHECKING:
    from inngest_engine_executor import Executor

JSON, TEXT = "application/json", "text/plain; charset=utf-8"
# For how many seconds v1 repeats what it said of a run.
_CACHED = 3
_LOADED = "Unable to load function run: {}"


class Face:
    """Answers requests on the executor's thread: a status, a media type and a body."""

    def __init__(self, executor: Executor, kind: Kind, *, caches: bool) -> None:
        self._executor, self._kind, self._caches = executor, kind, caches
        self._syncs: dict[str, dict[str, Any]] = {}  # how each app was registered
        self._said: dict[str, tuple[datetime, Any]] = {}
        self._routes = [
            (re.compile(route.replace("*", "([^/]+)")), answer)
            for route, answer in self._table().items()
        ]

    def _table(self) -> dict[str, Callable[..., Any]]:
        app, function = "/api/v2/apps/*", "/api/v2/apps/*/functions/*"
        return {
            "GET /health": lambda *_: (200, JSON, {"status": 200, "message": "OK"}),
            "GET /metrics": lambda *_: (200, TEXT, "inngest_queue_depth 0\n"),
            "GET /dev": self._dev,
            "POST /e/*": self._ingest,
            "POST /fn/register": self._register,
            "GET /v0/runs/*/batch": self._batch,
            "GET /v0/runs/*/actions": self._actions,
            "GET /api/v2/health": lambda *_: self._v2({"status": "ok"}),
            "POST /api/v2/events": self._event,
            "GET /api/v2/apps": self._apps,
            f"GET {app}": self._app,
            f"GET {app}/functions": self._functions,
            f"GET {function}": self._function,
            f"GET {function}/runs": self._runs,
            f"POST {function}/invoke": self._invoke,
            "GET /api/v2/runs": self._runs,
            "GET /api/v2/runs/*": self._run,
            "GET /api/v2/runs/*/trace": self._trace,
            "POST /api/v2/runs/*/cancel": self._cancel,
            "POST /api/v2/runs/*/rerun": self._rerun,
            "GET /api/v2/events/*/runs": self._event_runs,
            "GET /v1/events": self._v1_events,
            "GET /v1/events/*": self._v1_event,
            "GET /v1/events/*/runs": self._v1_event_runs,
            "GET /v1/runs/*": self._v1_run,
            "GET /v1/runs/*/jobs": self._v1_jobs,
            "DELETE /v1/runs/*": self._v1_cancel,
            "GET /v1/apps/*/functions": self._v1_functions,
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

    # Workers

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

    def note_sync(self, app: str, **about: Any) -> None:
        """Note how an app was registered last."""
        now = time_text(self._executor.time.now())
        self._syncs[app] = {k: v for k, v in about.items() if v} | {"created_at": now}

    def _batch(self, query: Query, body: bytes, run_id: str) -> Any:
        return 200, JSON, self._found(run_id).events

    def _actions(self, query: Query, body: bytes, run_id: str) -> Any:
        return 200, JSON, self._found(run_id).steps

    # Events

    def _ingest(self, query: Query, body: bytes, key: str) -> Any:
        if self._kind == "cloud" and key != EVENT_KEY:
            return 401, JSON, {"status": 401, "message": "", "error": "Event key not found"}
        taken = Taken(body, self._executor.events.send)
        return taken.status, TEXT, taken.body

    def _event(self, query: Query, body: bytes) -> Any:
        taken = Taken(body, self._executor.events.send)
        if taken.error:
            raise RefusedError(taken.error, "invalid_request")
        return self._v2({"eventId": taken.ids[0]})

    def _v1_events(self, query: Query, body: bytes) -> Any:
        try:
            found = listed(self._executor.events.kept[::-1], query)
        except BadQueryError as error:
            return _error(str(error), 400)
        return 200, JSON, {"data": found, "metadata": self._fetched("fetched_at")}

    def _v1_event(self, query: Query, body: bytes, event_id: str) -> Any:
        if not is_ulid(event_id):
            return _error(f"Invalid event ID: {event_id}", 400)
        event = self._executor.events.by_id.get(event_id)
        return _error("Event not found", 404) if event is None else self._v1(event)

    def _v1_event_runs(self, query: Query, body: bytes, event_id: str) -> Any:
        if not is_ulid(event_id):
            return _error(f"Invalid event ID: {event_id}", 400)
        return self._v1([shapes.v1_of(run) for run in self._executor.events.runs_of[event_id]])

    def _event_runs(self, query: Query, body: bytes, event_id: str) -> Any:
        if not is_ulid(event_id):
            raise RefusedError("Event ID must be a valid ULID")
        limit, output = query.limit(40), query.flag("includeOutput")
        found = self._executor.events.runs_of[event_id][::-1][:limit]
        items = [shapes.item_of(run) for run in found]
        return self._v2(
            [item if output else without(item, "output") for item in items], {"limit": limit}
        )

    # Apps and functions

    def _functions_of(self, app: str) -> list[Function]:
        return [each for each in self._executor.functions.values() if each.app == app]

    def _shown_app(self, app: str) -> Any:
        now = {"created_at": time_text(self._executor.time.now())}
        return shapes.app_of(app, self._functions_of(app), self._syncs.get(app, now))

    def _apps(self, query: Query, body: bytes) -> Any:
        names = dict.fromkeys(each.app for each in self._executor.functions.values())
        return self._v2([self._shown_app(app) for app in names], {"limit": query.limit(40)})

    def _app(self, query: Query, body: bytes, app: str) -> Any:
        if not self._functions_of(app):
            raise RefusedError("App not found", "not_found", 404)
        return self._v2(self._shown_app(app))

    def _functions(self, query: Query, body: bytes, app: str) -> Any:
        limit = query.limit(40)
        names = [each.slug for each in self._functions_of(app)]
        start = names.index(query.one("cursor")) + 1 if query.one("cursor") else 0
        page: dict[str, Any] = {"limit": limit}
        if len(names) > start + limit:
            page |= {"cursor": names[start + limit - 1], "hasMore": True}
        found = self._functions_of(app)[start : start + limit]
        return self._v2([shapes.function_of(each) for each in found], page)

    def _known(self, app: str, function: str) -> Function:
        found = self._executor.functions.get(f"{app}-{function}")
        if found is None or found.app != app:
            raise RefusedError("Function not found", "not_found", 404)
        return found

    def _function(self, query: Query, body: bytes, app: str, function: str) -> Any:
        return self._v2(shapes.function_of(self._known(app, function)))

    def _v1_functions(self, query: Query, body: bytes, app: str) -> Any:
        now = time_text(self._executor.time.now())
        found = [shapes.v1_function_of(each, now) for each in self._functions_of(app)]
        return 200, JSON, json.dumps(found)

    def _invoke(self, query: Query, body: bytes, app: str, function: str) -> Any:
        known = self._known(app, function)
        given = json.loads(body)
        if not isinstance(given.get("data"), dict):
            raise RefusedError("Input data is required", "missing_field")
        key = given.get("idempotencyKey") or ""
        run, was_there = self._executor.events.invoke_by_name(known, given["data"], key)
        status, media_type, said = self._v2({"runId": run.id})
        return 409 if was_there else status, media_type, said

    # Runs

    def _found(self, run_id: str, missing: str = "Run not found") -> Run:
        if not is_ulid(run_id):
            raise RefusedError("Run ID must be a valid ULID")
        if run_id not in self._executor.runs:
            raise RefusedError(missing, "not_found", 404)
        return self._executor.runs[run_id]

    def _runs(self, query: Query, body: bytes, app: str = "", function: str = "") -> Any:
        runs = RunList([shapes.row_of(run) for run in self._executor.runs.values()])
        apps = [app] if app else query.all("appId")
        page, _ = runs.page(query, apps, [function] if function else query.all("functionId"))
        return self._v2(page.get("data"), page["page"], page.get("metadata"))

    def _run(self, query: Query, body: bytes, run_id: str) -> Any:
        run = self._found(run_id)
        return self._v2(shapes.detail_of(run, output=query.flag("includeOutput")))

    def _trace(self, query: Query, body: bytes, run_id: str) -> Any:
        run = self._found(run_id, "Trace not found")
        return self._v2(shapes.trace_of(run, output=query.flag("includeOutput")))

    def _cancel(self, query: Query, body: bytes, run_id: str) -> Any:
        run = self._found(run_id)
        if run.status == "CANCELLED":
            raise RefusedError("Run is already cancelled", "run_already_cancelled", 409)
        if run.is_over:
            raise RefusedError("Cannot cancel an ended run", "run_already_ended", 409)
        self._executor.cancel(run)
        return self._v2({"runId": run.id})

    def _rerun(self, query: Query, body: bytes, run_id: str) -> Any:
        return self._v2({"runId": self._executor.events.rerun(self._found(run_id)).id})

    def _v1_run(self, query: Query, body: bytes, run_id: str) -> Any:
        if not is_ulid(run_id):
            return _error(f"Invalid run ID: {run_id}", 400)
        if run_id not in self._executor.runs:
            return _error(_LOADED.format(run_id), 500)
        now = self._executor.time.now()
        until, said = self._said.get(run_id, (now, None))
        if now >= until:
            said = shapes.v1_of(self._executor.runs[run_id])
            if self._caches:
                self._said[run_id] = now + timedelta(seconds=_CACHED), said
        return self._v1(said)

    def _v1_jobs(self, query: Query, body: bytes, run_id: str) -> Any:
        run = self._executor.runs.get(run_id)
        return self._v1(shapes.jobs_of(run) if run is not None else [])

    def _v1_cancel(self, query: Query, body: bytes, run_id: str) -> Any:
        if not is_ulid(run_id):
            return 400, JSON, _error(f"Invalid run ID: {run_id}", 400)[2]
        run = self._executor.runs.get(run_id)
        if run is None:
            return 404, JSON, _error(_LOADED.format(run_id), 404)[2]
        if not run.is_over:  # v1 has no word for a run that has ended
            self._executor.cancel(run)
        return 200, JSON, ""

    # Bodies

    def _fetched(self, name: str) -> dict[str, Any]:
        return {name: time_text(self._executor.time.now())}

    def _v1(self, data: Any) -> Any:
        return 200, JSON, {"data": data, "metadata": self._fetched("fetched_at")}

    def _v2(self, data: Any, page: Any = None, metadata: Any = None) -> Any:
        body: dict[str, Any] = {"data": data} if data else {}
        body["metadata"] = self._fetched("fetchedAt") | (metadata or {})
        return 200, JSON, body | ({"page": page} if page is not None else {})


def _error(text: str, status: int) -> Any:
    return 200, JSON, {"error": text, "data": None, "status": status}
