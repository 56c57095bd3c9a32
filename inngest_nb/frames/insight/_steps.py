"""Which steps are slow, wait long for a worker, or pass only when they are tried again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from inngest_nb.frames.insight._rows import ENDED, RESULTS, STEP, steps_of

_SPAN, _TIME = "timedelta64[us]", "datetime64[us, UTC]"
_SPREAD = {
    "count": "Int64",
    **dict.fromkeys(("p50", "p95", "max"), _SPAN),
    "example": "str",
}
_SAVED = {
    **dict.fromkeys(STEP, "str"),
    **dict.fromkeys(("retried", "saved"), "Int64"),
    "share": "float64",
    "attempts": "Int64",
    "last_seen": _TIME,
    "example": "str",
}
# These take as long as they should, or as somebody takes to send an event.
_PAUSES = ("sleep", "wait")


def slowest(rows: pd.DataFrame, runs: pd.DataFrame | None, most: int) -> pd.DataFrame:
    """Return how long the steps took that ended, the slowest first."""
    steps = steps_of(rows, runs, "step", "kind", "duration")
    ended = steps[steps["status"].isin(RESULTS) & ~steps["kind"].isin(_PAUSES)]
    return spread(ended, ended["duration"], STEP, "run_id").head(most)


def queue_delays(rows: pd.DataFrame, runs: pd.DataFrame | None) -> pd.DataFrame:
    """Return how long steps waited for a worker, also those that still do."""
    told = ["queue_delay"] if "queue_delay" in rows.columns else ["queued_at", "started_at"]
    steps = steps_of(rows, runs, "step", "kind", *told)
    steps = steps[~steps["kind"].isin((*_PAUSES, "invoke"))]
    delays = steps["queue_delay"].fillna(steps["started_at"] - steps["queued_at"])
    return spread(steps, delays, STEP, "run_id")


def spread(
    rows: pd.DataFrame, spans: pd.Series[Any], by: Sequence[str], example: str
) -> pd.DataFrame:
    """Return percentiles of spans, one row per group, the longest first."""
    known = rows.assign(span=spans)[spans.notna()].sort_values("span", kind="stable")
    groups = known.groupby(list(by), sort=False, dropna=False)
    longest = groups["span"]
    answer = pd.DataFrame(
        {
            "count": groups.size(),
            "p50": longest.quantile(0.5),
            "p95": longest.quantile(0.95),
            "max": longest.max(),
            "example": groups[example].last(),
        }
    ).reset_index()
    return answer.astype(dict.fromkeys(by, "str") | _SPREAD).sort_values(
        ["p95", "count"], ascending=False, kind="stable", ignore_index=True
    )


def saved_by_retry(rows: pd.DataFrame, runs: pd.DataFrame | None) -> pd.DataFrame:
    """Return the steps that were retried, with how many runs that saved."""
    steps = steps_of(rows, runs, "step", "kind", "attempts")
    over = steps["run_status"].isin(ENDED)
    tried = steps[over & (steps["attempts"].fillna(0) > 1)].sort_values("ended_at", kind="stable")
    passed = (tried["status"] == "completed") & (tried["run_status"] == "completed")
    tried = tried.assign(
        saved_run=tried["run_id"].where(passed), needed=tried["attempts"].where(passed)
    )
    groups = tried.groupby(STEP, sort=False, dropna=False)
    answer = groups.agg(
        retried=("run_id", "nunique"),
        saved=("saved_run", "nunique"),
        attempts=("needed", "max"),
        last_seen=("ended_at", "max"),
        example=("saved_run", "last"),
    ).reset_index()
    answer["share"] = answer["saved"] / answer["retried"].replace(0, np.nan)
    return (
        answer[list(_SAVED)]
        .astype(_SAVED)
        .sort_values(["saved", "retried"], ascending=False, kind="stable", ignore_index=True)
    )
