"""What a run that is stored as running waits for, as far as anything tells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from inngest_nb.history._steps import Step
from inngest_nb.state import UNSET, WorkflowState
from inngest_nb.words import duration_text, short, time_text

__all__ = ["signals_text", "waiting_text"]


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
