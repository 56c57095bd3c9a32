"""How the stand-in shows runs, in the shapes of the real server's v1 and v2, with their quirks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from inngest_engine_numbers import bent
from inngest_engine_runs import Function, Json, Run, uuid_of
from story_records import Record, Row, nanoseconds, time_text

# A cancelled run's end is so much later in lists than it was.
_GRACE = timedelta(seconds=10)
_OPS = {
    "StepRun": "RUN",
    "StepPlanned": "RUN",
    "StepError": "RUN",
    "StepFailed": "RUN",
    "Sleep": "SLEEP",
    "WaitForEvent": "WAIT_FOR_EVENT",
    "InvokeFunction": "INVOKE",
}


def row_of(run: Run) -> Row:
    """Return a run as the lists of v2 read it."""
    item = item_of(run)
    end = item.get("endedAt") or item["startedAt"]
    record = Record(
        item=item, detail={}, trace={}, v1={}, jobs=[], event_ids=(run.events[0]["id"],)
    )
    start = nanoseconds(item["startedAt"])
    return Row(run.id, run.status, start, nanoseconds(end), record)


def _run(run: Run, started: datetime, ended: datetime | None, status: str) -> Json:
    shown: Json = {
        "app": {"id": run.function.app},
        "function": {"id": run.function.short, "name": run.function.name},
        "id": run.id,
        "queuedAt": time_text(run.queued_at),
        "startedAt": time_text(started),
        "status": status,
        "trigger": {"eventIds": [run.event_ids[0]]},
    }
    if ended is not None:
        shown["endedAt"] = time_text(ended)
        took = round((ended - started) / timedelta(milliseconds=1))
        shown |= {"durationMs": str(took)} if took else {}
    return shown


def item_of(run: Run) -> Json:
    """Return a run as lists show it: from when it was queued, a canceled one with a late end."""
    ended = run.ended_at
    if ended is not None and run.status == "CANCELLED":
        ended += _GRACE
    shown = _run(run, run.queued_at, ended, run.status)
    if run.status == "FAILED":
        shown["output"] = {"error": _plain_error(run.output)}
    elif run.status == "COMPLETED":
        shown["output"] = _wrapped(run.output)
    return shown


def detail_of(run: Run, *, output: bool) -> Json:
    """Return a run as v2's detail shows it.

    One that waits after a finished step is COMPLETED there, but has no end.
    """
    status = run.status
    if status == "RUNNING" and run.steps and not run.in_flight:
        status = "COMPLETED"
    shown = _run(run, run.started_at or run.queued_at, run.ended_at, status)
    if output and run.status in ("COMPLETED", "FAILED"):
        failed = run.status == "FAILED"
        shown["output"] = _plain_error(run.output) if failed else _wrapped(run.output)
    return shown


def _wrapped(output: Any) -> Any:
    output = bent(output)
    return output if isinstance(output, dict) else {"data": output}


def _plain_error(output: Any) -> Any:
    return output if isinstance(output, dict) else {"error": str(output), "message": str(output)}


def v1_of(run: Run) -> Json:
    """Return a run as v1 shows it: its output is exact."""
    status = "Running" if run.status == "QUEUED" else run.status.capitalize()
    shown: Json = {
        "run_id": run.id,
        "run_started_at": time_text(run.queued_at),
        "function_id": uuid_of(run.function.slug),
        "function_version": 0,
        "environment_id": "00000000-0000-4000-b000-000000000000",
        "event_id": run.event_ids[0],
        "status": status,
    }
    if run.original is not None:
        shown["original_run_id"] = run.original
    if run.ended_at is not None:
        shown["ended_at"] = time_text(run.ended_at)
        shown["output"] = {} if run.status == "CANCELLED" else run.output
    return shown


def jobs_of(run: Run) -> list[Json]:
    """Return what will be done next for a run."""
    jobs = sorted(run.planned.values(), key=lambda job: job.at)[:10]
    return [
        {
            "JobID": job.id,
            "at": time_text(job.at),
            "position": 0,
            "kind": job.kind,
            "attempt": job.attempt,
        }
        for job in jobs
    ]


def trace_of(run: Run, *, output: bool) -> Json:
    """Return what a run did: one span for each of its steps."""
    start = run.started_at or run.queued_at
    root = _span(run.id, "Run", run.status if run.started_at else "WAITING", start, run.ended_at)
    root["children"] = [_step_span(run, step, output=output) for step in run.names]
    if output:
        root["input"] = {"data": bent(run.events[0])}
    return {"rootSpan": root, "runId": run.id}


def _step_span(run: Run, step: str, *, output: bool) -> Json:
    op, name = run.names[step]
    started, ended = run.times[step]
    is_done = step in run.steps
    value = run.steps.get(step)
    failed = isinstance(value, dict) and "error" in value and op != "WaitForEvent"
    waits = "RUNNING" if _OPS[op] == "RUN" else "WAITING"
    status = "FAILED" if failed else "COMPLETED" if is_done else waits
    span = _span(step[:16], name, status, started, ended)
    span |= {"stepOp": _OPS[op], "stepId": step}
    if output and is_done and value is not None:
        inner = value if op == "WaitForEvent" else value["error"] if failed else value.get("data")
        span["output"] = bent(inner) if failed else _wrapped(inner)
    return span


def _span(key: str, name: str, status: str, start: datetime, end: datetime | None) -> Json:
    span: Json = {
        "id": key,
        "name": name,
        "status": status,
        "queuedAt": time_text(start),
        "startedAt": time_text(start),
    }
    if end is not None:
        took = round((end - start) / timedelta(milliseconds=1))
        span |= {"endedAt": time_text(end)} | ({"durationMs": str(took)} if took else {})
    return span


# Apps and functions


def app_of(app: str, functions: list[Function], sync: Json) -> Json:
    """Return an app as v2 shows it."""
    return {
        "createdAt": sync["created_at"],
        "functionCount": len(functions),
        "id": app,
        "latestSync": {key: value for key, value in sync.items() if key != "created_at"},
        "method": "SERVE" if sync.get("url", "").startswith("http") else "CONNECT",
        "name": app,
    }


def function_of(function: Function) -> Json:
    """Return a function as v2 shows it."""
    retries = function.attempts - 1
    return {
        "app": {"id": function.app},
        "configuration": {
            "retries": {"isDefault": False} | ({"value": retries} if retries else {}),
        },
        "id": function.short,
        "name": function.name,
        "slug": function.short,
        "triggers": [
            {"type": "EVENT", "value": each["event"]}
            | ({"condition": each["expression"]} if each.get("expression") else {})
            if "event" in each
            else {"type": "CRON", "value": each["cron"]}
            for each in function.config["triggers"]
        ],
    }


def v1_function_of(function: Function, created_at: str) -> Json:
    """Return a function as v1 shows it."""
    key = uuid_of(function.slug)
    return {
        "internal_id": key,
        "env_id": "00000000-0000-0000-0000-000000000000",
        "app_id": uuid_of(function.app),
        "id": function.slug,
        "name": function.name,
        "config": {"id": key, "fv": 1, "name": function.name, "slug": function.slug},
        "created_at": created_at,
        "archived_at": "0001-01-01T00:00:00Z",
    }
