"""Rerunning runs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd

from inngest_nb.api import Function, InngestAPI, Run, checks
from inngest_nb.frames.acting import _sending as sending
from inngest_nb.frames.acting._cancel import seen
from inngest_nb.frames.acting._plan import Plan
from inngest_nb.frames.acting._rows import DONE, TO_DO, UNKNOWN, Row, each, held
from inngest_nb.frames.acting._work import Work
from inngest_nb.frames.inngest._traces import run_ids
from inngest_nb.words import count_text, short

_VISIBLE = timedelta(seconds=2)  # after which a new run shows: ten times what was seen
_PAUSE = 0.2


def rerun_runs(
    runs: str | Run | pd.DataFrame | Iterable[str | Run],
    api: InngestAPI | None = None,
    *,
    from_step: str | None = None,
    input: Sequence[Any] | None = None,
    again: bool = False,
) -> Plan:
    """Return a plan to rerun runs of a real Inngest server. Nothing is done until it runs.

        plan = inb.rerun_runs(inb.search_runs(status="failed", function="charge-card"))
        plan                        # what it would do, by function; plan.frame has each run
        plan.run()                  # does it; plan.results has the new runs

    `runs` is a frame with a column `run_id`, a run's id, or several. With `from_step`, a step's
    name or id, the results of earlier steps are kept; `input` is then the list of its arguments in
    place of the recorded ones.

    Each run is looked at now. Left out are runs that have not ended (cancel them first), runs
    without that step, and runs that were already rerun, by anybody, unless `again=True`: so a
    second plan of the same runs does nothing twice. For a batch, the server would use only the
    first event. All of its events are sent again instead, which starts every function that they
    trigger, as `plan` says; their ids make the server start each once within a day.

    Raises `ValueError` for an argument that makes no sense, and `InngestError` if the server cannot
    be read.
    """
    given = {} if input is None else {"input": input}
    checks.check_rerun(from_step, *given.values())
    ids = run_ids(runs)
    server = held(api)
    work = _Rerun(from_step, given, again=again)
    rows = each("Looking at runs", "runs", ids, partial(work.planned, server))
    if any(row.sources for row in rows):
        functions = server.functions()
        for row in rows:
            row.starts = _started_by(row, functions)
    return Plan(server, work, rows)


def _started_by(row: Row, functions: Sequence[Function]) -> str:
    names = dict.fromkeys(source.name for source in row.sources)
    return ", ".join(filter(None, (sending.started_by(name, functions) for name in names)))


class _Rerun(Work):
    verb, doing = "rerun", "Rerunning"

    def __init__(self, from_step: str | None, given: dict[str, Any], *, again: bool) -> None:
        self._from_step, self._input, self._again = from_step, given, again
        self._keys = sending.Keys(again=again)

    def planned(self, api: InngestAPI, run_id: str) -> Row:
        """Look at a run, and say what is to be done."""
        row = seen(api, run_id)
        if row.run is None:
            return row
        if not row.run.is_over:
            row.left_out = f"has not ended (it is {row.run.status}): cancel it first"
        elif row.run.is_batch:
            self._plan_batch(api, row, row.run)
        else:
            self._plan_run(api, row, row.run)
        return row

    def _plan_batch(self, api: InngestAPI, row: Row, run: Run) -> None:
        if self._from_step is not None:
            row.left_out = "was triggered by a batch, but a rerun would get only the first event"
            return
        row.sources = sending.of_batch(api, run)
        if row.sources and not any(checks.is_internal(source.name) for source in row.sources):
            row.action = f"send the batch's {count_text(len(row.sources), 'event')} again"
        else:
            row.sources = ()
            row.left_out = "a batch whose events the server does not show"

    def _plan_run(self, api: InngestAPI, row: Row, run: Run) -> None:
        before = _later_runs(api, run)
        row.known = frozenset(other.run_id for other in before)
        if not self._again and (repeat := _repeat(api, run, before)):
            row.left_out = f"already rerun as {repeat}"
        elif self._from_step is None:
            row.action = "rerun"
        elif self._from_step in _steps(api, run):
            row.action = f"rerun from {short(self._from_step)}"
        else:
            row.left_out = f"has no step {short(self._from_step)}"

    def do(self, api: InngestAPI, rows: Sequence[Row]) -> None:
        for row in rows:
            if row.sources:
                sending.send(api, [row], self._keys)
            else:
                run_id = api.rerun(row.key, from_step=self._from_step, **self._input)
                row.new_run_id = run_id
                row.settle(DONE)

    def look(self, api: InngestAPI, rows: Sequence[Row]) -> None:
        if batches := [row for row in rows if row.sources]:
            sending.look(api, batches, self._keys)
        each("Looking at runs", "runs", rows, lambda row: _look(api, row))


def _look(api: InngestAPI, row: Row) -> None:
    """Look for the run that a rerun started whose response was lost."""
    with row.busy:
        if row.result != UNKNOWN or row.run is None or row.tried_at is None:
            return
        if not row.run.event_ids:
            row.reason = "no response came, and a run without an event shows no reruns"
            return
        while True:
            new = [run for run in _later_runs(api, row.run) if run.run_id not in row.known]
            if repeat := _repeat(api, row.run, new):
                row.new_run_id = repeat
                row.settle(DONE, "no response came, but it was rerun")
                return
            if datetime.now(UTC) - row.tried_at > _VISIBLE:
                row.settle(TO_DO, "no response came, and it was not rerun")
                return
            time.sleep(_PAUSE)


def _later_runs(api: InngestAPI, run: Run) -> list[Run]:
    """Return the later runs of the same event and function, among which are all its reruns."""
    if not run.event_ids:
        return []
    return [
        other
        for other in api.event_runs(run.event_ids[0])
        if (other.app, other.function) == (run.app, run.function) and other.run_id > run.run_id
    ]


def _repeat(api: InngestAPI, run: Run, others: Sequence[Run]) -> str:
    """Return the one of later runs that repeats a run, or what that repeats itself.

    Only v1 tells what a run repeats. Where it does not answer, a later run of the same event and
    function counts: it repeats something, and nothing is to be done twice.
    """
    if not others:
        return ""
    originals = {run.run_id, api.run(run.run_id).original_run_id, None}
    for other in others:
        if api.run(other.run_id).original_run_id in originals:
            return other.run_id
    return ""


def _steps(api: InngestAPI, run: Run) -> set[str | None]:
    """Return the names and ids of a run's steps."""
    steps = [step for step in api.trace(run.run_id, output=False).steps if step.step_id]
    return {step.name for step in steps} | {step.step_id for step in steps}
