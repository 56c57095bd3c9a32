"""`df.wf.plot`: the charts of a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from inngest_nb.frames.basics._columns import Span
from inngest_nb.frames.charts._answer_charts import plot_funnel, plot_over_time, plot_stuck
from inngest_nb.frames.charts._charts import plot_activity, plot_durations, plot_status
from inngest_nb.frames.insight._typed import By

if TYPE_CHECKING:
    from inngest_nb.frames.charts._drawing import Axes


class Charts:
    """The charts of a frame, as `df.wf.plot.status()` and so on."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self._rows = rows

    def __repr__(self) -> str:
        return (
            "df.wf.plot: status(), durations(), activity(), over_time(), funnel(workflow), stuck()"
        )

    def status(self, ax: Axes | None = None) -> Axes:
        """Draw how many began when and what became of them: `plot_status`."""
        return plot_status(self._rows, ax)

    def durations(self, ax: Axes | None = None) -> Axes:
        """Draw how durations are distributed: `plot_durations`."""
        return plot_durations(self._rows, ax)

    def activity(self, ax: Axes | None = None, limit: int = 20) -> Axes:
        """Draw how long each activity takes and how often it is retried: `plot_activity`."""
        return plot_activity(self._rows, ax, limit)

    def over_time(
        self, every: Span | None = None, by: By | None = None, ax: Axes | None = None
    ) -> Axes:
        """Draw what ended, failed and was in flight when: `plot_over_time`."""
        return plot_over_time(self._rows, every, by, ax)

    def funnel(
        self, workflow: str, *, runs: pd.DataFrame | None = None, ax: Axes | None = None
    ) -> Axes:
        """Draw how far the runs of a workflow get: `plot_funnel`."""
        return plot_funnel(self._rows, workflow, ax, runs=runs)

    def stuck(self, longer_than: Span | None = None, ax: Axes | None = None) -> Axes:
        """Draw where open workflows are stuck: `plot_stuck`."""
        return plot_stuck(self._rows, longer_than, ax)
