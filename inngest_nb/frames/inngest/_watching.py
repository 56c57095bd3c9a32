"""Watching the runs of a real Inngest server: what changed since the last look.

A run list by `ended_at` also has runs that have not ended, by their last activity. So one list from
the last look on has all that changed: what was queued, what began, what ended, and what did all of
it in between. Looks overlap, as lists show a run a moment after its time; reported runs are known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, Self

import pandas as pd

from inngest_nb.api import InngestAPI, Run, begun, checks, runs_in
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._pace import check_every
from inngest_nb.frames.basics._run_columns import run_columns
from inngest_nb.frames.inngest._asking import attrs_of, opened
from inngest_nb.history import OPEN
from inngest_nb.progress import progress

# By so much a list may be behind: an event's runs show after 0.2 s, on a busy server later.
_LATE = timedelta(seconds=10)
_CHANGES = ("new", "changed", "ended")


class _Change(NamedTuple):
    run: Run
    kind: Literal["new", "changed", "ended"]
    before: str | None  # the status that was seen last


def watch_runs(
    api: InngestAPI | None = None,
    *,
    status: str | Iterable[str] | None = None,
    app: str | None = None,
    function: str | None = None,
    every: float | timedelta = 2,
) -> RunWatch:
    """Watch the runs of a real Inngest server: yield a DataFrame whenever something has changed.

        for changes in inb.watch_runs(status=["failed", "canceled"]):
            print(changes)

    A row is a run that is new, or has another status than at the last look; a run that began and
    ended in between is one row. Nothing is reported twice. Columns are `run_id`, `app`, `function`,
    `change` (categorical: new, changed, ended), `previous_status` (missing for a run that was not
    seen before), `status`, `inngest_status`, `queued_at`, `started_at`, `ended_at` (UTC),
    `duration` (so far, for a run that has not ended) and `event_id`, the last change first.

    Changes from this call on are reported. `status` is the one that a run changes to, in the words
    of `search_runs`, or several. `every` is how often to look, in seconds or as a timedelta. The
    watch continues until the loop is left or interrupted; `poll()` looks at once instead, and
    returns a frame without rows if nothing has changed. A look that fails raises `InngestError`;
    the next one also reports what happened in the meantime.

    Raises `ValueError` for an argument that makes no sense.
    """
    for name, given, example in (("app", app, "shop"), ("function", function, "charge-card")):
        if given is not None:
            checks.check_name(given, name, example)
    statuses = status if status is None or isinstance(status, str) else [*status]
    wanted = frozenset(map(checks.our_status, checks.check_statuses(statuses)))
    said = {"status": sorted(wanted) or None, "app": app, "function": function}
    return RunWatch(api, said, check_every(every))


class RunWatch(Iterator[pd.DataFrame]):
    """What `watch_runs` returns: an iterator that waits for changes. Closing it ends the loop."""

    def __init__(
        self,
        api: InngestAPI | None,
        said: dict[str, Any],
        every: float,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._said, self._every, self._wait = said, every, wait
        self._closing = ExitStack()
        self._closed = False
        self._api = self._closing.enter_context(opened(api))
        self._whose = {"app": said["app"], "function": said["function"]}
        self._statuses: dict[str, str] = {}  # of runs that may show again
        self._begin()

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self._said.items() if value)
        return (
            f"<RunWatch of {self._api.base_url}, every {self._every:g} s{given and f', {given}'}>"
        )

    def __next__(self) -> pd.DataFrame:
        while not self._closed:
            self._wait(self._every)
            changes = self.poll()
            if len(changes):
                return changes
        raise StopIteration

    def poll(self) -> pd.DataFrame:
        """Look now, and return what has changed since the last look."""
        runs, at = self._read(self._since)
        changes = [change for run in runs if (change := self._change(run)) is not None]
        wanted = self._said["status"]
        made = self._made([each for each in changes if not wanted or each.run.status in wanted], at)
        self._note(runs, at)  # last: what fails before is reported by the next look
        return made

    def close(self) -> None:
        """End the loop; an `api` that you passed in stays open."""
        self._closed = True
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _begin(self) -> None:
        """Learn what there is, without reporting it."""
        self._since = datetime.now(UTC) - _LATE
        # The clock that counts is the server's.
        page = self._api.runs_page(by="ended_at", since=self._since, limit=1, **self._whose)
        self._since = (page.fetched_at or datetime.now(UTC)) - _LATE
        self._note(*self._read(self._since))
        unfinished = runs_in(self._api, None, None, None, status=OPEN, **self._whose)
        with progress("Reading unfinished runs", "runs") as advance:
            for page_of_them in unfinished:
                for run in page_of_them:
                    self._statuses.setdefault(run.run_id, run.status)
                advance(len(page_of_them))

    def _read(self, since: datetime) -> tuple[list[Run], datetime]:
        """Read the runs in which something has happened, and when the server began to list them."""
        found: dict[str, Run] = {}
        at: datetime | None = None
        cursor: str | None = None
        while True:
            page = self._api.runs_page(by="ended_at", since=since, cursor=cursor, **self._whose)
            at = at or page.fetched_at or datetime.now(UTC)
            for run in page.runs:
                found.setdefault(run.run_id, run)
            if page.cursor is None or page.cursor == cursor:
                return [*found.values()], at
            cursor = page.cursor

    def _change(self, run: Run) -> _Change | None:
        before = self._statuses.get(run.run_id)
        if before == run.status or before in columns.ENDED_WORDS:
            return None  # what is over stays over
        if run.is_over:
            return _Change(run, "ended", before)
        return _Change(run, "new" if before is None else "changed", before)

    def _note(self, runs: list[Run], at: datetime) -> None:
        """Keep the statuses of what may show again: what has not ended, and this look's runs."""
        over = columns.ENDED_WORDS
        kept = {key: status for key, status in self._statuses.items() if status not in over}
        for run in runs:
            before = self._statuses.get(run.run_id)
            kept[run.run_id] = before if before in over else run.status
        self._statuses = kept
        self._since = max(self._since, at - _LATE)

    def _made(self, changes: list[_Change], at: datetime) -> pd.DataFrame:
        told = run_columns(begun(self._api, [change.run for change in changes]), at)
        made = pd.DataFrame(
            {
                **{name: told[name] for name in ("run_id", "app", "function")},
                "change": columns.words((each.kind for each in changes), _CHANGES),
                "previous_status": columns.words(
                    (each.before for each in changes), columns.RUN_WORDS
                ),
                **{name: column for name, column in told.items() if name != "is_batch"},
            }
        )
        made.attrs.update(attrs_of(self._api, self._said, None, at))
        return made
