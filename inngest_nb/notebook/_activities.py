"""Activities of a history: which start belongs to which end, and which is a retry.

The contract's events carry nothing that ties them together, so these are the rules:

* An end belongs to an open attempt of its name: of several, to the one whose start is nearest
  to the end less the duration it records, else to the oldest.
* A start is the next attempt of an earlier activity of its name if that has failed, and has the
  same input or the start gives none. Any other start is an activity of its own.
* An end for which nothing is open is one more attempt of an activity of its name that has
  failed, or else an activity whose start nobody recorded.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from inngest_nb import wire
from inngest_nb.notebook import _columns as columns
from inngest_nb.notebook._source import Source, take
from inngest_nb.state import EventType, HistoryEvent, WorkflowState, WorkflowStatus
from inngest_nb.wire import uncollected

# Beyond a workflow's words: its run ended and nothing says what became of the activity.
OUTCOME_WORDS = (*columns.STATUS_WORDS, "abandoned")

_STARTED = EventType.ACTIVITY_STARTED
_OUTCOMES = {EventType.ACTIVITY_COMPLETED: "completed", EventType.ACTIVITY_FAILED: "failed"}
_LEFT_OPEN = {
    WorkflowStatus.COMPLETED: "abandoned",
    WorkflowStatus.FAILED: "abandoned",
    WorkflowStatus.CANCELED: "canceled",
}
_MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True, eq=False)
class Activity:
    """One activity of a run with all its attempts; `outcome` is None while one is open."""

    name: str
    input: Any = None
    started_at: datetime | None = None
    attempt_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: int = 1
    outcome: str | None = None
    error: str | None = None
    recorded: timedelta | None = None

    def begin_again(self, event: HistoryEvent) -> None:
        """Start the next attempt."""
        self.attempts += 1
        self.attempt_at = event.timestamp
        self.ended_at = self.outcome = self.recorded = None

    def end(self, event: HistoryEvent, outcome: str) -> None:
        """End the attempt; its error stays known until another attempt ends."""
        self.ended_at, self.outcome = event.timestamp, outcome
        self.error, self.recorded = event.error, event.duration


@uncollected()
def activity_frame(
    source: Source, status: WorkflowStatus | str | None = None, limit: int = 0
) -> pd.DataFrame:
    """Return one row per activity of the workflows of a store, or of states.

    Retries are attempts of one row, whose `duration` runs from its first start to its last end,
    or to `fetched_at` while it is running. An activity that was open when its run ended is
    `canceled` with the run, or `abandoned`. `status` and `limit` choose workflows, as in `frame`.
    """
    taken = take(source, status, limit)
    found = [
        (state, activity) for state in taken.states for activity in activities_of(state.history)
    ]
    activities = [activity for _, activity in found]
    outcomes = [activity.outcome or _left_open(state) for state, activity in found]
    started = columns.microseconds(activity.started_at for activity in activities)
    ended = columns.microseconds(activity.ended_at for activity in activities)
    until = columns.microseconds(
        taken.fetched_at if outcome == "running" else activity.ended_at
        for activity, outcome in zip(activities, outcomes, strict=True)
    )
    spans = columns.spans(started, until)
    recorded = columns.span_counts(activity.recorded for activity in activities)
    frame = pd.DataFrame(
        {
            "workflow_id": columns.text(state.workflow_id for state, _ in found),
            "run_id": columns.text(state.run_id for state, _ in found),
            "activity": columns.text(activity.name for activity in activities),
            "attempt_count": columns.counts([activity.attempts for activity in activities]),
            "started_at": columns.times(started),
            "ended_at": columns.times(ended),
            "duration": columns.durations(np.where(spans == columns.NOT_SET, recorded, spans)),
            "outcome": columns.words(outcomes, OUTCOME_WORDS),
            "error": columns.text(activity.error for activity in activities),
        }
    )
    frame.attrs.update(taken.attrs)
    return frame


def activities_of(history: Iterable[HistoryEvent]) -> list[Activity]:
    """Pair the events of a history into activities, in the order of their first event."""
    found: list[Activity] = []
    running: dict[str, list[Activity]] = {}
    failed: dict[str, _Failed] = {}
    for event in history:
        name = event.activity_name
        if event.type is _STARTED:
            activity = failed[name].take(event.input) if name in failed else None
            if activity is None:
                activity = Activity(name, event.input, event.timestamp, event.timestamp)
                found.append(activity)
            else:
                activity.begin_again(event)
            running.setdefault(name, []).append(activity)
        elif (outcome := _OUTCOMES.get(event.type)) is not None:
            if running.get(name):
                activity = running[name].pop(_place(event, running[name]))
            elif name in failed and (activity := failed[name].take(None)) is not None:
                activity.attempts += 1
            else:
                activity = Activity(name)
                found.append(activity)
            activity.end(event, outcome)
            if outcome == "failed":
                failed.setdefault(name, _Failed()).put(activity)
    return found


class _Failed:
    """Activities of one name that have failed, by their input; the oldest come first."""

    def __init__(self) -> None:
        self._by_input: dict[str, list[Activity]] = {}

    def put(self, activity: Activity) -> None:
        self._by_input.setdefault(_key(activity.input), []).append(activity)

    def take(self, given: Any) -> Activity | None:
        """Take out one with this input, or with any if none is given."""
        key = next(iter(self._by_input), "") if given is None else _key(given)
        peers = self._by_input.get(key)
        if not peers:
            return None
        activity = peers.pop(0)
        if not peers:
            del self._by_input[key]
        return activity


def _key(payload: Any) -> str:
    try:
        return repr(payload)
    except RecursionError:
        return f"nested too deeply to compare: {id(payload)}"


def _place(end: HistoryEvent, running: list[Activity]) -> int:
    """Find which of the running activities of one name an end belongs to."""
    if len(running) == 1 or not end.duration or end.timestamp is None:
        return 0
    began = wire.microseconds(end.timestamp) - end.duration // _MICROSECOND
    after = bisect(running, began, key=_attempt_us)
    around = range(max(after - 1, 0), min(after + 1, len(running)))
    return min(around, key=lambda place: abs(_attempt_us(running[place]) - began))


def _attempt_us(activity: Activity) -> int:
    return wire.microseconds(activity.attempt_at) if activity.attempt_at else wire.NEVER_US


def _left_open(state: WorkflowState) -> str:
    return _LEFT_OPEN.get(state.status, "running")
