"""What runs of a real Inngest server did, step by step."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from inngest_nb.api import InngestAPI, Run, Trace, checks
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.inngest._asking import at_once, attrs_of, kept, opened

_AT_ONCE = 4  # more is no faster


def trace_frame(
    runs: str | Run | pd.DataFrame | Iterable[str | Run], api: InngestAPI | None = None
) -> pd.DataFrame:
    """Return a DataFrame with one row per step of one or many runs of a real Inngest server.

        inb.trace_frame(inb.search_runs(status="failed"))

    `runs` is a run's id, several, or a frame with a column `run_id`; each run is asked for once.
    The columns are `run_id`, `step_id`, `step`, `kind`, `status` (categorical), `queued_at`,
    `started_at`, `ended_at` (UTC), `queue_delay`, `duration`, `attempts` and `error`. `kind` is
    step, sleep, wait, invoke, or function for what the function does between and after its steps,
    which has no `step_id`; an unknown kind is kept in lower case. `attempts` is 0 for sleeps, waits
    and what has not begun. `queue_delay` is the time until the first attempt, and `duration` the
    time from there, with the pauses between attempts. A step that is open has them until
    `fetched_at`; one that was open when its run ended is `canceled` with the run, or `abandoned`,
    and lasted until that end. A run that has not begun has no rows.

    `attrs` and `partial` are those of `search_runs`. Raises `ValueError` for what is not a run's
    id, and `InngestNotFoundError` for a run that the server does not have.
    """
    wanted = run_ids(runs)
    with opened(api) as server:
        traces: list[Trace] = []

        def made(because: str | None) -> pd.DataFrame:
            at = datetime.now(UTC)
            rows = _made(traces, at)
            rows.attrs.update(attrs_of(server, {"runs": len(wanted)}, because, at))
            return rows

        with kept(made, "step"):
            traces.extend(trace for _, trace in at_once(server.trace, wanted, _AT_ONCE))
        return made(None)


def run_ids(runs: Any) -> list[str]:
    """Return the ids of runs that are given in any way, each once."""
    if isinstance(runs, pd.DataFrame):
        if "run_id" not in runs.columns:
            raise ValueError("runs must have a column run_id, as the frame of search_runs() has")
        given = list(runs["run_id"].dropna())
    elif isinstance(runs, str | Run):
        given = [runs]
    elif isinstance(runs, Iterable):
        given = list(runs)
    else:
        raise ValueError(
            "runs must be a run's id, several of them, or a frame with a column run_id, "
            f"got {type(runs).__name__}"
        )
    ids = [each.run_id if isinstance(each, Run) else each for each in given]
    return list(dict.fromkeys(checks.check_ulid(each, "runs") for each in ids))


def _made(traces: Iterable[Trace], at: datetime) -> pd.DataFrame:
    found = [(trace, step) for trace in traces for step in trace.steps]
    steps = [step for _, step in found]
    delays = columns.span_counts(trace.queued_for(step, at) for trace, step in found)
    spans = columns.span_counts(trace.took(step, at) for trace, step in found)
    return pd.DataFrame(
        {
            "run_id": columns.text(trace.run_id for trace, _ in found),
            "step_id": columns.text(step.step_id for step in steps),
            "step": columns.text(step.name for step in steps),
            "kind": columns.text(step.kind for step in steps),
            "status": columns.words(
                (trace.outcome(step.status) for trace, step in found), columns.STEP_WORDS
            ),
            "queued_at": columns.times(columns.microseconds(step.queued_at for step in steps)),
            "started_at": columns.times(columns.microseconds(step.started_at for step in steps)),
            "ended_at": columns.times(columns.microseconds(step.ended_at for step in steps)),
            "queue_delay": columns.durations(delays),
            "duration": columns.durations(spans),
            "attempts": columns.counts([len(step.every_attempt) for step in steps]),
            "error": columns.text(str(step.error or "") for step in steps),
        }
    )
