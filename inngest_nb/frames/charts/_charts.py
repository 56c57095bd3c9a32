"""Charts of frames: what ran and failed when, how long it takes, where the time goes.

What a chart says is worked out here; `_drawing` puts it on matplotlib's axes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from inngest_nb import words
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._columns import ACTIVITIES, EVENTS, WORKFLOWS, Kind
from inngest_nb.frames.charts import _chart_words as say
from inngest_nb.frames.charts import _drawing as drawing
from inngest_nb.frames.charts import _figure as figure
from inngest_nb.frames.charts import _time_bins as time_bins
from inngest_nb.query import whole_number

if TYPE_CHECKING:
    from inngest_nb.frames.charts._drawing import Axes, Numbers


_MOST_UNKNOWN_WORDS = 3


def plot_status(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how many workflows began when and what became of them, and return matplotlib's `Axes`.

    Takes a `frame`, or an `activity_frame` with its outcomes as statuses. Times are in the zone of
    the column. The few rows that lie far from all others in time are counted below the chart
    instead of drawn. Without `ax` it makes a pyplot figure, which a notebook shows as SVG.

    Raises `AttributeError` for a missing column, `ValueError` for one that has no times, and
    `ImportError` without matplotlib.
    """
    kind = kind_drawn(frame, "plot_status", "began")
    began = columns.as_times(frame[kind.began])
    statuses = _statuses(frame[kind.word], kind)
    counts = statuses.value_counts()
    title = say.what_became(counts, kind)
    bins = time_bins.bins(began)
    ax = figure.begin(ax, 8, 3.4)
    if bins is None:
        drawing.only_words(ax, title, say.nothing(frame, kind, "a known start"))
        return ax
    heights = _heights(statuses[bins.drawn], bins.times, bins.edges)
    drawing.stacks(ax, bins.edges, heights, say.layers(counts))
    drawing.time_axis(ax, bins.edges, *time_bins.ticks(bins))
    ax.set_ylabel(f"{kind.plural} per {bins.width_text}")
    notes = say.notes(
        frame,
        (bins.unknown, "without a known start"),
        (int(bins.far.sum()), say.far_off(frame[bins.far], kind)),
    )
    drawing.entitle(ax, title + say.worst(heights, bins), f"start ({bins.zone})", notes)
    return ax


def plot_durations(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how durations are distributed, by status, and return matplotlib's `Axes`.

    Takes a `frame` or an `activity_frame`. Percentiles are of what has ended; what is still open is
    drawn with its time so far. `ax` and errors are those of `plot_status`.
    """
    kind = kind_drawn(frame, "plot_durations", "duration")
    seconds = _seconds(frame)
    known = seconds >= 0
    statuses, seconds = _statuses(frame[kind.word], kind)[known], seconds[known]
    rows = frame[known]
    ended = seconds[columns.has_ended(rows, kind).to_numpy()]
    title = say.how_long(ended, seconds[columns.is_open(rows, kind).to_numpy()], kind)
    ax = figure.begin(ax, 8, 3.4)
    if not len(seconds):
        drawing.only_words(ax, title, say.nothing(frame, kind, "a known duration"))
        return ax
    edges = _duration_edges(seconds)
    heights = _heights(statuses, np.clip(seconds, edges[0], edges[-1]), edges)
    layers = say.layers(statuses.value_counts(), growing=kind.open_words)
    places = (50, 90, 99) if len(ended) >= 10 else (50,) if len(ended) else ()
    room = drawing.stacks(ax, edges, heights, layers, lines=len(places))
    drawing.duration_axis(ax, edges[0], edges[-1])
    found = {f"p{place}": float(np.percentile(ended, place)) for place in places}
    drawing.marks(ax, found, room)
    ax.set_ylabel(kind.plural)
    scale = " (log scale)" if drawing.is_skewed(edges[0], edges[-1]) else ""
    notes = say.notes(frame, (int((~known).sum()), "without a known duration"))
    drawing.entitle(ax, title, f"duration{scale}", notes)
    return ax


def plot_activity(frame: pd.DataFrame, ax: Axes | None = None, limit: int = 20) -> Axes:
    """Draw how long each activity takes and how often it is retried; return matplotlib's `Axes`.

    Takes an `activity_frame`. The activities that take the most time in all come first, at most
    `limit` of them (0: all). Durations run from the first attempt's start to the last one's end.
    `ax` and errors are those of `plot_status`.
    """
    need_columns(frame, "plot_activity", "activity_frame()", _ACTIVITY_COLUMNS)
    limit = whole_number(limit)
    every = _activities(frame)
    timed = every[every["of time"].notna()]
    rows = timed.head(limit) if limit else timed
    ax = figure.begin(ax, 8, 1.5 + 0.27 * max(len(rows), 4))
    if rows.empty:
        title = "No durations of ended activities yet"
        drawing.only_words(ax, title, say.nothing(frame, ACTIVITIES, "ended with a known duration"))
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
        (
            len(left_out),
            f"more that take {words.share_text(left_out['of time'].sum())} of the time",
        ),
        (len(every) - len(timed), "that never ended"),
    )
    below = f"duration with retries{scale}: dot p50, bar to p90, line to p99"
    drawing.entitle(ax, say.where_time_goes(timed), below, notes, heads=True)
    return ax


# Frames


_ACTIVITY_COLUMNS = ("activity", "attempt_count", "duration", "outcome")


def kind_drawn(frame: Any, chart: str, use: str) -> Kind:
    """Tell what a frame counts, or refuse it with words."""
    present = frame.columns if isinstance(frame, pd.DataFrame) else ()
    kind = columns.kind_of(present) or WORKFLOWS
    kind = WORKFLOWS if kind is EVENTS else kind
    column = kind.began if use == "began" else use
    need_columns(frame, chart, "frame() or activity_frame()", (kind.word, column))
    return kind


def need_columns(frame: Any, chart: str, makers: str, names: Iterable[str]) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{chart} draws a DataFrame of {makers}, got {type(frame).__name__}")
    if missing := [name for name in names if name not in frame.columns]:
        raise AttributeError(
            f"{chart} draws a DataFrame of {makers}; this one lacks {', '.join(missing)}"
        )


def _statuses(series: pd.Series[Any], kind: Kind) -> pd.Series[Any]:
    """Return words as text, with the rarest unknown ones as one, and "" for what is not set."""
    named = columns.as_words(series, kind.known).astype(object)
    given = named.where(named.notna(), "")
    unknown = given[~given.isin([*kind.known, *kind.open_words, ""])].value_counts()
    rare = unknown.index[_MOST_UNKNOWN_WORDS:]
    return given.where(~given.isin(rare), f"{len(rare)} other words")


def _seconds(frame: pd.DataFrame) -> Numbers:
    spans = columns.as_durations(frame["duration"])
    return np.asarray(spans.dt.total_seconds(), dtype=float)


def _activities(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per activity, with what the chart says of it; the most time in all first."""
    outcome = columns.as_words(frame["outcome"], columns.OUTCOME_WORDS).astype(object)
    names = frame["activity"].astype(object)
    by = names.where(names.notna(), "no name").astype(str).to_numpy()
    seconds = pd.Series(_seconds(frame), frame.index)
    ended = seconds.where(columns.has_ended(frame, ACTIVITIES) & (seconds >= 0)).groupby(by)
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
    """Return the edges of as many bars as so many durations can fill."""
    bars = int(np.clip(2 * len(seconds) ** 0.5, 8, 40))
    high = float(seconds.max()) or 1.0
    low = float(seconds[seconds > 0].min(initial=high))
    if drawing.is_skewed(low, high):
        return np.geomspace(low, high, bars + 1)
    return np.linspace(0, high * 1.1, bars + 1)


def _room_around(seconds: Numbers) -> tuple[float, float]:
    """Return the ends of an axis for these durations, so that no dot lies on its frame."""
    high = float(seconds.max())
    low = float(seconds[seconds > 0].min(initial=high))
    if drawing.is_skewed(low, high):
        return low / 1.5, high * 1.5
    return 0.0, high * 1.05 or 1.0


def _share_or_blank(part: float) -> str:
    return words.share_text(part) if part else ""
