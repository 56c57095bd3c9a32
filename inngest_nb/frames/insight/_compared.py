"""What has changed from one time to another: each function's failures and durations."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.insight._intervals import Interval, median_change, rate_change
from inngest_nb.frames.insight._rows import FUNCTION, RESULTS, runs_of

_VERDICTS = ("worse", "better", "no clear change", "too few runs")
# Fewer tell nothing; from then on to the second number, only whether a change is clear.
_FEWEST, _FEW = 5, 20

Numbers = npt.NDArray[np.float64]


class _Period(NamedTuple):
    """The runs of one function that came to a result, and how long the completed ones took."""

    runs: int
    failed: int
    took: Numbers  # microseconds

    @property
    def rate(self) -> float:
        """The share of the runs that failed."""
        return self.failed / self.runs if self.runs else np.nan

    def quantile(self, share: float) -> float:
        """Return the microseconds that this share of the completed runs did not exceed."""
        return float(np.quantile(self.took, share)) if len(self.took) else np.nan


_NOTHING = _Period(0, 0, np.array([], float))


def compared(before: pd.DataFrame, after: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Return one row per function of two frames of runs; a run in both counts for `after`."""
    new, old = _results(after), _results(before)
    then, now = _periods(old[~old["run_id"].isin(new["run_id"])]), _periods(new)
    keys = list(dict.fromkeys([*now, *then]))
    pairs = [(then.get(key, _NOTHING), now.get(key, _NOTHING)) for key in keys]
    rates = [
        rate_change((one.failed, one.runs), (other.failed, other.runs), confidence)
        for one, other in pairs
    ]
    medians = [median_change(one.took, other.took, confidence) for one, other in pairs]
    sizes = [(one.runs, other.runs) for one, other in pairs]
    completed = [(len(one.took), len(other.took)) for one, other in pairs]
    p95 = [(one.quantile(0.95), other.quantile(0.95)) for one, other in pairs]
    made = pd.DataFrame(
        {
            "app": columns.text(app for app, _ in keys),
            "function": columns.text(function for _, function in keys),
            "failures": columns.words(map(_verdict, rates, sizes), _VERDICTS),
            "durations": columns.words(map(_verdict, medians, completed), _VERDICTS),
            "runs_before": columns.counts([one for one, _ in sizes]),
            "runs_after": columns.counts([other for _, other in sizes]),
            "failure_rate_before": np.array([one.rate for one, _ in pairs], float),
            "failure_rate_after": np.array([other.rate for _, other in pairs], float),
            "failure_rate_change": np.array([rate.change for rate in rates], float),
            "failure_rate_low": np.array([rate.low for rate in rates], float),
            "failure_rate_high": np.array([rate.high for rate in rates], float),
            "p50_before": _spans(one.quantile(0.5) for one, _ in pairs),
            "p50_after": _spans(other.quantile(0.5) for _, other in pairs),
            "p50_change": _spans(median.change for median in medians),
            "p50_low": _spans(median.low for median in medians),
            "p50_high": _spans(median.high for median in medians),
            "p95_before": _spans(one for one, _ in p95),
            "p95_after": _spans(other for _, other in p95),
            "p95_change": _spans(other - one for one, other in p95),
        }
    )
    return made.sort_values(
        ["failures", "durations", "runs_after"],
        ascending=[True, True, False],
        kind="stable",
        ignore_index=True,
    )


def _results(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs that completed or failed; canceled and unfinished ones tell neither."""
    typed = runs_of(runs, "run_id", "function", "status", "duration").drop_duplicates("run_id")
    return typed[typed["status"].isin(RESULTS)]


def _periods(runs: pd.DataFrame) -> dict[tuple[str, str], _Period]:
    """Return for each app and function what became of its runs."""
    groups = runs.groupby([runs[name].fillna("") for name in FUNCTION])
    return {(str(app), str(function)): _period(some) for (app, function), some in groups}


def _period(runs: pd.DataFrame) -> _Period:
    completed = runs[(runs["status"] == "completed") & runs["duration"].notna()]
    took = completed["duration"].to_numpy().astype("timedelta64[us]").astype(np.int64)
    return _Period(len(runs), int((runs["status"] == "failed").sum()), took.astype(float))


def _verdict(interval: Interval, sizes: tuple[int, int]) -> str:
    """Say in a word what an interval means: here, more is worse."""
    fewest = min(sizes)
    if fewest >= _FEWEST and interval.is_clear:
        return "worse" if interval.low > 0 else "better"
    return "too few runs" if fewest < _FEW else "no clear change"


def _spans(microseconds: Any) -> npt.NDArray[np.timedelta64]:
    """Return a column of durations; what is not known is missing."""
    given = np.array([*microseconds], float)
    known = np.isfinite(given)
    whole = np.where(known, given, 0).round().astype(np.int64)
    return columns.durations(np.where(known, whole, columns.NOT_SET))
