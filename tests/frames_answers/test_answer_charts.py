"""`plot_over_time`, `plot_funnel`, `plot_stuck` and `df.wf.plot`, drawn by real matplotlib."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from answer_frames import called, ran, read_at
from frame_states import NOON, after, history, state
from hostile_strings import HOSTILE_STRINGS
from matplotlib import pyplot
from matplotlib.text import Text

import inngest_nb as inb
from inngest_nb import MemoryStore, samples

mpl.use("Agg")

NOW = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)
MANY = list(samples.states(400, seed=1, now=NOW))
WORKFLOWS = read_at(inb.frame(MANY), NOW)
ACTIVITIES = inb.activity_frame(MANY, now=NOW)

Plot = Callable[[pd.DataFrame], Any]
CHARTS: dict[str, tuple[Plot, pd.DataFrame]] = {
    "over time": (inb.plot_over_time, WORKFLOWS),
    "over time by": (lambda rows: inb.plot_over_time(rows, by="workflow"), WORKFLOWS),
    "over time of activities": (inb.plot_over_time, ACTIVITIES),
    "funnel": (lambda rows: inb.plot_funnel(rows, "order", runs=WORKFLOWS), ACTIVITIES),
    "stuck": (inb.plot_stuck, WORKFLOWS),
}
each_chart = pytest.mark.parametrize(("plot", "frame"), CHARTS.values(), ids=CHARTS)


@pytest.fixture(autouse=True)
def _no_figure_stays_open() -> Iterator[None]:
    yield
    pyplot.close("all")


def drawn(ax: Any, kind: str = "svg") -> bytes:
    """Draw the chart's figure as a file; pytest turns every warning into an error."""
    file = io.BytesIO()
    ax.figure.savefig(file, format=kind)
    return file.getvalue()


def title(ax: Any) -> str:
    return ax.get_title(loc="left").replace("\n", " ")


def below(ax: Any) -> str:
    return ax.get_xlabel().replace("\n", " ")


def ticks(axis: Any) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def said(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.texts]


def cells(ax: Any, head: str) -> list[str]:
    """Return the column of texts beside the rows that has this head."""
    texts, rows = said(ax), len(ticks(ax.yaxis))
    place = texts.index(head)
    return texts[place + 1 : place + 1 + rows]


def lengths(ax: Any) -> list[list[float]]:
    """Return how long each row's bars are, for each part."""
    return [[bar.get_width() for bar in bars] for bars in ax.containers]


# Over time


ENDED = [
    *(ran(f"order-{n}", n * 600, 60) for n in range(12)),
    ran("order-50", 3_600, 60, "failed"),
    ran("import-1", 0, 90, "failed"),
    ran("import-2", 0, 60, "running"),
]


def test_bars_count_what_ended_and_lines_above_them_what_is_open_and_how_long_it_took() -> None:
    ax = inb.plot_over_time(read_at(inb.frame(ENDED), after(7_000)), "30min")
    assert title(ax) == "2 of 14 workflows that ended failed (14%)"
    failed, others = ([bar.get_height() for bar in bars] for bars in ax.containers)
    assert failed == [1, 0, 1, 0]
    assert others == [3, 3, 3, 3]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "✕ failed: 2",
        "✓ ended otherwise: 12",
    ]
    assert ax.get_ylabel() == "workflows per 30 min"
    assert below(ax) == "end (UTC), bars of 30 min"
    bands = ax.child_axes
    assert [band.texts[0].get_text() for band in bands] == [
        "p90: 1 min at the end, 1 min 21 s at most",
        "in flight: 1 at the end, 1 at most",
    ]
    assert [list(band.patches[0].get_data().values) for band in bands][1] == [1, 1, 1, 1]
    assert ax.get_yticks().max() <= 4


def test_lines_stand_above_the_bars_and_below_the_legend() -> None:
    ax = inb.plot_over_time(WORKFLOWS)
    drawn(ax)
    highest = max(bar.get_window_extent().y1 for bars in ax.containers for bar in bars)
    names = [band.texts[0].get_window_extent() for band in ax.child_axes]
    assert len(names) == 2
    assert min(band.get_window_extent().y0 for band in ax.child_axes) >= highest - 1
    assert max(name.y1 for name in names) <= ax.get_legend().get_window_extent().y1
    assert names[0].y1 < names[1].y0


def test_a_span_is_chosen_so_that_bars_can_be_told_apart() -> None:
    ax = inb.plot_over_time(WORKFLOWS)
    assert ax.get_ylabel() == "workflows per 3 h"
    assert len(ax.containers[0]) < 50
    with pytest.raises(ValueError, match="every must be longer, or left out: 0:01:00 makes 7,"):
        inb.plot_over_time(WORKFLOWS, "1min")


def test_each_group_has_a_row_with_how_many_ended_and_failed() -> None:
    ax = inb.plot_over_time(read_at(inb.frame(ENDED), after(7_000)), "1h", by="workflow")
    assert ticks(ax.yaxis) == ["order", "import"]
    assert cells(ax, "ended") == ["13", "1"]
    assert cells(ax, "failed") == ["8%", "100%"]
    assert title(ax) == "2 of 14 workflows that ended failed (14%); order fails most (8%)"
    heights = [[round(-bar.get_height(), 3) for bar in bars] for bars in ax.containers]
    assert heights == [[0, 0.114], [0.686, 0.686], [0.8, 0], [0, 0]]
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first is on top"
    assert "each row with its own scale" in below(ax)


def test_of_many_groups_the_largest_are_drawn() -> None:
    rows = WORKFLOWS.assign(group=[f"g-{place % 40:02}" for place in range(len(WORKFLOWS))])
    ax = inb.plot_over_time(rows, by=["workflow", "group"])
    assert len(ticks(ax.yaxis)) == 12
    assert "smaller groups" in below(ax)


def test_what_lies_far_off_or_has_no_start_is_counted_and_not_drawn() -> None:
    odd = [ran("old-1", -1e9), ran("none-1", None)]
    ax = inb.plot_over_time(inb.frame([*ENDED[:12], *odd]))
    assert "not drawn: 1 without a known start, 1 far from the others in time: old-1" in below(ax)
    assert ax.get_ylabel().endswith("5 min")


def test_a_single_span_and_nothing_that_ended_are_drawn() -> None:
    one = inb.plot_over_time(inb.frame(ENDED[:1]))
    assert title(one) == "0 of 1 workflow that ended failed (0%)"
    assert drawn(one)
    open_only = inb.plot_over_time(read_at(inb.frame(ENDED[-1:]), after(9_000)))
    assert title(open_only) == "No workflow has ended yet"
    assert [band.texts[0].get_text() for band in open_only.child_axes] == [
        "in flight: 1 at the end, 1 at most"
    ]
    assert drawn(open_only)


# Funnel


ORDERS = [
    called("order-1", ("check", 0), ("charge", 1, 4, "completed", 2), ("ship", 9)),
    called("order-2", ("check", 0), ("charge", 1, 2, "failed", 3), status="failed"),
    called("order-3", ("check", 0), ("charge", 1, 1, "running"), status="running"),
    called("order-4", ("check", 0), ("charge", 1, 6), ("ship", 9)),
    state("order-5", "running"),
]


def test_a_funnel_says_how_many_reach_the_end_and_where_most_fail() -> None:
    ax = inb.plot_funnel(inb.activity_frame(ORDERS), "order", runs=inb.frame(ORDERS))
    assert title(ax) == "40% of 5 runs of order reach ship; most fail at charge (1)"
    assert ticks(ax.yaxis) == ["check", "charge", "ship"]
    assert lengths(ax) == [[4, 2, 2], [0, 1, 0], [0, 1, 0]]
    assert cells(ax, "reached") == ["80%", "80%", "40%"]
    assert cells(ax, "failed") == ["", "25%", ""]
    assert cells(ax, "retried") == ["", "50%", ""]
    assert cells(ax, "p50") == ["1 s", "4 s", "1 s"]
    hatches = [bars[0].get_hatch() for bars in ax.containers]
    assert len({*hatches}) == 3, "no outcome is told by its colour alone"
    fine = inb.plot_funnel(inb.activity_frame(ORDERS[:1]), "order")
    assert title(fine) == "100% of 1 run of order reach ship; none fail"


def test_a_long_funnel_is_limited_with_words_on_what_was_left_out() -> None:
    rows = inb.activity_frame(called("o-1", *((f"step-{n:02}", 2 * n) for n in range(30))))
    ax = inb.plot_funnel(rows, "o")
    assert ticks(ax.yaxis) == [f"step-{n:02}" for n in range(20)]
    assert below(ax).endswith("not drawn: 10 more activities")
    assert len(ticks(inb.plot_funnel(rows, "o", limit=0).yaxis)) == 30


def test_a_workflow_that_is_not_there_is_warned_of_and_said() -> None:
    with pytest.warns(UserWarning, match="unknown workflow 'ordr'"):
        ax = inb.plot_funnel(ACTIVITIES, "ordr")
    assert said(ax) == ["No run of ordr has reached an activity."]


# Stuck


def open_at(workflow_id: str, step: str, updated: float) -> inb.WorkflowState:
    events = history(("activity_started", step, 0))
    at = after(updated)
    return state(workflow_id, "running", history=events, created_at=NOON, updated_at=at)


def test_stuck_workflows_are_told_by_where_they_stand() -> None:
    states = [open_at("order-1", "charge", 0), open_at("order-2", "charge", 60)]
    states += [
        open_at("import-1", "load", 30),
        state("nightly", "queued", created_at=NOON, updated_at=NOON),
    ]
    rows = read_at(inb.frame(states), after(7_200))
    rows.loc[2, ["waiting_for", "signal"]] = ["signal", "go"]
    ax = inb.plot_stuck(rows)
    assert title(ax) == (
        "4 workflows have not been updated for over 1 h, the longest for 2 h; "
        "2 of them: order: charge (activity)"
    )
    assert ticks(ax.yaxis) == [
        "order: charge (activity)",
        "nightly: no step yet",
        "import: load (signal go)",
    ]
    assert lengths(ax) == [[2, 1, 1]]
    assert cells(ax, "longest") == ["2 h", "2 h", "1 h 59 min"]
    assert below(ax) == "workflows that have not been updated for over 1 h"
    assert title(inb.plot_stuck(rows, "119.7min")) == (
        "2 workflows have not been updated for over 1 h 59 min, the longest for 2 h; "
        "1 of them: order: charge (activity)"
    )


def test_many_groups_are_limited_and_none_is_said() -> None:
    rows = read_at(inb.frame([open_at(f"w{n:02}x-1", "a", 0) for n in range(30)]), after(7_200))
    assert below(inb.plot_stuck(rows)).endswith("not drawn: 10 more groups with 10 workflows")
    ax = inb.plot_stuck(rows, "3h")
    assert title(ax) == "No workflow has been stuck for over 3 h"
    assert said(ax) == ["Every open workflow was updated in the last 3 h."]


# As the other charts


@each_chart
def test_nothing_is_cut_off(plot: Plot, frame: pd.DataFrame) -> None:
    ax = plot(frame)
    drawn(ax)
    seen, inside = ax.get_tightbbox(), ax.figure.bbox
    assert seen.x0 >= inside.x0 - 1
    assert seen.x1 <= inside.x1 + 1
    assert seen.y0 >= inside.y0 - 1
    assert seen.y1 <= inside.y1 + 1


@each_chart
def test_it_draws_on_the_axes_it_is_given_and_leaves_the_frame(
    plot: Plot, frame: pd.DataFrame
) -> None:
    before, settings = frame.copy(deep=True), dict(mpl.rcParams)
    ax = plot(frame)
    assert [pyplot.figure(number) for number in pyplot.get_fignums()] == [ax.figure]
    pd.testing.assert_frame_equal(frame, before)
    assert dict(mpl.rcParams) == settings
    given = pyplot.figure(figsize=(9, 5), layout="constrained").subplots()
    calls = {
        "over_time": lambda: frame.wf.plot.over_time("6h", ax=given),
        "funnel": lambda: frame.wf.plot.funnel("order", ax=given),
        "stuck": lambda: frame.wf.plot.stuck("2h", ax=given),
    }
    kinds = ["over_time", "funnel"] if "outcome" in frame.columns else ["over_time", "stuck"]
    for kind in kinds:
        assert calls[kind]() is given
        given.clear()


@each_chart
def test_a_style_of_the_user_is_kept(plot: Plot, frame: pd.DataFrame) -> None:
    with pyplot.style.context("dark_background"):
        ax = plot(frame)
        assert drawn(ax)
        for text in [*ax.texts, *(text for band in ax.child_axes for text in band.texts)]:
            assert text.get_color() == "white"


NASTY = [
    *HOSTILE_STRINGS,
    r"$\frac{1}{$",
    "two\nlines\a",
    "\u202etxt.exe",
    "山田 🚲",
    "x" * 5_000,
    " ",
]


def test_hostile_names_are_drawn_as_they_stand() -> None:
    names = [NASTY[place % len(NASTY)] for place in range(len(WORKFLOWS))]
    rows = WORKFLOWS.assign(workflow=names, step=names, signal=names)
    rows["status"] = "running"
    calls = ACTIVITIES.assign(activity=[NASTY[n % len(NASTY)] for n in range(len(ACTIVITIES))])
    for ax in (
        inb.plot_over_time(WORKFLOWS.assign(workflow=names), by="workflow"),
        inb.plot_stuck(rows, limit=0),
        inb.plot_funnel(calls, "order", limit=0),
        inb.plot_funnel(calls.assign(workflow=NASTY[0]), NASTY[0]),
    ):
        image = drawn(ax)
        assert b"<script" not in image
        for text in ax.findobj(Text):
            assert not (text.get_parse_math() and "$" in text.get_text())


EMPTY: dict[str, tuple[Plot, pd.DataFrame, str]] = {
    "nothing over time": (inb.plot_over_time, inb.frame([]), "This frame has no workflows."),
    "no groups": (
        lambda rows: inb.plot_over_time(rows, by="workflow"),
        inb.frame([]),
        "This frame has no workflows.",
    ),
    "no start": (
        inb.plot_over_time,
        inb.frame(ran("a", None)),
        "None of 1 workflow has a known start.",
    ),
    "no activities": (
        lambda rows: inb.plot_funnel(rows, "order"),
        inb.activity_frame([]),
        "No run of order has reached an activity.",
    ),
    "nothing stuck": (inb.plot_stuck, inb.frame([]), "This frame has no workflows."),
}


@pytest.mark.parametrize(("plot", "frame", "words"), EMPTY.values(), ids=EMPTY)
def test_a_frame_with_nothing_to_draw_says_so(plot: Plot, frame: pd.DataFrame, words: str) -> None:
    ax = plot(frame)
    assert said(ax) == [words]
    assert title(ax)
    assert drawn(ax)


REFUSED: dict[str, tuple[Plot, Any, type[Exception], str]] = {
    "events": (inb.plot_over_time, inb.history_frame(MANY[:3]), AttributeError, "lacks created_at"),
    "workflows": (
        lambda rows: inb.plot_funnel(rows, "order"),
        WORKFLOWS,
        AttributeError,
        r"activity_frame\(\); this one lacks activity",
    ),
    "activities": (
        inb.plot_stuck,
        ACTIVITIES,
        AttributeError,
        r"frame\(\); this one lacks created",
    ),
    "no durations": (
        inb.plot_over_time,
        WORKFLOWS.drop(columns="duration"),
        AttributeError,
        "lacks duration",
    ),
    "a store": (inb.plot_stuck, MemoryStore(), TypeError, r"of frame\(\), got MemoryStore"),
    "no span": (lambda rows: inb.plot_over_time(rows, "soon"), WORKFLOWS, ValueError, "every must"),
    "no column": (
        lambda rows: inb.plot_over_time(rows, by="x"),
        WORKFLOWS,
        AttributeError,
        "by names",
    ),
    "no limit": (lambda rows: inb.plot_stuck(rows, limit=-1), WORKFLOWS, ValueError, "limit is 0"),
}


@pytest.mark.parametrize(("plot", "frame", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_drawn_is_refused_with_words_and_leaves_no_figure(
    plot: Plot, frame: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        plot(frame)
    assert pyplot.get_fignums() == []


def test_durations_of_days_and_zones_of_other_lands_are_no_problem() -> None:
    rows = WORKFLOWS.assign(created_at=WORKFLOWS["created_at"].dt.tz_convert("Asia/Tokyo"))
    assert title(inb.plot_over_time(rows)) == title(inb.plot_over_time(WORKFLOWS))
    weeks = [ran(f"order-{n}", n * 86_400 * 9, 86_400 * 30) for n in range(40)]
    ax = inb.plot_over_time(inb.frame(weeks))
    assert ax.get_ylabel() == "workflows per 4 weeks"
    assert np.isfinite(ax.get_ylim()).all()
    assert drawn(inb.plot_over_time(inb.frame(weeks), timedelta(days=7)))
