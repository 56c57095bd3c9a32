"""What a run that is stored as running waits for, as far as anything tells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from inngest_nb.history._activities import Activity
from inngest_nb.history._steps import Step
from inngest_nb.history._times import OPEN
from inngest_nb.state import UNSET, WorkflowState
from inngest_nb.words import duration_text, short, time_text

__all__ = ["Waiting", "signals_text", "waiting_for", "waiting_text"]


class Waiting(NamedTuple):
    """What an open run waits for: "activity", "retry", "signal" or "timer".

    `names` are those of the activities or the signals; `until` is when a timer or a retry is due,
    as far as it is known.
    """

    kind: str
    names: tuple[str, ...] = ()
    until: datetime | None = None


def waiting_for(state: WorkflowState, activities: Sequence[Activity]) -> Waiting | None:
    """Tell what a run waits for; None if it has ended, or if nothing tells."""
    if state.status not in OPEN:
        return None
    running = [activity.name for activity in activities if activity.outcome is None]
    if running:
        return Waiting("activity", tuple(running))
    due = [(at, one.name) for one in activities if (at := _retry_at(state, one)) is not None]
    if due:
        return Waiting("retry", tuple(name for _, name in due), min(at for at, _ in due))
    return None


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

    `signals` are those that whoever runs it says its code waits for. Retries are in the history;
    a timer is recorded only when it fires. A lease that has run out says that its process is gone.
    """
    lease = state.lease_until
    if lease is not UNSET and lease is not None and lease < now:
        return f"No process is running it: its lease ran out at {time_text(lease)}. Resume it."
    if signals:
        return signals_text(signals)
    for step in steps:
        if step.retry_at is not None and step.retry_at > now:
            return f"Waiting to retry {short(step.name, 40)} at {time_text(step.retry_at)}."
    return (
        f"Nothing has run for {duration_text(idle)}: it is waiting for a signal or a timer, or its "
        "process is gone."
    )


def signals_text(names: Sequence[str]) -> str:
    """Say which signals a run's code waits for, at least one."""
    listed = " and ".join(f'"{short(name, 40)}"' for name in names)
    return f"Waiting for the signal{'s' if len(names) > 1 else ''} {listed}."
