"""Charts of answers: what ended and failed when, how far runs get, where they are stuck."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from inngest_nb import words
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._columns import Kind, Span
from inngest_nb.frames.charts import _chart_words as say
from inngest_nb.frames.charts import _drawing as drawing
from inngest_nb.frames.charts import _figure as figure
from inngest_nb.frames.charts import _rows_of_bars as rows_of_bars
from inngest_nb.frames.charts import _time_bins as time_bins
from inngest_nb.frames.charts._charts import kind_drawn, need_columns
from inngest_nb.frames.insight import _activities as activities
from inngest_nb.frames.insight import _lasting as lasting
from inngest_nb.frames.insight import _over_time as over_time
from inngest_nb.frames.insight._typed import By, flat, lives_of
from inngest_nb.query import span_of, whole_number

if TYPE_CHECKING:
    from inngest_nb.frames.charts._drawing import Axes, Numbers

_MOST_BARS = 500
_GROUPS = 12
_NAME = 32  # characters


def plot_over_time(
    frame: pd.DataFrame, every: Span | None = None, by: By | None = None, ax: Axes | None = None
) -> Axes:
    """Draw what ended and what failed in each span of time, and return matplotlib's `Axes`.

    Takes what `df.wf.over_time` takes; without `every` a span is as long as about 40 of them fit.
    Above the bars are lines of how many were in flight, and of the 90th percentile of durations.
    With `by` there is a row of bars for each group, the largest first, each with its own scale.
    Times are in UTC. The few rows that lie far from all others in time are counted below the chart
    instead of drawn.

    `ax` and errors are those of `plot_status`; `ValueError` also for more than 500 spans.
    """
    kind = kind_drawn(frame, "plot_over_time", "began")
    need_columns(frame, "plot_over_time", "frame() or activity_frame()", ("duration",))
    found = _spans(frame, kind, every, by)
    ax = figure.begin(ax, 8, 4.2 if by is None else 1.5 + 0.45 * max(len(found.names), 3))
    title = say.how_many_failed(found.ended, found.failed, found.names, kind)
    if found.bins is None:
        drawing.only_words(ax, title, say.nothing(frame, kind, "a known start"))
        return ax
    heights = {"failed": found.failed, "completed": found.ended - found.failed}
    notes = say.notes(frame, *found.left_out)
    if by is None:
        one = {word: numbers[0] for word, numbers in heights.items() if numbers.any()}
        _bars_with_lines(ax, found, found.bins, one or {"completed": heights["completed"][0]}, kind)
        title += say.worst(one, found.bins)
    else:
        rows_of_bars.strips(ax, found.bins.edges, found.names, heights)
        ended, failed = found.ended.sum(axis=1), found.failed.sum(axis=1)
        drawing.columns_beside(
            ax,
            {
                "ended": [f"{number:,}" for number in ended],
                "failed": [
                    words.share_text(bad / max(number, 1)) if bad else ""
                    for bad, number in zip(failed, ended, strict=True)
                ],
            },
        )
    drawing.time_axis(ax, found.bins.edges, *time_bins.ticks(found.bins))
    below = f"end ({found.bins.zone}), bars of {found.bins.width_text}"
    if by is not None:
        below += ": failed at the bottom, each row with its own scale"
    drawing.entitle(ax, title, below, notes, heads=by is not None)
    return ax


def plot_funnel(
    frame: pd.DataFrame,
    workflow: str,
    ax: Axes | None = None,
    *,
    runs: pd.DataFrame | None = None,
    limit: int = 20,
) -> Axes:
    """Draw how many runs of a workflow reach each activity, and return matplotlib's `Axes`.

    Takes an `activity_frame`, and as `runs` a `frame`, whose runs count even if they reach none.
    Activities stand in the order of `df.wf.funnel`, the first `limit` of them (0: all). `ax` and
    errors are those of `plot_status`.
    """
    need_columns(
        frame,
        "plot_funnel",
        "activity_frame()",
        ("workflow", "activity", "outcome", "attempt_count", "started_at", "duration"),
    )
    limit = whole_number(limit)
    every = activities.funnel(frame, workflow, runs)
    rows = every.head(limit) if limit else every
    name = words.short(str(workflow), 32)
    ax = figure.begin(ax, 8, 1.5 + 0.32 * max(len(rows), 3))
    if rows.empty:
        nothing = f"No run of {name} has reached an activity."
        drawing.only_words(ax, f"No activities of {name} yet", nothing)
        return ax
    reached, completed, failed = (
        rows[column].to_numpy(np.int64) for column in ("reached", "completed", "failed")
    )
    rows_of_bars.lying(
        ax,
        [words.short(str(each), 32) for each in rows["activity"].fillna("no name")],
        {"completed": completed, "failed": failed, "running": reached - completed - failed},
    )
    drawing.columns_beside(
        ax,
        {
            "reached": map(words.share_text, rows["share"]),
            "failed": _shares(failed, reached),
            "retried": _shares(rows["retried"].to_numpy(np.int64), reached),
            "p50": [_duration(span) for span in rows["p50"]],
        },
    )
    below = "runs: plain if all calls completed, hatched if one failed, dotted otherwise"
    notes = say.notes(frame, (len(every) - len(rows), "more activities"))
    drawing.entitle(ax, say.how_far(every, name), below, notes, heads=True)
    return ax


def plot_stuck(
    frame: pd.DataFrame,
    longer_than: Span | None = None,
    ax: Axes | None = None,
    limit: int = 20,
) -> Axes:
    """Draw where open workflows are stuck, and return matplotlib's `Axes`.

    Takes a `frame`. The groups are those of `df.wf.stuck`, the largest `limit` of them (0: all).
    `ax` and errors are those of `plot_status`.
    """
    need_columns(
        frame,
        "plot_stuck",
        "frame()",
        ("status", "created_at", "updated_at", "duration", *lasting.STUCK),
    )
    limit = whole_number(limit)
    span = span_of(lasting.STUCK_AFTER if longer_than is None else longer_than, "longer_than")
    every = lasting.stuck(frame, columns.WORKFLOWS, span)
    rows = every.head(limit) if limit else every
    ax = figure.begin(ax, 8, 1.5 + 0.32 * max(len(rows), 3))
    title = say.how_stuck(every, span)
    if rows.empty:
        nothing = f"Every open workflow was updated in the last {_duration(span)}."
        drawing.only_words(
            ax, title, nothing if len(frame) else say.nothing(frame, columns.WORKFLOWS, "")
        )
        return ax
    counts = rows["count"].to_numpy(np.int64)
    names = [say.place_of(row) for row in rows.itertuples(index=False)]
    rows_of_bars.lying(
        ax, [words.short(figure.plain(name), _NAME) for name in names], {"running": counts}
    )
    drawing.columns_beside(
        ax,
        {
            "count": [f"{count:,}" for count in counts],
            "longest": [words.duration_text(span) for span in rows["longest"]],
        },
    )
    left_out = every.iloc[len(rows) :]
    more = f"more groups with {left_out['count'].sum():,} workflows"
    drawing.entitle(
        ax,
        title,
        f"workflows that have not been updated for over {_duration(span)}",
        say.notes(frame, (len(left_out), more)),
        heads=True,
    )
    return ax


class _Found(NamedTuple):
    """What is drawn over time: a line of numbers for each group, and what is left out."""

    bins: time_bins.Bins | None
    names: list[str]
    ended: Numbers
    failed: Numbers
    in_flight: Numbers
    p90: Numbers
    left_out: list[tuple[int, str]]


def _spans(frame: pd.DataFrame, kind: Kind, every: Span | None, by: By | None) -> _Found:
    """Ask what ended when, of the rows that are not far from all others in time."""
    span = None if every is None else span_of(every, "every")
    lives = lives_of(flat(frame), kind)
    begins = time_bins.bins(lives.began)
    near = np.ones(len(frame), bool) if begins is None else ~begins.far
    bins = time_bins.bins(pd.concat([lives.began[near], lives.until[near]]))
    if bins is None:
        nothing = np.zeros((1, 0), np.int64)
        return _Found(None, [""], nothing, nothing, nothing, nothing, [])
    near[near] = ~bins.far.reshape(2, -1).any(axis=0)
    span = timedelta(seconds=bins.width) if span is None else span
    found = over_time.over_time(frame[near], kind, span, by)
    starts = pd.DatetimeIndex(found.index.get_level_values("start").unique())
    if len(starts) > _MOST_BARS:
        raise ValueError(
            f"every must be longer, or left out: {span} makes {len(starts):,} bars, and only "
            f"{_MOST_BARS} can be told apart"
        )
    seconds = starts.tz_localize(None).astype("int64").to_numpy() / 1e6
    edges = np.append(seconds, seconds[-1] + span.total_seconds())
    bins = bins._replace(edges=edges, width=max(1, round(span.total_seconds())))
    groups = found.loc[starts[:1]].index.to_frame().iloc[:, 1:]
    numbers = {
        name: found[name].to_numpy(np.int64).reshape(len(starts), -1).T[:_GROUPS]
        for name in ("ended", "failed", "in_flight")
    }
    p90 = found["p90"].dt.total_seconds().to_numpy().reshape(len(starts), -1).T
    left_out = [
        (int((lives.began.isna() & lives.ended.isna()).sum()), "without a known start"),
        (int((~near).sum()), say.far_off(frame[~near], kind)),
        (max(0, len(groups) - _GROUPS), "smaller groups") if by is not None else (0, ""),
    ]
    names = [say.group_name(group) for group in groups.head(_GROUPS).itertuples(index=False)]
    return _Found(bins, names, **numbers, p90=p90, left_out=left_out)


def _bars_with_lines(
    ax: Axes, found: _Found, bins: time_bins.Bins, heights: dict[str, Numbers], kind: Kind
) -> None:
    """Draw stacked bars, above them what was in flight and how long the slowest tenth took."""
    lines = [(say.from_to("in flight", found.in_flight[0], "{:,.0f}".format), found.in_flight[0])]
    if np.isfinite(found.p90).any():
        lines.append((say.from_to("p90", found.p90[0], say.seconds_text), found.p90[0]))
    names = {
        "failed": words.status_text("failed"),
        "completed": f"{words.status_mark('completed')} ended otherwise",
    }
    legend = {word: f"{names[word]}: {numbers.sum():,.0f}" for word, numbers in heights.items()}
    edges = bins.edges
    room = drawing.stacks(ax, edges, heights, legend, lines=rows_of_bars.BAND_LINES * len(lines))
    rows_of_bars.bands(ax, edges, lines, room)
    ax.set_ylabel(f"{kind.plural} per {bins.width_text}")


def _shares(parts: Numbers, of: Numbers) -> list[str]:
    return [
        words.share_text(part / whole) if part else ""
        for part, whole in zip(parts, of, strict=True)
    ]


def _duration(span: Any) -> str:
    return "" if pd.isna(span) else words.duration_text(span)
