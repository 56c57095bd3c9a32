"""What a run did, step by step: its activities, signals and timers with what went in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from msgspec import Raw

from inngest_nb.history._activities import Activity, activities_of
from inngest_nb.history._payloads import event_parts, events_in, parts_of, pretty
from inngest_nb.history._times import times_of
from inngest_nb.history._tracks import Track, track_of, track_of_moment
from inngest_nb.state import EventType, HistoryEvent, WorkflowState

__all__ = ["Step", "Value", "run_and_steps", "steps_of"]

_NULL = "null"
_Parts = Mapping[str, str] | Mapping[str, Raw]
_MOMENTS = (EventType.SIGNAL_RECEIVED, EventType.TIMER_FIRED)


@dataclass(frozen=True)
class Value:
    """A payload: its JSON as it is stored ("" for null), and the same as a Python value."""

    json: str = ""
    value: Any = None

    @cached_property
    def text(self) -> str:
        """The JSON as people read it, digit for digit; of a long history few are ever read."""
        return pretty(self.json) if self.json else ""


@dataclass(frozen=True, slots=True)
class Step:
    """Something a run did, or that happened to it.

    A signal's payload is its `result`. `first` and `last` are the ids of the events that began and
    ended it; `last` is None while it is open. `seq` is the call of the code, where that is known.
    """

    kind: str
    name: str
    outcome: str
    attempts: int
    took: timedelta | None
    error: str
    input: Value
    result: Value
    seq: int | None = None
    first: int = 0
    last: int | None = None


def steps_of(state: WorkflowState, now: datetime, newest: int = 0) -> list[Step]:
    """Give the steps of a run in the order of the events that began them; only the newest if so.

    What is open lasts until `now`.
    """
    return _steps(state, now, event_parts(state), newest)


def run_and_steps(state: WorkflowState, now: datetime) -> tuple[Step, list[Step]]:
    """Give the whole run as if it were one step, and its steps, of a document written once."""
    parts = parts_of(state)
    whole = Step(
        kind="workflow",
        name=state.workflow_id,
        outcome=str(state.status),
        attempts=1,
        took=times_of(state).took(now),
        error=state.error,
        input=_value(parts, "Input", state.input),
        result=_value(parts, "Result", state.result),
    )
    return whole, _steps(state, now, events_in(parts))


def _steps(
    state: WorkflowState, now: datetime, parts: Sequence[_Parts], newest: int = 0
) -> list[Step]:
    history, until = state.history, times_of(state).until(now)
    found: list[tuple[int, Activity | None]] = [
        (activity.first, activity) for activity in activities_of(history)
    ]
    found += [(place, None) for place, event in enumerate(history) if event.type in _MOMENTS]
    found.sort(key=lambda item: item[0])
    return [
        _moment(history[place], parts[place])
        if activity is None
        else _activity(activity, state, parts, until)
        for place, activity in found[-newest:]
    ]


def _activity(
    activity: Activity,
    state: WorkflowState,
    parts: Sequence[_Parts],
    until: datetime | None,
) -> Step:
    history, begin, last = state.history, activity.first, activity.last
    result = Value() if last is None else _value(parts[last], "Result", history[last].result)
    end = None if last is None or activity.outcome is None else history[last]
    given = _value(parts[begin], "Input", history[begin].input)
    track = track_of(activity, state, until)
    return _step(track, history[begin], end, given, result, activity.seq)


def _moment(event: HistoryEvent, part: _Parts) -> Step:
    track = track_of_moment(event) or Track("", "", "")
    payload = _value(part, "SignalPayload", event.signal_payload)
    seq = event.seq if isinstance(event.seq, int) else None
    return _step(track, event, event, Value(), payload, seq)


def _step(
    track: Track,
    begin: HistoryEvent,
    end: HistoryEvent | None,
    given: Value,
    result: Value,
    seq: int | None,
) -> Step:
    return Step(
        kind=track.kind,
        name=track.name,
        outcome=track.word,
        attempts=track.attempts,
        took=track.took,
        error=track.error,
        input=given,
        result=result,
        seq=seq,
        first=begin.id,
        last=None if end is None else end.id,
    )


def _value(part: _Parts, key: str, value: Any) -> Value:
    text = part.get(key, _NULL)
    text = text if isinstance(text, str) else str(bytes(text), "utf-8")
    return Value("" if text == _NULL else text, value)
