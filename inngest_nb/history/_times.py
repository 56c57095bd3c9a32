"""When a run began, when it ended, and how long it took: one answer for every view."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from inngest_nb.history._order import events_of
from inngest_nb.state import EventType, HistoryEvent, WorkflowState, WorkflowStatus

__all__ = [
    "END_STATUS",
    "ON_INNGEST",
    "OPEN",
    "Times",
    "is_end",
    "is_finished",
    "moment",
    "recorded",
    "times_of",
    "went_back",
]

# How the name of a workflow begins in the copy of a run that Inngest's engine keeps.
ON_INNGEST = "inngest/"

# What a run has become with the event that ended it.
END_STATUS = {
    EventType.WORKFLOW_COMPLETED: WorkflowStatus.COMPLETED,
    EventType.WORKFLOW_FAILED: WorkflowStatus.FAILED,
    EventType.WORKFLOW_CANCELED: WorkflowStatus.CANCELED,
}
_FINISHED = frozenset(END_STATUS.values())
OPEN = ("running", "queued")  # statuses of a run that has not ended
OPEN_STEPS = (*OPEN, "waiting")  # and of a step of a run on Inngest


class Times(NamedTuple):
    """When a run began and ended; each is None where nothing tells.

    A run is open while its status says that it is running or queued. Its begin is estimated where
    that is only when its store first saw it.
    """

    began: datetime | None
    ended: datetime | None
    is_open: bool
    is_estimated: bool = False

    def until(self, now: datetime) -> datetime | None:
        """Give the end of the run, or `now` while it is open."""
        return now if self.is_open else self.ended

    def took(self, now: datetime) -> timedelta | None:
        """Give how long the run took, or has taken until `now`.

        None where the begin or the end is unknown, or where the clock went back between them.
        """
        until = self.until(now)
        if self.began is None or until is None or until < self.began:
            return None
        return until - self.began


def times_of(state: WorkflowState) -> Times:
    """Tell when a run began and ended.

    It began at its `created_at`, else with the event that says so, else when its store first saw
    it: Go's executor drops `CreatedAt` in its last save. It ended with the event that says so,
    else, if its status is one that runs end with, at its last update, which moves also when
    somebody edits the state. A status that nobody knows doesn't tell whether a run is over, so
    only the history counts.
    """
    is_open, events = state.status in OPEN, events_of(state.history)
    ended = None if is_open else _event_time(END_STATUS, reversed(events))
    if ended is None and is_finished(state.status):
        ended = state.updated_at
    began = state.created_at or _event_time((EventType.WORKFLOW_STARTED,), events)
    is_estimated = began is None and state.first_saved_at is not None
    return Times(began or state.first_saved_at, ended, is_open, is_estimated)


def is_end(event: HistoryEvent) -> bool:
    """Tell whether an event ended its run."""
    return event.type in END_STATUS


def went_back(history: Sequence[HistoryEvent]) -> bool:
    """Tell whether the clock went backwards between two events.

    It cannot be told of the copy of a run on Inngest: its events have the order in which the code
    learned of them, and the times of several workers.
    """
    events = events_of(history)
    if events and str(events[0].workflow).startswith(ON_INNGEST):
        return False
    times = [event.timestamp for event in events if event.timestamp]
    return any(later < earlier for earlier, later in pairwise(times))


def is_finished(status: str) -> bool:
    """Tell whether a status is one that a run ends with."""
    return status in _FINISHED


def moment(now: datetime | None) -> datetime:
    """Return the moment up to which open runs are measured: `now`, or the present.

    Raises `ValueError` for a `now` without a zone.
    """
    if now is None:
        return datetime.now(UTC)
    if now.tzinfo is None:
        raise ValueError(f"now needs a zone, as in datetime.now(UTC); got {now!r}")
    return now


def recorded(event: HistoryEvent) -> timedelta | None:
    """Give the duration that an event records; None where it is not set, or impossible."""
    return event.duration if event.duration and event.duration > timedelta() else None


def _event_time(kinds: Container[EventType], events: Iterable[HistoryEvent]) -> datetime | None:
    """Give the time of the first of these events that is of a kind and has one."""
    times = (event.timestamp for event in events if event.type in kinds and event.timestamp)
    return next(times, None)
