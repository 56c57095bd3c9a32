"""What a run did, step by step, and what happened to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from msgspec import Raw

from inngest_nb import wire
from inngest_nb.history._activities import Activity, Attempt, activities_of, outcome_left_open
from inngest_nb.history._order import events_of, in_order
from inngest_nb.history._payloads import events_in, parts_of, pretty
from inngest_nb.history._times import recorded, times_of
from inngest_nb.state import EventType, HistoryEvent, WorkflowState, wire_name

__all__ = [
    "Step",
    "Value",
    "failed_activity",
    "failed_call",
    "last_error",
    "run_and_steps",
    "steps_of",
]

_NULL = "null"
_MOMENTS = (EventType.SIGNAL_RECEIVED, EventType.TIMER_FIRED)


class Value:
    """A payload: a Python value, and its JSON, which is read when it is asked for."""

    __slots__ = ("__dict__", "_at", "_read", "value")

    def __init__(self, value: Any = None, read: Callable[..., str] = str, *at: Any) -> None:
        self.value = value
        self._read, self._at = read, at

    @cached_property
    def json(self) -> str:
        """The JSON as it is stored; "" for null."""
        return self._read(*self._at)

    @cached_property
    def text(self) -> str:
        """The JSON as people read it, digit for digit; "" for null."""
        return pretty(self.json) if self.json else ""


_NONE = Value()


@dataclass(slots=True, eq=False)
class Step:
    """An activity, a child workflow, a signal or a timer of a run, or the run as a whole.

    Only the last attempt may be open: it has no end, and its outcome is "running", or what became
    of it when its run ended. `first` and `last` are the ids of the events that began and ended the
    step; `last` is None while it is open. `seq` is the call of the code, where that is known.
    `retry_at` is when the next attempt is due, if the last one failed and another follows. `remark`
    says why times are missing or odd. A signal's payload is its `result`.
    """

    kind: str
    name: str
    outcome: str
    attempts: tuple[Attempt, ...]
    took: timedelta | None = None
    error: str = ""
    remark: str = ""
    seq: int | None = None
    first: int = 0
    last: int | None = None
    retry_at: datetime | None = None
    input: Value = _NONE
    result: Value = _NONE


def steps_of(state: WorkflowState, now: datetime, newest: int = 0) -> list[Step]:
    """Give the steps of a run in the order of the events that began them; only the newest if so.

    What is open lasts until `now`.
    """
    return _steps(state, now, _Payloads(state), newest)


@wire.uncollected()
def _steps(state: WorkflowState, now: datetime, payloads: _Payloads, newest: int = 0) -> list[Step]:
    times = times_of(state)
    until, left_open = times.until(now), outcome_left_open(state.status, times.ended is not None)
    begun = {activity.first: activity for activity in activities_of(state.history)}
    found = [
        (place, event)
        for place, event in in_order(state.history)
        if place in begun or event.type in _MOMENTS
    ]
    return [
        _activity(begun[place], state, left_open, until, payloads)
        if place in begun
        else _moment(place, event, payloads)
        for place, event in found[-newest:]
    ]


def run_and_steps(state: WorkflowState, now: datetime) -> tuple[Step, list[Step]]:
    """Give the whole run as if it were one step, and its steps, of a document written once."""
    times, payloads = times_of(state), _Payloads(state)
    outcome, error = str(state.status), state.error
    whole = Step(
        kind="workflow",
        name=state.workflow_id,
        outcome=outcome,
        attempts=(Attempt(times.began, times.ended, outcome, error or None, None),),
        took=times.took(now),
        error=error,
        input=payloads.of_run("input"),
        result=payloads.of_run("result"),
    )
    return whole, _steps(state, now, payloads)


def failed_call(history: Sequence[HistoryEvent]) -> str | None:
    """Name the activity whose error ended a run, as its last failure says; None if it doesn't."""
    ends = [event for event in events_of(history) if event.type is EventType.WORKFLOW_FAILED]
    if not ends or not ends[-1].seq:
        return None
    failures = (event for event in reversed(history) if event.type is EventType.ACTIVITY_FAILED)
    return next((one.activity_name for one in failures if one.seq == ends[-1].seq), None)


def failed_activity(state: WorkflowState, steps: Iterable[Step]) -> str | None:
    """Name the activity whose error ended a run; None if nothing tells.

    Where the history doesn't say, it is the last one whose error is part of the run's.
    """
    if not state.error:
        return None
    if (name := failed_call(state.history)) is not None:
        return name
    failed = [step for step in steps if step.outcome == "failed" and step.attempts[-1].error]
    failed.sort(key=lambda step: step.first)
    last_first = reversed(failed)
    return next(
        (one.name for one in last_first if str(one.attempts[-1].error) in state.error), None
    )


def _activity(
    activity: Activity,
    state: WorkflowState,
    left_open: str,
    until: datetime | None,
    payloads: _Payloads,
) -> Step:
    """Give an activity; one that is open has become what its run makes of it."""
    history, outcome = state.history, activity.outcome or left_open
    last = activity.attempt()
    attempts = (*activity.earlier, last if last.outcome else replace(last, outcome=outcome))
    end = None if activity.last is None or activity.outcome is None else history[activity.last]
    retry_at = end.retry_at if end is not None and outcome == "failed" else None
    return Step(
        kind="child workflow" if activity.child else "activity",
        name=activity.name,
        outcome=outcome,
        attempts=attempts,
        took=activity.took(outcome, until),
        error=last_error(attempts),
        remark=_remark(attempts),
        seq=activity.seq,
        first=history[activity.first].id,
        last=None if end is None else end.id,
        retry_at=retry_at or None,
        input=payloads.value(activity.first, "input"),
        result=_NONE if activity.last is None else payloads.value(activity.last, "result"),
    )


def _moment(place: int, event: HistoryEvent, payloads: _Payloads) -> Step:
    """Give a signal or a timer; one knows how long a timer ran by what its event records."""
    is_signal = event.type is EventType.SIGNAL_RECEIVED
    waited = None if is_signal else recorded(event)
    outcome, at = "received" if is_signal else "fired", event.timestamp
    attempt = Attempt(at if is_signal else None, at, outcome, None, waited)
    return Step(
        kind="signal" if is_signal else "timer",
        name=event.signal_name if is_signal else "",
        outcome=outcome,
        attempts=(attempt,),
        took=waited,
        remark=_remark((attempt,)),
        seq=event.seq if isinstance(event.seq, int) else None,
        first=event.id,
        last=event.id,
        result=payloads.value(place, "signal_payload"),
    )


def last_error(attempts: Sequence[Attempt]) -> str:
    """Give the last error, with its attempt where another one followed."""
    for number, attempt in reversed(list(enumerate(attempts, 1))):
        if attempt.error:
            last = number == len(attempts)
            return attempt.error if last else f"attempt {number}: {attempt.error}"
    return ""


def _remark(attempts: Sequence[Attempt]) -> str:
    times = [(attempt.started_at, attempt.ended_at) for attempt in attempts]
    if any(began and ended and ended < began for began, ended in times):
        return "the clock went backwards"
    return "" if any(began or ended for began, ended in times) else "no time was recorded"


class _Payloads:
    """The payloads of a run and its events; its document is written when one is read."""

    def __init__(self, state: WorkflowState) -> None:
        self._state = state
        self._read, self._read_run = self._json, self._json_of_run

    def value(self, place: int, name: str) -> Value:
        return Value(getattr(self._state.history[place], name), self._read, place, name)

    def of_run(self, name: str) -> Value:
        return Value(getattr(self._state, name), self._read_run, name)

    @cached_property
    def _document(self) -> dict[str, str]:
        return parts_of(self._state)

    @cached_property
    def _events(self) -> list[dict[str, Raw]]:
        return events_in(self._document)

    def _json(self, place: int, name: str) -> str:
        part, key = self._events[place], wire_name(name)
        return _not_null(str(bytes(part[key]), "utf-8") if key in part else _NULL)

    def _json_of_run(self, name: str) -> str:
        return _not_null(self._document.get(wire_name(name), _NULL))


def _not_null(text: str) -> str:
    return "" if text == _NULL else text
