"""Searching the runs of a real Inngest server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from inngest_nb.api import Event, Found, InngestAPI, Run, checks, runs_in
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.inngest._asking import LIMIT, at_once, attrs_of, kept, opened
from inngest_nb.frames.inngest._matching import ErrorText, EventData, check_event
from inngest_nb.frames.inngest._names import names_of

_AT_ONCE = 2  # more is no faster
_MANY_RUNS = "an event has more runs than the server shows"


def search_runs(
    api: InngestAPI | None = None,
    *,
    status: str | Iterable[str] | None = None,
    app: str | None = None,
    function: str | None = None,
    event: str | None = None,
    data: Mapping[str, Any] | None = None,
    error: str | re.Pattern[str] | None = None,
    since: checks.When | None = "24h",
    until: checks.When | None = None,
    limit: int | None = None,
    outputs: bool = False,
) -> pd.DataFrame:
    """Return a DataFrame with one row per run of a real Inngest server, newest first.

        inb.search_runs(status="failed", since="7d", error="timeout")
        inb.search_runs(event="shop/order.placed", data={"user.id": "u7", "items": lambda n: n > 3})

    Its columns are `run_id`, `app`, `function`, `status` (categorical), `inngest_status` (the
    server's own word), `queued_at`, `started_at`, `ended_at` (UTC), `duration`, `event_name`,
    `event_id`, `is_batch` and `cron`; `outputs` adds `output` as Python values, and `error`, which
    is there too if errors are searched. `started_at` is when the run was scheduled, and `duration`
    counts from then, until `fetched_at` for a run that has not ended. Of a batch, `event_id` is the
    first event. `event_name` is missing where Inngest itself made the event: for invoked functions
    and schedules.

    `api` is an `InngestAPI`, by default one with the settings of the environment. `status` is
    queued, running, completed, failed or canceled, or several. `error` is text that the error of a
    failed run contains, in any case, or a compiled pattern. `since` and `until` are a time with its
    zone, or how long ago, such as "24h", None for no bound; `limit` is how many at most.

    With `event`, a whole name, or `data`, the events of that time are read first and compared here;
    the rows are the runs that they triggered, whenever, also as part of a batch. `data` has for
    each path in an event's data its value, or a function that is called with the value. Events
    which Inngest made, such as that of an invocation, are not found.

    `df.wf` is a readable table and answers questions. `attrs` has `source`, `fetched_at`, `filter`,
    `truncated` (runs are missing) and `truncated_because`. Interrupted, or when the server fails,
    the error's `partial` is the frame of what was read (or the list of the events, if it came no
    further).

    Raises `ValueError` for an argument that makes no sense, and `InngestError` as `api.runs` does.
    """
    question = _question(status, app, function, event, data, error, since, until, limit, outputs)
    with opened(api) as server:
        search = _Search(server, question)
        with kept(search.frame, "runs"):
            because = search.run()
        return search.frame(because)


class _Question(NamedTuple):
    """What is wanted, checked."""

    statuses: list[str]  # the server's words
    app: str | None
    function: str | None
    event: str | None
    data: EventData | None
    error: ErrorText
    start: datetime | None
    end: datetime | None
    limit: int | None
    outputs: bool
    said: dict[str, Any]  # for `attrs`


def _question(
    status: Any, app: Any, function: Any, event: Any, data: Any, error: Any, since: Any, until: Any,
    limit: Any, outputs: Any,
) -> _Question:  # fmt: skip
    check_event(event, "event")
    for name, given, example in (("app", app, "shop"), ("function", function, "charge-card")):
        if given is not None:
            checks.check_name(given, name, example)
    statuses = checks.check_statuses(_once(status))
    start, end = checks.check_window(since, until, datetime.now(UTC))
    text = ErrorText(error)
    if text.is_wanted:
        if statuses and "FAILED" not in statuses:
            raise ValueError(
                "error= finds failed runs only: leave status out, or use status='failed'; "
                f"got {status!r}"
            )
        statuses = ["FAILED"]
    said = {
        "status": [checks.our_status(each) for each in statuses] or None,
        "app": app,
        "function": function,
        "event": event,
        "data": data,
        "error": error,
        "since": start,
        "until": end,
        "limit": checks.check_limit(limit),
    }
    wanted = EventData(data)
    return _Question(
        statuses, app, function, event, wanted if data or event else None, text, start, end, limit,
        bool(outputs), said,
    )  # fmt: skip


def _once(status: Any) -> Any:
    """Return statuses that can be read more than once."""
    if status is None or isinstance(status, str):
        return status
    if not isinstance(status, Iterable):
        raise ValueError(f"status must be a word such as 'failed', or several, got {status!r}")
    return [*status]


class _Search:
    """One search, and what it has found so far."""

    def __init__(self, api: InngestAPI, question: _Question) -> None:
        self._api = api
        self._question = question
        self._found: dict[str, Run] = {}
        self._names: dict[str, str] = {}
        self._cut: str | None = None

    def run(self) -> str | None:
        """Read what is wanted, and say why it is cut, if it is."""
        limit = self._question.limit
        data = self._question.data
        for run in self._by_time() if data is None else self._by_events(data):
            self._found[run.run_id] = run
            if limit is not None and len(self._found) > limit:
                self._cut = LIMIT
                break
        # A batch's run shows its first event only, which may be another than the one that was met.
        shown = self._shown()
        self._names |= names_of(self._api, {key for run in shown if (key := _cause(run))})
        return self._cut

    def _by_time(self) -> Iterator[Run]:
        asked = self._question
        most = None if asked.limit is None or asked.error.is_wanted else asked.limit + 1
        pages = runs_in(
            self._api,
            asked.start,
            asked.end,
            most,
            status=asked.statuses or None,
            app=asked.app,
            function=asked.function,
            output=self._has_errors or asked.outputs,
        )
        for page in pages:
            yield from filter(asked.error.matches, page)

    def _by_events(self, data: EventData) -> Iterator[Run]:
        asked = self._question
        events = self._api.events(asked.event, since=asked.start, until=asked.end, limit=None)
        matching = [event for event in events if data.matches(event)]
        self._names.update((event.event_id, event.name) for event in events)
        for _, runs in at_once(self._runs_of, matching, _AT_ONCE):
            if runs.truncated:
                self._cut = _MANY_RUNS
            yield from filter(self._is_wanted, runs)

    def _runs_of(self, event: Event) -> Found[Run]:
        return self._api.event_runs(
            event.event_id, output=self._has_errors or self._question.outputs
        )

    def _is_wanted(self, run: Run) -> bool:
        asked = self._question
        statuses = [checks.our_status(each) for each in asked.statuses]
        return (
            (not statuses or run.status in statuses)
            and asked.app in (None, run.app)
            and asked.function in (None, run.function, f"{run.app}-{run.function}")
            and asked.error.matches(run)
        )

    @property
    def _has_errors(self) -> bool:
        return self._question.error.is_wanted

    def _shown(self) -> Sequence[Run]:
        """Return what is shown, newest first."""
        runs = sorted(self._found.values(), key=_moment, reverse=True)
        return runs[: self._question.limit]

    def frame(self, because: str | None) -> pd.DataFrame:
        """Return what was found as a frame."""
        at = datetime.now(UTC)
        runs = self._shown()
        started = columns.microseconds(run.started_at or run.queued_at for run in runs)
        until = columns.microseconds(run.ended_at or at for run in runs)
        spans = columns.spans(started, until)
        told = columns.span_counts(run.duration if run.is_over else None for run in runs)
        series = {
            "run_id": columns.text(run.run_id for run in runs),
            "app": columns.text(run.app for run in runs),
            "function": columns.text(run.function for run in runs),
            "status": columns.words((run.status for run in runs), columns.RUN_WORDS),
            "inngest_status": columns.text(run.inngest_status for run in runs),
            "queued_at": columns.times(columns.microseconds(run.queued_at for run in runs)),
            "started_at": columns.times(columns.microseconds(run.started_at for run in runs)),
            "ended_at": columns.times(columns.microseconds(run.ended_at for run in runs)),
            "duration": columns.durations(np.where(told == columns.NOT_SET, spans, told)),
            "event_name": columns.text(self._names.get(_cause(run)) for run in runs),
            "event_id": columns.text(run.event_ids[0] if run.event_ids else None for run in runs),
            "is_batch": np.array([run.is_batch for run in runs], dtype=bool),
            "cron": columns.text(run.cron for run in runs),
        }
        if self._question.outputs:
            series["output"] = columns.payloads(run.output for run in runs)
        if self._question.outputs or self._has_errors:
            series["error"] = columns.text(str(run.error or "") for run in runs)
        made = pd.DataFrame(series)
        made.attrs.update(attrs_of(self._api, self._question.said, because, at))
        return made


def _cause(run: Run) -> str:
    """Return the event that is to be named; a schedule's is Inngest's own."""
    return run.event_ids[0] if run.event_ids and not run.cron else ""


def _moment(run: Run) -> tuple[datetime, str]:
    return run.started_at or run.queued_at or datetime.min.replace(tzinfo=UTC), run.run_id
