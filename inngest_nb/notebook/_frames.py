"""Workflow states as typed DataFrames: one row a workflow, or one row an event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from inngest_nb.notebook import _columns as columns
from inngest_nb.notebook._pairing import activities_of
from inngest_nb.notebook._source import Source, take
from inngest_nb.state import EventType, WorkflowState, WorkflowStatus
from inngest_nb.wire import uncollected

_ENDED = {WorkflowStatus.COMPLETED, WorkflowStatus.FAILED, WorkflowStatus.CANCELED}
_ENDS = {
    EventType.WORKFLOW_COMPLETED,
    EventType.WORKFLOW_FAILED,
    EventType.WORKFLOW_CANCELED,
}


@uncollected()
def frame(
    source: Source,
    status: WorkflowStatus | str | None = None,
    limit: int = 0,
    payloads: bool = False,
) -> pd.DataFrame:
    """Return one row per workflow of a store, or of states.

    A store is asked for what it holds now, or, where its server cannot list, for what it has at
    hand. `attrs` says from where and when the rows are, how they were filtered, whether `limit`
    left some out, which ones are missing because they cannot be read (`unreadable`: why, by id),
    and for how many `created_at` is the time the store first saw them, because their document has
    none. `duration` of an unfinished run is the time until `fetched_at`.
    `payloads` adds the columns `input` and `result`. (`to_parquet` needs `attrs` cleared: it
    writes them as JSON, which has no times.)
    """
    taken = take(source, status, limit)
    states = taken.states
    created = [state.created_at or state.first_saved_at for state in states]
    activities = [activities_of(state.history) for state in states]
    started_us = columns.microseconds(map(_start, states))
    ended_us = columns.microseconds(_end(state, taken.fetched_at) for state in states)
    series = {
        "workflow_id": columns.text(state.workflow_id for state in states),
        "run_id": columns.text(state.run_id for state in states),
        "status": columns.words((state.status for state in states), columns.STATUS_WORDS),
        "created_at": columns.times(columns.microseconds(created)),
        "updated_at": columns.times(columns.microseconds(state.updated_at for state in states)),
        "duration": columns.durations(columns.spans(started_us, ended_us)),
        "events": columns.counts([len(state.history) for state in states]),
        "activities": columns.counts([len(found) for found in activities]),
        "retries": columns.counts([sum(one.attempts - 1 for one in found) for found in activities]),
        "error": columns.text(state.error for state in states),
        "parent_id": columns.text(state.parent_id or None for state in states),
    }
    if payloads:
        series["input"] = columns.payloads(state.input for state in states)
        series["result"] = columns.payloads(state.result for state in states)
    stand_ins = sum(
        state.created_at is None and state.first_saved_at is not None for state in states
    )
    return _made(series, taken.attrs | {"first_saved_stands_in": stand_ins})


@uncollected()
def history_frame(
    source: Source,
    status: WorkflowStatus | str | None = None,
    limit: int = 0,
    payloads: bool = False,
) -> pd.DataFrame:
    """Return one row per event of the workflows of a store, or of states.

    `status` and `limit` choose workflows, as in `frame`. `payloads` adds the columns `input`,
    `result` and `payload`, which is a signal's.
    """
    taken = take(source, status, limit)
    found = [(state, event) for state in taken.states for event in state.history]
    events = [event for _, event in found]
    series = {
        "workflow_id": columns.text(state.workflow_id for state, _ in found),
        "run_id": columns.text(state.run_id for state, _ in found),
        "event_id": columns.counts([event.id for event in events]),
        "type": columns.text(str(event.type) for event in events),
        "at": columns.times(columns.microseconds(event.timestamp for event in events)),
        "activity": columns.text(event.activity_name for event in events),
        "signal": columns.text(event.signal_name for event in events),
        "duration": columns.durations(columns.span_counts(event.duration for event in events)),
        "error": columns.text(event.error for event in events),
    }
    if payloads:
        series["input"] = columns.payloads(event.input for event in events)
        series["result"] = columns.payloads(event.result for event in events)
        series["payload"] = columns.payloads(event.signal_payload for event in events)
    return _made(series, taken.attrs)


def _made(series: Mapping[str, Any], attrs: dict[str, Any]) -> pd.DataFrame:
    made = pd.DataFrame(series)
    made.attrs.update(attrs)
    return made


def _start(state: WorkflowState) -> datetime | None:
    """Tell when a run began: its own word, then its history's, then its store's."""
    if state.created_at is not None:
        return state.created_at
    for event in state.history:
        if event.type is EventType.WORKFLOW_STARTED and event.timestamp is not None:
            return event.timestamp
    return state.first_saved_at


def _end(state: WorkflowState, now: datetime) -> datetime | None:
    """Tell when a run ended, or now for one that has not.

    Its history knows better than `updated_at`, which also moves when someone mends the state.
    """
    if state.status not in _ENDED:
        return now
    for event in reversed(state.history):
        if event.type in _ENDS and event.timestamp is not None:
            return event.timestamp
    return state.updated_at
