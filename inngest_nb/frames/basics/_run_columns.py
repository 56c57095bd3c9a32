"""The columns that all frames of a real Inngest server's runs share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from inngest_nb.api import Run
from inngest_nb.frames.basics import _columns as columns


def run_columns(runs: Sequence[Run], at: datetime) -> dict[str, Any]:
    """Return the columns by their names; a run that has not ended has lasted until `at`."""
    return {
        "run_id": columns.text(run.run_id for run in runs),
        "app": columns.text(run.app for run in runs),
        "function": columns.text(run.function for run in runs),
        "status": columns.words((run.status for run in runs), columns.RUN_WORDS),
        "inngest_status": columns.text(run.inngest_status for run in runs),
        "queued_at": columns.times(columns.microseconds(run.queued_at for run in runs)),
        "started_at": columns.times(columns.microseconds(run.started_at for run in runs)),
        "ended_at": columns.times(columns.microseconds(run.ended_at for run in runs)),
        "duration": columns.durations(columns.span_counts(run.took(at) for run in runs)),
        "event_id": columns.text(run.event_ids[0] if run.event_ids else None for run in runs),
        "is_batch": np.array([run.is_batch for run in runs], dtype=bool),
    }
