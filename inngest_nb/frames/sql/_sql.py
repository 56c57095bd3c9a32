"""SQL over a store, over a real Inngest server, or over an archive of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from inngest_nb.api import InngestAPI
from inngest_nb.bundles import told_at
from inngest_nb.frames.basics._given import default_store, state_in
from inngest_nb.frames.basics._source import Source, is_store
from inngest_nb.frames.inngest._asking import attrs_of, opened
from inngest_nb.frames.sql import _files as files
from inngest_nb.frames.sql import _store_tables as store_tables
from inngest_nb.frames.sql._duck import connect, explained, lock
from inngest_nb.frames.sql._files import Archive
from inngest_nb.frames.sql._named import Columns, Parameters, named
from inngest_nb.frames.sql._reading import Reading
from inngest_nb.frames.sql._store_rows import fill
from inngest_nb.frames.sql._tables import COLUMNS
from inngest_nb.frames.sql._typed import typed
from inngest_nb.query import When, check_window
from inngest_nb.state import UNSET, UnsetType

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Path = str | os.PathLike[str]


def sql(
    query: str,
    source: Source | InngestAPI | Archive | Path | None = None,
    *,
    since: When | UnsetType | None = UNSET,
    until: When | None = None,
    parameters: Parameters | None = None,
) -> pd.DataFrame:
    """Return the result of an SQL query over a store or a real Inngest server, as a DataFrame.

        inb.sql("select step, count(*) from workflows where status = 'running' group by 1", store)
        inb.sql("select * from events where data->>'$.user.id' = ?", api, parameters=["u7"])

    `source` is a store, or states; or an `InngestAPI`, or an archive: what `archive` returned, or
    its path. Without one it is the store of `use`, and where there is none an `InngestAPI` with the
    settings of the environment. `since` and `until` are as in `search_runs`. `parameters` are the
    values for `?` in the query, or a dict of those for `$name`. The dialect is DuckDB's.

    A store has the tables `workflows`, `activities` and `events`. Their columns are those of
    `frame`, `activity_frame` and `history_frame`, which say what they mean; `"at"` needs quotes.
    `input` and `result`, and `payload` of events, are JSON as it is stored, digit for digit, and
    missing where they are null. `epoch(duration)` is in seconds. Statuses and the like are matched
    case-insensitively. Only the tables and columns that the query names are read, by default of all
    workflows, otherwise of those that were updated from `since` to `until`; payloads, and more than
    one table, take longest.

    An `InngestAPI` and an archive have the tables `events`, `runs`, `steps` and `step_attempts`,
    whose columns are those of Inngest's Insights, which the open-source server does not have:
    https://www.inngest.com/docs/platform-and-operations/insights (not `attributes`, `inngest` and
    `metadata`). For a server, what the query names is read first: runs that were scheduled, and
    events that arrived, in the last 24 hours or from `since` to `until`; steps cost one request per
    run. An archive is read as a whole, whatever `since` says. A status is one of Insights' words,
    matched case-insensitively: Queued, Running, Completed, Failed, Cancelled; a step's may also be
    Waiting, Abandoned (open when its run ended) or Errored (retried). Columns of ours are
    `events.event_id` and `"user"`; `runs.event_id` (for a batch, the first), `is_batch` and `cron`;
    and for steps, whose rows of the type Function are what the function did between and after them,
    `step_id`, `input` and in step_attempts `is_latest`. `runs.started_at` is when the run was
    scheduled, but when it was first executed for a canceled one, as in `search_runs`. `inputs` are
    missing where Inngest itself made the event, unless steps or an archive are read.

    Times are UTC, payloads are JSON, and come as Python values. The dtypes follow from the query
    alone, so that an empty answer has the same. `attrs` are those of `frame` for a store, otherwise
    those of `search_runs`.

    The query must be a single SELECT. It cannot reach files, the network or Python's variables.
    Raises `ValueError` with the place for a query that makes no sense, before anything is read,
    `ImportError` without DuckDB, `StoreError` as `frame` does, and `InngestError` as `api.runs`
    does.
    """
    source = default_store() if source is None else source
    now = told_at(source)
    if isinstance(source, InngestAPI | None):
        return _of_server(query, source, "24h" if since is UNSET else since, until, parameters, now)
    start, end = check_window(None if since is UNSET else since, until, now)
    if isinstance(source, Archive | str | os.PathLike):
        return _of_archive(query, source, parameters)
    if is_store(source) or state_in(source) is not None or isinstance(source, Iterable):
        return _of_store(query, source, start, end, parameters)
    raise TypeError(
        "source must be a store, states, an InngestAPI, an archive or the path of one, got "
        f"{type(source).__name__}"
    )


def _of_store(
    query: str,
    source: Source,
    start: datetime | None,
    end: datetime | None,
    parameters: Parameters | None,
) -> pd.DataFrame:
    tables = store_tables.columns()
    with lock(connect()) as database:
        wanted = named(database, tables, query, parameters)
        attrs = fill(database, source, wanted, start, end)
        answer = _answer(database, tables, query, parameters)
    answer.attrs.update(
        attrs | {"filter": {"since": start and start.isoformat(), "until": end and end.isoformat()}}
    )
    return answer


def _of_archive(query: str, source: Archive | Path, parameters: Parameters | None) -> pd.DataFrame:
    wanted = _insights_in(query, parameters)
    found = _archive(source)
    with connect() as database:
        files.load(database, found, wanted)
        answer = _answer(lock(database), COLUMNS, query, parameters)
    answer.attrs.update(
        source=str(found.path),
        fetched_at=found.until.isoformat(),
        filter=None,
        truncated=False,
        truncated_because=None,
    )
    return answer


def _of_server(
    query: str,
    source: InngestAPI | None,
    since: When | None,
    until: When | None,
    parameters: Parameters | None,
    now: datetime,
) -> pd.DataFrame:
    start, end = check_window(since, until, now)
    wanted = _insights_in(query, parameters)
    with opened(source) as api, lock(connect()) as database:
        _read(Reading(api, database), wanted, start, end)
        answer = _answer(database, COLUMNS, query, parameters)
        answer.attrs.update(attrs_of(api, {"since": start, "until": end}, None, now))
    return answer


def _insights_in(query: str, parameters: Parameters | None) -> set[str]:
    """Return the tables of Insights that a query reads; one that makes no sense is refused."""
    with lock(connect()) as empty:
        return set(named(empty, COLUMNS, query, parameters))


def _archive(source: Archive | str | os.PathLike[str]) -> Archive:
    path = files.checked_path(source.path if isinstance(source, Archive) else source, "source")
    found = files.opened(path)
    if found is None:
        raise ValueError(
            f"source must be an archive, but {path} does not exist: write it with archive()"
        )
    return found


def _read(reading: Reading, wanted: set[str], start: datetime | None, end: datetime | None) -> None:
    """Read what the tables need."""
    if wanted & {"runs", "steps", "step_attempts"}:
        reading.runs(start, end)
        if wanted & {"steps", "step_attempts"}:
            reading.traces()
        elif "runs" in wanted:
            reading.traces("is_batch")  # nothing else tells all events of a batch
        if "runs" in wanted:
            reading.causes()
    if "events" in wanted:
        reading.events(start, end)


def _answer(
    database: DuckDBPyConnection, tables: Columns, query: str, parameters: Parameters | None
) -> pd.DataFrame:
    with explained(tables, query):
        return typed(database.sql(query, params=parameters))
