"""The stand-in's answers in v1, which has errors under status 200 and repeats itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import inngest_engine_shapes as shapes
from story_events import BadQueryError, listed
from story_lists import Query
from story_records import is_ulid, time_text

if TYPE_CHECKING:
    from inngest_engine_executor import Executor

JSON = "application/json"
# For how many seconds it repeats what it said of a run.
_CACHED = 3
_LOADED = "Unable to load function run: {}"


class V1:
    """Answers: a status, a media type and a body."""

    def __init__(self, executor: Executor, *, caches: bool) -> None:
        self._executor, self._caches = executor, caches
        self._cache: dict[str, tuple[datetime, Any]] = {}

    def routes(self) -> dict[str, Callable[..., Any]]:
        return {
            "GET /v1/events": self._events,
            "GET /v1/events/*": self._event,
            "GET /v1/events/*/runs": self._event_runs,
            "GET /v1/runs/*": self._run,
            "GET /v1/runs/*/jobs": self._jobs,
            "DELETE /v1/runs/*": self._cancel,
            "GET /v1/apps/*/functions": self._functions,
        }

    def _events(self, query: Query, body: bytes) -> Any:
        try:
            found = listed(self._executor.events.visible()[::-1], query)
        except BadQueryError as error:
            return _error(str(error), 400)
        return self._said(found)

    def _event(self, query: Query, body: bytes, event_id: str) -> Any:
        if not is_ulid(event_id):
            return _error(f"Invalid event ID: {event_id}", 400)
        event = self._executor.events.by_id.get(event_id)
        return _error("Event not found", 404) if event is None else self._said(event)

    def _event_runs(self, query: Query, body: bytes, event_id: str) -> Any:
        if not is_ulid(event_id):
            return _error(f"Invalid event ID: {event_id}", 400)
        return self._said([shapes.v1_of(run) for run in self._executor.events.runs_of[event_id]])

    def _run(self, query: Query, body: bytes, run_id: str) -> Any:
        if not is_ulid(run_id):
            return _error(f"Invalid run ID: {run_id}", 400)
        if run_id not in self._executor.runs:
            return _error(_LOADED.format(run_id), 500)
        now = self._executor.time.now()
        until, said = self._cache.get(run_id, (now, None))
        if now >= until:
            said = shapes.v1_of(self._executor.runs[run_id])
            if self._caches:
                self._cache[run_id] = now + timedelta(seconds=_CACHED), said
        return self._said(said)

    def _jobs(self, query: Query, body: bytes, run_id: str) -> Any:
        run = self._executor.runs.get(run_id)
        return self._said(shapes.jobs_of(run) if run is not None else [])

    def _cancel(self, query: Query, body: bytes, run_id: str) -> Any:
        if not is_ulid(run_id):
            return 400, JSON, _error(f"Invalid run ID: {run_id}", 400)[2]
        run = self._executor.runs.get(run_id)
        if run is None:
            return 404, JSON, _error(_LOADED.format(run_id), 404)[2]
        if not run.is_over:  # v1 has no word for a run that has ended
            self._executor.cancel(run)
        return 200, JSON, ""

    def _functions(self, query: Query, body: bytes, app: str) -> Any:
        now = time_text(self._executor.time.now())
        found = [
            shapes.v1_function_of(each, now)
            for each in self._executor.functions.values()
            if each.app == app
        ]
        return 200, JSON, json.dumps(found)

    def _said(self, data: Any) -> Any:
        metadata = {"fetched_at": time_text(self._executor.time.now())}
        return 200, JSON, {"data": data, "metadata": metadata}


def _error(text: str, status: int) -> Any:
    return 200, JSON, {"error": text, "data": None, "status": status}
