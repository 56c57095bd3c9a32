"""The calls of v2 about runs, events, apps and functions."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from story_events import broken_json
from story_lists import Query, RefusedError, item_of, without
from story_records import Json, is_ulid, story, time_text
from story_state import State

JSON = "application/json"


class V2:
    """Answers: a status, a media type and a body. `seconds` is what the run lists cost."""

    def __init__(
        self, state: State, now: Callable[[], datetime], charge: Callable[[float], object]
    ) -> None:
        self.state, self._now, self._charge = state, now, charge
        self.seconds = 0.0

    def _said(self, data: Any, page: Json | None = None, metadata: Json | None = None) -> Any:
        """Wrap an answer; what is empty is left out."""
        body = {"data": data} if data else {}
        body |= {"metadata": {"fetchedAt": time_text(self._now()), **(metadata or {})}}
        return 200, JSON, body | ({"page": page} if page is not None else {})

    def runs(self, query: Query, body: bytes, app: str = "", function: str = "") -> Any:
        apps = [app] if app else query.all("appId")
        functions = [function] if function else query.all("functionId")
        page, seconds = self.state.runs.page(query, apps, functions)
        self.seconds += seconds
        self._charge(seconds)
        return self._said(page.get("data"), page["page"], page.get("metadata"))

    def run(self, query: Query, body: bytes, run_id: str) -> Any:
        row = self.state.run(run_id)
        detail = row.record.detail
        return self._said(
            row.shown(detail if query.flag("includeOutput") else without(detail, "output"))
        )

    def trace(self, query: Query, body: bytes, run_id: str) -> Any:
        row = self.state.run(run_id, "Trace not found")
        trace = row.record.trace
        return self._said(row.shown(trace if query.flag("includeOutput") else _bare(trace)))

    def event_runs(self, query: Query, body: bytes, event_id: str) -> Any:
        if not is_ulid(event_id):
            raise RefusedError("Event ID must be a valid ULID")
        limit = query.limit(40)
        rows = self.state.runs_of(event_id)[:limit]
        items = [item_of(row, output=query.flag("includeOutput")) for row in rows]
        return self._said(items, {"limit": limit})

    def apps(self, query: Query, body: bytes) -> Any:
        return self._said(story().apps, {"limit": query.limit(100)})

    def app(self, query: Query, body: bytes, name: str) -> Any:
        found = [app for app in story().apps if app["id"] == name]
        if not found:
            raise RefusedError("App not found", "not_found", 404)
        return self._said(found[0])

    def functions(self, query: Query, body: bytes, app: str) -> Any:
        limit, found = query.limit(40), _functions_of(app)
        uuids = {f["id"].removeprefix("nb-lab-"): f["internal_id"] for f in story().v1_functions}
        if cursor := query.one("cursor"):
            places = [place for place, f in enumerate(found) if uuids[f["id"]] == cursor]
            if not places:
                raise RefusedError("Cursor is invalid")
            found = found[places[0] + 1 :]
        page: Json = {"limit": limit}
        if len(found) > limit:
            page |= {"cursor": uuids[found[limit - 1]["id"]], "hasMore": True}
        return self._said(found[:limit], page)

    def function(self, query: Query, body: bytes, app: str, name: str) -> Any:
        for function in _functions_of(app):
            if function["id"] == name:
                return self._said(function)
        raise RefusedError("Function not found", "not_found", 404)

    def send_one(self, query: Query, body: bytes) -> Any:
        event = _object(body)
        if not event.get("name"):
            raise RefusedError("Event name is required", "missing_field")
        return self._said({"eventId": self.state.send(event)})

    def invoke(self, query: Query, body: bytes, app: str, name: str) -> Any:
        given = _object(body)
        if not _functions_of(app):
            raise RefusedError("Function not found", "not_found", 404)
        key = given.get("idempotencyKey", "")
        run_id, again = self.state.invoke(name, given.get("data"), key)
        _, media_type, said = self._said({"runId": run_id})
        return 409 if again else 200, media_type, said

    def cancel(self, query: Query, body: bytes, run_id: str) -> Any:
        self.state.cancel(run_id)
        return self._said({"runId": run_id})

    def rerun(self, query: Query, body: bytes, run_id: str) -> Any:
        return self._said({"runId": self.state.rerun(run_id, _object(body).get("fromStep"))})

    def health(self, query: Query, body: bytes) -> Any:
        return self._said({"status": "ok"})

    def routes(self) -> dict[str, Callable[..., Any]]:
        return {
            "GET /api/v2/runs": self.runs,
            "GET /api/v2/apps/*/functions/*/runs": self.runs,
            "GET /api/v2/runs/*": self.run,
            "GET /api/v2/runs/*/trace": self.trace,
            "POST /api/v2/runs/*/cancel": self.cancel,
            "POST /api/v2/runs/*/rerun": self.rerun,
            "GET /api/v2/events/*/runs": self.event_runs,
            "POST /api/v2/events": self.send_one,
            "GET /api/v2/apps": self.apps,
            "GET /api/v2/apps/*": self.app,
            "GET /api/v2/apps/*/functions": self.functions,
            "GET /api/v2/apps/*/functions/*": self.function,
            "POST /api/v2/apps/*/functions/*/invoke": self.invoke,
            "GET /api/v2/health": self.health,
        }


def _functions_of(app: str) -> list[Json]:
    """Return an app's functions; those of the other app were not recorded."""
    return story().functions if app == "nb-lab" else []


def _bare(trace: Json) -> Json:
    """Return a trace without inputs and outputs."""

    def span(one: Json) -> Json:
        kept = without(one, "input", "output")
        if "children" in kept:
            kept["children"] = [span(child) for child in kept["children"]]
        return kept

    return trace | {"rootSpan": span(trace["rootSpan"])}


def _object(body: bytes) -> Json:
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        raise RefusedError(broken_json(body), "api_error") from None
    if not isinstance(given, dict):
        char = body[:1].decode()
        raise RefusedError(f"proto: syntax error (line 1:1): unexpected token {char}", "api_error")
    return given
