"""All that a view tells of one run at one moment: its facts and its chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from inngest_nb.notebook._chart import Chart, chart_of
from inngest_nb.notebook._pairing import Activity, activities_of
from inngest_nb.notebook._words import is_finished
from inngest_nb.state import EventType, WorkflowState

__all__ = ["Picture", "picture_of"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A run as of a moment.

    `elapsed` is how long it took, or has taken so far; `culprit` the name of the activity whose
    error ended it. Each is None if nothing tells.
    """

    state: WorkflowState
    chart: Chart
    began: datetime | None
    elapsed: timedelta | None
    culprit: str | None


def picture_of(state: WorkflowState, now: datetime) -> Picture:
    """Draw a run in numbers and labels, as of `now`."""
    activities = activities_of(state.history)
    began = _began(state)
    return Picture(
        state=state,
        chart=chart_of(state, activities, now),
        began=began,
        elapsed=None if began is None else _elapsed(state, began, now),
        culprit=_culprit(state, activities),
    )


def _began(state: WorkflowState) -> datetime | None:
    starts = (
        event.timestamp for event in state.history if event.type is EventType.WORKFLOW_STARTED
    )
    return state.created_at or next(starts, None) or state.first_saved_at


def _elapsed(state: WorkflowState, began: datetime, now: datetime) -> timedelta | None:
    if is_finished(state.status):
        return state.updated_at - began if state.updated_at else None
    return max(now - began, timedelta()) if state.status == "running" else None


def _culprit(state: WorkflowState, activities: Sequence[Activity]) -> str | None:
    if not state.error:
        return None
    for activity in reversed(activities):
        if activity.outcome == "failed" and activity.error and activity.error in state.error:
            return activity.name
    return None
