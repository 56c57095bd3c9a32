"""What the API returns: runs, events, traces, jobs, apps and functions as immutable values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sized
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from inngest_nb import words
from inngest_nb.history import OPEN_STEPS

Value = TypeVar("Value")


class RunError(msgspec.Struct, frozen=True):
    """Why a run, step or attempt failed; `stack` is the traceback, if the server has one."""

    name: str = ""
    message: str = ""
    stack: str = ""
    code: str = ""

    def __str__(self) -> str:
        named = f"{self.name}: "  # some SDKs begin the message with it
        is_named = not self.name or not self.message or self.message.startswith(named)
        return self.message if is_named else named + self.message


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a function.

    `status` is queued, running, completed, failed or canceled; `inngest_status` is the server's own
    word, which is wrong for some sleeping runs. Times are UTC. In a list, `started_at` is when the
    run was scheduled and `duration` counts from then; `InngestAPI.run` has the first execution in
    both, later by the time in the queue. `event_ids` has only the first event of a batch.
    `output` is None unless it was asked for, and for a run that returned None; in a list, integers
    above 2^53 have lost digits in it.
    """

    run_id: str
    app: str
    function: str
    function_name: str = ""
    status: str
    inngest_status: str
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration: timedelta | None = None
    event_ids: tuple[str, ...] = ()
    is_batch: bool = False
    batch_id: str | None = None
    cron: str | None = None
    output: Any = None
    error: RunError | None = None
    original_run_id: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.ended_at is not None

    def took(self, now: datetime) -> timedelta | None:
        """Return how long the run took, or has taken until `now`.

        None where a time is missing, or the clock went back. The times tell: they are more exact
        than `duration`, which the server leaves out where it is 0.
        """
        return _run_took(self, now)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event.

    `event_id` is the server's id, by which it is looked up; `id` is the sender's own id, or the
    same. `sent_at` is the time that the sender gave, or that of its arrival. Integers above 2^53 in
    `data` have lost digits in the server.
    """

    event_id: str
    id: str
    name: str
    data: dict[str, Any]
    user: dict[str, Any] | None = None
    version: str | None = None
    sent_at: datetime | None = None
    received_at: datetime | None = None


class StepAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a step; `number` counts from 0, as Inngest does.

    `queue_delay` is from `queued_at` to `started_at`; before a retry that includes the pause.
    """

    number: int
    status: str
    inngest_status: str
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration: timedelta | None = None
    queue_delay: timedelta | None = None
    output: Any = None
    error: RunError | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a run.

    `kind` is step, sleep, wait, invoke, or function for what the function does between and after
    its steps; an unknown kind is kept in lower case. `status` is waiting (asleep, or for an event),
    queued, running, completed, failed or canceled. `step_id` is None for the function itself.
    `queue_delay` is from `queued_at` to `started_at`, the first attempt. `duration` of a step that
    was retried includes the pauses between its attempts. A wait that timed out is completed without
    an output.
    """

    step_id: str | None
    name: str
    kind: str
    status: str
    inngest_status: str
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration: timedelta | None = None
    queue_delay: timedelta | None = None
    attempts: tuple[StepAttempt, ...] = ()
    input: Any = None
    output: Any = None
    error: RunError | None = None

    @property
    def every_attempt(self) -> tuple[StepAttempt, ...]:
        """The attempts; of work that the server shows without them, the step as its only one.

        That is the call of another function. Sleeps, waits and what has not begun have none.
        """
        worked = self.started_at is not None or self.status in ("completed", "failed")
        if self.attempts or not worked or self.kind in ("sleep", "wait"):
            return self.attempts
        return (
            StepAttempt(
                number=0,
                status=self.status,
                inngest_status=self.inngest_status,
                queued_at=self.queued_at,
                started_at=self.started_at,
                ended_at=self.ended_at,
                duration=self.duration,
                queue_delay=self.queue_delay,
                output=self.output,
                error=self.error,
            ),
        )


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did, step by step, in the order in which the steps were queued.

    `events` are the events that triggered it, as the server shows them, if outputs were asked for.
    """

    run_id: str
    status: str
    inngest_status: str
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration: timedelta | None = None
    steps: tuple[Step, ...] = ()
    events: tuple[Any, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.ended_at is not None

    def run_took(self, now: datetime) -> timedelta | None:
        """Return how long the run took, or has taken until `now`; see `Run.took`."""
        return _run_took(self, now)

    def outcome(self, status: str) -> str:
        """Return what became of a step or attempt of this status.

        The server leaves open what was open when the run ended: that was canceled with the run, or
        it is `abandoned`.
        """
        if not self.is_over or status not in OPEN_STEPS:
            return status
        return "canceled" if self.status == "canceled" else "abandoned"

    def until(self, step: Step | StepAttempt, now: datetime) -> datetime | None:
        """Return the end of a step or attempt; None for one that is not open and has none.

        What is open lasts until `now`, or until its run ended.
        """
        if step.ended_at is None and step.status in OPEN_STEPS:
            return self.ended_at or now
        return step.ended_at

    def took(self, step: Step, now: datetime) -> timedelta | None:
        """Return how long a step took, or has taken until `now`; None where times are missing."""
        if step.status not in OPEN_STEPS and step.duration is not None:
            return step.duration
        return _between(step.started_at or step.queued_at, self.until(step, now))

    def queued_for(self, step: Step, now: datetime) -> timedelta | None:
        """Return how long a step was queued before its first attempt, or has been until `now`."""
        if step.status == "queued" and step.started_at is None:
            return _between(step.queued_at, self.until(step, now))
        return step.queue_delay


def _run_took(run: Run | Trace, now: datetime) -> timedelta | None:
    return _between(run.started_at or run.queued_at, run.ended_at or now)


def _between(start: datetime | None, end: datetime | None) -> timedelta | None:
    return None if start is None or end is None or end < start else end - start


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the server will do next for a run.

    `kind` is start, edge (run the next step, or retry), sleep, or pause (wait for an event); `at`
    is when it is due. A run that has not ended and has no job is stuck for good.
    """

    job_id: str
    kind: str
    at: datetime | None = None
    attempt: int = 0
    position: int = 0


class App(msgspec.Struct, frozen=True, kw_only=True):
    """One app. `method` is SERVE or CONNECT; `url` is where it was registered from."""

    app_id: str
    name: str = ""
    method: str = ""
    function_count: int = 0
    version: str | None = None
    framework: str | None = None
    sdk: str | None = None
    url: str | None = None
    created_at: datetime | None = None


class ServerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is.

    `kind` is dev or self-hosted, None behind a proxy that hides it. `queue_depth` counts what waits
    in its queue, None where it does not tell. `is_open` says whether a self-hosted server's GraphQL
    answers without a key; it is None for a dev server, which asks for none, and where the question
    was refused.
    """

    kind: str | None = None
    queue_depth: int | None = None
    is_open: bool | None = None


class Trigger(msgspec.Struct, frozen=True):
    """What starts a function: `kind` EVENT and an event's name, or CRON and a schedule."""

    kind: str
    value: str
    condition: str | None = None

    def fits(self, event_name: str) -> bool:
        """Whether an event of that name is one that it waits for; its condition is not looked at.

        In a trigger, * stands for any part of a name.
        """
        parts = map(re.escape, self.value.split("*"))
        return self.kind == "EVENT" and re.fullmatch(".*".join(parts), event_name) is not None


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """One function. `function_id` is the short id, without the app's.

    `retries` is None where the server does not tell; `configuration` is the server's own, with
    concurrency, batching, rate limit and so on.
    """

    app: str
    function_id: str
    name: str = ""
    triggers: tuple[Trigger, ...] = ()
    retries: int | None = None
    configuration: dict[str, Any] = {}


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """A step that waits, or waited, for an event.

    `status` is waiting, completed or canceled. `event` is the name of the event, `condition` what
    its data must fulfil, and `until` when the wait gives up; `event_id` is the event that came, and
    `timed_out` says that none did. What the server does not tell is None.
    """

    step_id: str
    step: str
    status: str
    event: str | None = None
    condition: str | None = None
    until: datetime | None = None
    event_id: str | None = None
    timed_out: bool | None = None


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """One connection of a worker to the server: an app of the method CONNECT.

    `status` is the server's word in lower case: ready while the worker takes runs. `worker_id` is
    the connection's id, `instance_id` the worker's own name. `max_concurrency` is None where there
    is no limit.
    """

    worker_id: str
    instance_id: str
    app: str
    status: str
    connected_at: datetime | None = None
    last_heartbeat_at: datetime | None = None
    disconnected_at: datetime | None = None
    disconnect_reason: str | None = None
    function_count: int = 0
    max_concurrency: int | None = None
    sdk: str | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the worker takes runs."""
        return self.status == "ready" and self.disconnected_at is None


class ServerFeatures(msgspec.Struct, frozen=True, kw_only=True):
    """What not every server has.

    `graphql` tells whether GraphQL answers: it does not with `--no-ui`. `run_query` tells whether
    run lists take `query`, a CEL expression; nothing here uses it (see `InngestAPI.features`).
    """

    graphql: bool
    run_query: bool


class Found(list[Value]):
    """A list that says by `truncated` whether there is more, and by `because` why it is missing.

    `because` is None where more was not asked for.
    """

    def __init__(
        self, values: Iterable[Value] = (), *, truncated: bool = False, because: str | None = None
    ) -> None:
        super().__init__(values)
        self.truncated = truncated
        self.because = because


def keep_partial(error: BaseException, found: Sized, noun: str) -> None:
    """Hang on an error, as its `partial`, what was read before it, if anything was."""
    if len(found):
        stopped: Any = error
        stopped.partial = found
        count = words.count_text(len(found), noun)
        error.add_note(f"{count} had been read: see this error's `partial`")
