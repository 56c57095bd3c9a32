"""The stand-in's answers in v2."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import inngest_engine_shapes as shapes
from inngest_engine_runs import Function, Run
from story_events import Taken
from story_lists import Query, RefusedError, RunList, without
from story_records import is_ulid, time_text

if TYPE_CHECKING:
    from inngest_engine_executor import Executor

JSON = "application/json"


class V2:
    """Answers: a status, a media type and a body."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._syncs: dict[str, dict[str, Any]] = {}  # how each app was registered

    def routes(self) -> dict[str, Callable[..., Any]]:
        app, function = "/api/v2/apps/*", "/api/v2/apps/*/functions/*"
        return {
            "GET /api/v2/health": lambda *_: self._said({"status": "ok"}),
            "POST /api/v2/events": self._event,
            "GET /api/v2/events/*/runs": self._event_runs,
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
        }

    def note_sync(self, app: str, **about: Any) -> None:
        """Note how an app was registered last."""
        now = time_text(self._executor.time.now())
        self._syncs[app] = {k: v for k, v in about.items() if v} | {"created_at": now}

    # Events

    def _event(self, query: Query, body: bytes) -> Any:
        taken = Taken(body, self._executor.events.send)
        if taken.error:
            raise RefusedError(taken.error, "invalid_request")
        return self._said({"eventId": taken.ids[0]})

    def _event_runs(self, query: Query, body: bytes, event_id: str) -> Any:
        if not is_ulid(event_id):
            raise RefusedError("Event ID must be a valid ULID")
        limit, output = query.limit(40), query.flag("includeOutput")
        found = self._executor.events.runs_of[event_id][::-1][:limit]
        items = [shapes.item_of(run) for run in found]
        return self._said(
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
        return self._said([self._shown_app(app) for app in names], {"limit": query.limit(40)})

    def _app(self, query: Query, body: bytes, app: str) -> Any:
        if not self._functions_of(app):
            raise RefusedError("App not found", "not_found", 404)
        return self._said(self._shown_app(app))

    def _functions(self, query: Query, body: bytes, app: str) -> Any:
        limit = query.limit(40)
        names = [each.slug for each in self._functions_of(app)]
        start = names.index(query.one("cursor")) + 1 if query.one("cursor") else 0
        page: dict[str, Any] = {"limit": limit}
        if len(names) > start + limit:
            page |= {"cursor": names[start + limit - 1], "hasMore": True}
        found = self._functions_of(app)[start : start + limit]
        return self._said([shapes.function_of(each) for each in found], page)

    def _known(self, app: str, function: str) -> Function:
        found = self._executor.functions.get(f"{app}-{function}")
        if found is None or found.app != app:
            raise RefusedError("Function not found", "not_found", 404)
        return found

    def _function(self, query: Query, body: bytes, app: str, function: str) -> Any:
        return self._said(shapes.function_of(self._known(app, function)))

    def _invoke(self, query: Query, body: bytes, app: str, function: str) -> Any:
        known = self._known(app, function)
        given = json.loads(body)
        if not isinstance(given.get("data"), dict):
            raise RefusedError("Input data is required", "missing_field")
        key = given.get("idempotencyKey") or ""
        run, was_there = self._executor.events.invoke_by_name(known, given["data"], key)
        status, media_type, said = self._said({"runId": run.id})
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
        return self._said(page.get("data"), page["page"], page.get("metadata"))

    def _run(self, query: Query, body: bytes, run_id: str) -> Any:
        run = self._found(run_id)
        return self._said(shapes.detail_of(run, output=query.flag("includeOutput")))

    def _trace(self, query: Query, body: bytes, run_id: str) -> Any:
        run = self._found(run_id, "Trace not found")
        return self._said(shapes.trace_of(run, output=query.flag("includeOutput")))

    def _cancel(self, query: Query, body: bytes, run_id: str) -> Any:
        run = self._found(run_id)
        if run.status == "CANCELLED":
            raise RefusedError("Run is already cancelled", "run_already_cancelled", 409)
        if run.is_over:
            raise RefusedError("Cannot cancel an ended run", "run_already_ended", 409)
        self._executor.cancel(run)
        return self._said({"runId": run.id})

    def _rerun(self, query: Query, body: bytes, run_id: str) -> Any:
        return self._said({"runId": self._executor.events.rerun(self._found(run_id)).id})

    def _said(self, data: Any, page: Any = None, metadata: Any = None) -> Any:
        body: dict[str, Any] = {"data": data} if data else {}
        body["metadata"] = {"fetchedAt": time_text(self._executor.time.now()), **(metadata or {})}
        return 200, JSON, body | ({"page": page} if page is not None else {})
