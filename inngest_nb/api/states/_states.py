"""A run of a real Inngest server as the state of a workflow, its history told by its trace.

A step is an activity, and each of its attempts has its events. What the function itself does
between and after its steps is an activity of the function's name. A sleep is a timer, and so is a
wait that timed out; a wait that was answered is a signal of the wait's name. Nothing is told of a
sleep or a wait that is not over, as in every history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from inngest_nb.api.basics._values import Run, RunError, Step, StepAttempt, Trace
from inngest_nb.history import END_STATUS
from inngest_nb.state import EventType, HistoryEvent, WorkflowState, WorkflowStatus

_ENDS = {str(status): kind for kind, status in END_STATUS.items()}
_OUTCOMES = {"completed": EventType.ACTIVITY_COMPLETED, "failed": EventType.ACTIVITY_FAILED}
_FIRST = datetime.min.replace(tzinfo=UTC)


def state_of(run: Run, trace: Trace | None = None) -> WorkflowState:
    """Make the state of a run; without its trace the history has its two ends only."""
    began = _began(run)
    error = str(run.error or "")
    given = None if trace is None else _given(trace.events)
    events = [
        HistoryEvent(
            type=EventType.WORKFLOW_STARTED,
            timestamp=began,
            input=given,
            workflow=f"{run.app}-{run.function}" if run.app else run.function,
        ),
        *(() if trace is None else _steps(run, trace)),
    ]
    if run.is_over:
        # Of an end that nobody knows, this one claims neither success nor failure.
        end = _ENDS.get(run.status, EventType.WORKFLOW_CANCELED)
        said = _error(run.error) if error else {}
        events.append(HistoryEvent(type=end, timestamp=run.ended_at, result=run.output, **said))
    return WorkflowState(
        workflow_id=run.run_id,
        run_id=run.run_id,
        status=WorkflowStatus(run.status),
        input=given,
        result=run.output,
        error=error,
        history=tuple(replace(event, id=number) for number, event in enumerate(events, 1)),
        created_at=began,
        updated_at=changed_at(run),
    )


def changed_at(run: Run) -> datetime | None:
    """Return when a run ended, or was scheduled while it has not ended."""
    return run.ended_at or _began(run)


def _began(run: Run) -> datetime | None:
    return run.started_at or run.queued_at


def _given(events: Sequence[Any]) -> Any:
    """Return what triggered a run: an event, or the list of a batch."""
    return events[0] if len(events) == 1 else [*events] or None


def _steps(run: Run, trace: Trace) -> list[HistoryEvent]:
    """Return the events of all steps in the order of their times."""
    found: list[tuple[datetime, HistoryEvent]] = []
    for number, step in enumerate(trace.steps, 1):
        at = step.queued_at or _FIRST
        for event in _events(run, step, number):
            at = max(at, event.timestamp or at)  # a clock that went back doesn't part a step
            found.append((at, event))
    found.sort(key=lambda timed: timed[0])
    return [event for _, event in found]


def _events(run: Run, step: Step, number: int) -> Iterator[HistoryEvent]:
    if step.kind not in ("sleep", "wait"):
        yield from _activity(step, run.function if step.kind == "function" else step.name, number)
    elif step.status == "completed":
        yield _moment(step, number)


def _moment(step: Step, number: int) -> HistoryEvent:
    """Return the end of a sleep or a wait, of which only an answered one has an output."""
    if step.kind == "wait" and step.output is not None:
        return HistoryEvent(
            type=EventType.SIGNAL_RECEIVED,
            timestamp=step.ended_at,
            signal_name=step.name,
            signal_payload=step.output,
            seq=number,
        )
    return HistoryEvent(
        type=EventType.TIMER_FIRED,
        timestamp=step.ended_at,
        activity_name=step.name,
        duration=_took(step),
        seq=number,
    )


def _activity(step: Step, name: str, number: int) -> Iterator[HistoryEvent]:
    """Yield the events of each attempt; what was done at once has none that is told apart."""
    attempts = step.every_attempt
    for place, attempt in enumerate(attempts, 1):
        called: dict[str, Any] = {"activity_name": name, "seq": number, "attempt": place}
        if attempt.started_at is not None:
            yield HistoryEvent(
                type=EventType.ACTIVITY_STARTED,
                timestamp=attempt.started_at,
                input=step.input,
                **called,
            )
        if attempt.status in _OUTCOMES:
            last = step if place == len(attempts) else attempt
            yield HistoryEvent(
                type=_OUTCOMES[attempt.status],
                timestamp=attempt.ended_at,
                result=attempt.output if attempt.output is not None else last.output,
                duration=_took(attempt),
                **called,
                **(_error(attempt.error or last.error) if attempt.status == "failed" else {}),
            )


def _took(timed: Step | StepAttempt) -> timedelta:
    if timed.duration is None and timed.started_at is not None and timed.ended_at is not None:
        return max(timed.ended_at - timed.started_at, timedelta())
    return timed.duration or timedelta()


def _error(error: RunError | None) -> dict[str, Any]:
    if error is None:
        return {"error": "no reason given"}
    said: dict[str, Any] = {"error": str(error) or "no reason given"}
    said |= {"error_type": error.name} if error.name else {}
    return said | ({"trace": error.stack} if error.stack else {})
