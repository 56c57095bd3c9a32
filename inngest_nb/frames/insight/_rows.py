"""Runs and steps as columns of the usual types, wherever their frame comes from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.insight._typed import as_spans, as_utc, flat
from inngest_nb.history import OPEN_STEPS

FUNCTION = ["app", "function"]
STEP = [*FUNCTION, "step", "kind"]
RESULTS, ENDED = columns.RESULT_WORDS, columns.ENDED_WORDS

_TEXTS = ("run_id", *STEP, "error")
_TIMES = ("queued_at", "started_at", "ended_at")
_SPANS = ("queue_delay", "duration")


def runs_of(rows: pd.DataFrame, *needed: str) -> pd.DataFrame:
    """Return the columns of `search_runs` and `trace_frame`, missing where a frame has none.

    They have the types of those frames again, also after a file or `concat`; what names rows may
    be in the index. Raises `AttributeError` for a column that is `needed` and not there.
    """
    table = flat(rows, *needed)

    def given(name: str) -> Any:
        nothing = pd.Series(np.nan, table.index, name=name)
        return table[name] if name in table.columns else nothing

    status = given("status").astype("str")
    return pd.DataFrame(
        {
            **{name: given(name).astype("str") for name in _TEXTS},
            "status": columns.as_words(status, columns.STEP_WORDS),
            **{name: as_utc(given(name)) for name in _TIMES},
            **{name: as_spans(given(name)) for name in _SPANS},
            "attempts": pd.to_numeric(given("attempts")).astype("Int64"),
        }
    )


def steps_of(rows: pd.DataFrame, runs: pd.DataFrame | None, *needed: str) -> pd.DataFrame:
    """Return the steps of a `trace_frame` with the app and the function of their runs.

    These come from `runs`, a frame of `search_runs`, as does `run_status`; without it, how the
    function itself ended tells the status of a run, which is missing for one that has not ended.
    """
    steps = runs_of(rows, "run_id", "status", *needed)
    if runs is None:
        return steps.assign(run_status=steps["run_id"].map(_statuses(steps)))
    if not isinstance(runs, pd.DataFrame):
        raise ValueError(
            f"runs must be a frame of runs, such as search_runs(), got {type(runs).__name__}"
        )
    known = runs_of(runs, "run_id", "function", "status").drop_duplicates("run_id")
    known = known.set_index("run_id")
    return steps.assign(
        run_status=steps["run_id"].map(known["status"].astype("str")),
        **{name: steps[name].fillna(steps["run_id"].map(known[name])) for name in FUNCTION},
    )


def _statuses(steps: pd.DataFrame) -> pd.Series[Any]:
    """Return the status of each run that has ended, by its steps."""
    going_on = steps["run_id"].isin(steps.loc[steps["status"].isin(OPEN_STEPS), "run_id"])
    ends = ((steps["kind"] == "function") & steps["status"].isin(RESULTS)) | (
        steps["status"] == "canceled"
    )
    last = steps[ends & ~going_on].drop_duplicates("run_id", keep="last")
    statuses: pd.Series[Any] = last.set_index("run_id")["status"].astype("str")
    return statuses
