"""What a run that is stored as running waits for, as far as anything tells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from inngest_nb.history._activities import Activity, activities_of
from inngest_nb.history._order import events_of
from inngest_nb.history._times import OPEN
from inngest_nb.state import UNSET, Waits, WorkflowState
from inngest_nb.words import duration_text, short, time_text

__all__ = ["Waiting", "last_news", "signals_text", "waiting_for", "waiting_text"]

# A timer that has not been recorded so long after it was due is not just about to be.
_LATE = timedelta(seconds=5)


class Waiting(NamedTuple):
    """What an open run waits for: "activity", "retry", "signal" or "timer".

    `names` are those of the activities or the signals; of retries, the next one comes first.
    `until` is when that or a timer is due, also one beside a signal, as far as it is known.
    """

    kind: str
    names: tuple[str, ...] = ()
    until: datetime | None = None


def waiting_for(
    state: WorkflowState,
    activities: Sequence[Activity] | None = None,
    signals: Sequence[str] = (),
) -> Waiting | None:
    """Tell what a run waits for; None if it has ended, or if nothing tells.

    The waits that its executor has stored come first: it stores them only where the code waits for
    no activity, and the history may have one whose result the code has given up. `activities` are
    the run's, where they are known already, and `signals` those that the process that runs it says
    its code waits for.
    """
    if state.status not in OPEN:
        return None
    waits = _stored(state)
    if names := tuple(signals) or waits.signals:
        return Waiting("signal", names, waits.until or None)
    if waits.until:
        return Waiting("timer", until=waits.until)
    activities = activities_of(state.history) if activities is None else activities
    running = [activity.name for activity in activities if activity.outcome is None]
    if running:
        return Waiting("activity", tuple(running))
    due = [(at, one.name) for one in activities if (at := _retry_at(state, one)) is not None]
    if due:
        due.sort()
        return Waiting("retry", tuple(name for _, name in due), due[0][0])
    return None


def _stored(state: WorkflowState) -> Waits:
    """Return the waits in a state; none if something has happened since they were stored."""
    waits = state.waits
    if waits is UNSET or not state.history or events_of(state.history)[-1].id != waits.at:
        return Waits()
    return waits


def _retry_at(state: WorkflowState, activity: Activity) -> datetime | None:
    """Return when the next attempt of an activity is due; None if there is none."""
    if activity.outcome != "failed" or activity.last is None:
        return None
    return state.history[activity.last].retry_at or None


def last_news(state: WorkflowState) -> datetime | None:
    """Give the time of the last event that has one."""
    times = (event.timestamp for event in reversed(events_of(state.history)) if event.timestamp)
    return next(times, None)


def waiting_text(state: WorkflowState, waiting: Waiting | None, now: datetime) -> str:
    """Say what an open run waits for; "" while that is an activity.

    A lease that has expired, or a timer or a retry that is long due, says that its process is gone.
    """
    if (lease := state.lease_until) and lease < now:
        return f"No process is running it: its lease expired at {time_text(lease)}. Resume it."
    if waiting is None:
        idle = now - (last_news(state) or now)
        return (
            f"Nothing has run for {duration_text(idle)}: it is waiting for a signal or a timer, or "
            "its process is gone."
        )
    if waiting.kind == "activity":
        return ""
    if waiting.kind == "retry":
        return _retry_text(waiting.names[0], waiting.until, now)
    told = [signals_text(waiting.names)] if waiting.names else []
    if waiting.until is not None:
        told.append(_timer_text(waiting.until, now, alone=not waiting.names))
    return " ".join(told)


def _retry_text(name: str, due: datetime | None, now: datetime) -> str:
    what, when = short(name, 40), time_text(due)
    if due is not None and now - due > _LATE:
        return f"The retry of {what} was due at {when}: its process is gone, or busy."
    return f"Waiting to retry {what} at {when}."


def _timer_text(due: datetime, now: datetime, *, alone: bool) -> str:
    when = time_text(due)
    if now - due > _LATE:
        return f"Its timer was due at {when}: its process is gone, or busy."
    return f"Sleeping until {when}." if alone else f"Its timer is due at {when}."


def signals_text(names: Sequence[str]) -> str:
    """Say which signals a run's code waits for, at least one."""
    listed = " and ".join(f'"{short(name, 40)}"' for name in names)
    return f"Waiting for the signal{'s' if len(names) > 1 else ''} {listed}."
