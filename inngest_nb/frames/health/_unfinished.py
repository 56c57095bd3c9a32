"""The runs that have not ended, and what the server will do next for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pandas as pd

from inngest_nb import words
from inngest_nb.api import InngestAPI, Job, Run
from inngest_nb.errors import InngestNotFoundError
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._run_columns import run_columns
from inngest_nb.frames.inngest._asking import at_once
from inngest_nb.history import OPEN
from inngest_nb.progress import progress

_AT_ONCE = 4
_YOUNG = timedelta(seconds=10)  # by then a run has its first job
_LAST = datetime.max.replace(tzinfo=UTC)


class Unfinished(NamedTuple):
    """A run that has not ended, and the next of its jobs; None where none is left."""

    run: Run
    job: Job | None

    @property
    def is_under_way(self) -> bool:
        """Whether it has begun, and continues."""
        return self.run.status == "running" and self.job is not None

    def waits_since(self) -> datetime | None:
        """Return since when a queued run could have started."""
        if self.job is None or self.job.kind not in ("start", "edge"):
            return None
        return self.job.at if self.run.status == "queued" else None


class Looked(NamedTuple):
    """Unfinished runs, the oldest first, and whether there are more."""

    runs: list[Unfinished]
    truncated: bool

    @property
    def zombies(self) -> list[Unfinished]:
        """Those that the server will never continue."""
        return [each for each in self.runs if each.job is None]


def look(api: InngestAPI, most: int | None, now: datetime) -> Looked:
    """Read the oldest unfinished runs, and the jobs of each: one request a run, or two."""
    listed = api.runs(status=OPEN, order="oldest", limit=most)
    found = []
    with progress("Looking at unfinished runs", "runs", total=len(listed)) as advance:
        for run, jobs in at_once(lambda run: api.jobs(run.run_id), listed, _AT_ONCE):
            job = min(jobs, key=lambda job: job.at or _LAST, default=None)
            if job is not None or _is_stuck(api, run, now):
                found.append(Unfinished(run, job))
            advance(1)
    return Looked(found, listed.truncated)


def _is_stuck(api: InngestAPI, run: Run, now: datetime) -> bool:
    """Tell whether a run without a job is neither just beginning nor over by now."""
    if run.queued_at is not None and run.queued_at > now - _YOUNG:
        return False
    try:
        return not api.run(run.run_id, output=False).is_over
    except InngestNotFoundError:
        return False


def frame_of(found: Iterable[Unfinished], now: datetime) -> pd.DataFrame:
    """Return a row per run; `job` is what the server will do next, `due_at` when."""
    found = [*found]
    return pd.DataFrame(
        {
            **run_columns([each.run for each in found], now),
            "job": columns.text(each.job.kind if each.job else None for each in found),
            "due_at": columns.times(
                columns.microseconds(each.job.at if each.job else None for each in found)
            ),
        }
    )


def limit_text(configuration: Mapping[str, Any], *, is_busy: bool) -> str:
    """Say which limits can hold up the runs of a function; empty where none can.

    `is_busy` tells whether a run of it is under way.
    """
    said = []
    for each in _objects(configuration.get("concurrency")) if is_busy else ():
        limit = each.get("limit")
        most = limit.get("value") if isinstance(limit, Mapping) else None
        if isinstance(most, int) and most > 0:
            said.append(f"{most:,} at a time{_per(each)}")
    for each in _objects(configuration.get("throttle")):
        period = words.short(str(each.get("period") or "its period"), 20)
        said.append(f"{words.short(str(each.get('limit')), 20)} in {period}{_per(each)}")
    return ", ".join(said)


def _per(limit: Mapping[str, Any]) -> str:
    return f" per {words.short(str(limit['key']), 60)}" if limit.get("key") else ""


def _objects(found: object) -> list[Mapping[str, Any]]:
    """Return the objects of a list, or a single one."""
    listed = found if isinstance(found, list) else [found]
    return [each for each in listed if isinstance(each, Mapping)]
