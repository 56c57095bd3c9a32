"""The steps of a trace as lanes of a chart: when each was queued, worked, waited and paused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from inngest_nb import wire
from inngest_nb.api import Job, Step, StepAttempt, Trace
from inngest_nb.history import OPEN_STEPS, Attempt, Value, last_error
from inngest_nb.history import Step as Told
from inngest_nb.notebook.timeline import Lane, Span, in_time
from inngest_nb.notebook.waterfall._payloads import json_of
from inngest_nb.words import duration_text, short

__all__ = ["lanes_of", "name_for_many"]

# What a step does meanwhile that is not work of its own.
_IDLE = {"sleep": "asleep", "wait": "waiting", "invoke": "invoking"}
_SHOWN_ALONE = 12
_NONE = timedelta()


def lanes_of(trace: Trace, now: datetime, jobs: Sequence[Job] = ()) -> list[Lane]:
    """Give one lane for each step, by time; a run that has no steps is a lane of its own.

    `jobs` tell which step is to be tried again.
    """
    if not trace.steps:
        return [_of_run(trace, now)]
    awaited = _awaited(trace, jobs)
    lanes = []
    for place, step in enumerate(trace.steps):
        pauses = [*_pauses(step, now if step is awaited else None)]
        told = _told(trace, step, now, place, sum((end - start for start, end in pauses), _NONE))
        lanes.append(Lane([told], (*_spans(trace, step, now), *_paused(pauses))))
    return in_time(lanes)


def _awaited(trace: Trace, jobs: Sequence[Job]) -> Step | None:
    """Return the step whose next attempt is due; None if it could be more than one."""
    tried = {job.attempt for job in jobs if job.attempt}
    failed = [
        step for step in trace.steps if step.status == "failed" and len(step.attempts) in tried
    ]
    return failed[0] if len(failed) == 1 and not trace.is_over else None


def name_for_many(lanes: list[Lane]) -> dict[Told, str]:
    """Give the names by which steps may share a line: numbers don't count.

    A few that failed or are open keep a line of their own.
    """
    steps = [lane.steps[0] for lane in lanes]
    apart = {step for step in steps if step.outcome == "failed" or step.outcome in OPEN_STEPS}
    if len(apart) > _SHOWN_ALONE:
        apart = set()
    return {step: step.name if step in apart else re.sub(r"\d+", "#", step.name) for step in steps}


def _of_run(trace: Trace, now: datetime) -> Lane:
    """Draw a run that has no steps: how long it was queued, and that it works."""
    queued, started, end = trace.queued_at, trace.started_at, trace.ended_at or now
    spans = [*_queued(queued, started or end)]
    if started is not None:
        spans.append(_span(started, max(started, end), trace.status))
    return Lane([Told("run", "", trace.status, (), trace.run_took(now))], spans)


def _told(trace: Trace, step: Step, now: datetime, place: int, paused: timedelta) -> Told:
    """Say of a step what views say of any."""
    attempts = tuple(
        Attempt(one.started_at, one.ended_at, one.status, str(one.error or ""), one.duration)
        for one in step.attempts
    )
    return Told(
        kind=step.kind,
        name=step.name,
        outcome=trace.outcome(step.status),
        attempts=attempts,
        took=trace.took(step, now),
        error=str(step.error or "") or last_error(attempts),
        remark=_remark(trace, step, now, paused),
        first=place,
        input=Value(step.input, json_of, step.input),
        result=Value(step.output, json_of, step.output),
    )


def _remark(trace: Trace, step: Step, now: datetime, paused: timedelta) -> str:
    """Say how long nothing was done: `963 ms queued, 16.4 s before retries`."""
    if step.started_at is None and step.queued_at is None:
        return "no time was recorded"
    if step.kind == "wait" and step.status == "completed" and trace.events:  # outputs are known
        event = step.output.get("name") if isinstance(step.output, dict) else None
        return f"received {short(str(event), 40)}" if event else "timed out" * (step.output is None)
    parts = []
    queued = None if step.kind in _IDLE else trace.queued_for(step, now)
    if queued and step.status != "queued":
        parts.append(f"{duration_text(queued)} queued")
    if paused:
        parts.append(f"{duration_text(paused)} before retries")
    return ", ".join(parts)


def _spans(trace: Trace, step: Step, now: datetime) -> Iterator[Span]:
    if step.kind in _IDLE:
        yield from _lasted(trace, step, now, _IDLE[step.kind])
        return
    if step.queued_at is not None and (queued := trace.queued_for(step, now)):
        yield from _queued(step.queued_at, step.queued_at + queued)
    for attempt in step.attempts:
        outcome = trace.outcome(attempt.status)
        yield from _lasted(trace, attempt, now, outcome, f"attempt {attempt.number + 1} {outcome}")
    if not step.attempts:
        yield from _lasted(trace, step, now, trace.outcome(step.status))


def _lasted(
    trace: Trace, one: Step | StepAttempt, now: datetime, word: str, what: str = ""
) -> Iterator[Span]:
    """Yield the time of a step or attempt; one whose end is not known has no length."""
    start = one.started_at
    if start is None:
        return
    end = max(trace.until(one, now) or start + (one.duration or timedelta()), start)
    note = f"{what or word}, {duration_text(end - start)}"
    yield _span(start, end, word, f"{note}: {one.error}" if one.error else note)


def _pauses(step: Step, until: datetime | None) -> Iterator[tuple[datetime, datetime]]:
    """Yield the times between two attempts, and that after the last one if another is awaited."""
    starts = [attempt.started_at for attempt in step.attempts[1:]]
    for attempt, end in zip(step.attempts, [*starts, until], strict=False):
        if attempt.ended_at is not None and end is not None and attempt.ended_at < end:
            yield attempt.ended_at, end


def _paused(pauses: Sequence[tuple[datetime, datetime]]) -> Iterator[Span]:
    for number, (start, end) in enumerate(pauses, 2):
        yield _span(start, end, "pausing", f"{duration_text(end - start)} before attempt {number}")


def _queued(start: datetime | None, end: datetime) -> Iterator[Span]:
    if start is not None and start < end:
        yield _span(start, end, "queued", f"{duration_text(end - start)} queued")


def _span(start: datetime, end: datetime, word: str, note: str = "") -> Span:
    return Span(wire.microseconds(start), wire.microseconds(end), word, note)
