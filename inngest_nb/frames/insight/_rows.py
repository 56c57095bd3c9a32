"""Runs and steps as columns of the usual types, wherever their frame comes from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from inngest_nb.frames.basics import _columns as columns
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
    indexed = [name for name in rows.index.names if name is not None and name not in rows.columns]
    flat = (rows.reset_index(indexed) if indexed else rows).reset_index(drop=True)
    if missing := [name for name in needed if name not in flat.columns]:
        raise AttributeError(f"this needs columns that were left out: {', '.join(missing)}")

    def given(name: str) -> Any:
        nothing = pd.Series(np.nan, flat.index, name=name)
        return flat[name] if name in flat.columns else nothing

    status = given("status").astype("str")
    return pd.DataFrame(
        {
            **{name: given(name).astype("str") for name in _TEXTS},
            "status": columns.as_words(status, columns.STEP_WORDS),
            **{name: as_utc(given(name)) for name in _TIMES},
            **{
                name: columns.as_durations(given(name)).astype("timedelta64[us]") for name in _SPANS
            },
            "attempts": pd.to_numeric(given("attempts")).astype("Int64"),
        }
    )


def as_utc(given: pd.Series[Any]) -> pd.Series[Any]:
    """Return times in UTC, of whatever zone and type they are; those of no zone are UTC's."""
    times = columns.as_times(given)
    zoned = times.dt.tz_localize("UTC") if times.dt.tz is None else times.dt.tz_convert("UTC")
    utc: pd.Series[Any] = zoned.astype("datetime64[us, UTC]")
    return utc


def steps_of(rows: pd.DataFrame, runs: pd.DataFrame | None, *needed: str) -> pd.DataFrame:
    """Return the steps of a `trace_frame` with the app and the function of their runs.

    These come from `runs`, a frame of `search_runs`, as does `run_status`; without it, how the
    function itself ended tells the status of a run, which is missing for one that goes on.
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
