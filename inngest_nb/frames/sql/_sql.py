"""SQL over a real Inngest server, or over an archive of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from inngest_nb.api import InngestAPI
from inngest_nb.frames.inngest._asking import attrs_of, opened
from inngest_nb.frames.sql import _files as files
from inngest_nb.frames.sql._duck import connect, create, explained, lock
from inngest_nb.frames.sql._files import Archive
from inngest_nb.frames.sql._reading import Reading
from inngest_nb.frames.sql._tables import COLUMNS
from inngest_nb.frames.sql._typed import typed
from inngest_nb.query import When, check_window

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Parameters = Sequence[Any] | Mapping[str, Any]


def sql(
    query: str,
    source: InngestAPI | Archive | str | os.PathLike[str] | None = None,
    *,
    since: When | None = "24h",
    until: When | None = None,
    parameters: Parameters | None = None,
) -> pd.DataFrame:
    """Return the answer to an SQL query over events, runs, steps and step_attempts as a DataFrame.

        inb.sql("select function_id, count(*) as n from runs where status = 'Failed' group by all")
        inb.sql("select * from events where data->>'$.user.id' = ?", api, parameters=["u7"])

    `source` is an `InngestAPI`, by default one with the settings of the environment, or an archive:
    what `archive` returned, or its path. Of a server, what the query names is read first: runs that
    were scheduled, and events that arrived, from `since` to `until` (as in `search_runs`); steps
    cost one request a run. An archive is read as a whole, whatever `since` says. `parameters` are
    the values for `?` in the query, or a dict of those for `$name`.

    Tables and columns are those of Inngest's Insights, which the open-source server does not have:
    https://www.inngest.com/docs/platform-and-operations/insights (not `attributes`, `inngest` and
    `metadata`). The dialect is DuckDB's, not ClickHouse's. A status is one of Insights' words, in
    any case: Queued, Running, Completed, Failed, Cancelled; a step's may also be Waiting, Abandoned
    (open when its run ended) or Errored (tried again). Columns of ours are `events.event_id` and
    `"user"`; `runs.event_id` (of a batch, the first), `is_batch` and `cron`; and for steps, whose
    rows of the type Function are what the function did between and after them, `step_id`, `input`
    and in step_attempts `is_latest`. `runs.started_at` is when the run was scheduled, but when it
    was first executed for a canceled one, as in `search_runs`. `inputs` are missing where Inngest
    itself made the event, unless steps or an archive are read.

    Times are UTC, payloads are JSON, and come as Python values. The dtypes follow from the query
    alone, so that an empty answer has the same. `attrs` are those of `search_runs`.

    The query must be a single SELECT. It cannot reach files, the network or Python's variables.
    Raises `ValueError` with the place for a query that makes no sense, before anything is read,
    `ImportError` without DuckDB, and `InngestError` as `api.runs` does.
    """
    now = datetime.now(UTC)
    start, end = check_window(since, until, now)
    wanted = _tables_of(query, parameters)
    if isinstance(source, Archive | str | os.PathLike):
        found = _archive(source)
        with connect() as database:
            files.load(database, found, wanted)
            answer = _answer(lock(database), query, parameters)
        answer.attrs.update(
            source=str(found.path),
            fetched_at=found.until.isoformat(),
            filter=None,
            truncated=False,
            truncated_because=None,
        )
        return answer
    if not isinstance(source, InngestAPI | None):
        raise TypeError(
            "source must be an InngestAPI, an archive or the path of one, got "
            f"{type(source).__name__}"
        )
    with opened(source) as api, lock(connect()) as database:
        _read(Reading(api, database), wanted, start, end)
        answer = _answer(database, query, parameters)
        answer.attrs.update(attrs_of(api, {"since": start, "until": end}, None, now))
    return answer


def _tables_of(query: str, parameters: Parameters | None) -> set[str]:
    """Return the tables that a query reads; one that makes no sense is refused."""
    if not isinstance(query, str) or not query.strip():
        raise ValueError(f"query must be SQL, such as 'select * from runs', got {query!r}")
    with lock(connect()) as empty, explained():
        import duckdb

        for table, columns in COLUMNS.items():
            create(empty, table, columns)
        statements = empty.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise ValueError(
                "query must be a single SELECT, such as 'select * from runs'; "
                "a PIVOT must list its values: ON status IN ('Failed', 'Completed')"
            )
        try:
            empty.sql(query, params=parameters)
        except duckdb.Error:
            empty.execute(query, parameters)  # the same error, with its place
            raise
        return {table for table in COLUMNS if not _does_without(empty, table, query, parameters)}


def _does_without(
    database: DuckDBPyConnection, table: str, query: str, parameters: Parameters | None
) -> bool:
    """Tell whether a query that makes sense still does where a table is not there."""
    import duckdb

    database.execute(f"DROP TABLE {table}")
    try:
        database.sql(query, params=parameters)
    except duckdb.Error:
        return False
    else:
        return True
    finally:
        create(database, table, COLUMNS[table])


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
    database: DuckDBPyConnection, query: str, parameters: Parameters | None
) -> pd.DataFrame:
    with explained():
        return typed(database.sql(query, params=parameters))
