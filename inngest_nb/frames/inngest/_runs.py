"""Searching the runs of a real Inngest server."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pandas as pd

from inngest_nb.api import Cache, InngestAPI, Listed, Page, Reading, checks, quirks, starts_of
from inngest_nb.frames.inngest._asking import LIMIT, at_once, attrs_of, kept, opened
from inngest_nb.frames.inngest._events import events_in
from inngest_nb.frames.inngest._matching import ErrorText, EventData, check_event
from inngest_nb.frames.inngest._names import names_of
from inngest_nb.frames.inngest._rows import Rows
from inngest_nb.progress import progress
from inngest_nb.query import When, check_window

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
    since: When | None = "24h",
    until: When | None = None,
    limit: int | None = None,
    outputs: bool = False,
    event_names: bool = True,
    cache: Cache = None,
) -> pd.DataFrame:
    """Return a DataFrame with one row per run of a real Inngest server, newest first.

        inb.search_runs(status="failed", since="7d", error="timeout")
        inb.search_runs(event="shop/order.placed", data={"user.id": "u7", "items": lambda n: n > 3})

    Its columns are `run_id`, `app`, `function`, `status` (categorical), `inngest_status` (the
    server's own word), `queued_at`, `started_at`, `ended_at` (UTC), `duration`, `event_name`,
    `event_id`, `is_batch` and `cron`; `outputs` adds `output` as Python values, and `error`, which
    is there too if errors are searched. `started_at` is when the run was scheduled, and `duration`
    counts from then, until `fetched_at` for a run that has not ended. For a canceled run both count
    from its first execution, as in `api.run` (from its scheduling where GraphQL is off). For a
    batch, `event_id` is the first event. `event_name` is missing where Inngest itself made the
    event: for invoked functions and schedules. Run lists lack it, so it takes a request for 400
    events, two to three for 100 runs where GraphQL is off, which `event_names=False` saves.

    `api` is an `InngestAPI`, by default one with the settings of the environment. `status` is
    queued, running, completed, failed or canceled, or several. `error` is text that the error of a
    failed run contains, ignoring case, or a compiled pattern. `since` and `until` are a time with
    its zone, a date (its first moment in UTC), or how long ago, such as "24h", None for no bound;
    `limit` is how many at most.

    With `event`, a whole name, or `data`, the events of that time are read first and compared here;
    the rows are the runs that they triggered, whenever, also as part of a batch. `data` has for
    each path in an event's data its value, or a function that is called with the value. Events
    that Inngest made, such as that of an invocation, are not found.

    Runs that have ended are kept and not fetched again by a later search with the same `api`: in
    memory, in the file that `cache` names (which then serves later sessions, too), or with False
    nowhere. What is open is looked at again each time.

    `df.wf` is a readable table and answers questions. `attrs` has `source`, `fetched_at`, `filter`,
    `truncated` (runs are missing) and `truncated_because`. If it is interrupted, or the server
    fails, the error's `partial` is the frame of what was read, which may have gaps (or the list of
    the events, if no runs were read yet).

    Raises `ValueError` for an argument that makes no sense, and `InngestError` as `api.runs` does.
    """
    question = _question(
        status,
        app,
        function,
        event,
        data,
        error,
        since,
        until,
        limit,
        outputs,
        event_names,
        cache,
    )
    with opened(api) as server:
        search = _Search(server, question)
        with progress("Reading runs", "runs") as advance, kept(search.frame, "run"):
            because = search.run(advance)
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
    event_names: bool
    cache: Cache
    said: dict[str, Any]  # for `attrs`

    @property
    def with_outputs(self) -> bool:
        """Whether outputs are to be read: errors are among them."""
        return self.outputs or self.error.is_wanted


def _question(
    status: Any, app: Any, function: Any, event: Any, data: Any, error: Any, since: Any, until: Any,
    limit: Any, outputs: Any, event_names: Any, cache: Any,
) -> _Question:  # fmt: skip
    check_event(event, "event")
    for name, given, example in (("app", app, "shop"), ("function", function, "charge-card")):
        if given is not None:
            checks.check_name(given, name, example)
    statuses = checks.check_statuses(_once(status))
    start, end = check_window(since, until, datetime.now(UTC))
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
        bool(outputs), bool(event_names), _checked_cache(cache), said,
    )  # fmt: skip


def _checked_cache(cache: Any) -> Cache:
    if cache is None or cache is False or isinstance(cache, os.PathLike):
        return cache
    if isinstance(cache, str) and cache:
        return cache
    raise ValueError(
        "cache must be the path of a file, such as 'runs.db', None for memory, or False for none, "
        f"got {cache!r}"
    )


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
        self._rows = Rows(
            outputs=question.outputs, errors=question.outputs or question.error.is_wanted
        )
        self._names: dict[str, str] = {}
        self._starts: dict[str, datetime] = {}

    def run(self, advance: Callable[[int], object]) -> str | None:
        """Read what is wanted, and say why it is cut, if it is."""
        asked = self._question
        if asked.data is not None:
            return self._by_events(asked.data, advance)
        with self._reading() as reading:
            because = self._by_time(reading, advance)
            if asked.event_names:
                self._names = names_of(self._api, self._rows.causes(asked.limit), reading.kept)
            self._starts = starts_of(self._api, self._rows.canceled(asked.limit), reading.kept)
        return because

    def _reading(self) -> Reading:
        asked = self._question
        return Reading(
            self._api,
            asked.statuses,
            asked.app,
            asked.function,
            output=asked.with_outputs,
            cache=asked.cache,
        )

    def _by_time(self, reading: Reading, advance: Callable[[int], object]) -> str | None:
        asked = self._question
        # Of the runs of some time, it is not known how many have such an error.
        most = None if asked.limit is None or asked.error.is_wanted else asked.limit + 1
        for page in reading.listed(asked.start, asked.end, most):
            self._rows.add([run for run in page if asked.error.matches(run)])
            advance(len(page))
            if asked.limit is not None and len(self._rows) > asked.limit:
                return LIMIT
        return None

    def _by_events(self, data: EventData, advance: Callable[[int], object]) -> str | None:
        """Read the events first, then the runs of those that match."""
        asked = self._question
        cut = None
        events = [*events_in(self._api, asked.event, asked.start, asked.end, advance)]
        matching = [event.event_id for event in events if data.matches(event)]
        found: dict[str, Listed] = {}
        try:
            for _, page in at_once(self._runs_of, matching, _AT_ONCE):
                cut = _MANY_RUNS if page.cursor else cut
                found.update((run.id, run) for run in page.listed if self._is_wanted(run))
                if asked.limit is not None and len(found) > asked.limit:
                    cut = LIMIT
                    break
        finally:
            self._rows.add(sorted(found.values(), key=_moment, reverse=True))
        self._names = {event.event_id: event.name for event in events}
        # A batch's run shows its first event only, which may be another than the one that was met.
        if asked.event_names:
            others = {*self._rows.causes(asked.limit)} - self._names.keys()
            self._names |= names_of(self._api, others)
        self._starts = starts_of(self._api, self._rows.canceled(asked.limit))
        return cut

    def _runs_of(self, event_id: str) -> Page:
        return self._api.event_runs_page(event_id, output=self._question.with_outputs)

    def _is_wanted(self, run: Listed) -> bool:
        asked = self._question
        statuses = [checks.our_status(each) for each in asked.statuses]
        return (
            (not statuses or run.our_status in statuses)
            and asked.app in (None, run.app.id)
            and asked.function in (None, run.function.id, f"{run.app.id}-{run.function.id}")
            and asked.error.matches(run)
        )

    def frame(self, because: str | None) -> pd.DataFrame:
        """Return what was found as a frame."""
        at = datetime.now(UTC)
        made = self._rows.frame(self._names, at, self._question.limit, self._starts)
        made.attrs.update(attrs_of(self._api, self._question.said, because, at))
        return made


def _moment(run: Listed) -> tuple[datetime, str]:
    at = run.scheduled_at or quirks.time(run.queued_at)
    return at or datetime.min.replace(tzinfo=UTC), run.id
