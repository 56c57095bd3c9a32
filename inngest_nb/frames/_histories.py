"""What happened in workflows as typed DataFrames: one row per event, or per activity."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate, chain, compress, count, islice, repeat
from operator import not_
from typing import Any, NamedTuple, Unpack

import pandas as pd

from inngest_nb.frames._frames import Naming, Statuses, made_of, named
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._collected import Numbers, Recurring
from inngest_nb.frames.basics._source import Asked, Source, Taken, is_store, take
from inngest_nb.history import (
    NOT_OPEN,
    OPEN,
    Activity,
    ActivityRow,
    EventRow,
    activities_of,
    outcome_left_open,
    took_us,
)
from inngest_nb.state import WorkflowState
from inngest_nb.store import ACTIVITIES, EVENTS, Head, rows_of_activities, rows_of_events
from inngest_nb.wire import microseconds, uncollected

_AT_ONCE = 500  # workflows


@uncollected()
def history_frame(
    source: Source,
    status: Statuses | None = None,
    limit: int = 0,
    payloads: bool = False,
    *,
    name: Naming | None = None,
    **asked: Unpack[Asked],
) -> pd.DataFrame:
    """Return a DataFrame with one row per event of the workflows of a store, or of states.

    Its columns are `workflow_id`, `run_id`, `workflow`, `status` (the run's), `event_id`, `type`,
    `at` (UTC), `activity`, `signal`, `duration` (as recorded) and `error`; `payloads` adds `input`,
    `result` and `payload`, which is a signal's, as Python values. The search arguments choose
    workflows; they, `name`, `attrs` and errors are those of `frame`.
    """
    reads = payloads or name is not None or not is_store(source)
    taken = take(source, status, limit, asked, () if reads else (EVENTS,))
    runs = _Runs(name)
    ids, at, took = Numbers(), Numbers(), Numbers()
    types, activities, signals, errors = (Recurring() for _ in range(4))
    values: dict[str, list[Any]] = {"input": [], "result": [], "payload": []}
    for heads, states, kept in _parts(taken, None if reads else rows_of_events):
        histories = [state.history if state else () for state in states]
        rows = [[*map(EventRow.of, events)] for events in histories] if reads else kept
        runs.add(heads, states, rows)
        by = _columns_of(rows, EventRow)
        ids.add(by["id"])
        types.add(by["type"])
        at.add(by["at_us"])
        activities.add(by["activity"])
        signals.add(by["signal"])
        took.add(by["recorded_us"])
        errors.add(by["error"])
        for event in chain(*histories) if payloads else ():
            values["input"].append(event.input)
            values["result"].append(event.result)
            values["payload"].append(event.signal_payload)
    series = runs.columns() | {
        "event_id": columns.whole(ids.all()),
        "type": types.text(),
        "at": columns.times(at.all()),
        "activity": activities.text(),
        "signal": signals.text(),
        "duration": columns.durations(took.all()),
        "error": errors.text(),
    }
    if payloads:
        series |= {key: columns.payloads(found) for key, found in values.items()}
    return made_of(series, taken.attrs)


@uncollected()
def activity_frame(
    source: Source,
    status: Statuses | None = None,
    limit: int = 0,
    payloads: bool = False,
    *,
    now: datetime | None = None,
    name: Naming | None = None,
    **asked: Unpack[Asked],
) -> pd.DataFrame:
    """Return a DataFrame with one row per activity of the workflows of a store, or of states.

    Its columns are `workflow_id`, `run_id`, `workflow`, `status` (the run's), `activity`,
    `attempt_count`, `started_at`, `ended_at` (UTC), `duration`, `outcome` and `error`; `payloads`
    adds `input` and `result` as Python values, side by side. Retries are attempts of one row, whose
    `duration` runs from the first start to the last end, or to `fetched_at` while it is running.
    `now` replaces `fetched_at`; it needs a zone. An activity that was open when its run ended is
    `canceled` with the run, or `abandoned`. The search arguments choose workflows; they, `name`,
    `attrs` and errors are those of `frame`.
    """
    reads = payloads or name is not None or not is_store(source)
    taken = take(source, status, limit, asked, () if reads else (ACTIVITIES,), now)
    now_us = microseconds(taken.fetched_at)
    runs = _Runs(name)
    attempts, started, ended, took = (Numbers() for _ in range(4))
    names, outcomes, errors = Recurring(), Recurring(), Recurring()
    values: dict[str, list[Any]] = {"input": [], "result": []}
    for heads, states, kept in _parts(taken, None if reads else rows_of_activities):
        found = [activities_of(state.history) if state else [] for state in states]
        rows = [[*map(ActivityRow.of, some)] for some in found] if reads else kept
        runs.add(heads, states, rows)
        by = _columns_of(rows, ActivityRow)
        times = by["started_us"], by["ended_us"], by["recorded_us"]
        known, spans = [*by["outcome"]], [*map(took_us, *times, repeat(NOT_OPEN))]
        for place, head in _left_open(known, heads, rows):
            known[place] = _outcome_left_open(head)
            began, end, recorded = (column[place] for column in times)
            spans[place] = took_us(began, end, recorded, _lasts_until(head, now_us))
        names.add(by["name"])
        attempts.add(by["attempts"])
        started.add(by["started_us"])
        ended.add(by["ended_us"])
        took.add(spans)
        outcomes.add(known)
        errors.add(by["error"])
        for state, some in zip(states, found, strict=True) if payloads else ():
            values["input"] += [one.input for one in some]
            values["result"] += [_result_of(one, state) for one in some]
    series = runs.columns() | {
        "activity": names.text(),
        "attempt_count": columns.whole(attempts.all()),
        "started_at": columns.times(started.all()),
        "ended_at": columns.times(ended.all()),
        "duration": columns.durations(took.all()),
        "outcome": outcomes.words(columns.OUTCOME_WORDS),
        "error": errors.text(),
    }
    if payloads:
        series |= {key: columns.payloads(found) for key, found in values.items()}
    return made_of(series, taken.attrs)


def _outcome_left_open(head: Head) -> str:
    return outcome_left_open(head.status, head.ended_us is not None)


def _lasts_until(head: Head, now_us: int) -> int | None:
    """Tell until when an activity that a run left open lasts."""
    if _outcome_left_open(head) == "abandoned":
        return NOT_OPEN
    return now_us if head.status in OPEN else head.ended_us


def _result_of(activity: Activity, state: WorkflowState | None) -> Any:
    return state.history[activity.last].result if state and activity.last is not None else None


Rows = Sequence[Sequence[Any]]  # of each workflow


def _parts(
    taken: Taken, read: Callable[[Sequence[bytes | None]], Rows] | None
) -> Iterator[tuple[Sequence[Head], Sequence[WorkflowState | None], Rows]]:
    """Yield some workflows at a time, with the rows that the source keeps, or else with states.

    `read` reads the rows; without it, states are read.
    """
    if read is None:
        whole = taken.whole()
        while some := [*islice(whole, _AT_ONCE)]:
            heads, states = zip(*some, strict=True)
            yield heads, states, ()
        return
    (kept,) = taken.found.fields
    for start in range(0, len(kept), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        yield taken.found.heads[part], (), read(kept[part])


def _columns_of(rows: Rows, kind: type[NamedTuple]) -> dict[str, Sequence[Any]]:
    """Turn rows into columns, by the fields of rows."""
    values = [*zip(*chain(*rows), strict=True)] or [()] * len(kind._fields)
    return dict(zip(kind._fields, values, strict=True))


def _left_open(
    outcomes: Sequence[str], heads: Sequence[Head], rows: Rows
) -> Iterator[tuple[int, Head]]:
    """Yield the place of each activity without an outcome, and the head of its run."""
    ends = [*accumulate(map(len, rows))]
    for place in compress(count(), map(not_, outcomes)):
        yield place, heads[bisect(ends, place)]


class _Runs:
    """The columns that say whose run each row belongs to."""

    def __init__(self, name: Naming | None) -> None:
        self._name = name
        self._ids: list[str] = []
        self._run_ids: list[str] = []
        self._names, self._statuses, self._counts = Recurring(), Recurring(), Numbers()

    def add(
        self, heads: Sequence[Head], states: Sequence[WorkflowState | None], rows: Rows
    ) -> None:
        """Add runs; `states` are given where they were read."""
        self._ids += [head.workflow_id for head in heads]
        self._run_ids += [head.run_id for head in heads]
        whole = zip(heads, states, strict=True) if self._name else ()
        names = [named(head, state, self._name) for head, state in whole]
        self._names.add(names or [head.workflow for head in heads])
        self._statuses.add([head.status for head in heads])
        self._counts.add([*map(len, rows)])

    def columns(self) -> dict[str, Any]:
        """Return the columns, each value as often as its run has rows."""
        counts = self._counts.all()
        return {
            "workflow_id": columns.text(self._ids).repeat(counts),
            "run_id": columns.text(self._run_ids).repeat(counts),
            "workflow": self._names.text().repeat(counts),
            "status": self._statuses.words(columns.STATUS_WORDS).repeat(counts),
        }
