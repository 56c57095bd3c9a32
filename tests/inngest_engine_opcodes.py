"""What the opcodes in a worker's answer do to a run.

After a step the function is called again when nothing of what was planned together is pending, or
at once in race mode. For a `StepRun` the mode is that of the answer itself, not of the plan: a
worker that leaves `opts.parallelMode` out there is called again only when all of them are done.
For a `StepFailed` it is the mode of the plan.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from inngest_engine_jobs import Job
from inngest_engine_runs import (
    MOST_RUN_BYTES,
    MOST_STEP_BYTES,
    MOST_STEPS,
    Json,
    Wait,
    size_of,
)
from inngest_engine_time import rounded
from inngest_engine_transport import Answer

if TYPE_CHECKING:
    from inngest_engine_executor import Executor

_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}
_FIRST = ("WaitForEvent", "InvokeFunction")  # the server handles these before the others
_YEAR = timedelta(days=365)


class TooMuchError(Exception):
    """A run that has grown over a limit; it fails at once."""

    def __init__(self, error: str, name: str, message: str) -> None:
        super().__init__(message)
        self.body = {"error": error, "name": name, "message": message}


def take_opcodes(executor: Executor, job: Job, answer: Answer, *, can_retry: bool) -> bool:
    """Do what an answer with opcodes says; False if its step is to be tried again."""
    run, ops = job.run, answer.body
    if run.version == -1:
        run.version = int(answer.headers.get("x-inngest-req-version", "2"))
    if len(ops) > 1:
        run.plans_all = True
    if len(ops) > MOST_STEPS:
        text = f"The function run exceeded the step limit of {MOST_STEPS} steps."
        raise TooMuchError("function has too many steps", "InngestErrFunctionOverflowed", text)
    if any(size_of({"data": op.get("data")}) > MOST_STEP_BYTES for op in ops):
        return False
    if len(ops) > 1 and any(op["op"] == "StepPlanned" for op in ops):
        run.pending = {op["id"] for op in ops if op["id"] not in run.steps}
    if not ops:
        executor.discover(run, f"redrive-{len(run.jobs)}", is_race=False)
    for op in sorted(ops, key=lambda op: op["op"] not in _FIRST):
        run.names.setdefault(op["id"], (op["op"], op.get("displayName") or op["name"]))
        run.times.setdefault(op["id"], (job.sent_at or executor.time.now(), None))
        if op["op"] == "StepError" and can_retry:
            return False
        _DO[op["op"]](executor, job, op)
    return True


def _ran(executor: Executor, job: Job, op: Json) -> None:
    run, value = job.run, {"data": op.get("data")}
    if run.size + size_of(value) > MOST_RUN_BYTES:
        text = f"The function run exceeded the state size limit of {MOST_RUN_BYTES} bytes."
        raise TooMuchError("state is too large", "InngestErrStateOverflowed", text)
    run.save(op["id"], value, executor.time.now())
    executor.discover(run, op["id"], is_race=_is_race(op))


def _failed(executor: Executor, job: Job, op: Json) -> None:
    error = {key: op["error"].get(key) for key in ("message", "name", "stack")}
    job.run.save(op["id"], {"error": error}, executor.time.now())
    executor.discover(job.run, op["id"], is_race=job.is_race, suffix="-failure")


def _planned(executor: Executor, job: Job, op: Json) -> None:
    now, key = executor.time.now(), f"{op['id']}-plan"
    executor.enqueue(
        Job(job.run, key, "edge", now, job.after, target=op["id"], is_race=_is_race(op))
    )


def _sleep(executor: Executor, job: Job, op: Json) -> None:
    now = executor.time.now()
    at = now + _delay(op["name"], now)
    executor.enqueue(Job(job.run, op["id"], "sleep", at, op["id"], is_race=_is_race(op)))


def _wait(executor: Executor, job: Job, op: Json) -> None:
    opts = op["opts"]
    until = executor.time.now() + seconds_of(opts["timeout"])
    wait = Wait(job.run, op["id"], op["name"], opts.get("if"), _is_race(op), until)
    _wait_for(executor, job, wait)


def _invoke(executor: Executor, job: Job, op: Json) -> None:
    opts = op["opts"]
    timeout = seconds_of(opts["timeout"]) if opts.get("timeout") else _YEAR
    until = executor.time.now() + timeout
    wait = Wait(job.run, op["id"], "", None, _is_race(op), until)
    if _wait_for(executor, job, wait):
        executor.events.invoke(wait, op)


def _wait_for(executor: Executor, job: Job, wait: Wait) -> bool:
    """Begin to wait, unless the run has done so before."""
    if wait.step in job.run.jobs:
        return False
    job.run.waits[wait.step] = wait
    if wait.event:
        executor.events.waits[wait.event].append(wait)
    executor.enqueue(Job(job.run, wait.step, "pause", wait.until, wait.step))
    return True


_DO = {
    "StepRun": _ran,
    "StepError": _failed,  # of the last attempt
    "StepFailed": _failed,
    "StepPlanned": _planned,
    "Sleep": _sleep,
    "WaitForEvent": _wait,
    "InvokeFunction": _invoke,
}


def _is_race(op: Json) -> bool:
    opts = op.get("opts")
    return isinstance(opts, Mapping) and opts.get("parallelMode") == "race"


def _delay(text: str, now: datetime) -> timedelta:
    """Return how long a sleep is: the rest until a date is rounded to whole seconds."""
    try:
        return rounded(datetime.fromisoformat(text) - now)
    except ValueError:
        return seconds_of(text)


def seconds_of(text: str) -> timedelta:
    """Read a duration such as 20s or 1h30m."""
    parts = re.findall(r"(\d+)(ms|[wdhms])", text)
    if "".join(number + unit for number, unit in parts) != text or not parts:
        raise ValueError(f"the stand-in cannot read the duration {text!r}")
    return timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in parts))


def retry_time(answer: Answer) -> datetime | None:
    """Return when the worker wants to be asked again."""
    text: Any = answer.headers.get("retry-after")
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)
