"""Workflow states as typed DataFrames: one row a workflow, or one row an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from inngest_nb.frames import _columns as columns
from inngest_nb.frames._source import Source, take
from inngest_nb.history import activities_of, recorded, times_of
from inngest_nb.state import WorkflowStatus
from inngest_nb.wire import uncollected


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
    and for how many `created_at` is when the store first saw them, because nothing else tells when
    they began (`created_at_estimated`). `duration` of an unfinished run is the time until
    `fetched_at`. `payloads` adds the columns `input` and `result`. (`to_parquet` needs `attrs`
    cleared: it writes them as JSON, which has no times.)
    """
    taken = take(source, status, limit)
    states = taken.states
    activities = [activities_of(state.history) for state in states]
    times = [times_of(state) for state in states]
    began_us = columns.microseconds(one.began for one in times)
    until_us = columns.microseconds(one.until(taken.fetched_at) for one in times)
    series = {
        "workflow_id": columns.text(state.workflow_id for state in states),
        "run_id": columns.text(state.run_id for state in states),
        "status": columns.words((state.status for state in states), columns.STATUS_WORDS),
        "created_at": columns.times(began_us),
        "updated_at": columns.times(columns.microseconds(state.updated_at for state in states)),
        "duration": columns.durations(columns.spans(began_us, until_us)),
        "events": columns.counts([len(state.history) for state in states]),
        "activities": columns.counts([len(found) for found in activities]),
        "retries": columns.counts([sum(one.attempts - 1 for one in found) for found in activities]),
        "error": columns.text(state.error for state in states),
        "parent_id": columns.text(state.parent_id or None for state in states),
    }
    if payloads:
        series["input"] = columns.payloads(state.input for state in states)
        series["result"] = columns.payloads(state.result for state in states)
    estimated = sum(one.is_estimated for one in times)
    return _made(series, taken.attrs | {"created_at_estimated": estimated})


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
        "duration": columns.durations(columns.span_counts(map(recorded, events))),
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
