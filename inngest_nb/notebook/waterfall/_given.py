"""Which run somebody means: by its id, or by a value or a row that has it."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from inngest_nb.api import Run, Trace, checks

__all__ = ["Given", "given_run"]


class Given(NamedTuple):
    """A run, and what is known of it already; `function` and `app` are "" if they are not."""

    run_id: str
    function: str = ""
    app: str = ""
    trace: Trace | None = None


def given_run(run: Any) -> Given:
    """Tell which run is meant; raises `ValueError` for a value that is not a run, or several."""
    if isinstance(run, Trace):
        return Given(run.run_id, trace=run)
    if isinstance(run, pd.DataFrame):
        run = _only_row(run)
    if isinstance(run, pd.Series):
        found = [run.get(name) for name in ("run_id", "function", "app")]
        run_id, *names = found
        function, app = (name if isinstance(name, str) else "" for name in names)
    elif isinstance(run, Run):
        run_id, function, app = run.run_id, run.function, run.app
    else:
        run_id, function, app = run, "", ""
    if not isinstance(run_id, str):
        raise _wanted(f"got {type(run).__name__}" if run_id is run else "got a row without run_id")
    return Given(checks.check_ulid(run_id, "run"), function, app)


def _only_row(frame: pd.DataFrame) -> pd.Series[Any]:
    if "run_id" not in frame.columns:
        raise _wanted("got a frame without the column run_id")
    runs = frame["run_id"].dropna().unique()
    if len(runs) != 1:
        raise _wanted(f"got a frame of {len(runs):,} runs")
    row: pd.Series[Any] = frame[frame["run_id"] == runs[0]].iloc[0]
    return row


def _wanted(got: str) -> ValueError:
    return ValueError(
        "run must be the id of one run, such as 01M82BBSDM2RWR71WM2EZVHP9E, a Run, a Trace, or a "
        f"row or frame of one run, such as search_runs().iloc[0]; {got}"
    )
