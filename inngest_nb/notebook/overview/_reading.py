"""What an overview is of: a store, states or a frame, read once and cut to what it tells of.

What is read of a store is decided here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from inngest_nb.api import InngestAPI
from inngest_nb.frames import activity_frame, columns, frame, is_store, lives_of
from inngest_nb.notebook.overview._calls import Calls
from inngest_nb.notebook.overview._window import Window, window_of
from inngest_nb.query import When

__all__ = ["Material", "read"]

# Activities take far more room than workflows; those of the newest workflows tell which are slow.
MOST_ACTIVE = 5_000
_NEEDED = (
    *("workflow_id", "workflow", "status", "created_at", "updated_at", "duration", "error"),
    *("step", "waiting_for", "signal"),
)


@dataclass(frozen=True, slots=True)
class Material:
    """The rows of both spans and all that are open, as of `window.until`.

    `rows` has two columns more than a frame: in which span each workflow `began`, and in which it
    `ended`. `activities` has those of the `active` newest workflows that ended in the span; it is
    None where the source has none. `source` names a store, "" for anything else. `unreadable` tells
    why workflows are missing, by id, `timeless` how many were left out because nothing tells when
    they began or ended, and `listed` is False where a server keeps more than could be read.
    """

    rows: pd.DataFrame
    activities: pd.DataFrame | None
    active: int
    window: Window
    calls: Calls
    source: str
    unreadable: Mapping[str, str]
    timeless: int
    listed: bool


def read(source: Any, since: When) -> Material:
    """Read a store, states, or a frame of them, from twice as far back as `since`."""
    window_of(since, datetime.now(UTC))  # a wrong one is refused before anything is read
    if isinstance(source, pd.DataFrame):
        return _cut(_checked(source), since, "df")
    if isinstance(source, InngestAPI):
        raise TypeError(
            "overview needs a store, states or a frame, got an InngestAPI: inb.checkup(api) "
            "checks a real Inngest server, and inb.RunStore(api) makes a store of its runs"
        )
    given = source if is_store(source) else _states(source)
    material = _cut(frame(given), since, "store" if is_store(source) else "states")
    window = material.window
    activities = activity_frame(given, limit=MOST_ACTIVE, now=window.until)
    return replace(
        material,
        activities=activities[activities["ended_at"] >= window.since],
        active=activities["workflow_id"].nunique() if activities.attrs["truncated"] else 0,
    )


def _states(given: Any) -> Any:
    """Return states as something that can be gone through twice."""
    return given if isinstance(given, list | tuple) or not hasattr(given, "__next__") else [*given]


def _checked(rows: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in _NEEDED if name not in rows.columns]
    if missing:
        raise ValueError(
            f"overview needs a frame as inb.frame() returns it; missing columns: "
            f"{', '.join(missing)}"
        )
    return rows


def _cut(rows: pd.DataFrame, since: When, name: str) -> Material:
    attrs = rows.attrs
    unreadable = dict(attrs.get("unreadable") or {})
    if "error_reading" in rows.columns:
        lost = rows[rows["error_reading"].notna()]
        unreadable |= zip(lost["workflow_id"], lost["error_reading"], strict=True)
        rows = rows[rows["error_reading"].isna()]
    window = window_of(since, _fetched_at(attrs))
    rows = rows.reset_index(drop=True).assign(
        created_at=columns.as_times(rows["created_at"].reset_index(drop=True)),
        updated_at=columns.as_times(rows["updated_at"].reset_index(drop=True)),
    )
    lives = lives_of(rows, columns.WORKFLOWS)
    rows = rows.assign(began=window.periods(lives.began), ended=window.periods(lives.ended))
    timeless = ~lives.is_open & lives.began.isna() & lives.ended.isna()
    wanted = lives.is_open | rows["began"].notna() | rows["ended"].notna()
    return Material(
        rows=rows[wanted],
        activities=None,
        active=0,
        window=window,
        calls=Calls(name),
        source=str(attrs.get("source") or ""),
        unreadable=unreadable,
        timeless=int(timeless.sum()),
        listed=attrs.get("listed") is not False,
    )


def _fetched_at(attrs: Mapping[Any, Any]) -> datetime:
    """Return when a frame was read; now, if it doesn't tell."""
    try:
        at = datetime.fromisoformat(str(attrs.get("fetched_at") or ""))
    except ValueError:
        return datetime.now(UTC)
    return at.astimezone(UTC) if at.tzinfo else datetime.now(UTC)
