"""Reading what a query or an archive wants from the server, into a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from inngest_nb.api import Event, InngestAPI, Run, runs_in, starts_of
from inngest_nb.errors import InngestError, InngestNotFoundError
from inngest_nb.frames.inngest._asking import at_once
from inngest_nb.frames.inngest._names import events_of
from inngest_nb.frames.sql import _tables as tables
from inngest_nb.frames.sql._duck import Sink, create, together
from inngest_nb.progress import progress

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_AT_ONCE = 4  # more is no faster
_EVENTS = 1_020  # twenty pages of the server's
_CAUSES = 1_000
_TRACES = 100  # runs that are kept together

# What comes later than the run itself, or from it.
_OF_CAUSE = ("triggering_event_name", "inputs", "input")
_OF_RUN = ("app_id", "function_id")
_RUNS = {name: kind for name, kind in tables.COLUMNS["runs"].items() if name not in _OF_CAUSE}
_TRIES = {
    name: kind for name, kind in tables.COLUMNS["step_attempts"].items() if name not in _OF_RUN
}
_PARTS = {
    "read.events": tables.COLUMNS["events"],
    "read.runs": _RUNS | {"scheduled_at": "TIMESTAMPTZ"},
    "read.causes": {
        "run_id": "VARCHAR",
        "triggering_event_name": "VARCHAR",
        "inputs": "JSON[]",
    },
    "read.attempts": _TRIES,
}


class Reading:
    """What is read from a server; the tables of a query are views of it."""

    def __init__(self, api: InngestAPI, database: DuckDBPyConnection) -> None:
        self._api, self._database = api, database
        database.execute("CREATE SCHEMA read")
        for table, columns in _PARTS.items():
            create(database, table, columns)
        database.execute(_RUNS_VIEW)
        database.execute(_ATTEMPTS_VIEW)
        database.execute("CREATE VIEW events AS FROM read.events")
        database.execute(STEPS_VIEW)

    def runs(self, start: datetime | None, end: datetime | None) -> int:
        """Read the runs that were scheduled then, with their outputs; return how many came."""
        count = 0
        into = self._into("read.runs")
        canceled: list[Run] = []
        with progress("Reading runs", "runs") as advance:
            for page in runs_in(self._api, start, end, None, output=True):
                canceled += [run for run in page if run.status == "canceled"]
                into.add(tables.run_row(run) for run in page if run.status != "canceled")
                count += len(page)
                advance(len(page))
        starts = starts_of(self._api, (run.run_id for run in canceled))
        into.add(tables.run_row(run, starts.get(run.run_id)) for run in canceled)
        into.flush()
        return count

    def runs_again(self, run_ids: Sequence[str]) -> int:
        """Read single runs; those that the server has no more are left out."""
        into = self._into("read.runs")
        count = 0
        with progress("Reading open runs again", "runs", len(run_ids)) as advance:
            for _, run in at_once(self._run, run_ids, _AT_ONCE):
                if run is not None:
                    into.add([tables.run_row(run)])
                    count += 1
                advance(1)
        into.flush()
        return count

    def _run(self, run_id: str) -> Run | None:
        try:
            return self._api.run(run_id)
        except InngestNotFoundError:
            return None

    def events(self, start: datetime | None, end: datetime | None) -> int:
        """Read the events that arrived then; return how many came."""
        count = 0
        into = self._into("read.events")
        with progress("Reading events", "events") as advance:
            for page in self._pages_of_events(start, end):
                into.add(map(tables.event_row, page))
                count += len(page)
                advance(len(page))
        into.flush()
        return count

    def _pages_of_events(
        self, start: datetime | None, end: datetime | None
    ) -> Iterator[Sequence[Event]]:
        last: str | None = None
        while True:
            page = self._api.events(since=start, until=end, limit=_EVENTS, before=last)
            yield page
            if not page.truncated:
                return
            last = page[-1].event_id

    def traces(self, where: str = "true") -> None:
        """Read the steps of the runs that were read, the oldest first, and what caused these.

        When it stops, runs are kept with all their steps or not at all.
        """
        run_ids = self._texts(f"SELECT id FROM read.runs WHERE {where} ORDER BY scheduled_at, id")
        with progress("Reading steps", "runs", len(run_ids)) as advance:
            for place in range(0, len(run_ids), _TRACES):
                self._trace(run_ids[place : place + _TRACES], advance)

    def _trace(self, run_ids: Sequence[str], advance: Callable[[int], object]) -> None:
        attempts, causes = self._into("read.attempts"), self._into("read.causes")
        failed: InngestError | None = None
        with together(self._database):
            try:
                for run_id, trace in at_once(self._api.trace, run_ids, _AT_ONCE):
                    attempts.add(tables.attempt_rows(trace))
                    causes.add([tables.cause_row(run_id, trace.events)])
                    advance(1)
            except InngestError as error:  # between two runs
                failed = error
            attempts.flush()
            causes.flush()
        if failed is not None:
            raise failed

    def causes(self) -> None:
        """Look up the events of those runs of which no trace has told them."""
        missing = self._database.execute(_UNCAUSED).fetchnumpy()
        pairs = list(zip(missing["id"], missing["event_id"], strict=True))
        into = self._into("read.causes")
        with progress("Reading what started them", "runs", len(pairs)) as advance:
            for place in range(0, len(pairs), _CAUSES):
                some = pairs[place : place + _CAUSES]
                events = events_of(self._api, {event_id for _, event_id in some})
                into.add(
                    tables.cause_row(run_id, [tables.input_of(events[event_id])])
                    for run_id, event_id in some
                    if event_id in events
                )
                advance(len(some))
        self._database.execute(
            "DELETE FROM read.causes WHERE inputs IS NULL AND run_id IN "
            "(SELECT id FROM (" + _UNCAUSED + "))"
        )
        into.flush()

    def _into(self, table: str) -> Sink:
        return Sink(self._database, table, _PARTS[table])

    def _texts(self, query: str) -> list[str]:
        (column,) = self._database.execute(query).fetchnumpy().values()
        return [str(text) for text in column]


# Newest first, as the server's lists are, so that neighbours share a page of events.
_UNCAUSED = """
SELECT id, event_id FROM read.runs LEFT JOIN read.causes ON run_id = id
WHERE inputs IS NULL AND event_id IS NOT NULL AND cron IS NULL ORDER BY event_id DESC
"""


def _selected(table: str, elsewhere: dict[str, str], own: str) -> str:
    return ", ".join(elsewhere.get(name, f'{own}."{name}"') for name in tables.COLUMNS[table])


_RUNS_VIEW = f"""
CREATE VIEW runs AS SELECT {
    _selected(
        "runs",
        {
            "triggering_event_name": "c.triggering_event_name",
            "inputs": "c.inputs",
            "input": "c.inputs[1] AS input",
        },
        "r",
    )
} FROM read.runs r LEFT JOIN read.causes c ON c.run_id = r.id
"""
_ATTEMPTS_VIEW = f"""
CREATE VIEW step_attempts AS SELECT {
    _selected("step_attempts", {"app_id": "r.app_id", "function_id": "r.function_id"}, "a")
} FROM read.attempts a JOIN read.runs r ON r.id = a.run_id
"""
STEPS_VIEW = "CREATE VIEW steps AS SELECT * EXCLUDE is_latest FROM step_attempts WHERE is_latest"
