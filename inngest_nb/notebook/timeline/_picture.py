"""All that a view tells of one run at one moment: its facts and its chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from inngest_nb.history import Times, failed_activity, steps_of, times_of
from inngest_nb.notebook.timeline._chart import Chart, chart_of
from inngest_nb.state import WorkflowState

__all__ = ["Picture", "picture_of"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A run as of a moment.

    `took` is how long it took, or has taken so far; `failed_activity` names the one whose error
    ended it. Each is None if nothing tells. `status` is the state's, except for a run that has
    `stopped here` and is still stored as running; `note` says why, or what a live run waits for.
    """

    state: WorkflowState
    chart: Chart
    times: Times
    took: timedelta | None
    failed_activity: str | None
    status: str
    note: str = ""


def picture_of(
    state: WorkflowState,
    now: datetime,
    *,
    note: str = "",
    stopped: bool = False,
    signals: Sequence[str] = (),
) -> Picture:
    """Draw a run in numbers and labels, as of `now`; its code is known to wait for `signals`."""
    steps = steps_of(state, now)
    times = times_of(state)
    return Picture(
        state=state,
        chart=chart_of(state, steps, now, signals),
        times=times,
        took=times.took(now),
        failed_activity=failed_activity(state, steps),
        status="stopped here" if stopped else str(state.status),
        note=note,
    )
