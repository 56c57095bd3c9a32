"""Charts of frames: what ran and failed when, how long it takes, where the time goes.

What a chart says is worked out here; `_drawing` puts it on matplotlib's axes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from inngest_nb import words
from inngest_nb.frames import _chart_words as say
from inngest_nb.frames import _columns as columns
from inngest_nb.frames import _drawing as drawing
from inngest_nb.frames import _time_bins as time_bins
from inngest_nb.frames._activity_frame import OUTCOME_WORDS
from inngest_nb.frames._chart_words import KINDS, OPEN, Kind

if TYPE_CHECKING:
    from inngest_nb.frames._drawing import Axes, Numbers


_MOST_UNKNOWN_WORDS = 3


def plot_status(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how many workflows began when, and what became of them, and return the axes.

    Works on a `frame` and on an `activity_frame`, whose outcomes stand in for statuses. Without
    `ax` a new pyplot figure is drawn, which a notebook shows below the cell.
    """
    kind = _kind_of(frame, "plot_status", "began")
    began = frame[kind.began]
    if not pd.api.types.is_datetime64_any_dtype(began.dtype):
        raise ValueError(f"plot_status needs times in {kind.began}, got {began.dtype}")
    statuses = _statuses(frame[kind.word], kind)
    counts = statuses.value_counts()
    title = say.what_became(counts, kind)
    bins = time_bins.bins(began)
    ax = drawing.begin(ax, 8, 3.4)
    if bins is None:
        drawing.only_words(ax, title, say.nothing(frame, kind, "a known start"))
        return ax
    heights = _heights(statuses[bins.drawn], bins.times, bins.edges)
    drawing.stacks(ax, bins.edges, heights, say.layers(counts))
    drawing.time_axis(ax, bins.edges, *time_bins.ticks(bins))
    ax.set_ylabel(f"{say.plural(kind)} per {bins.width_text}")
    notes = say.notes(
        frame,
        (bins.unknown, "without a known start"),
        (bins.outside, "from long before or after"),
    )
    drawing.entitle(ax, title + say.worst(heights, bins), f"start ({bins.zone})", notes)
    return ax


def plot_durations(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how durations are distributed, by status, and return the axes.

    Works on a `frame` and on an `activity_frame`. The percentiles are of what has ended; what
    still runs is drawn with its time so far. Without `ax` a new pyplot figure is drawn.
    """
    kind = _kind_of(frame, "plot_durations", "duration")
    seconds = _seconds(frame, "plot_durations")
    known = seconds >= 0
    statuses, seconds = _statuses(frame[kind.word], kind)[known], seconds[known]
    ended = seconds[~statuses.isin(OPEN).to_numpy()]
    title = say.how_long(seconds, ended, kind)
    ax = drawing.begin(ax, 8, 3.4)
    if not len(seconds):
        drawing.only_words(ax, title, say.nothing(frame, kind, "a known duration"))
        return ax
    edges = _duration_edges(seconds)
    heights = _heights(statuses, np.clip(seconds, edges[0], edges[-1]), edges)
    layers = say.layers(statuses.value_counts(), so_far=True)
    room = drawing.stacks(ax, edges, heights, layers)
    drawing.duration_axis(ax, edges[0], edges[-1])
    places = (50, 90, 99) if len(ended) >= 10 else (50,) if len(ended) else ()
    found = {f"p{place}": float(np.percentile(ended, place)) for place in places}
    drawing.marks(ax, found, room)
    ax.set_ylabel(say.plural(kind))
    scale = " (log scale)" if drawing.is_skewed(edges[0], edges[-1]) else ""
    notes = say.notes(frame, (int((~known).sum()), "without a known duration"))
    drawing.entitle(ax, title, f"duration{scale}", notes)
    return ax


def plot_activity(frame: pd.DataFrame, ax: Axes | None = None, limit: int = 20) -> Axes:
    """Draw how long each activity takes and how often it is retried, and return the axes.

    Takes an `activity_frame`. The activities that take the most time in all come first, at most
    `limit` of them (0: all). Durations run from the first attempt's start to the last one's end.
    Without `ax` a new pyplot figure is drawn.
    """
    _need(frame, "plot_activity", "activity_frame()", _ACTIVITY_COLUMNS)
    if not isinstance(limit, int) or limit < 0:
        raise ValueError(f"limit is 0 for all or a positive number, got {limit!r}")
    every = _activities(frame)
    timed = every[every["of time"].notna()]
    rows = timed.head(limit) if limit else timed
    ax = drawing.begin(ax, 8, 1.5 + 0.27 * max(len(rows), 4))
    if rows.empty:
        title = "No durations of activities to see yet"
        drawing.only_words(ax, title, say.nothing(frame, KINDS[1], "ended in a known time"))
        return ax
    low, high = _room_around(rows[["p50", "p99"]].to_numpy())
    drawing.ranges(
        ax,
        [words.short(name, 32) for name in rows.index],
        rows[["p50", "p90", "p99"]].clip(lower=low).to_numpy(),
    )
    drawing.duration_axis(ax, low, high)
    shares = {name: map(_share_or_blank, rows[name]) for name in ("of time", "retried", "failed")}
    drawing.columns_beside(ax, {"count": [f"{count:,}" for count in rows["count"]], **shares})
    scale = ", log scale" if drawing.is_skewed(low, high) else ""
    left_out = timed.iloc[len(rows) :]
    notes = say.notes(
        frame,
        (len(left_out), f"more that take {say.share_text(left_out['of time'].sum())} of the time"),
        (len(every) - len(timed), "that never ended"),
    )
    below = f"duration with retries{scale}: dot p50, bar to p90, line to p99"
    drawing.entitle(ax, say.where_time_goes(timed), below, notes, heads=True)
    return ax


class Charts:
    """The charts of a frame, as `df.wf.plot.status()` and so on."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self._rows = rows

    def __repr__(self) -> str:
        return "df.wf.plot: status(), durations(), activity()"

    def status(self, ax: Axes | None = None) -> Axes:
        """Draw how many began when and what became of them: `plot_status`."""
        return plot_status(self._rows, ax)

    def durations(self, ax: Axes | None = None) -> Axes:
        """Draw how durations are distributed: `plot_durations`."""
        return plot_durations(self._rows, ax)

    def activity(self, ax: Axes | None = None, limit: int = 20) -> Axes:
        """Draw how long each activity takes and how often it is retried: `plot_activity`."""
        return plot_activity(self._rows, ax, limit)


# Frames


_ACTIVITY_COLUMNS = ("activity", "attempt_count", "duration", "outcome")


def _kind_of(frame: Any, chart: str, use: str) -> Kind:
    """Tell what a frame counts, or refuse it with words."""
    present = frame.columns if isinstance(frame, pd.DataFrame) else ()
    kind = next((kind for kind in KINDS if kind.word in present), KINDS[0])
    column = kind.began if use == "began" else use
    _need(frame, chart, "frame() or activity_frame()", (kind.word, column))
    return kind


def _need(frame: Any, chart: str, makers: str, names: Iterable[str]) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            f"{chart} draws what {makers} gives: make that of it first, got {type(frame).__name__}"
        )
    if missing := [name for name in names if name not in frame.columns]:
        raise AttributeError(
            f"{chart} draws what {makers} gives; this frame lacks {', '.join(missing)}"
        )


def _statuses(series: pd.Series[Any], kind: Kind) -> pd.Series[Any]:
    """Give words as text, with the rarest unknown ones as one, and "" for what is not set."""
    named = columns.as_words(series, kind.known).astype(object)
    given = named.where(named.notna(), "")
    unknown = given[~given.isin([*kind.known, *OPEN, ""])].value_counts()
    rare = unknown.index[_MOST_UNKNOWN_WORDS:]
    return given.where(~given.isin(rare), f"{len(rare)} other words")


def _seconds(frame: pd.DataFrame, chart: str) -> Numbers:
    given = frame["duration"]
    if not pd.api.types.is_timedelta64_dtype(given.dtype):
        raise ValueError(f"{chart} needs timedeltas in duration, got {given.dtype}")
    return np.asarray(given.dt.total_seconds(), dtype=float)


def _activities(frame: pd.DataFrame) -> pd.DataFrame:
    """Give one row an activity, with what the chart says of it; the most time in all first."""
    outcome = columns.as_words(frame["outcome"], OUTCOME_WORDS).astype(object)
    names = frame["activity"].astype(object)
    by = names.where(names.notna(), "no name").astype(str).to_numpy()
    seconds = pd.Series(_seconds(frame, "plot_activity"), frame.index)
    ended = seconds.where((outcome != "running") & (seconds >= 0)).groupby(by)
    retried = frame["attempt_count"].fillna(1).astype(int) > 1
    total = ended.sum(min_count=1)
    rows = pd.DataFrame(
        {
            "count": ended.size(),
            "of time": total / (total.sum() or 1),
            "p50": ended.quantile(0.5),
            "p90": ended.quantile(0.9),
            "p99": ended.quantile(0.99),
            "retried": retried.groupby(by).mean(),
            "failed": (outcome == "failed").groupby(by).mean(),
        }
    )
    return rows.sort_values(["of time", "count"], ascending=False, kind="stable")


# Numbers


def _heights(statuses: pd.Series[Any], places: Numbers, edges: Numbers) -> dict[str, Numbers]:
    """Count what lies between the edges, for each status; the commonest comes first."""
    return {
        str(word): np.histogram(places[(statuses == word).to_numpy()], edges)[0]
        for word in statuses.value_counts().index
    }


def _duration_edges(seconds: Numbers) -> Numbers:
    """Give the edges of as many bars as so many durations can fill."""
    bars = int(np.clip(2 * len(seconds) ** 0.5, 8, 40))
    high = float(seconds.max()) or 1.0
    low = float(seconds[seconds > 0].min(initial=high))
    if drawing.is_skewed(low, high):
        return np.geomspace(low, high, bars + 1)
    return np.linspace(0, high * 1.1, bars + 1)


def _room_around(seconds: Numbers) -> tuple[float, float]:
    """Give the ends of an axis for these durations, so that no dot lies on its frame."""
    high = float(seconds.max())
    low = float(seconds[seconds > 0].min(initial=high))
    if drawing.is_skewed(low, high):
        return low / 1.5, high * 1.5
    return 0.0, high * 1.05 or 1.0


def _share_or_blank(part: float) -> str:
    return say.share_text(part) if part else ""
