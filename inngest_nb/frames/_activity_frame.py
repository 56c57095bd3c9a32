"""Activities as rows of a frame."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from inngest_nb.frames import _columns as columns
from inngest_nb.frames._source import Source, take
from inngest_nb.history import activities_of, outcome_of, times_of
from inngest_nb.state import WorkflowStatus
from inngest_nb.wire import uncollected

# Beyond a workflow's words: its run ended and nothing says what became of the activity.
OUTCOME_WORDS = (*columns.STATUS_WORDS, "abandoned")


@uncollected()
def activity_frame(
    source: Source,
    status: WorkflowStatus | str | None = None,
    limit: int = 0,
    *,
    now: datetime | None = None,
) -> pd.DataFrame:
    """Return one row per activity of the workflows of a store, or of states.

    Retries are attempts of one row, whose `duration` runs from its first start to its last end,
    or to `fetched_at` while it is running; `now` stands in for that. An activity that was open when
    its run ended is `canceled` with the run, or `abandoned`. `status` and `limit` choose workflows,
    as in `frame`.
    """
    taken = take(source, status, limit)
    if now is not None:
        taken = taken._replace(fetched_at=now, attrs=taken.attrs | {"fetched_at": now})
    until = {id(state): times_of(state).until(taken.fetched_at) for state in taken.states}
    found = [
        (state, activity) for state in taken.states for activity in activities_of(state.history)
    ]
    activities = [activity for _, activity in found]
    outcomes = [outcome_of(activity, state) for state, activity in found]
    started = columns.microseconds(activity.started_at for activity in activities)
    ended = columns.microseconds(activity.ended_at for activity in activities)
    took = columns.span_counts(
        activity.took(outcome, until[id(state)])
        for (state, activity), outcome in zip(found, outcomes, strict=True)
    )
    frame = pd.DataFrame(
        {
            "workflow_id": columns.text(state.workflow_id for state, _ in found),
            "run_id": columns.text(state.run_id for state, _ in found),
            "activity": columns.text(activity.name for activity in activities),
            "attempt_count": columns.counts([activity.attempts for activity in activities]),
            "started_at": columns.times(started),
            "ended_at": columns.times(ended),
            "duration": columns.durations(took),
            "outcome": columns.words(outcomes, OUTCOME_WORDS),
            "error": columns.text(activity.error for activity in activities),
        }
    )
    frame.attrs.update(taken.attrs)
    return frame
