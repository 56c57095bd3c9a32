"""What tests of archives share: the story cut in its middle, and what an archive has."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from story_records import story

import inngest_nb as inb

FILES = ["runs.events.parquet", "runs.parquet", "runs.step_attempts.parquet"]
WHOLE = (47, 117, 123, 63)  # runs, steps, step attempts, events

STARTS = sorted(datetime.fromisoformat(row.record.item["startedAt"]) for row in story().rows)
MIDDLE = STARTS[20] + timedelta(microseconds=1)
OLDER = sum(start <= MIDDLE for start in STARTS)


def numbers(kept: Any) -> tuple[int, int, int, int]:
    return kept.runs, kept.steps, kept.step_attempts, kept.events


def ids(source: Any, query: str = "select id from runs") -> list[str]:
    return sorted(inb.sql(query, source, since=None)["id"])
