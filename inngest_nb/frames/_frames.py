"""Workflow states as typed DataFrames: one row a workflow, one row an event, or an activity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._source import Source, take
from inngest_nb.history import (
    Waiting,
    activities_of,
    moment,
    outcome_of,
    recorded,
    summary_of,
    times_of,
    workflow_of,
)
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.wire import uncollected

# Gives a workflow whose code has no registered name another one than its id does.
Naming = Callable[[WorkflowState], str]


@uncollected()
def frame(
    source: Source,
    status: WorkflowStatus | str | None = None,
    limit: int = 0,
    payloads: bool = False,
    *,
    name: Naming | None = None,
) -> pd.DataFrame:
    """Return a DataFrame with one row per workflow of a store, or of states.

    Its columns are `workflow_id`, `run_id`, `workflow`, `status` (categorical), `created_at`,
    `updated_at` (UTC), `duration`, `events`, `activities`, `retries`, `step`, `waiting_for`
    (categorical), `signal`, `error` and `parent_id`; `payloads` adds `input` and `result` as Python
    values. What is not set is missing. `duration` of an unfinished run is the time until
    `fetched_at`.

    `workflow` is the name under which the code was registered. Where the document has none, it is
    what `name` returns for the state, by default the id's part before its last number: `order` for
    `order-17`. `step` is the activity that is running or ran last. `waiting_for` says what an open
    run waits for: an `activity`, a `retry`, a `signal` (named in `signal`) or a `timer`; it is
    missing where nothing tells.

    `status` picks one status, `limit` the newest so many (0: all). A store is read anew. Where its
    server cannot list, the frame has what the client saved or refreshed, and a warning says so; a
    warning also names the statuses that are there if nothing has the one that is wanted.

    `df.wf` answers questions about the rows; as the last line of a cell it is a readable table.
    `attrs` holds what JSON can write, so `to_parquet` and its like keep it: `source`, `fetched_at`
    (ISO 8601), `filter`, `truncated` (`limit` left some out), `listed` (False: see above),
    `unreadable` (why, by id) and `created_at_estimated` (for how many `created_at` is when the
    store first saw them). pandas drops `attrs` in `concat` and `merge` of frames that were not
    fetched together, and in CSV files; columns keep their values everywhere.

    Raises `TypeError` for what is neither a store nor states, `ValueError` for a negative limit,
    and a `StoreError` if the store cannot be read.

        df = inb.frame(store, status="failed", limit=100)
        df.wf.errors()
    """
    taken = take(source, status, limit)
    states = taken.states
    known = [summary_of(state) for state in states]
    times = [one.times for one in known]
    began_us = columns.microseconds(one.began for one in times)
    until_us = columns.microseconds(one.until(taken.fetched_at) for one in times)
    series = {
        "workflow_id": columns.text(state.workflow_id for state in states),
        "run_id": columns.text(state.run_id for state in states),
        "workflow": columns.text(_named(states, name)),
        "status": columns.words((state.status for state in states), columns.STATUS_WORDS),
        "created_at": columns.times(began_us),
        "updated_at": columns.times(columns.microseconds(state.updated_at for state in states)),
        "duration": columns.durations(columns.spans(began_us, until_us)),
        "events": columns.counts([len(state.history) for state in states]),
        "activities": columns.counts([one.activities for one in known]),
        "retries": columns.counts([one.retries for one in known]),
        "step": columns.text(one.step for one in known),
        "waiting_for": columns.words(
            (one.waiting and one.waiting.kind for one in known), columns.WAITING_WORDS
        ),
        "signal": columns.text(_signal(one.waiting) for one in known),
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
    *,
    name: Naming | None = None,
) -> pd.DataFrame:
    """Return a DataFrame with one row per event of the workflows of a store, or of states.

    Its columns are `workflow_id`, `run_id`, `workflow`, `status` (the run's), `event_id`, `type`,
    `at` (UTC), `activity`, `signal`, `duration` (as recorded) and `error`; `payloads` adds `input`,
    `result` and `payload`, which is a signal's, as Python values. `status` and `limit` choose
    workflows; these, `name`, `attrs` and errors are those of `frame`.
    """
    taken = take(source, status, limit)
    found = [(state, event) for state in taken.states for event in state.history]
    events = [event for _, event in found]
    series = _runs([state for state, _ in found], name) | {
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


@uncollected()
def activity_frame(
    source: Source,
    status: WorkflowStatus | str | None = None,
    limit: int = 0,
    payloads: bool = False,
    *,
    now: datetime | None = None,
    name: Naming | None = None,
) -> pd.DataFrame:
    """Return a DataFrame with one row per activity of the workflows of a store, or of states.

    Its columns are `workflow_id`, `run_id`, `workflow`, `status` (the run's), `activity`,
    `attempt_count`, `started_at`, `ended_at` (UTC), `duration`, `outcome` and `error`; `payloads`
    adds `input` and `result` as Python values, side by side. Retries are attempts of one row, whose
    `duration` runs from the first start to the last end, or to `fetched_at` while it is running.
    `now` replaces `fetched_at`; it needs a zone. An activity that was open when its run ended is
    `canceled` with the run, or `abandoned`. `status`, `limit`, `name`, `attrs` and errors are those
    of `frame`.
    """
    taken = take(source, status, limit)
    at = taken.fetched_at if now is None else moment(now)
    until = {id(state): times_of(state).until(at) for state in taken.states}
    found = [
        (state, activity) for state in taken.states for activity in activities_of(state.history)
    ]
    activities = [activity for _, activity in found]
    outcomes = [outcome_of(activity, state) for state, activity in found]
    started = columns.microseconds(activity.started_at for activity in activities)
    ended = columns.microseconds(activity.ended_at for activity in activities)
    took = columns.span_counts(
        activity.took(outcome, until[id(state)])
        for (state, activity), outcome in zip(found, outcomes, strict=True)
    )
    series = _runs([state for state, _ in found], name) | {
        "activity": columns.text(activity.name for activity in activities),
        "attempt_count": columns.counts([activity.attempts for activity in activities]),
        "started_at": columns.times(started),
        "ended_at": columns.times(ended),
        "duration": columns.durations(took),
        "outcome": columns.words(outcomes, columns.OUTCOME_WORDS),
        "error": columns.text(activity.error for activity in activities),
    }
    if payloads:
        series["input"] = columns.payloads(activity.input for activity in activities)
        series["result"] = columns.payloads(
            None if activity.last is None else state.history[activity.last].result
            for state, activity in found
        )
    return _made(series, taken.attrs | {"fetched_at": at.isoformat()})


def _runs(states: list[WorkflowState], name: Naming | None) -> dict[str, Any]:
    """Return the columns that say whose run each row belongs to."""
    return {
        "workflow_id": columns.text(state.workflow_id for state in states),
        "run_id": columns.text(state.run_id for state in states),
        "workflow": columns.text(_named(states, name)),
        "status": columns.words((state.status for state in states), columns.STATUS_WORDS),
    }


def _named(states: Iterable[WorkflowState], name: Naming | None) -> list[str]:
    """Return the name of each workflow's code."""
    if name is None:
        return [workflow_of(state) for state in states]
    return [
        workflow_of(state) if state.history and state.history[0].workflow else name(state)
        for state in states
    ]


def _signal(waiting: Waiting | None) -> str | None:
    return ", ".join(waiting.names) if waiting and waiting.kind == "signal" else None


def _made(series: Mapping[str, Any], attrs: dict[str, Any]) -> pd.DataFrame:
    made = pd.DataFrame(series)
    made.attrs.update(attrs)
    return made
