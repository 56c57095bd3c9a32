"""The numbers of an overview, all of them answers of `df.wf` to the rows of its two spans."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandas as pd

from inngest_nb.frames import columns
from inngest_nb.history import OPEN
from inngest_nb.notebook.overview._reading import Material
from inngest_nb.notebook.overview._window import BEFORE, NOW

__all__ = ["Counted", "Numbers", "numbers_of"]

_WAITS_FOR_NOBODY = ("signal", "timer")  # what may take as long as it takes


@dataclass(frozen=True, slots=True)
class Counted:
    """How many there are in the span, and how many there were in the previous span."""

    now: int
    before: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """What an overview tells.

    `open` counts what has not ended, `sleeping` what of it waits for a timer. `began` are the rows
    that began in the span. The tables have a row per group, the largest first: `workflows` and
    `failures` (with how many there were `before`), `stuck` and `waiting` (for a signal), `slow`
    activities (None where there are no activities to look at). `others` counts rows whose status
    is not a known word, `early` those that began after now.
    """

    started: Counted
    ended: Counted
    failed: Counted
    open: int
    sleeping: int
    began: pd.DataFrame
    workflows: pd.DataFrame
    failures: pd.DataFrame
    stuck: pd.DataFrame
    stuck_after: timedelta
    waiting: pd.DataFrame
    slow: pd.DataFrame | None
    others: dict[str, int]
    early: int


def numbers_of(material: Material, stuck_after: timedelta) -> Numbers:
    """Ask the rows of both spans for all that an overview tells."""
    rows, window = material.rows, material.window
    ended = rows[rows["ended"].notna()]
    failed = ended[ended["status"] == "failed"]
    still = rows[columns.is_open(rows, columns.WORKFLOWS)]
    idle = still["waiting_for"].isin(_WAITS_FOR_NOBODY)
    by_signal = still[still["waiting_for"] == "signal"]
    return Numbers(
        started=_counted(rows["began"]),
        ended=_counted(ended["ended"]),
        failed=_counted(failed["ended"]),
        open=len(still),
        sleeping=int((still["waiting_for"] == "timer").sum()),
        began=rows[rows["began"] == NOW],
        workflows=_workflows(ended),
        failures=_failures(failed),
        stuck=still[~idle].wf.stuck(longer_than=stuck_after),
        stuck_after=stuck_after,
        waiting=by_signal.wf.stuck(longer_than="0s"),
        slow=None if material.activities is None else _slow(material.activities),
        others=_others(rows),
        early=int((rows["created_at"] > window.until).sum()),
    )


def _counted(periods: pd.Series[Any]) -> Counted:
    return Counted(int((periods == NOW).sum()), int((periods == BEFORE).sum()))


def _workflows(ended: pd.DataFrame) -> pd.DataFrame:
    """Return how the workflows of each name ended in the span, and how many failed before."""
    return _beside(ended, lambda rows, by: rows.wf.summary(by=by), ["workflow"], "failed")


def _failures(failed: pd.DataFrame) -> pd.DataFrame:
    """Return the groups of failures of the span, and how many of each there were before."""
    return _beside(failed, lambda rows, by: rows.wf.errors(by=by), ["workflow", "error"], "count")


def _beside(rows: pd.DataFrame, ask: Any, key: list[str], count: str) -> pd.DataFrame:
    """Ask both spans at once, and put the count of the previous span beside each group."""
    answer = ask(rows, ["ended", "workflow"]).reset_index()
    now, then = (answer[answer["ended"] == span] for span in (NOW, BEFORE))
    before = then[[*key, count]].rename(columns={count: "before"})
    # Both are missing where a workflow has no name or no error: these are the same group.
    found: pd.DataFrame = now.merge(before, "left", on=key)
    return found.assign(before=found["before"].fillna(0).astype("Int64"))


def _slow(activities: pd.DataFrame) -> pd.DataFrame:
    """Return the slowest activities, with the share of them that was retried."""
    retries = activities.wf.retries()[["workflow", "activity", "share"]]
    slow: pd.DataFrame = activities.wf.slowest(10)
    return slow.merge(
        retries.rename(columns={"share": "retried"}), "left", on=["workflow", "activity"]
    )


def _others(rows: pd.DataFrame) -> dict[str, int]:
    known = rows["status"].isin([*columns.STATUS_WORDS, *OPEN])
    counts = rows.loc[~known, "status"].astype("str").fillna("").value_counts()
    return {str(word): int(count) for word, count in counts.items()}
