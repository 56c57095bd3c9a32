"""The jobs of the executor stand-in, and the executor request that each of them is."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inngest_engine_numbers import bent
from inngest_engine_runs import Json, Run, uuid_of
from inngest_engine_time import Entry
from inngest_engine_transport import Answer

# A bigger state is not sent; the worker has to fetch it.
_MOST_SENT = 4 * 2**20


@dataclass
class Job:
    """Something to do for a run: call the function again, or end a sleep or a wait first.

    `after` is the step that it follows, `target` the planned step that it runs, and `key` names it:
    a run never gets two jobs of one key, so planning a step again does not run it twice.
    """

    run: Run
    key: str
    kind: str  # "start", "edge", "sleep", "pause": as the server's list of jobs calls them
    at: datetime
    after: str = ""
    target: str | None = None
    is_race: bool = False
    attempt: int = 0
    sent_at: datetime | None = None
    entry: Entry | None = None  # in the time, once it is planned there

    @property
    def step(self) -> str:
        return self.target or "step"

    @property
    def id(self) -> str:
        return hashlib.sha1(f"{self.run.id} {self.key}".encode()).hexdigest()[:13]  # noqa: S324


@dataclass
class Exchange:
    """An executor request and its answer, None while there is none or if the worker was lost.

    `answered` counts the answers of the stand-in: it tells their order.
    """

    run_id: str
    function: str
    step: str
    body: Json
    answer: Answer | None = None
    is_lost: bool = False
    answered: int | None = None


def request_of(job: Job, request_id: str, *, plans_all: bool) -> Json:
    """Make the body of a request, with the numbers as the server writes them."""
    run = job.run
    stack = [*run.steps]
    steps = {} if run.size > _MOST_SENT - 1024 else run.steps
    body: Json = {
        "ctx": {
            "attempt": job.attempt,
            "disable_immediate_execution": plans_all,
            "env": "",
            "fn_id": uuid_of(run.function.slug),
            "generation_id": job.attempt + 1,
            "job_id": job.id,
            "max_attempts": run.function.attempts,
            "qi_id": base64.b64encode(f"{job.id}::default".encode()).decode(),
            "request_id": request_id,
            "run_id": run.id,
            "stack": {
                "current": stack.index(job.after) + 1 if job.after in run.steps else 0,
                "stack": stack,
            },
            "step_id": "step",
            "use_api": steps is not run.steps,
        },
        "defers": {},
        "event": run.events[0],
        "events": run.events,
        "steps": steps,
        "use_api": steps is not run.steps,
        "version": run.version,
    }
    if len(json.dumps(body)) > _MOST_SENT:
        body |= {"events": [], "steps": {}, "use_api": True}
        body["ctx"]["use_api"] = True
    sent: Any = bent(body)
    return sent
