"""GraphQL: the few questions about which something was recorded, with any of their fields.

What it tells of runs and events is the story's; the traces with what each step waits for are the
recorded ones. A question about anything else, or for a field that was not recorded, is refused as
the real server refuses an unknown field.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from graphql_question import UnknownFieldError, read, shown
from story_lists import Query, RefusedError
from story_records import (
    FOLDER,
    Json,
    Row,
    exchanges,
    milliseconds_of,
    nanoseconds,
    shifted,
    story,
    time_text,
)
from story_state import State

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

# What the schema says always to be there: where it is not, nothing else is told either.
_NEVER_NULL = ("eventV2",)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_APP = "0ed9ab0f-8bdc-536d-8d7a-4b4e36215c7d"
# The only skipped run that was recorded, under the only question that shows it.
_SKIPPED = next(
    (asked.request["body"]["variables"]["e"], asked.response["body"]["data"]["eventV2"]["runs"])
    for asked in exchanges()
    if asked.name == "gql-event-skipped-run"
)
_WAITING = "01M82BBSDR1WHRKAK6PP0047Z0"


@cache
def asked_of_the_story() -> tuple[Json, ...]:
    """Return what GraphQL was asked about the frozen moment: `asked` and `body`."""
    return tuple(map(json.loads, (FOLDER / "graphql.jsonl").read_text().splitlines()))


@cache
def _traces() -> dict[str, Json]:
    """Return the recorded traces by their runs."""
    found = {
        one["asked"]["variables"]["r"]: one["body"]["data"]["runTrace"]
        for one in asked_of_the_story()
        if "runTrace" in one["body"]["data"]
    }
    # That of the run which waits was not recorded: it is that of one which has waited, until then.
    met = found[story().names["wait_match"]]
    begun = next(row for row in story().rows if row.id == _WAITING).record.trace["rootSpan"]
    (step,) = begun["children"]
    until = nanoseconds(step["startedAt"]) // 1_000_000 + 86_400_000
    waiting = met["childrenSpans"][0] | {
        "spanID": step["id"],
        "status": "WAITING",
        "queuedAt": step["queuedAt"],
        "startedAt": step["startedAt"],
        "endedAt": None,
        "outputID": None,
        "stepInfo": met["childrenSpans"][0]["stepInfo"]
        | {
            "expression": '"never" == async.data.key',
            "timeout": _short(time_text(_EPOCH + timedelta(milliseconds=until))),
            "foundEventID": None,
        },
    }
    root = {"spanID": begun["id"], "status": "RUNNING", "endedAt": None, "outputID": None}
    times = {"queuedAt": begun["queuedAt"], "startedAt": begun["startedAt"]}
    return found | {_WAITING: met | root | times | {"childrenSpans": [waiting]}}


class GraphQL:
    """Answers: a status, a media type and a body. `workers` are those that are connected."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.workers: list[Json] = [
            dict(edge["node"])
            for asked in exchanges()
            if asked.name == "gql-worker-connections"
            for edge in asked.response["body"]["data"]["workerConnections"]["edges"]
        ]
        self._fields: dict[str, Callable[[Json], Any]] = {
            "run": self._run,
            "runTrace": self._trace,
            "eventV2": self._event,
            "workerConnections": self._workers,
            "apps": self._apps,
        }

    def ask(self, query: Query, body: bytes) -> Any:
        """Answer a question."""
        try:
            given = json.loads(body)
        except ValueError:
            return 400, TEXT, {"errors": [{"message": "transport not supported"}], "data": None}
        data: Json | None = {}
        errors = []
        try:
            for field in read(given["query"], given.get("variables") or {}):
                if field.name not in self._fields:
                    raise UnknownFieldError(field, "Query")
                found = None
                try:
                    found = shown(self._fields[field.name](field.given), field, field.name)
                except RefusedError as refused:
                    errors.append({"message": str(refused), "path": [field.shown_as]})
                    if field.name in _NEVER_NULL:
                        data = None
                if data is not None:
                    data[field.shown_as] = found
        except UnknownFieldError as error:
            return 422, JSON, {"errors": [error.said], "data": None}
        return 200, JSON, ({"errors": errors} if errors else {}) | {"data": data}

    def _found(self, run_id: str) -> Row:
        if run_id not in self.state.runs.rows:
            raise RefusedError("error retrieving run: sql: no rows in result set")
        return self.state.runs.rows[run_id]

    def _run(self, given: Json) -> Json:
        row = self._found(given["runID"])
        item, detail = row.shown(row.record.item), row.shown(row.record.detail)
        trigger = item["trigger"]
        has_begun = detail["startedAt"] != item["startedAt"]  # which is when it was scheduled
        batch = trigger.get("batchId")
        made = time_text(_EPOCH + timedelta(milliseconds=milliseconds_of(batch))) if batch else None
        function = item["function"]
        slug = f"{item['app']['id']}-{function['id']}"
        uuid = next(each["internal_id"] for each in story().v1_functions if each["id"] == slug)
        return {
            "id": row.id,
            "status": row.status,
            "queuedAt": _short(item["queuedAt"]),
            "startedAt": _short(detail["startedAt"]) if has_begun else None,
            "endedAt": _short(item.get("endedAt")),
            "eventName": None,
            "isBatch": bool(trigger.get("isBatch")),
            "batchCreatedAt": _short(made),
            "triggerIDs": sorted(row.shown([*row.record.event_ids])),
            "cronSchedule": trigger.get("cronSchedule"),
            "output": _output(row),
            "function": function | {"id": uuid, "slug": slug},
            "app": {"id": _APP, "externalID": item["app"]["id"]},
        }

    def _trace(self, given: Json) -> Json:
        row = self._found(given["runID"])
        original = shifted([row.id], -row.shift_ms)[0]
        if original not in _traces():
            raise RefusedError("the trace of this run was not recorded")
        spans = row.record.trace["rootSpan"].get("children", ())
        timing = {span["id"]: span.get("metadata", ()) for span in spans}
        trace = _traces()[original]
        children = [
            child | {"metadata": [_numbers(each) for each in timing.get(child["spanID"], ())]}
            for child in trace["childrenSpans"]
        ]
        found: Json = row.shown(trace | {"childrenSpans": children})
        return found

    def _event(self, given: Json) -> Json:
        event = self.state.event.get(given["id"]) or self.state.internal(given["id"])
        if event is None:
            raise RefusedError("event not found")
        raw = {name: event[name] for name in ("data", "id", "name", "ts")}
        sent = _EPOCH + timedelta(milliseconds=event["ts"])
        return {
            "id": event["internal_id"],
            "name": event["name"],
            "raw": json.dumps(raw | {"v": event.get("v")}, separators=(",", ":")),
            "occurredAt": _short(time_text(sent)),
            "receivedAt": event["received_at"],
            "runs": lambda: self._runs_of(event["internal_id"]),
        }

    def _runs_of(self, event_id: str) -> list[Json]:
        runs = [
            {
                "id": row.id,
                "status": row.status,
                "function": self._run({"runID": row.id})["function"],
            }
            for row in self.state.runs_of(event_id)
        ]
        return runs + (_SKIPPED[1] if event_id == _SKIPPED[0] else [])

    def _workers(self, given: Json) -> Json:
        nodes = self.workers[: given["first"]]
        return {"totalCount": len(self.workers), "edges": [{"node": node} for node in nodes]}

    def _apps(self, given: Json) -> list[Json]:
        known = [{"externalID": app["id"], "method": app["method"]} for app in story().apps]
        return sorted(known, key=lambda app: app["externalID"])


def _numbers(entry: Json) -> Json:
    """Return what v2 tells of timing as GraphQL does, with numbers for texts."""
    values = {name: int(value) for name, value in entry["values"].items()}
    return {"scope": entry["scope"], "kind": entry["kind"], "values": values}


def _output(row: Row) -> str | None:
    """Return a run's output as text: of an object the server's own, of anything else Python's."""
    output = row.record.v1.get("output")
    if row.status not in ("COMPLETED", "FAILED"):
        return None
    if isinstance(output, dict):
        return json.dumps(output, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return json.dumps(output)


def _short(time: str | None) -> str | None:
    """Write a time without the zeros at its end."""
    if time is None or "." not in time:
        return time
    return time.removesuffix("Z").rstrip("0").rstrip(".") + "Z"
