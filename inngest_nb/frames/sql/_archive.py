"""Keeping what a server has in files of one's own, again and again without doubles."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from inngest_nb.api import InngestAPI
from inngest_nb.errors import InngestError
from inngest_nb.frames.inngest._asking import opened as opened_api
from inngest_nb.frames.sql import _files as files
from inngest_nb.frames.sql._duck import connect
from inngest_nb.frames.sql._files import Archive
from inngest_nb.frames.sql._reading import Reading
from inngest_nb.query import When, check_time

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# In case the server's clock is another than ours; what is known already is not read again.
_OVERLAP = timedelta(minutes=10)
_STOPS = (KeyboardInterrupt, InngestError)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def archive(
    api: InngestAPI | None, path: str | os.PathLike[str], *, older_than: When | None = "30d"
) -> Archive:
    """Archive the runs of a real Inngest server, with steps and events, in Parquet files.

        kept = inb.archive(api, "runs.parquet", older_than="30d")
        inb.sql("select status, count(*) from runs group by status", kept)

    `older_than` is how old a run's scheduling and an event's arrival are at least, or a time with
    its zone; None is everything. Next to `path`, which has the runs, come
    `runs.step_attempts.parquet` and `runs.events.parquet`; their columns are those of `inb.sql`,
    payloads are JSON as text. On the server nothing is changed.

    If the archive exists already, what is new is added, and runs that had not ended are read again.
    The new files replace the old ones when they are complete and have as many rows as were read. If
    it is interrupted, or the server fails, while steps are read, the oldest runs up to there are
    kept, and the error says how many; before that nothing is written. Call it again to continue.

    Returns an `Archive` with `path`, `until`, and the numbers of `runs`, `steps`, `step_attempts`,
    `events` and of runs `added`. Each run costs one request. Raises `ValueError` for a path with
    something else, such as an archive of another server, and `ImportError` without DuckDB.
    """
    place = files.checked_path(path, "path")
    now = datetime.now(UTC)
    end = check_time(older_than, "older_than", now)
    if not place.parent.is_dir():
        raise ValueError(
            f"path must be in an existing folder, but {place.parent} does not exist; "
            "create it first"
        )
    before = files.opened(place)
    with opened_api(api) as server:
        if before is not None and before.server != server.base_url:
            raise ValueError(
                f"path must be a new file or an archive of {server.base_url}, "
                f"but {place} is one of {before.server}; choose another path"
            )
        with tempfile.TemporaryDirectory(prefix=".archive-", dir=place.parent) as temporary:
            folder = Path(temporary)
            # What memory cannot hold goes into the folder.
            spool = connect(
                str(folder / "spool.duckdb"), temp_directory=temporary, memory_limit="1GB"
            )
            with spool:
                return _Archiving(server, spool, folder, place, before).run(end, now)


class _Archiving:
    """One call of `archive`."""

    def __init__(
        self,
        api: InngestAPI,
        spool: DuckDBPyConnection,
        folder: Path,
        path: Path,
        before: Archive | None,
    ) -> None:
        self._api, self._spool = api, spool
        self._folder, self._path, self._before = folder, path, before
        self._reading = Reading(api, spool)

    def run(self, end: datetime | None, now: datetime) -> Archive:
        """Read and write what is new until a time, None for all."""
        before = self._before
        try:
            if before is None or end is None or before.until < end:
                self._read(None if before is None else before.until - _OVERLAP, end)
            if before is not None:
                self._read_open(before)
        except _STOPS as error:
            error.add_note(f"{self._path} was not changed: no steps had been read yet")
            raise
        end = end or now
        if before is not None:
            end = max(end, before.until)
        try:
            self._reading.traces()
            self._reading.causes()
        except _STOPS as error:
            end = self._cut(end)
            if self._number("SELECT count(*) FROM read.runs"):
                kept = self._written(end)
                error.add_note(
                    f"{kept.added:,} runs were added to {self._path}; call archive() again to "
                    "continue"
                )
            raise
        if before is not None and not self._number(
            "SELECT (SELECT count(*) FROM read.runs) + (SELECT count(*) FROM read.events)"
        ):
            return before
        return self._written(end)

    def _read(self, start: datetime | None, end: datetime | None) -> None:
        """Read runs and events, and forget those that are kept and can change no more."""
        self._check("runs", self._reading.runs(start, end))
        self._check("events", self._reading.events(start, end))
        self._spool.execute(  # in case the server shows one twice, as it does with runs
            "DELETE FROM read.events WHERE rowid NOT IN "
            "(SELECT min(rowid) FROM read.events GROUP BY event_id)"
        )
        if self._before is not None:
            runs, events = (files.rows_of(self._before, table) for table in ("runs", "events"))
            self._spool.execute(
                "DELETE FROM read.runs WHERE id IN "
                f"(SELECT id FROM ({runs}) WHERE ended_at IS NOT NULL)"
            )
            self._spool.execute(
                f"DELETE FROM read.events WHERE event_id IN (SELECT event_id FROM ({events}))"
            )

    def _read_open(self, before: Archive) -> None:
        """Read those runs again that had not ended."""
        kept = files.rows_of(before, "runs")
        found = self._spool.execute(
            f"SELECT id FROM ({kept}) WHERE ended_at IS NULL "
            "AND id NOT IN (SELECT id FROM read.runs)"
        ).fetchnumpy()
        run_ids = [str(run_id) for run_id in found["id"]]
        self._reading.runs_again(run_ids)
        # A single run shows its first execution as its start; lists, and this, its scheduling, but
        # for canceled runs. Of a run that was queued, only its id is known to be as old, to a fifth
        # of a second.
        self._spool.execute(
            "UPDATE read.runs SET scheduled_at = coalesce(kept.started_at, kept.queued_at), "
            "started_at = CASE WHEN runs.status = 'Cancelled' THEN runs.started_at "
            "WHEN runs.started_at IS NOT NULL "
            "THEN coalesce(kept.started_at, kept.queued_at) END "
            f"FROM ({kept}) kept WHERE runs.id = kept.id "
            "AND coalesce(kept.started_at, kept.queued_at) IS NOT NULL "
            "AND runs.id IN (SELECT unnest(?::VARCHAR[]))",
            [run_ids],
        )

    def _check(self, table: str, asked: int) -> None:
        """Check that all which the server showed is here."""
        count = self._number(f"SELECT count(*) FROM read.{table}")
        if count != asked:
            raise OSError(
                f"{self._path} was not changed: {asked:,} {table} were read, {count:,} kept"
            )

    def _cut(self, end: datetime) -> datetime:
        """Forget the runs whose steps were not read, and all that is later; return until when."""
        first = self._number(
            "SELECT epoch_us(min(scheduled_at)) FROM read.runs WHERE id NOT IN "
            "(SELECT run_id FROM read.causes)"
        )
        if first:
            end = min(end, _EPOCH + timedelta(microseconds=first))
        if self._before is not None:
            end = max(end, self._before.until)
        self._spool.execute(
            "DELETE FROM read.runs WHERE id NOT IN (SELECT run_id FROM read.causes)"
        )
        self._spool.execute("DELETE FROM read.events WHERE received_at_dt > ?", [end])
        return end

    def _written(self, end: datetime) -> Archive:
        """Write what was read, with what was there before."""
        before = self._before
        queries = {table: f"FROM {table}" for table in files.TABLES}
        known = 0
        if before is not None:
            for table, key, new in (
                ("runs", "id", "SELECT id FROM read.runs"),
                ("step_attempts", "run_id", "SELECT id FROM read.runs"),
                ("events", "event_id", "SELECT event_id FROM read.events"),
            ):
                queries[table] += (
                    f" UNION ALL FROM ({files.rows_of(before, table)}) WHERE {key} NOT IN ({new})"
                )
            known = before.runs
        made = files.replaced(
            self._spool, self._folder, self._path, queries,
            before=before, server=self._api.base_url, until=end,
        )  # fmt: skip
        return replace(made, added=made.runs - known)

    def _number(self, query: str) -> int:
        row = self._spool.execute(query).fetchone()
        return int(row[0] or 0) if row else 0
