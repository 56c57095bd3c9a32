"""Reading runs: lists page by page, one run, its trace, its jobs."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec.structs import replace

from inngest_nb.api.basics import _quirks
from inngest_nb.api.basics._checks import check_ulid, time_text
from inngest_nb.api.basics._exchange import Operation, Query, Server
from inngest_nb.api.basics._listed import Page, run_of
from inngest_nb.api.basics._values import Found, Job, Run, Trace, keep_partial
from inngest_nb.api.calls import _catalog
from inngest_nb.api.calls._catalog import V2
from inngest_nb.api.calls._traces import trace_of
from inngest_nb.errors import InngestError, InngestStatusError

MOST_A_PAGE = 100
_MOST_OF_AN_EVENT = 40


class Wanted(NamedTuple):
    """Which runs are wanted, in the server's words, as pairs for a query."""

    query: tuple[tuple[str, str], ...]
    apps: tuple[str, ...] = ()
    function: str | None = None


def wanted(
    statuses: list[str],
    apps: tuple[str, ...],
    function: str | None,
    window: tuple[Any, Any],
    by: str,
    order: str,
    *,
    output: bool,
) -> Wanted:
    """Put together what a list is asked for; the function is added when its apps are known."""
    start, end = window
    query = [("status", status) for status in statuses]
    query += [("from", time_text(start))] if start else []
    query += [("until", time_text(end))] if end else []
    fields = {"queued_at": "queuedAt", "started_at": "startedAt", "ended_at": "endedAt"}
    query += [("timeField", fields[by])] if by != "queued_at" else []
    query += [("order", "ASC")] if order == "oldest" else []
    query += [("includeOutput", "true")] if output else []
    return Wanted(tuple(query), apps, function)


def _whose(server: Server, which: Wanted) -> Operation[Query | None]:
    """Return the pairs that name a function, or None where no app could have it.

    It is found only together with its app, and by its short id, not by the long one that begins
    with the app's.
    """
    apps = which.apps
    if which.function is None:
        return [("appId", app) for app in apps]
    if not apps:
        known = yield from _catalog.apps(server)
        apps = tuple(each.app_id for each in known)
    if not apps:
        return None
    names = {which.function: ""}
    for app in apps:
        names[which.function.removeprefix(f"{app}-")] = ""
    return [*(("appId", app) for app in apps), *(("functionId", name) for name in names)]


def page(server: Server, which: Wanted, limit: int, cursor: str | None) -> Operation[Page]:
    """Read one page."""
    whose = yield from _whose(server, which)
    if whose is None:
        return Page(())
    return (yield from _page(server, which, whose, limit, cursor))


def _page(
    server: Server, which: Wanted, whose: Query, limit: int, cursor: str | None
) -> Operation[Page]:
    query = [*which.query, *whose, ("limit", str(limit))]
    if cursor:
        query.append(("cursor", cursor))  # the filters go with it each time
    return (yield from server.page("runs", f"{V2}/runs", query))


def listing(server: Server, which: Wanted, limit: int | None) -> Operation[Found[Run]]:
    """Read pages until there are enough runs, or no more. A run that comes twice is shown once."""
    whose = yield from _whose(server, which)
    if whose is None:
        return Found()
    found: dict[str, Run] = {}
    cursor: str | None = None
    while True:
        # One more after the first page, which may begin with the last run of the one before.
        left = MOST_A_PAGE if limit is None else limit - len(found) + bool(found)
        try:
            got = yield from _page(server, which, whose, min(left, MOST_A_PAGE), cursor)
        except InngestError as error:
            keep_partial(error, Found(found.values(), truncated=True), "run")
            raise
        found.update((run.run_id, run) for run in got.runs)
        if limit is not None and len(found) >= limit:
            more = len(found) > limit or got.cursor is not None
            return Found([*found.values()][:limit], truncated=more)
        if got.cursor is None or got.cursor == cursor or not got.runs:
            return Found(found.values())
        cursor = got.cursor


def of_event(server: Server, event_id: str, *, output: bool) -> Operation[Page]:
    """Read the runs that an event triggered; none for an event that the server does not know."""
    query = [("limit", str(_MOST_OF_AN_EVENT))]
    query += [("includeOutput", "true")] if output else []
    path = f"{V2}/events/{check_ulid(event_id, 'event_id')}/runs"
    return (yield from server.page("event_runs", path, query))


def run(server: Server, run_id: str, *, output: bool) -> Operation[Run]:
    """Read one run from v2, and what only v1 has: the exact output, and which run it repeats."""
    check_ulid(run_id, "run_id")
    query = [("includeOutput", "true")] if output else []
    try:
        said = yield from server.get("run", f"{V2}/runs/{run_id}", query)
    except InngestStatusError as error:
        raise unknown_run(server, error, run_id) from error
    found = run_of(_quirks.part(said, "data"), listed=False)
    if not output:
        return found
    try:
        more = yield from server.get("run", f"/v1/runs/{run_id}")
    except InngestStatusError:
        return found  # v2 has said what there is
    v1 = _quirks.part(more, "data")
    exact = _quirks.exact_output(_quirks.part(said, "data").get("output"), v1)
    return replace(
        found,
        output=exact if found.status == "completed" else None,
        original_run_id=_quirks.text(v1.get("original_run_id")) or None,
    )


def trace(server: Server, run_id: str, *, output: bool) -> Operation[Trace]:
    """Read what a run did."""
    check_ulid(run_id, "run_id")
    query = [("includeOutput", "true")] if output else []
    try:
        said = yield from server.get("trace", f"{V2}/runs/{run_id}/trace", query)
    except InngestStatusError as error:
        raise unknown_run(server, error, run_id) from error
    return trace_of(said, run_id)


def jobs(server: Server, run_id: str) -> Operation[list[Job]]:
    """Read what the server will do next for a run."""
    said = yield from server.get("jobs", f"/v1/runs/{check_ulid(run_id, 'run_id')}/jobs")
    return [
        Job(
            job_id=_quirks.text(each.get("JobID")),
            kind=_quirks.text(each.get("kind")),
            at=_quirks.time(each.get("at")),
            attempt=_quirks.whole_number(each.get("attempt")) or 0,
            position=_quirks.whole_number(each.get("position")) or 0,
        )
        for each in _quirks.items(said)
    ]


def unknown_run(server: Server, error: InngestStatusError, run_id: str) -> Exception:
    """Return the error for a run that the server does not know, or the one that is given."""
    if error.status != 404:
        return error
    return _catalog.unknown(server, error.operation or "", "run", run_id)
