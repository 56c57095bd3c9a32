"""Frames for the tests of `df.wf`'s answers: a few workflows with what an answer is about."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
from frame_states import after, history, state

import inngest_nb as inb


def ran(
    workflow_id: str,
    began: float | None = 0,
    took: float | None = 1,
    status: str = "completed",
    **more: Any,
) -> inb.WorkflowState:
    """A workflow that began so many seconds after noon, and ended or was updated later."""
    updated = None if began is None or took is None else after(began + took)
    created = None if began is None else after(began)
    return state(workflow_id, status, created_at=created, updated_at=updated, **more)


def read_at(rows: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """A frame as it would be had it been read at another time."""
    is_open = rows["status"].isin(["running", "queued"])
    read = rows.assign(duration=rows["duration"].where(~is_open, now - rows["created_at"]))
    read.attrs.update(rows.attrs | {"fetched_at": now.isoformat()})
    return read


def called(
    workflow_id: str, *calls: tuple[Any, ...], status: str = "completed"
) -> inb.WorkflowState:
    """A workflow with calls of activities: name, start, seconds, outcome and attempts."""
    events: list[tuple[Any, ...]] = []
    for name, start, *more in calls:
        took, outcome, attempts = (*more, *(1, "completed", 1)[len(more) :])
        for attempt in range(attempts):
            failed = attempt < attempts - 1 or outcome == "failed"
            begin = start + attempt * took / attempts
            events.append(("activity_started", name, begin))
            if outcome != "running" or attempt < attempts - 1:
                kind = "activity_failed" if failed else "activity_completed"
                events.append((kind, name, begin + took / attempts))
    return state(workflow_id, status, history=history(*sorted(events, key=lambda event: event[2])))


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}


def seconds(spans: Any) -> list[float]:
    return [span.total_seconds() for span in spans]
