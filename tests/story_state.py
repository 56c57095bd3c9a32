"""The server's state: runs and events, and what cancelling, invoking and sending change in it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from story_lists import RefusedError, RunList
from story_records import (
    Json,
    Record,
    Row,
    encoded,
    events_of,
    is_ulid,
    milliseconds_of,
    row_of,
    rows_of,
    story,
    time_text,
)

_INVOKED = "inngest/function.invoked"
_ENV = "00000000-0000-4000-b000-000000000000"
_NO_ENV = "00000000-0000-0000-0000-000000000000"
# A cancelled run's end is so much later in lists than it was.
_GRACE = timedelta(seconds=10)


class State:
    """What the server holds. A new run waits for a worker for ever, as no worker is there."""

    def __init__(self, runs: int, now: Callable[[], datetime]) -> None:
        self._now = now
        self._random = random.Random(0)
        self._keys: dict[str, str] = {}  # run ids by idempotency key
        self._sent_ids: set[tuple[str, str]] = set()
        self.lock = threading.RLock()
        self.runs = RunList([*rows_of(runs)])
        self.events = sorted(events_of(runs), key=lambda e: e["internal_id"], reverse=True)
        self.event = {event["internal_id"]: event for event in self.events}
        self._of_event: dict[str, list[str]] = {}
        for row in self.runs.rows.values():
            self.index(row)

    def index(self, row: Row) -> None:
        """Note of which events a run is."""
        for event_id in row.shown([*row.record.event_ids]):
            self._of_event.setdefault(event_id, []).append(row.id)

    def run(self, run_id: str, missing: str = "Run not found") -> Row:
        """Find a run by its id."""
        if not is_ulid(run_id):
            raise RefusedError("Run ID must be a valid ULID")
        if run_id not in self.runs.rows:
            raise RefusedError(missing, "not_found", 404)
        return self.runs.rows[run_id]

    def runs_of(self, event_id: str) -> list[Row]:
        """Return the runs of an event, the last one first."""
        rows = [self.runs.rows[run_id] for run_id in self._of_event.get(event_id, ())]
        return sorted(rows, key=lambda row: (row.start_ns, row.id), reverse=True)

    def internal(self, event_id: str) -> Json | None:
        """Return an event that Inngest made, of which only the runs are known."""
        for row in self.runs_of(event_id):
            function = self.function(row.record.item["function"]["id"])
            names = [each["value"] for each in function["triggers"] if each["type"] == "EVENT"]
            name = next((name for name in names if name.startswith("inngest/")), _INVOKED)
            at = milliseconds_of(event_id)
            sent = datetime.fromtimestamp(at / 1000, UTC)
            known = {"internal_id": event_id, "id": event_id, "received_at": time_text(sent)}
            return known | {"name": name, "data": {}, "ts": at}
        return None

    def function(self, name: str) -> Json:
        """Find a function by its short id."""
        for function in story().functions:
            if function["id"] == name:
                return function
        raise RefusedError("Function not found", "not_found", 404)

    def ulid(self) -> str:
        """Make an id."""
        return encoded(int(self._now().timestamp() * 1000), 10) + encoded(
            self._random.getrandbits(80), 16
        )

    # Writes

    def send(self, event: Json) -> str:
        """Keep an event, and queue a run of each function that it triggers."""
        key = self._keep(event)
        name, own = event["name"], event.get("id", "")
        repeated = bool(own) and (name, own) in self._sent_ids
        self._sent_ids.add((name, own))
        for function in story().functions if not repeated else ():
            if {"type": "EVENT", "value": name} in function["triggers"]:
                self._queue(function["id"], function["name"], key)
        return key

    def _keep(self, event: Json) -> str:
        key = self.ulid()
        kept = {
            "internal_id": key,
            "account_id": _NO_ENV,
            "environment_id": _NO_ENV,
            "source": "",
            "source_id": None,
            "received_at": time_text(self._now()),
            "id": event.get("id") or key,
            "name": event["name"],
            "data": event.get("data") or {},
            "ts": event.get("ts") or milliseconds_of(key),
            **{name: event[name] for name in ("user", "v") if name in event},
        }
        # Ids of the same millisecond are in no order, and the list is by id.
        newer = (n for n, event in enumerate(self.events) if event["internal_id"] < key)
        self.events.insert(next(newer, len(self.events)), kept)
        self.event[key] = kept
        return key

    def invoke(self, function: str, data: Any, idempotency_key: str) -> tuple[str, bool]:
        """Queue a run of a function, or find the one of that key; tell whether it was there."""
        known = self.function(function)
        if not isinstance(data, dict):
            raise RefusedError("Input data is required", "missing_field")
        if idempotency_key in self._keys:
            return self._keys[idempotency_key], True
        event = self._keep({"name": _INVOKED, "data": data})
        run_id = self._queue(known["id"], known["name"], event)
        if idempotency_key:
            self._keys[idempotency_key] = run_id
        return run_id, False

    def rerun(self, run_id: str, from_step: Json | None) -> str:
        """Queue a run of the same function and event; of a batch only its first event."""
        row = self.run(run_id)
        if from_step is not None and from_step.get("stepId") not in _steps(row.record.trace):
            raise RefusedError("Step not found in original run", "invalid_request")
        item = row.shown(row.record.item)
        first = item["trigger"]["eventIds"][0]
        return self._queue(item["function"]["id"], item["function"]["name"], first, row.id)

    def cancel(self, run_id: str) -> None:
        """Cancel a run that has not ended."""
        row = self.run(run_id)
        if row.status == "CANCELLED":
            raise RefusedError("Run is already cancelled", "run_already_cancelled", 409)
        if "endedAt" in row.record.item:
            raise RefusedError("Cannot cancel an ended run", "run_already_ended", 409)
        now = self._now()
        record = row.record
        late = time_text(now + _GRACE)
        item = record.item | {"status": "CANCELLED", "endedAt": late}
        item["durationMs"] = _took(item["startedAt"], now + _GRACE)
        detail = record.detail | {"status": "CANCELLED", "endedAt": time_text(now)}
        detail["durationMs"] = _took(detail["startedAt"], now)
        root = {**record.trace["rootSpan"], "status": "CANCELLED", "endedAt": time_text(now)}
        changed = Record(
            item=item,
            detail=detail,
            trace=record.trace | {"rootSpan": root},
            v1=record.v1 | {"status": "Cancelled", "ended_at": time_text(now), "output": {}},
            jobs=[],
            event_ids=record.event_ids,
        )
        self.runs.put(row_of(changed))

    def _queue(self, function: str, name: str, event: str, original: str | None = None) -> str:
        """Queue a run; `original` is the one that it repeats."""
        key, now = self.ulid(), time_text(self._now())
        item: Json = {
            "app": {"id": "nb-lab"},
            "function": {"id": function, "name": name},
            "id": key,
            "queuedAt": now,
            "startedAt": now,
            "status": "QUEUED",
            "trigger": {"eventIds": [event]},
        }
        like = next(row.record for row in story().rows if row.status == "QUEUED")
        uuid = next(
            f["internal_id"] for f in story().v1_functions if f["id"] == f"nb-lab-{function}"
        )
        v1 = like.v1 | {
            "run_id": key,
            "run_started_at": now,
            "function_id": uuid,
            "event_id": event,
        }
        if original is not None:
            v1["original_run_id"] = original
        root = {"id": encoded(self._random.getrandbits(40), 8), "name": "Run", "queuedAt": now}
        job = deepcopy(like.jobs[0]) | {"at": now}
        record = Record(
            item=item,
            detail=item,
            trace={"rootSpan": root | {"status": "WAITING"}, "runId": key},
            v1=v1,
            jobs=[job],
            event_ids=(event,),
        )
        row = row_of(record)
        self.runs.put(row)
        self.index(row)
        return key


def _took(start: str, end: datetime) -> str:
    return str(round((end - datetime.fromisoformat(start)).total_seconds() * 1000))


def _steps(trace: Json) -> set[str]:
    """Return the names and ids of the steps of a run."""
    spans = trace["rootSpan"].get("children", ())
    return {span[key] for span in spans if "stepId" in span for key in ("name", "stepId")}
