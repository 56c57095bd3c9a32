"""The tables and columns of Inngest's Insights, and what the rows of the open-source server are.

Names and meanings come from https://www.inngest.com/docs/platform-and-operations/insights; what the
open-source server does not tell (`attributes`, `inngest`, `metadata`) has no column. The last
columns of each table are ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from inngest_nb import wire
from inngest_nb.api import Event, Run, Step, StepAttempt, Trace

WORD = "VARCHAR COLLATE NOCASE"  # 'failed' finds what is 'Failed'

_STEPS = {
    "run_id": "VARCHAR",
    "app_id": "VARCHAR",
    "function_id": "VARCHAR",
    "type": WORD,
    "name": "VARCHAR",
    "id": "VARCHAR",
    "loop_index": "BIGINT",
    "attempt": "BIGINT",
    "status": WORD,
    "queued_at": "TIMESTAMPTZ",
    "started_at": "TIMESTAMPTZ",
    "ended_at": "TIMESTAMPTZ",
    "output": "JSON",
    "error": "JSON",
    "step_id": "VARCHAR",
    "input": "JSON",
}
COLUMNS: dict[str, dict[str, str]] = {
    "events": {
        "id": "VARCHAR",
        "name": "VARCHAR",
        "data": "JSON",
        "v": "VARCHAR",
        "ts": "BIGINT",
        "ts_dt": "TIMESTAMPTZ",
        "received_at": "BIGINT",
        "received_at_dt": "TIMESTAMPTZ",
        "event_id": "VARCHAR",
        "user": "JSON",
    },
    "runs": {
        "id": "VARCHAR",
        "triggering_event_name": "VARCHAR",
        "status": WORD,
        "queued_at": "TIMESTAMPTZ",
        "started_at": "TIMESTAMPTZ",
        "ended_at": "TIMESTAMPTZ",
        "app_id": "VARCHAR",
        "function_id": "VARCHAR",
        "inputs": "JSON[]",
        "input": "JSON",
        "output": "JSON",
        "error": "JSON",
        "event_id": "VARCHAR",
        "is_batch": "BOOLEAN",
        "cron": "VARCHAR",
    },
    "steps": _STEPS,
    "step_attempts": _STEPS | {"is_latest": "BOOLEAN"},
}

_TYPES = {
    "step": "StepRun",
    "sleep": "Sleep",
    "wait": "WaitForEvent",
    "invoke": "InvokeFunction",
    "function": "Function",
}

Row = Mapping[str, Any]


def event_row(event: Event) -> Row:
    """Return an event as a row."""
    return {
        "id": event.id,
        "name": event.name,
        "data": _json(event.data),
        "v": event.version,
        "ts": _milliseconds(event.sent_at),
        "ts_dt": _time(event.sent_at),
        "received_at": _milliseconds(event.received_at),
        "received_at_dt": _time(event.received_at),
        "event_id": event.event_id,
        "user": _json(event.user),
    }


def run_row(run: Run, began: datetime | None = None) -> Row:
    """Return a run as a row, without what caused it; `began` is later than its scheduling."""
    return {
        "id": run.run_id,
        "status": _status(run.status),
        "queued_at": _time(run.queued_at),
        "started_at": None if run.status == "queued" else _time(began or run.started_at),
        "ended_at": _time(run.ended_at),
        "app_id": run.app,
        "function_id": f"{run.app}-{run.function}",
        "output": _json(run.output),
        "error": _error(run),
        "event_id": run.event_ids[0] if run.event_ids else None,
        "is_batch": run.is_batch,
        "cron": run.cron,
        "scheduled_at": _time(run.started_at or run.queued_at),
    }


def cause_row(run_id: str, events: Sequence[Any]) -> Row:
    """Return the events that caused a run, as the server's trace shows them."""
    first = events[0] if events and isinstance(events[0], Mapping) else {}
    return {
        "run_id": run_id,
        "triggering_event_name": first.get("name"),
        "inputs": [_json(event) for event in events] or None,
    }


def input_of(event: Event) -> Mapping[str, Any]:
    """Return an event as a trace shows it."""
    return {
        "data": event.data,
        "id": event.id,
        "name": event.name,
        "ts": _milliseconds(event.sent_at),
    }


def attempt_rows(trace: Trace) -> Iterator[Row]:
    """Yield a row for each attempt of each step; what is not tried, as a sleep, has one too."""
    seen: dict[str, int] = {}
    for step in trace.steps:
        index = seen.get(step.name, 0)
        seen[step.name] = index + 1
        tried = sorted(step.attempts, key=lambda attempt: attempt.number)
        for attempt in tried[:-1]:
            yield _attempt_row(trace, step, index, attempt, is_latest=False)
        yield _attempt_row(trace, step, index, tried[-1] if tried else step, is_latest=True)


def _attempt_row(
    trace: Trace, step: Step, index: int, attempt: Step | StepAttempt, *, is_latest: bool
) -> Row:
    status = trace.outcome(attempt.status)
    if status == "failed" and not (is_latest and step.status == "failed"):
        status = "errored"  # it was, or will be, tried again
    # The group of attempts has the output and the error where the last one has none.
    last = step if is_latest else attempt
    return {
        "run_id": trace.run_id,
        "type": _TYPES.get(step.kind, step.kind),
        "name": step.name,
        "id": step.name if step.step_id else None,
        "loop_index": index,
        "attempt": attempt.number if isinstance(attempt, StepAttempt) else 0,
        "status": _status(status),
        "queued_at": _time(attempt.queued_at),
        "started_at": _time(attempt.started_at),
        "ended_at": _time(attempt.ended_at),
        "output": _json(last.output if attempt.output is None else attempt.output),
        "error": _error(last if attempt.error is None else attempt),
        "step_id": step.step_id,
        "input": _json(step.input),
        "is_latest": is_latest,
    }


def _status(word: str) -> str:
    return "Cancelled" if word == "canceled" else word.capitalize()


def _error(failed: Run | Step | StepAttempt) -> str | None:
    error = failed.error
    if error is None:
        return None
    names = ("name", "message", "stack", "code")
    return _json({name: said for name in names if (said := getattr(error, name))})


def _json(value: Any) -> str | None:
    if value is None:
        return None
    try:
        return wire.encode_json(value).decode()
    except ValueError:  # nested deeper than payloads of ours may be
        return wire.flat(partial(json.dumps, ensure_ascii=False, separators=(",", ":")), value)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)
