"""What a row of a frame says of a workflow: what can be told without its payloads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from inngest_nb.history._activities import Activity, activities_of
from inngest_nb.history._order import events_of
from inngest_nb.history._times import ON_INNGEST, Times, times_of
from inngest_nb.history._waits import Waiting, waiting_for
from inngest_nb.state import WorkflowState

__all__ = [
    "Summary",
    "last_activity",
    "registered_name",
    "summary_of",
    "workflow_in_id",
    "workflow_of",
]

# Up to the last number, whatever follows it: `order` in `order-17`, `a-1` in `a-1-2-retry`.
_BEFORE_THE_LAST_NUMBER = re.compile(r"(.*[^0-9])?[0-9]+[^0-9]*", re.DOTALL)
_SEPARATORS = " -_./:#@|~"


class Summary(NamedTuple):
    """What a workflow's history tells of it, in short.

    `workflow` is the name of its code, `step` the activity that runs or ran last, each "" where
    there is none. `activities` and `retries` are numbers.
    """

    workflow: str
    times: Times
    activities: int
    retries: int
    step: str
    waiting: Waiting | None


def summary_of(state: WorkflowState, found: Sequence[Activity] | None = None) -> Summary:
    """Summarize a workflow; `found` are its activities, where they are known already."""
    activities = activities_of(state.history) if found is None else found
    return Summary(
        workflow_of(state),
        times_of(state),
        len(activities),
        sum(activity.attempts - 1 for activity in activities),
        last_activity(activities),
        waiting_for(state, activities),
    )


def workflow_of(state: WorkflowState) -> str:
    """Return the name of a workflow's code: the registered one, else what its id begins with."""
    return registered_name(state) or workflow_in_id(state.workflow_id)


def registered_name(state: WorkflowState) -> str:
    """Return the name under which a workflow's code is registered; "" if its history has none."""
    begun = next(iter(events_of(state.history)), None)
    named = "" if begun is None else begun.workflow or ""
    return named.removeprefix(ON_INNGEST)


def workflow_in_id(workflow_id: str) -> str:
    """Return an id's part before its last number, without the separator between them.

    The whole id where it has no number, "" where nothing comes before.
    """
    found = _BEFORE_THE_LAST_NUMBER.fullmatch(workflow_id)
    return (found[1] or "").rstrip(_SEPARATORS) if found else workflow_id


def last_activity(activities: Sequence[Activity]) -> str:
    """Name the activity that runs, or ran last; "" if there is none.

    Of several that run, it is the one that began last.
    """
    if not activities:
        return ""
    running = [activity for activity in activities if activity.outcome is None]
    if running:
        return running[-1].name
    return max(activities, key=lambda activity: (activity.last_id, activity.last or 0)).name
