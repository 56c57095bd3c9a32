"""Frames of runs and of steps as `search_runs` and `trace_frame` make them, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from inngest_nb.frames import columns

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)

Row = dict[str, Any]


def at(seconds: float | None) -> datetime | None:
    """A moment so many seconds after that Monday began."""
    return None if seconds is None else MONDAY + timedelta(seconds=seconds)


def run(run_id: str, status: str = "completed", **more: Any) -> Row:
    """One run: when it was `queued` and `ended`, in seconds, and what else is told of it."""
    queued = more.pop("queued", 0)
    ended = more.pop("ended", None if status in ("running", "queued") else queued + 1)
    return {
        "run_id": run_id,
        "app": "shop",
        "function": "pay",
        "status": status,
        "inngest_status": status.upper(),
        "queued_at": at(queued),
        "started_at": at(queued),
        "ended_at": at(ended),
        "duration": timedelta(seconds=(queued + 1 if ended is None else ended) - (queued or 0)),
        "error": None,
    } | more


def step(run_id: str, step: str, status: str = "completed", **more: Any) -> Row:
    """One step: when it was `queued`, `started` and `ended`, in seconds, and what else is told."""
    queued = more.pop("queued", 0)
    started = more.pop("started", None if status == "queued" else queued)
    ended = more.pop("ended", None if status in ("running", "queued", "waiting") else started + 1)
    kind = "function" if step == "Finalization" else "step"
    until = queued + 1 if ended is None else ended
    return {
        "run_id": run_id,
        "step_id": None if kind == "function" else f"sha-{step}",
        "step": step,
        "kind": kind,
        "status": status,
        "queued_at": at(queued),
        "started_at": at(started),
        "ended_at": at(ended),
        "queue_delay": timedelta(seconds=(until if started is None else started) - queued),
        "duration": timedelta(seconds=until - (queued if started is None else started)),
        "attempts": 1,
        "error": None,
    } | more


def runs(*rows: Row) -> pd.DataFrame:
    """A frame of runs."""
    return _frame(rows, run("", "queued"), columns.RUN_WORDS)


def steps(*rows: Row) -> pd.DataFrame:
    """A frame of steps."""
    return _frame(rows, step("", "", "queued"), columns.STEP_WORDS)


def _frame(rows: tuple[Row, ...], like: Row, known: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame({name: _column(name, [row[name] for row in rows], known) for name in like})


def _column(name: str, values: list[Any], known: tuple[str, ...]) -> Any:
    if name == "status":
        return columns.words(values, known)
    if name.endswith("_at"):
        return columns.times(columns.microseconds(values))
    if name in ("duration", "queue_delay"):
        return columns.durations(columns.span_counts(values))
    return columns.counts(values) if name == "attempts" else columns.text(values)
