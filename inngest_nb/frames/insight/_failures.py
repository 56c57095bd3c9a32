"""Failures in groups: by function, by the step that failed, and by what the error says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from inngest_nb import words
from inngest_nb.frames.insight._errors import error_groups
from inngest_nb.frames.insight._rows import ENDED, FUNCTION, RESULTS, runs_of, steps_of

_GROUP = [*FUNCTION, "step", "error"]
_TIME = "datetime64[us, UTC]"
_TYPES = {
    **dict.fromkeys(_GROUP, "str"),
    "count": "Int64",
    "share": "float64",
    "first_seen": _TIME,
    "last_seen": _TIME,
    "example": "str",
}


def failures_of_runs(rows: pd.DataFrame, traces: pd.DataFrame | None) -> pd.DataFrame:
    """Return the groups of the runs that failed; the step of each comes from its trace."""
    runs = runs_of(rows, "run_id", "function", "status")
    failed = runs[runs["status"] == "failed"]
    if traces is None:
        if "error" not in rows.columns:
            raise AttributeError(
                "failures() needs the errors: search_runs(..., outputs=True), "
                "or failures(traces=inb.trace_frame(df.wf.failed()))"
            )
        return _groups(failed, runs)
    if not isinstance(traces, pd.DataFrame):
        raise ValueError(
            f"traces must be a frame of steps, such as trace_frame(df), got {type(traces).__name__}"
        )
    causes = _causes(runs_of(traces, "run_id", "step", "kind", "status", "error"))
    return _groups(
        failed.assign(
            step=failed["run_id"].map(causes["step"]),
            error=failed["error"].fillna(failed["run_id"].map(causes["error"])),
        ),
        runs,
    )


def failures_of_steps(rows: pd.DataFrame, runs: pd.DataFrame | None) -> pd.DataFrame:
    """Return the groups of the steps that failed for good, in runs that have ended."""
    steps = steps_of(rows, runs, "step", "kind", "error")
    # A step that waits for its next attempt is called failed, too.
    over = steps[steps["run_status"].isin(ENDED)]
    all_runs = (
        steps.assign(status=steps["run_status"])
        if runs is None
        else runs_of(runs, "run_id", "function", "status")
    )
    return _groups(_once(over), all_runs)


def _once(steps: pd.DataFrame) -> pd.DataFrame:
    """Return what failed, but not a function that only failed with the error of a step."""
    causes = _causes(steps)
    passed_on = causes.index[~_is_function(causes)]
    failed = steps[steps["status"] == "failed"]
    return failed[~(_is_function(failed) & failed["run_id"].isin(passed_on))]


def _causes(steps: pd.DataFrame) -> pd.DataFrame:
    """Return for each run in which something failed the step that ended it, by the run's id.

    That is the function itself if it ended with an error of its own.
    """
    failed = steps[steps["status"] == "failed"]
    said = [*zip(failed["kind"], failed["error"].fillna(""), strict=True)]
    of_runs: dict[str, list[int]] = {}
    for place, run_id in enumerate(failed["run_id"]):
        of_runs.setdefault(run_id, []).append(place)
    causes = [places[cause_of([said[n] for n in places])] for places in of_runs.values()]
    return failed.iloc[causes].set_index("run_id")


def cause_of(failed: Sequence[tuple[str, str]]) -> int:
    """Return the place of the step with whose error a run ended, among those that failed.

    Each is its kind and its error, "" where none is told, in the order in which they were queued.
    It is the last step that has the error of the function, as an error that was caught is followed
    by others; the function itself, if no step has its error. Where the function tells none, or is
    not there, it is the last step.
    """
    functions = [place for place, (kind, _) in enumerate(failed) if kind == "function"]
    ended_with = failed[functions[-1]][1] if functions else ""
    steps = [
        place
        for place, (kind, error) in enumerate(failed)
        if kind != "function" and ended_with in ("", error)
    ]
    return (steps or functions)[-1]


def _is_function(steps: pd.DataFrame) -> pd.Series[bool]:
    return steps["kind"] == "function"


def _groups(failed: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per group, the largest first; each is a share of all `runs`."""
    text = failed["error"].map(error_groups(failed["error"].dropna()))
    text = text.map(lambda said: words.visible(said, keep="\n\t"), na_action="ignore")
    found = failed.assign(error=text.astype("str")).sort_values(
        "ended_at", kind="stable", na_position="first"
    )
    found = found.drop_duplicates(["run_id", *_GROUP], keep="last")
    groups = found.groupby(_GROUP, sort=False, dropna=False)
    answer = groups.agg(
        count=("status", "size"),
        first_seen=("ended_at", "min"),
        last_seen=("ended_at", "max"),
        example=("run_id", "last"),
    ).reset_index()
    answer["share"] = answer["count"] / _counts(answer, failed, runs)
    return (
        answer[list(_TYPES)]
        .astype(_TYPES)
        .sort_values(["count", "last_seen"], ascending=False, kind="stable", ignore_index=True)
    )


def _counts(answer: pd.DataFrame, failed: pd.DataFrame, runs: pd.DataFrame) -> Any:
    """Return for each group how many runs of its function came to a result, or had a failure."""
    came = pd.concat([runs[runs["status"].isin(RESULTS)], failed])[["run_id", *FUNCTION]]
    sizes = came.drop_duplicates().groupby(FUNCTION, dropna=False).size().rename("runs")
    return answer.merge(sizes.reset_index(), "left", on=FUNCTION)["runs"].to_numpy()
