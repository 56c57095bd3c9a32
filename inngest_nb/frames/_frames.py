"""Workflow states as a typed DataFrame: one row per workflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Unpack

import pandas as pd

from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._collected import Recurring
from inngest_nb.frames.basics._fields import field_column
from inngest_nb.frames.basics._source import Asked, Source, take
from inngest_nb.history import OPEN, registered_name
from inngest_nb.query import Path
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store import NEVER_US, Head, columns_of
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
    now: datetime | None = None,
    fields: Sequence[str] = (),
    name: Naming | None = None,
    **asked: Unpack[Asked],
) -> pd.DataFrame:
    """Return a DataFrame with one row per workflow of a store, or of states.

    Its columns are `workflow_id`, `run_id`, `workflow`, `status` (categorical), `created_at`,
    `updated_at`, `ended_at` (UTC), `duration`, `events`, `activities`, `retries`, `step`,
    `waiting_for` (categorical), `signal`, `error`, `parent_id` and `error_reading`; `payloads` adds
    `input` and `result` as Python values. Values that are not set are missing. `ended_at` is
    when the history says that the run ended, else the last update of one that completed, failed or
    was canceled; it is missing while the run is open (running or queued), and if it is unknown.
    `duration` of an open run is the time until `fetched_at`, which `now` replaces; it needs a zone.

    `workflow` is the name under which the code was registered. Where the document has none, it is
    what `name` returns for the state, by default the id's part before its last number: `order` for
    `order-17`. `step` is the activity that is running or ran last. `waiting_for` says what an open
    run waits for: an `activity`, a `retry`, a `signal` (named in `signal`) or a `timer`; it is
    missing if unknown. A workflow that cannot be read has little more than its id, and the reason
    in `error_reading`; a warning counts them.

    `fields` are paths to values of payloads, each of which becomes a column of the type that the
    values have: `"input.order"`, `"result.items[].price"` (a list), `'input["unit price"]'`.

    The search runs in the server or the file, so only what matches is read:

    * `status`: a status, or several; `workflow`: a name, or several
    * `since`, `until`: how long ago ("2h", "7d", a timedelta), a date or a time; they are about the
      last update, or about the beginning or the end with `by="created"` or `by="ended"`
    * `prefix`: what the id begins with; `text`: words in the ids, workflow, step, status or error;
      `error`: text that the error contains, ignoring case
    * `longer_than`: a duration, such as "2h"; open runs last until now
    * `where`: a condition, such as `"input.total > 100 and result.paid != true"`, in a small
      language: comparisons, `in`, `not in`, `contains`, `is missing`, `is not missing`, `and`,
      `or`, `not`, parentheses, over paths and columns
    * `sort`: a column, with `-` before it for the largest first; `limit`: how many at most (0: all)

    Without `sort`, the newest update comes first; plain states stay in their order. Where a server
    cannot search, what the client saved or refreshed is searched instead, and a warning says so. If
    no workflow has the given status, a warning names the statuses found.

    `df.wf` answers questions about the rows; as the last line of a cell it is a readable table.
    `attrs` holds what JSON can write, so `to_parquet` and its like keep it: `source`, `fetched_at`
    (ISO 8601; for a bundle, when it was exported), `filter`, `truncated` (`limit` left some out),
    `total` (how many there are without it), `listed` (False: see above), `unreadable` (why, by id),
    `last_change` (the number of the store's last change, for `watch`) and `created_at_estimated`
    (for how many `created_at` is when the store first saw them). pandas drops `attrs` in `concat`
    and `merge` of frames that were not fetched together, and in CSV files; columns keep their
    values everywhere.

    Raises `TypeError` for a source that is neither a store nor states, `ValueError` for an argument
    that makes no sense (with the place in a path or a condition), and a `StoreError` if the store
    cannot be read.

        df = inb.frame(store, status="failed", since="24h", fields=["input.order"])
        df.wf.errors()
    """
    paths = _paths(fields)
    taken = take(source, status, limit, asked, paths, now)
    heads, names, values = taken.found.heads, None, {}
    if payloads or name is not None:
        whole = list(taken.whole())
        heads = [head for head, _ in whole]
        if payloads:
            values = {
                key: columns.payloads(state and getattr(state, key) for _, state in whole)
                for key in ("input", "result")
            }
        names = [named(head, state, name) for head, state in whole]
    made = _rows_of(heads, microseconds(taken.fetched_at), names) | values
    found_fields = taken.found.fields
    if len(heads) != len(taken.found.heads):  # some are gone since
        kept = {head.workflow_id for head in heads}
        places = [n for n, head in enumerate(taken.found.heads) if head.workflow_id in kept]
        found_fields = [[column[place] for place in places] for column in found_fields]
    for text, column in zip(fields, found_fields, strict=True):
        made[text] = field_column(text, column)
    estimated = sum(head.is_estimated for head in heads)
    return made_of(made, taken.attrs | {"created_at_estimated": estimated})


def _rows_of(
    heads: Sequence[Head], now_us: int, names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return the columns of a frame, from heads."""
    by = columns_of(heads)
    began, ended, updated = (
        columns.counted(by[key]) for key in ("began_us", "ended_us", "updated_us")
    )
    status = columns.words(by["status"], columns.STATUS_WORDS)
    is_open = status.isin(OPEN)
    until = columns.either(is_open, now_us, ended)
    return {
        "workflow_id": columns.text(by["workflow_id"]),
        "run_id": columns.text(by["run_id"]),
        "workflow": Recurring(list(names or by["workflow"])).text(),
        "status": status,
        "created_at": columns.times(began),
        "updated_at": columns.times(columns.without(updated, NEVER_US)),
        "ended_at": columns.times(ended),
        "duration": columns.durations(columns.spans(began, until)),
        "events": columns.counts(by["events"]),
        "activities": columns.counts(by["activities"]),
        "retries": columns.counts(by["retries"]),
        "step": Recurring(by["step"]).text(),
        "waiting_for": columns.words(by["waiting_for"], columns.WAITING_WORDS),
        "signal": Recurring(by["signal"]).text(),
        "error": Recurring(by["error"]).text(),
        "parent_id": Recurring(by["parent_id"]).text(),
        "error_reading": Recurring(by["flaw"]).text(),
    }


def named(head: Head, state: WorkflowState | None, name: Naming | None) -> str:
    """Name the code of a workflow."""
    if name is None or state is None or registered_name(state):
        return head.workflow
    return name(state)


def _paths(fields: Sequence[str]) -> list[Path]:
    if isinstance(fields, str):
        raise TypeError(f"fields must be a list of paths, such as [{fields!r}], got one string")
    return [Path.parse(text, name="fields") for text in fields]


def made_of(series: Mapping[str, Any], attrs: dict[str, Any]) -> pd.DataFrame:
    made = pd.DataFrame(series, copy=False)
    made.attrs.update(attrs)
    return made
