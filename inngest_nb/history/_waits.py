"""What a run that is stored as running waits for, as far as anything tells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from inngest_nb.history._activities import Activity, activities_of
from inngest_nb.history._steps import Step
from inngest_nb.history._times import OPEN
from inngest_nb.state import UNSET, Waits, WorkflowState
from inngest_nb.words import duration_text, short, time_text

__all__ = ["Waiting", "signals_text", "waiting_for", "waiting_text"]

# A timer that has not been recorded so long after it was due is not just about to be.
_LATE = timedelta(seconds=5)


class Waiting(NamedTuple):
    """What an open run waits for: "activity", "retry", "signal" or "timer".

    `names` are those of the activities or the signals. `until` is when a retry or a timer is due,
    also one beside a signal, as far as it is known.
    """

    kind: str
    names: tuple[str, ...] = ()
    until: datetime | None = None


def waiting_for(
    state: WorkflowState, activities: Sequence[Activity] | None = None
) -> Waiting | None:
    """Tell what a run waits for; None if it has ended, or if nothing tells.

    The waits that its executor has stored come first: it stores them only where the code waits for
    no activity, and the history may have one whose result the code has given up. `activities` are
    the run's, where they are known already.
    """
    if state.status not in OPEN:
        return None
    if (waits := _stored(state)) is not None:
        return Waiting("signal" if waits.signals else "timer", waits.signals, waits.until or None)
    activities = activities_of(state.history) if activities is None else activities
    running = [activity.name for activity in activities if activity.outcome is None]
    if running:
        return Waiting("activity", tuple(running))
    due = [(at, one.name) for one in activities if (at := _retry_at(state, one)) is not None]
    if due:
        return Waiting("retry", tuple(name for _, name in due), min(at for at, _ in due))
    return None


def _stored(state: WorkflowState) -> Waits | None:
    """Return the waits in a state if nothing has happened since they were stored."""
    waits = state.waits
    if waits is UNSET or not (waits.signals or waits.until):
        return None
    return waits if state.history and state.history[-1].id == waits.at else None


def _retry_at(state: WorkflowState, activity: Activity) -> datetime | None:
    """Return when the next attempt of an activity is due; None if there is none."""
    if activity.outcome != "failed" or activity.last is None:
        return None
    return state.history[activity.last].retry_at or None


def waiting_text(
    state: WorkflowState,
    steps: Sequence[Step],
    now: datetime,
    idle: timedelta,
    signals: Sequence[str] = (),
) -> str:
    """Say what a run in which nothing has been running for so long waits for.

    `signals` are those that whoever runs it says its code waits for; else its state may say so. A
    lease that has expired, or a timer that is long due, says that its process is gone.
    """
    lease = state.lease_until
    if lease is not UNSET and lease is not None and lease < now:
        return f"No process is running it: its lease expired at {time_text(lease)}. Resume it."
    waits = _stored(state) or Waits()
    names = signals or waits.signals
    told = [signals_text(names)] if names else []
    if waits.until:
        told.append(_timer_text(waits.until, now, alone=not names))
    if told:
        return " ".join(told)
    for step in steps:
        if step.retry_at is not None and step.retry_at > now:
            return f"Waiting to retry {short(step.name, 40)} at {time_text(step.retry_at)}."
    return (
        f"Nothing has run for {duration_text(idle)}: it is waiting for a signal or a timer, or its "
        "process is gone."
    )


def _timer_text(due: datetime, now: datetime, *, alone: bool) -> str:
    when = time_text(due)
    if now - due > _LATE:
        return f"Its timer was due at {when}: its process is gone, or busy."
    return f"Sleeping until {when}." if alone else f"Its timer is due at {when}."


def signals_text(names: Sequence[str]) -> str:
    """Say which signals a run's code waits for, at least one."""
    listed = " and ".join(f'"{short(name, 40)}"' for name in names)
    return f"Waiting for the signal{'s' if len(names) > 1 else ''} {listed}."
