"""Canceling runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from inngest_nb.api import InngestAPI, Run
from inngest_nb.errors import InngestNotFoundError, InngestRunEndedError
from inngest_nb.frames.acting._plan import Plan
from inngest_nb.frames.acting._rows import DONE, REFUSED, TO_DO, UNKNOWN, Row, each, held
from inngest_nb.frames.acting._work import Work
from inngest_nb.frames.inngest._traces import run_ids

_CANCELED_ALREADY = "run_already_cancelled"


def cancel_runs(
    runs: str | Run | pd.DataFrame | Iterable[str | Run], api: InngestAPI | None = None
) -> Plan:
    """Return a plan to cancel runs of a real Inngest server. Nothing is done until it runs.

        plan = inb.cancel_runs(inb.search_runs(status="running", since="30d", until="2d"))
        plan                        # what it would do, by function; plan.frame has each run
        plan.run(confirm=412)       # does it; plan.results has what became of each

    `runs` is a frame with a column `run_id`, a run's id, or several. Each is looked at now: a run
    that has ended is left out, and so is one that the server does not have. Runs that are stuck,
    because the server was restarted, can be canceled too.

    Raises `ValueError` for what is not a run's id, and `InngestError` if the server cannot be read.
    """
    ids = run_ids(runs)
    server = held(api)
    rows = each("Looking at runs", "runs", ids, lambda run_id: _planned(server, run_id))
    return Plan(server, _Cancel(), rows)


def _planned(api: InngestAPI, run_id: str) -> Row:
    row = seen(api, run_id)
    if row.run is not None:
        if row.run.is_over:
            row.left_out = f"has ended: {row.run.status}"
        else:
            row.action = "cancel"
    return row


def seen(api: InngestAPI, run_id: str) -> Row:
    """Look at a run. One that the server does not have is left out."""
    try:
        return Row(run_id, api.run(run_id, output=False))
    except InngestNotFoundError:
        return Row(run_id, left_out="the server does not have it")


class _Cancel(Work):
    verb, doing = "cancel", "Canceling runs"
    at_once = 16  # 211 a second were seen, 123 with 8, and 18 one by one

    def do(self, api: InngestAPI, rows: Sequence[Row]) -> None:
        for row in rows:
            try:
                api.cancel(row.key)
            except InngestRunEndedError as error:
                if error.code != _CANCELED_ALREADY or row.tries == 1:
                    raise
            row.settle(DONE)

    def look(self, api: InngestAPI, rows: Sequence[Row]) -> None:
        each("Looking at runs", "runs", rows, lambda row: _look(api, row))


def _look(api: InngestAPI, row: Row) -> None:
    """See what became of a run whose response was lost."""
    with row.busy:
        if row.result != UNKNOWN:
            return
        run = seen(api, row.key).run
        if run is None:
            row.settle(REFUSED, "the server no longer has it")
        elif not run.is_over:
            row.settle(TO_DO, "no response came, and it was not canceled")
        elif run.status == "canceled":
            row.settle(DONE, "no response came, but it was canceled")
        else:
            row.settle(REFUSED, f"has ended: {run.status}")
