"""Workflow states as typed DataFrames: one row a workflow, one row an event, or an activity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Unpack

import pandas as pd

from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._fields import field_column
from inngest_nb.frames.basics._source import Asked, Source, is_store, take
from inngest_nb.history import (
    NOT_OPEN,
    OPEN,
    ActivityRow,
    EventRow,
    activities_of,
    moment,
    outcome_left_open,
    took_us,
)
from inngest_nb.query import Path
from inngest_nb.state import HistoryEvent, WorkflowState, WorkflowStatus
from inngest_nb.store import ACTIVITIES, EVENTS, NEVER_US, Head, rows_of_activities, rows_of_events
from inngest_nb.wire import microseconds, uncollected

# Gives a workflow whose code has no registered name another one than its id does.
Naming = Callable[[WorkflowState], str]
Statuses = WorkflowStatus | str | Iterable[str]


@uncollected()
def frame(
    source: Source,
    status: Statuses | None = None,
    limit: int = 0,
    payloads: bool = False,
    *,
    fields: Sequence[str] = (),
    name: Naming | None = None,
    **asked: Unpack[Asked],
) -> pd.DataFrame:
    """Return a DataFrame with one row per workflow of a store, or of states.

    Its columns are `workflow_id`, `run_id`, `workflow`, `status` (categorical), `created_at`,
    `updated_at` (UTC), `duration`, `events`, `activities`, `retries`, `step`, `waiting_for`
    (categorical), `signal`, `error`, `parent_id` and `error_reading`; `payloads` adds `input` and
    `result` as Python values. What is not set is missing. `duration` of an unfinished run is the
    time until `fetched_at`.

    `workflow` is the name under which the code was registered. Where the document has none, it is
    what `name` returns for the state, by default the id's part before its last number: `order` for
    `order-17`. `step` is the activity that is running or ran last. `waiting_for` says what an open
    run waits for: an `activity`, a `retry`, a `signal` (named in `signal`) or a `timer`; it is
    missing where nothing tells. A workflow that cannot be read has little more than its id, and the
    reason in `error_reading`; a warning counts them.

    `fields` are paths to values of payloads, each of which becomes a column of the type that the
    values have: `"input.order"`, `"result.items[].price"` (a list), `'input["unit price"]'`.

    What is asked for is searched in the server or the file, so only that is read:

    * `status`: a status, or several; `workflow`: a name, or several
    * `since`, `until`: how long ago ("2h", "7d", a timedelta), a date or a time; they are about the
      last update, or about the beginning or the end with `by="created"` or `by="ended"`
    * `prefix`: what the id begins with; `text`: words in the ids, workflow, step, status or error;
      `error`: a text in the error, whatever its case
    * `longer_than`: a duration, such as "2h"; open runs last until now
    * `where`: a condition, such as `"input.total > 100 and result.paid != true"`, in a small
      language: comparisons, `in`, `not in`, `contains`, `is missing`, `is not missing`, `and`,
      `or`, `not`, parentheses, over paths and columns
    * `sort`: a column, with `-` before it for the largest first; `limit`: at most so many (0: all)

    Without `sort`, the newest update comes first; plain states stay in their order. Where a server
    cannot search, what the client saved or refreshed is searched instead, and a warning says so; a
    warning also names the statuses that are there if nothing has the one that is wanted.

    `df.wf` answers questions about the rows; as the last line of a cell it is a readable table.
    `attrs` holds what JSON can write, so `to_parquet` and its like keep it: `source`, `fetched_at`
    (ISO 8601; of a bundle, when it was exported), `filter`, `truncated` (`limit` left some out),
    `total` (how many there are without it), `listed` (False: see above), `unreadable` (why, by id),
    `last_change` (the number of the store's last change, for `watch`) and `created_at_estimated`
    (for how many `created_at` is when the store first saw them). pandas drops `attrs` in `concat`
    and `merge` of frames that were not fetched together, and in CSV files; columns keep their
    values everywhere.

    Raises `TypeError` for what is neither a store nor states, `ValueError` for what cannot be asked
    (with the place in a path or a condition), and a `StoreError` if the store cannot be read.

        df = inb.frame(store, status="failed", since="24h", fields=["input.order"])
        df.wf.errors()
    """
    paths = _paths(fields)
    taken = take(source, status, limit, asked, paths)
    heads, names, values = taken.found.heads, None, {}
    if payloads or name is not None:
        whole = list(taken.whole())
        heads = [head for head, _ in whole]
        if payloads:
            values = {
                key: columns.payloads(state and getattr(state, key) for _, state in whole)
                for key in ("input", "result")
            }
        names = [_name(head, state, name) for head, state in whole]
    made = _rows_of(heads, microseconds(taken.fetched_at), names) | values
    found_fields = taken.found.fields
    if len(heads) != len(taken.found.heads):  # some are gone since
        kept = {head.workflow_id for head in heads}
        places = [n for n, head in enumerate(taken.found.heads) if head.workflow_id in kept]
        found_fields = [[column[place] for place in places] for column in found_fields]
    for text, column in zip(fields, found_fields, strict=True):
        made[text] = field_column(text, column)
    estimated = sum(head.is_estimated for head in heads)
    return _made(made, taken.attrs | {"created_at_estimated": estimated})


def _rows_of(
    heads: Sequence[Head], now_us: int, names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return the columns of a frame, from heads."""
    by = dict(zip(Head._fields, _columns_of(heads, Head), strict=True))
    began, ended, updated = (
        columns.counted(by[key]) for key in ("began_us", "ended_us", "updated_us")
    )
    status = columns.words(by["status"], columns.STATUS_WORDS)
    is_open = status.isin(OPEN)
    until = columns.either(is_open, now_us, ended)
    return {
        "workflow_id": columns.text(by["workflow_id"]),
        "run_id": columns.text(by["run_id"]),
        "workflow": columns.text(list(names or by["workflow"])),
        "status": status,
        "created_at": columns.times(began),
        "updated_at": columns.times(columns.without(updated, NEVER_US)),
        "duration": columns.durations(columns.spans(began, until)),
        "events": columns.counts(by["events"]),
        "activities": columns.counts(by["activities"]),
        "retries": columns.counts(by["retries"]),
        "step": columns.text(by["step"]),
        "waiting_for": columns.words(by["waiting_for"], columns.WAITING_WORDS),
        "signal": columns.text(by["signal"]),
        "error": columns.text(by["error"]),
        "parent_id": columns.text(by["parent_id"]),
        "error_reading": columns.text(by["flaw"]),
    }


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
    `result` and `payload`, which is a signal's, as Python values. What is asked for chooses
    workflows; it, `name`, `attrs` and errors are those of `frame`.
    """
    reads = payloads or name is not None or not is_store(source)
    taken = take(source, status, limit, asked, () if reads else (EVENTS,))
    runs = _Runs(name)
    events: list[HistoryEvent] = []
    rows: list[EventRow] = []
    if reads:
        for head, state in taken.whole():
            history = state.history if state else ()
            runs.add(head, state, len(history))
            events += history
        rows += map(EventRow.of, events)
    else:
        kept = rows_of_events(taken.found.fields[0])
        for head, found in zip(taken.found.heads, kept, strict=True):
            runs.add(head, None, len(found))
            rows += found
    ids, types, at, activities, signals, took, errors = _columns_of(rows, EventRow)
    series = runs.columns() | {
        "event_id": columns.counts(ids),
        "type": columns.text(types),
        "at": columns.times(columns.counted(at)),
        "activity": columns.text(activities),
        "signal": columns.text(signals),
        "duration": columns.durations(columns.counted(took)),
        "error": columns.text(errors),
    }
    if payloads:
        series["input"] = columns.payloads(event.input for event in events)
        series["result"] = columns.payloads(event.result for event in events)
        series["payload"] = columns.payloads(event.signal_payload for event in events)
    return _made(series, taken.attrs)


def _columns_of(rows: Sequence[NamedTuple], kind: type[NamedTuple]) -> list[list[Any]]:
    """Turn rows into columns."""
    return list(map(list, zip(*rows, strict=True))) if rows else [[] for _ in kind._fields]


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
    `canceled` with the run, or `abandoned`. What is asked for chooses workflows; it, `name`,
    `attrs` and errors are those of `frame`.
    """
    reads = payloads or name is not None or not is_store(source)
    asks = () if reads else (ACTIVITIES,)
    taken = take(source, status, limit, asked, asks)
    at = taken.fetched_at if now is None else moment(now)
    at_us = microseconds(at)
    runs = _Runs(name)
    rows: list[ActivityRow] = []
    inputs, results, outcomes, took = [], [], [], []

    def add(head: Head, state: WorkflowState | None, found: Sequence[ActivityRow]) -> None:
        runs.add(head, state, len(found))
        rows.extend(found)
        left = outcome_left_open(head.status)
        until_us = at_us if head.status in OPEN else head.ended_us
        for row in found:
            outcomes.append(row.outcome or left)
            lasts = not row.outcome and left != "abandoned"
            us = took_us(
                row.started_us, row.ended_us, row.recorded_us, until_us if lasts else NOT_OPEN
            )
            took.append(us)

    if not reads:
        kept = rows_of_activities(taken.found.fields[0])
        for head, found in zip(taken.found.heads, kept, strict=True):
            add(head, None, found)
    else:
        for head, state in taken.whole():
            activities = activities_of(state.history) if state else []
            add(head, state, [ActivityRow.of(activity) for activity in activities])
            inputs += [activity.input for activity in activities]
            results += [
                state.history[one.last].result if state and one.last is not None else None
                for one in activities
            ]
    names, attempts, started, ended, _, _, errors = _columns_of(rows, ActivityRow)
    series = runs.columns() | {
        "activity": columns.text(names),
        "attempt_count": columns.counts(attempts),
        "started_at": columns.times(columns.counted(started)),
        "ended_at": columns.times(columns.counted(ended)),
        "duration": columns.durations(columns.counted(took)),
        "outcome": columns.words(outcomes, columns.OUTCOME_WORDS),
        "error": columns.text(errors),
    }
    if payloads:
        series["input"] = columns.payloads(inputs)
        series["result"] = columns.payloads(results)
    return _made(series, taken.attrs | {"fetched_at": at.isoformat()})


class _Runs:
    """The columns that say whose run each row belongs to."""

    def __init__(self, name: Naming | None) -> None:
        self._name = name
        self._heads: list[tuple[str, str, str, str]] = []
        self._counts: list[int] = []

    def add(self, head: Head, state: WorkflowState | None, count: int) -> None:
        """Add so many rows of a run."""
        named = _name(head, state, self._name)
        self._heads.append((head.workflow_id, head.run_id, named, head.status))
        self._counts.append(count)

    def columns(self) -> dict[str, Any]:
        """Return the columns, each value as often as its run has rows."""
        ids, run_ids, names, statuses = zip(*self._heads, strict=True) if self._heads else [()] * 4
        return {
            "workflow_id": columns.text(list(ids)).repeat(self._counts),
            "run_id": columns.text(list(run_ids)).repeat(self._counts),
            "workflow": columns.text(list(names)).repeat(self._counts),
            "status": columns.words(statuses, columns.STATUS_WORDS).repeat(self._counts),
        }


def _name(head: Head, state: WorkflowState | None, name: Naming | None) -> str:
    """Name the code of a workflow."""
    if name is None or state is None or (state.history and state.history[0].workflow):
        return head.workflow
    return name(state)


def _paths(fields: Sequence[str]) -> list[Path]:
    if isinstance(fields, str):
        raise TypeError(f"fields must be a list of paths, such as [{fields!r}], got one text")
    return [Path.parse(text, name="fields") for text in fields]


def _made(series: Mapping[str, Any], attrs: dict[str, Any]) -> pd.DataFrame:
    made = pd.DataFrame(series)
    made.attrs.update(attrs)
    return made
