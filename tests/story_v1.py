"""The calls of v1 about runs and events. It repeats for some seconds what it said."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from story_events import BadQueryError, listed
from story_lists import Query, RefusedError
from story_records import Json, is_ulid, story, time_text
from story_state import State

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
# For how many seconds v1 repeats what it said.
_CACHED = {"run": 3, "jobs": 5, "event": 5, "event's runs": 15}


class V1:
    """Answers: a status, a media type and a body."""

    def __init__(self, state: State, now: Callable[[], datetime]) -> None:
        self.state, self._now = state, now
        self._cache: dict[tuple[str, str], tuple[datetime, Json]] = {}

    def _said(self, what: str, key: str, data: Callable[[], Any]) -> Any:
        """Answer from what was said a moment ago, if it was."""
        now = self._now()
        until, body = self._cache.get((what, key), (now, {}))
        if now < until:
            return 200, TEXT, body
        until = now + timedelta(seconds=_CACHED[what])
        metadata = {"fetched_at": time_text(now), "cached_until": time_text(until)}
        self._cache[what, key] = until, {"data": data(), "metadata": metadata}
        return 200, JSON, self._cache[what, key][1]

    def events(self, query: Query, body: bytes) -> Any:
        try:
            found = listed(self.state.events, query)
        except BadQueryError as error:
            return _error(str(error), 400)
        return 200, JSON, {"data": found, "metadata": {"fetched_at": time_text(self._now())}}

    def event(self, query: Query, body: bytes, event_id: str) -> Any:
        if not is_ulid(event_id):
            return _error(f"Invalid event ID: {event_id}", 400)
        if event_id not in self.state.event:
            return _error("Event not found", 404)
        return self._said("event", event_id, lambda: self.state.event[event_id])

    def event_runs(self, query: Query, body: bytes, event_id: str) -> Any:
        if not is_ulid(event_id):
            return _error(f"Invalid event ID: {event_id}", 400)
        return self._said("event's runs", event_id, lambda: [*self._runs_of(event_id)])

    def _runs_of(self, event_id: str) -> Iterator[Json]:
        """Yield an event's runs: not those of a batch that another event began."""
        for row in self.state.runs_of(event_id):
            run = row.shown(row.record.v1)
            if run["event_id"] != event_id:
                continue
            # A run that is asleep after a step shows as in the detail of v2.
            said = row.record.detail["status"].capitalize()
            status = "Running" if said == "Queued" else said
            yield run | {"status": status, "environment_id": "00000000-0000-0000-0000-000000000000"}

    def run(self, query: Query, body: bytes, run_id: str) -> Any:
        if not is_ulid(run_id):
            return _error(f"Invalid run ID: {run_id}", 400)
        if run_id not in self.state.runs.rows:
            return _error(f"Unable to load function run: {run_id}", 500)
        row = self.state.run(run_id)
        return self._said("run", run_id, lambda: row.shown(row.record.v1))

    def jobs(self, query: Query, body: bytes, run_id: str) -> Any:
        if not is_ulid(run_id):
            return _error(f"Invalid run ID: {run_id}", 400)
        row = self.state.runs.rows.get(run_id)
        return self._said("jobs", run_id, lambda: row.shown(row.record.jobs) if row else [])

    def cancel(self, query: Query, body: bytes, run_id: str) -> Any:
        if not is_ulid(run_id):
            return 400, JSON, _error(f"Invalid run ID: {run_id}", 400)[2]
        if run_id not in self.state.runs.rows:
            return 404, JSON, _error(f"Unable to load function run: {run_id}", 404)[2]
        with contextlib.suppress(RefusedError):  # v1 has no word for a run that has ended
            self.state.cancel(run_id)
        return 200, JSON, ""

    def functions(self, query: Query, body: bytes, app: str) -> Any:
        return 200, JSON, story().v1_functions if app == "nb-lab" else []

    def routes(self) -> dict[str, Callable[..., Any]]:
        return {
            "GET /v1/events": self.events,
            "GET /v1/events/*": self.event,
            "GET /v1/events/*/runs": self.event_runs,
            "GET /v1/runs/*": self.run,
            "DELETE /v1/runs/*": self.cancel,
            "GET /v1/runs/*/jobs": self.jobs,
            "GET /v1/apps/*/functions": self.functions,
        }


def _error(message: str, status: int) -> tuple[int, str, Json]:
    """Refuse as v1's reading calls do: under status 200."""
    return 200, JSON, {"error": message, "data": None, "status": status}
