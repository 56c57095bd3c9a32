"""Activities of a history: which start belongs to which end, and which is a retry.

Events of our own executor say which call of the code they belong to. Those of the contract carry
nothing that ties them together, so these are the rules for them:

* An end belongs to an open attempt of its name: of several, to the one whose start is nearest
  to the end less the duration it records, else to the oldest.
* A start is the next attempt of an earlier activity of its name if that has failed, and has the
  same input or the start gives none. Any other start is an activity of its own.
* An end for which nothing is open is one more attempt of an activity of its name that has
  failed, or else an activity whose start nobody recorded.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from msgspec import UNSET

from inngest_nb import wire
from inngest_nb.history._order import in_order
from inngest_nb.history._times import recorded
from inngest_nb.state import EventType, HistoryEvent, WorkflowStatus

__all__ = [
    "NOT_OPEN",
    "Activity",
    "ActivityRow",
    "Attempt",
    "EventRow",
    "activities_of",
    "outcome_left_open",
    "took_us",
]

_STARTED = EventType.ACTIVITY_STARTED
_OUTCOMES = {EventType.ACTIVITY_COMPLETED: "completed", EventType.ACTIVITY_FAILED: "failed"}
# Beyond a workflow's words, "abandoned": its run ended and nothing says what became of it.
_LEFT_OPEN: dict[str, str] = {
    WorkflowStatus.COMPLETED: "abandoned",
    WorkflowStatus.FAILED: "abandoned",
    WorkflowStatus.CANCELED: "canceled",
}
_MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True, frozen=True)
class Attempt:
    """One attempt of an activity; `outcome` is None while it is open."""

    started_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    error: str | None
    recorded: timedelta | None


@dataclass(slots=True, eq=False)
class Activity:
    """One activity of a run with all its attempts; `outcome` is None while one is open.

    `child` is the id of the run that did the work, if it was another workflow.
    `first` and `last` are the places in the history of what began it, and of its last end;
    `last_id` is that one's id. `seq` is None where the history doesn't say which call of the code
    it is.
    """

    name: str
    input: Any = None
    started_at: datetime | None = None
    attempt_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: int = 1
    outcome: str | None = None
    error: str | None = None
    recorded: timedelta | None = None
    earlier: tuple[Attempt, ...] = ()
    seq: int | None = None
    first: int = 0
    last: int | None = None
    last_id: int = 0
    child: str = ""

    def begin_again(self, at: datetime | None) -> None:
        """Start the next attempt; one that is open has been cut off by the end of its process."""
        if self.outcome is None:
            self.ended_at, self.outcome = at, "abandoned"
        self.earlier += (self.attempt(),)
        self.attempts += 1
        self.attempt_at = at
        self.ended_at = self.outcome = self.recorded = None

    def end(self, event: HistoryEvent, outcome: str, place: int) -> None:
        """End the attempt; its error stays known until another attempt ends."""
        self.ended_at, self.outcome = event.timestamp, outcome
        self.last, self.last_id = place, event.id
        self.error, self.recorded = event.error, recorded(event)

    def took(self, outcome: str, run_until: datetime | None) -> timedelta | None:
        """Give the time from its first start to its last end.

        What is running, or was canceled with its run, lasts until `run_until`. Where the times
        don't tell, it is what the last end recorded; None where that is missing too, as of what
        was abandoned.
        """
        us = took_us(
            _us(self.started_at),
            _us(self.ended_at),
            None if self.recorded is None else self.recorded // _MICROSECOND,
            _us(run_until) if self.outcome is None and outcome != "abandoned" else NOT_OPEN,
        )
        return None if us is None else timedelta(microseconds=us)

    def attempt(self) -> Attempt:
        """Give the last attempt as it is now; those before it are in `earlier`."""
        error = self.error if self.outcome else None
        return Attempt(self.attempt_at, self.ended_at, self.outcome, error, self.recorded)


# In place of the end of a run, for an activity that doesn't last until then.
NOT_OPEN = -(2**63)


def took_us(
    began_us: int | None, ended_us: int | None, recorded_us: int | None, run_until_us: int | None
) -> int | None:
    """Give the microseconds that an activity took; see `Activity.took`.

    `run_until_us` is `NOT_OPEN` unless the activity lasts as long as its run.
    """
    until_us = ended_us if run_until_us == NOT_OPEN else run_until_us
    if began_us is None or until_us is None or until_us < began_us:
        return recorded_us
    return until_us - began_us or recorded_us or 0


def _us(time: datetime | None) -> int | None:
    return None if time is None else wire.microseconds(time)


def activities_of(history: Sequence[HistoryEvent]) -> list[Activity]:
    """Pair the events of a history into activities, in the order of their first event."""
    found: list[Activity] = []
    running: dict[str, list[Activity]] = {}
    failed: dict[str, _Failed] = {}
    numbered: dict[int, Activity] = {}
    undone: dict[int, Activity] = {}  # a retried run counts its calls anew from where it goes on
    for place, event in in_order(history):
        name = event.activity_name
        if event.superseded is True and event.type is EventType.WORKFLOW_FAILED:
            undone = {}
        elif event.seq is not UNSET:
            known = undone if event.superseded is True else numbered
            _put(event, place, event.seq, known, found)
        elif event.type is _STARTED:
            activity = failed[name].take(event.input) if name in failed else None
            if activity is None:
                activity = Activity(
                    name, event.input, event.timestamp, event.timestamp, first=place
                )
                found.append(activity)
            else:
                activity.begin_again(event.timestamp)
            running.setdefault(name, []).append(activity)
        elif (outcome := _OUTCOMES.get(event.type)) is not None:
            if running.get(name):
                activity = running[name].pop(_place(event, running[name]))
            elif name in failed and (activity := failed[name].take(None)) is not None:
                activity.begin_again(None)
            else:
                activity = Activity(name, first=place)
                found.append(activity)
            activity.end(event, outcome, place)
            if outcome == "failed":
                failed.setdefault(name, _Failed()).put(activity)
    return found


def _put(
    event: HistoryEvent,
    place: int,
    seq: int,
    numbered: dict[int, Activity],
    found: list[Activity],
) -> None:
    """Pair an event that says which call of the workflow's code it belongs to."""
    outcome = _OUTCOMES.get(event.type)
    if outcome is None and event.type is not _STARTED:
        return
    began = event.timestamp if outcome is None else None
    if seq not in numbered:
        numbered[seq] = Activity(
            event.activity_name,
            event.input,
            began,
            began,
            seq=seq,
            first=place,
            child=event.child or "",
        )
        found.append(numbered[seq])
    elif outcome is None or numbered[seq].outcome is not None:
        numbered[seq].begin_again(began)
    if outcome is not None:
        numbered[seq].end(event, outcome, place)


def outcome_left_open(status: str, has_ended: bool) -> str:
    """Give the outcome of an activity that is open while its workflow has this status.

    Of a status that nobody knows, `has_ended` tells whether the workflow has ended.
    """
    return _LEFT_OPEN.get(status, "abandoned" if has_ended else "running")


class ActivityRow(NamedTuple):
    """An activity as a store keeps it beside a head: without payloads and earlier attempts.

    Times are microseconds since 1970 UTC, durations microseconds; `outcome` is "" while it is open.
    """

    name: str
    attempts: int
    started_us: int | None
    ended_us: int | None
    recorded_us: int | None
    outcome: str
    error: str

    @classmethod
    def of(cls, activity: Activity) -> ActivityRow:
        """Take what is kept of an activity."""
        return cls(
            activity.name,
            activity.attempts,
            _us(activity.started_at),
            _us(activity.ended_at),
            None if activity.recorded is None else activity.recorded // _MICROSECOND,
            activity.outcome or "",
            activity.error or "",
        )


class EventRow(NamedTuple):
    """An event as a store keeps it beside a head: without payloads.

    `at_us` are microseconds since 1970 UTC; `recorded_us` is None where the event records no
    duration, or an impossible one.
    """

    id: int
    type: str
    at_us: int | None
    activity: str
    signal: str
    recorded_us: int | None
    error: str

    @classmethod
    def of(cls, event: HistoryEvent) -> EventRow:
        """Take what is kept of an event."""
        return cls(
            event.id,
            str(event.type),
            _us(event.timestamp),
            event.activity_name,
            event.signal_name,
            _recorded_us(event),
            event.error,
        )


def _recorded_us(event: HistoryEvent) -> int | None:
    span = recorded(event)
    return None if span is None else span // _MICROSECOND


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
    took = recorded(end)
    if len(running) == 1 or took is None or end.timestamp is None:
        return 0
    began = wire.microseconds(end.timestamp) - took // _MICROSECOND
    after = bisect(running, began, key=_attempt_us)
    around = range(max(after - 1, 0), min(after + 1, len(running)))
    return min(around, key=lambda place: abs(_attempt_us(running[place]) - began))


def _attempt_us(activity: Activity) -> int:
    return wire.microseconds(activity.attempt_at)
