"""`plot_status`, `plot_durations`, `plot_activity` and `df.wf.plot`, drawn by real matplotlib."""

import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest
from frame_states import after, history, state
from hostile_strings import HOSTILE_STRINGS
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib import pyplot
from matplotlib.text import Text

import inngest_nb as inb
from inngest_nb import MemoryStore, samples
from inngest_nb.words import TONE_COLOURS

mpl.use("Agg")

NOW = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)
MANY = list(samples.states(3_000, seed=1, now=NOW))
WORKFLOWS = inb.frame(MANY)
ACTIVITIES = inb.activity_frame(MANY)

CHARTS = {
    "status": (inb.plot_status, WORKFLOWS),
    "durations": (inb.plot_durations, WORKFLOWS),
    "activity": (inb.plot_activity, ACTIVITIES),
    "status of activities": (inb.plot_status, ACTIVITIES),
    "durations of activities": (inb.plot_durations, ACTIVITIES),
}
each_chart = pytest.mark.parametrize(("plot", "frame"), CHARTS.values(), ids=CHARTS)
each_function = pytest.mark.parametrize(
    ("plot", "frame"), list(CHARTS.values())[:3], ids=list(CHARTS)[:3]
)

NASTY_NAMES = (
    *HOSTILE_STRINGS,
    r"$\frac{1}{$",
    "100 $ and 200 $",
    r"\input{/etc/passwd} % # _ ^ & ~",
    "_begins_with_an_underscore",
    "two\nlines\tand a bell\a",
    "山田 太郎 🚲 محمد علي",
    "\u202etxt.exe",
    "x" * 5_000,
    " ",
)


@pytest.fixture(autouse=True)
def _no_figure_stays_open() -> Iterator[None]:
    yield
    pyplot.close("all")


def drawn(ax: Any, kind: str = "png") -> bytes:
    """Draw the chart's figure as a file; pytest turns every warning into an error."""
    file = io.BytesIO()
    ax.figure.savefig(file, format=kind)
    return file.getvalue()


def title(ax: Any) -> str:
    return ax.get_title(loc="left").replace("\n", " ")


def heading(ax: Any) -> Text:
    return next(text for text in ax.findobj(Text) if text.get_text() == ax.get_title("left"))


def below(ax: Any) -> str:
    return ax.get_xlabel().replace("\n", " ")


def legend(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def ticks(axis: Any) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def said(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.texts]


def layers(ax: Any) -> dict[str, Any]:
    """Return the bars of each layer of a stack, by what the legend calls it."""
    words = [text.split(":")[0] for text in legend(ax)]
    return dict(zip(words, ax.containers, strict=True))


def height(bars: Any) -> float:
    return sum(bar.get_height() for bar in bars)


def took(*seconds: float | None, status: str = "completed") -> pd.DataFrame:
    """Return a frame of workflows of these durations."""
    known = [
        state(f"w-{place}", status, created_at=after(0), updated_at=after(time))
        if time is not None
        else state(f"w-{place}", status)
        for place, time in enumerate(seconds)
    ]
    return inb.frame(known)


def began(*times: datetime | None) -> pd.DataFrame:
    return inb.frame([state(f"w-{place}", created_at=time) for place, time in enumerate(times)])


def ran(*activities: tuple[str, float, int, str]) -> pd.DataFrame:
    """Return a frame of activities: name, seconds, attempts, outcome."""
    names, seconds, attempts, outcomes = zip(*activities, strict=True)
    return pd.DataFrame(
        {
            "run_id": "r",
            "activity": names,
            "attempt_count": pd.array(attempts, dtype="Int64"),
            "duration": pd.to_timedelta(seconds, unit="s"),
            "outcome": outcomes,
        }
    )


# What became of workflows


def test_the_title_says_what_became_of_them() -> None:
    counts = WORKFLOWS["status"].value_counts()
    assert title(inb.plot_status(WORKFLOWS)).startswith(
        f"{counts['completed'] / 30:.0f}% of 3,000 workflows completed, "
        f"{counts['failed']} failed, {counts['running']} still open"
    )


def test_what_is_queued_is_open_as_what_is_running_is_in_every_title() -> None:
    frame = inb.frame([state("a", "running", created_at=NOW), state("b", "queued", created_at=NOW)])
    assert title(inb.plot_status(frame)) == "0% of 2 workflows completed, 2 still open"
    assert title(inb.plot_durations(frame)).startswith("2 workflows still open, for up to ")
    assert title(inb.plot_over_time(frame)) == "No workflow has ended yet"


def test_an_end_that_only_the_history_tells_counts_for_the_percentiles() -> None:
    events = history(("workflow_started", "", 0), ("workflow_completed", "", 10))
    ax = inb.plot_durations(inb.frame(state("a", "terminated", history=events)))
    assert title(ax) == "1 workflow took up to 10 s"
    assert said(ax) == ["p50 10 s"]


def test_every_workflow_is_in_a_bar_of_its_status() -> None:
    ax = inb.plot_status(WORKFLOWS)
    counts = WORKFLOWS["status"].value_counts()
    assert legend(ax) == [
        f"✕ failed: {counts['failed']}",
        f"◐ running: {counts['running']}",
        f"⊘ canceled: {counts['canceled']}",
        f"✓ completed: {counts['completed']:,}",
    ]
    for name, bars in layers(ax).items():
        assert height(bars) == counts[name.split()[1]]


def test_bars_stand_on_one_another_with_the_failed_ones_at_the_bottom() -> None:
    stacks = list(layers(inb.plot_status(WORKFLOWS)).values())
    assert {bar.get_y() for bar in stacks[0]} == {0}
    for lower, upper in pairwise(stacks):
        assert [bar.get_y() + bar.get_height() for bar in lower] == [bar.get_y() for bar in upper]


@each_chart
def test_no_status_is_told_by_its_colour_alone(plot: Any, frame: pd.DataFrame) -> None:
    ax = plot(frame)
    if plot is not inb.plot_activity:
        hatches = [bars[0].get_hatch() or "" for bars in ax.containers]
        assert len(hatches) == len(set(hatches)) > 2
        fills = [bars[0].get_facecolor() for bars in ax.containers]
        greys = [sum(fill[:3]) * fill[3] + 3 * (1 - fill[3]) for fill in fills]  # on white
        assert greys[-1] == max(greys), "the commonest status is the palest"


def test_the_axes_name_their_units() -> None:
    ax = inb.plot_status(WORKFLOWS)
    assert ax.get_ylabel() == "workflows per 3 h"
    assert below(ax) == "start (UTC)"
    assert ticks(ax.xaxis) == ["Mar 6", "Mar 7", "Mar 8", "Mar 9", "Mar 10"]


def test_times_are_those_of_the_frames_zone() -> None:
    frame = began(*(datetime(2026, 3, 10, 22, minute, tzinfo=UTC) for minute in (0, 59)))
    frame["created_at"] = frame["created_at"].dt.tz_convert("Asia/Tokyo")
    ax = inb.plot_status(frame)
    assert below(ax) == "start (Asia/Tokyo)"
    assert ticks(ax.xaxis)[0] == "07:00\nMar 11"
    frame["created_at"] = frame["created_at"].dt.tz_localize(None)
    assert below(inb.plot_status(frame)) == "start (no zone)"


def test_the_worst_hours_are_named() -> None:
    assert "; worst 3 h: Mar 8, 12:00 (" in title(inb.plot_status(WORKFLOWS))
    others = WORKFLOWS[WORKFLOWS["created_at"].dt.date != datetime(2026, 3, 8).date()]
    assert "worst" not in title(inb.plot_status(others))


def test_what_is_not_drawn_is_counted() -> None:
    times = [NOW - timedelta(minutes=minute) for minute in range(100)]
    frame = began(*times, None, None, datetime(1970, 1, 1, tzinfo=UTC))
    ax = inb.plot_status(frame)
    assert below(ax).endswith(
        "not drawn: 2 without a known start, 1 far from the others in time: w-102 (1970-01-01)"
    )
    assert height(ax.containers[0]) == 100


def test_a_part_is_not_taken_for_the_whole() -> None:
    store = samples.fill(MemoryStore(), 50, now=NOW)
    for frame, plots in (
        (inb.frame(store, limit=20), (inb.plot_status, inb.plot_durations)),
        (inb.activity_frame(store, limit=20), (inb.plot_activity,)),
    ):
        for plot in plots:
            assert "limit= left out older workflows" in below(plot(frame))
    assert "left out" not in below(inb.plot_status(inb.frame(store)))


@pytest.mark.parametrize(
    "times",
    [
        (NOW,),
        (NOW, NOW),
        (NOW, NOW + timedelta(microseconds=1)),
        (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (datetime(1, 1, 1, 0, 0, 1, tzinfo=UTC),),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),),
        tuple(NOW + timedelta(seconds=3**power) for power in range(20)),
        *((NOW, NOW + timedelta(seconds=7**power)) for power in range(0, 12, 3)),
    ],
    ids=str,
)
def test_any_times_find_a_bar(times: tuple[datetime, ...]) -> None:
    ax = inb.plot_status(began(*times))
    drawn(ax)
    assert height(ax.containers[0]) == len(times)
    assert len(ax.containers[0]) <= 50
    assert 1 <= len(ticks(ax.xaxis)) <= 12
    assert len(set(ticks(ax.xaxis))) == len(ticks(ax.xaxis))


def test_words_nobody_knows_are_drawn_and_the_rarest_are_one_layer() -> None:
    states = [state(f"w-{place}", f"word-{place}", created_at=NOW) for place in range(30)]
    states += [state("x", "", created_at=NOW), state("y", "queued", created_at=NOW)]
    ax = inb.plot_status(inb.frame(states))
    assert sum(map(height, ax.containers)) == 32
    assert "? 27 other words: 27" in legend(ax)
    assert "○ queued: 1" in legend(ax)
    assert "· not set: 1" in legend(ax)
    assert len(legend(ax)) == 6


def test_shares_are_rounded_but_never_to_none_or_all() -> None:
    nearly = [state(str(place), created_at=NOW) for place in range(2_999)]
    one = state("odd", "failed", created_at=NOW)
    assert title(inb.plot_status(inb.frame([*nearly, one]))).startswith("99.9% of 3,000")
    assert title(inb.plot_status(inb.frame(nearly[:1]))) == "100% of 1 workflow completed"
    assert title(inb.plot_status(inb.frame([one]))) == "0% of 1 workflow completed, 1 failed"


# How long they take


def test_the_title_says_how_long_half_of_them_and_the_slowest_tenth_take() -> None:
    frame = took(*[10] * 60, *[120] * 35, *[7_200] * 15)
    assert title(inb.plot_durations(frame)) == (
        "Half of 110 workflows finish within 10 s, 1 in 10 takes over 2 h"
    )
    assert title(inb.plot_durations(took(3, 250))) == "2 workflows took up to 4 min 10 s"


def test_skewed_durations_have_a_log_scale_with_ticks_a_person_would_choose() -> None:
    ax = inb.plot_durations(took(0.5, 1, 30, 90, 4_000, 90_000))
    assert ax.get_xscale() == "log"
    assert ticks(ax.xaxis) == ["1 s", "10 s", "1 min", "10 min", "1 h", "10 h", "1 d"]
    assert below(ax) == "duration (log scale)"


def test_durations_that_are_alike_have_a_plain_scale() -> None:
    ax = inb.plot_durations(took(8, 9, 10, 11))
    assert ax.get_xscale() == "linear"
    assert ax.get_xlim()[0] == 0
    assert ticks(ax.xaxis)[:3] == ["0 ms", "2 s", "4 s"]
    assert below(ax) == "duration"


def test_percentiles_are_marked_where_they_are_and_are_of_what_has_ended() -> None:
    running = inb.frame([state(f"r-{n}", "running", created_at=after(0)) for n in range(50)])
    frame = pd.concat([took(*range(1, 101)), running], ignore_index=True)
    ax = inb.plot_durations(frame)
    assert [line.get_xdata()[0] for line in ax.lines] == pytest.approx([50.5, 90.1, 99.01])
    assert said(ax) == ["p50 50.5 s", "p90 1 min 30 s", "p99 1 min 39 s"]
    assert title(ax).startswith("Half of 100 workflows finish within 50.5 s")
    assert "◐ running so far: 50" in legend(ax)
    assert sum(map(height, ax.containers)) == 150


@pytest.mark.parametrize("seconds", [(0,), (0, 0), (0, 5), (1e-6, 1e-6), (0, 1e-6, 1e9), (5,)])
def test_any_durations_find_a_bar(seconds: tuple[float, ...]) -> None:
    ax = inb.plot_durations(took(*seconds))
    drawn(ax)
    assert sum(map(height, ax.containers)) == len(seconds)


def test_unknown_durations_are_counted() -> None:
    assert below(inb.plot_durations(took(1, 2, None))).endswith(
        "not drawn: 1 without a known duration"
    )


# Where the time goes


def test_activities_come_in_the_order_of_the_time_they_take_in_all() -> None:
    ax = inb.plot_activity(ACTIVITIES)
    ended = ACTIVITIES[ACTIVITIES["outcome"] != "running"]
    total = ended.groupby("activity")["duration"].sum().sort_values(ascending=False)
    assert ticks(ax.yaxis) == list(total.index)
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first is on top"
    share = total.iloc[0] / total.sum()
    assert f"load_batch takes {share * 100:.0f}% of the time in activities; " in title(ax)


def test_a_row_says_how_long_an_activity_takes_and_how_often_it_is_retried() -> None:
    frame = ran(
        *[("send", place, 1, "completed") for place in range(1, 97)],
        ("send", 97, 2, "completed"),
        ("send", 98, 3, "failed"),
        ("send", 99, 1, "running"),
        ("check", 0.5, 1, "completed"),
    )
    ax = inb.plot_activity(frame)
    assert ticks(ax.yaxis) == ["send", "check"]
    dots = ax.lines[0].get_xdata()
    assert list(dots) == pytest.approx([49.5, 0.5])
    line, bar = ax.collections
    assert list(bar.get_segments()[0][:, 0]) == pytest.approx([49.5, 88.3])
    assert list(line.get_segments()[0][:, 0]) == pytest.approx([88.3, 97.03])
    cells = said(ax)
    assert cells == [
        *("count", "99", "1"),
        *("of time", "99.9%", "< 0.1%"),
        *("retried", "2%", ""),
        *("failed", "1%", ""),
    ]
    assert title(ax).endswith("send is retried most (2% of calls)")


def test_the_heads_of_the_columns_stand_below_the_title() -> None:
    ax = inb.plot_activity(ACTIVITIES)
    drawn(ax)
    heads = [text for text in ax.texts if text.get_text() in ("count", "of time", "retried")]
    assert len(heads) == 3
    lowest = heading(ax).get_window_extent().y0
    assert max(text.get_window_extent().y1 for text in heads) < lowest


def test_many_activities_are_limited_with_words_on_what_was_left_out() -> None:
    frame = ran(*((f"step-{place}", 100 + place, 1, "completed") for place in range(60)))
    ax = inb.plot_activity(frame)
    assert ticks(ax.yaxis) == [f"step-{place}" for place in range(59, 39, -1)]
    assert below(ax).endswith("not drawn: 40 more that take 62% of the time")
    assert title(ax).endswith("no retries")
    assert len(ticks(inb.plot_activity(frame, limit=3).yaxis)) == 3
    every = inb.plot_activity(frame, limit=0)
    assert len(ticks(every.yaxis)) == 60
    assert "not drawn" not in below(every)
    with pytest.raises(ValueError, match="limit is 0 for all"):
        inb.plot_activity(frame, limit=-1)


def test_activities_that_never_ended_are_counted() -> None:
    frame = ran(("send", 1, 1, "completed"), ("wait", 5, 1, "running"))
    assert below(inb.plot_activity(frame)).endswith("not drawn: 1 that never ended")
    ax = inb.plot_activity(frame[frame["activity"] == "wait"])
    assert said(ax) == ["None of 1 activity has ended with a known duration."]


def test_activities_that_take_no_time_are_drawn() -> None:
    for frame in (
        ran(("a", 0, 1, "completed")),
        ran(("a", 0, 1, "failed"), ("b", 99, 1, "failed")),
    ):
        assert drawn(inb.plot_activity(frame))


def test_a_failed_activity_without_a_name_has_a_row() -> None:
    events = history(("activity_started", "", 0), ("activity_failed", "", 2))
    ax = inb.plot_activity(inb.activity_frame(state(history=events)))
    assert ticks(ax.yaxis) == ["no name"]


# As matplotlib's users expect


@each_function
def test_it_is_drawn_without_a_warning(plot: Any, frame: pd.DataFrame) -> None:
    assert len(drawn(plot(frame), "pdf")) > 5_000


@each_chart
def test_nothing_is_cut_off(plot: Any, frame: pd.DataFrame) -> None:
    ax = plot(frame)
    drawn(ax)
    seen, inside = ax.get_tightbbox(), ax.figure.bbox
    assert seen.x0 >= inside.x0 - 1
    assert seen.x1 <= inside.x1 + 1
    assert seen.y0 >= inside.y0 - 1
    assert seen.y1 <= inside.y1 + 1


@each_function
def test_it_draws_on_the_axes_it_is_given_and_on_no_other(plot: Any, frame: pd.DataFrame) -> None:
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 5), layout="constrained")
    assert plot(frame, ax=left) is left
    assert pyplot.get_fignums() == [figure.number]
    assert not right.has_data()
    drawn(left)
    assert heading(left).get_window_extent().x1 < right.get_window_extent().x0


@each_function
def test_without_axes_it_opens_one_figure_that_pyplot_shows(plot: Any, frame: pd.DataFrame) -> None:
    ax = plot(frame)
    assert [pyplot.figure(number) for number in pyplot.get_fignums()] == [ax.figure]


@each_function
def test_no_setting_of_matplotlib_is_changed(plot: Any, frame: pd.DataFrame) -> None:
    before = dict(mpl.rcParams)
    drawn(plot(frame))
    assert dict(mpl.rcParams) == before


@each_chart
def test_a_frame_is_left_as_it_was(plot: Any, frame: pd.DataFrame) -> None:
    before, attrs = frame.copy(deep=True), dict(frame.attrs)
    plot(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert frame.attrs == attrs


@each_function
def test_it_keeps_to_a_style_that_the_user_chose(plot: Any, frame: pd.DataFrame) -> None:
    with pyplot.style.context("dark_background"):
        ax = plot(frame)
        assert drawn(ax)
        assert ax.get_facecolor() == mpl.colors.to_rgba(mpl.rcParams["axes.facecolor"])
        for text in ax.texts:
            assert text.get_color() == "white"


def test_the_accessor_draws_the_same() -> None:
    assert title(WORKFLOWS.wf.plot.status()) == title(inb.plot_status(WORKFLOWS))
    assert title(WORKFLOWS.wf.plot.durations()) == title(inb.plot_durations(WORKFLOWS))
    assert title(ACTIVITIES.wf.plot.activity()) == title(inb.plot_activity(ACTIVITIES))
    assert len(ticks(ACTIVITIES.wf.plot.activity(limit=2).yaxis)) == 2
    ax = pyplot.figure().subplots()
    assert WORKFLOWS.wf.plot.status(ax=ax) is ax
    assert repr(WORKFLOWS.wf.plot).startswith(
        "df.wf.plot: status(), durations(), activity(), over_t"
    )


# Names and frames nobody would wish for


@pytest.mark.parametrize("name", NASTY_NAMES, ids=lambda name: ascii(name[:20]))
def test_hostile_statuses_are_drawn_as_they_stand(name: str) -> None:
    ax = inb.plot_status(inb.frame([state("w", name, created_at=NOW)] * 3))
    assert_inert(ax)
    if name.isascii():
        assert any(beginning(name) in text for text in legend(ax))


def test_hostile_names_are_drawn_as_they_stand() -> None:
    ax = inb.plot_activity(ran(*((name, 5, 2, "completed") for name in NASTY_NAMES)), limit=0)
    assert_inert(ax)
    for name in NASTY_NAMES:
        assert not name.isascii() or any(beginning(name) in text for text in ticks(ax.yaxis))


def beginning(name: str) -> str:
    return name.strip()[:6].partition("\n")[0]


def assert_inert(ax: Any) -> None:
    image = drawn(ax, "svg")
    assert image
    assert b"<script" not in image
    for text in ax.findobj(Text):
        assert not (text.get_parse_math() and "$" in text.get_text())


def test_characters_that_the_font_lacks_are_written_as_escapes() -> None:
    ax = inb.plot_activity(ran(("山 é 🚲", 5, 1, "completed")))
    assert ticks(ax.yaxis) == [r"\u5c71 é \U0001f6b2"]
    drawn(ax)


EMPTY: dict[str, tuple[Callable[..., Any], pd.DataFrame, str]] = {
    "no workflows": (inb.plot_status, inb.frame([]), "This frame has no workflows."),
    "no durations": (inb.plot_durations, inb.frame([]), "This frame has no workflows."),
    "no activities": (inb.plot_activity, inb.activity_frame([]), "This frame has no activities."),
    "no start": (inb.plot_status, began(None), "None of 1 workflow has a known start."),
    "no end": (inb.plot_durations, took(None, None), "None of 2 workflows has a known duration."),
}


@pytest.mark.parametrize(("plot", "frame", "words"), EMPTY.values(), ids=EMPTY)
def test_a_frame_with_nothing_to_draw_says_so(plot: Any, frame: pd.DataFrame, words: str) -> None:
    ax = plot(frame)
    assert said(ax) == [words]
    assert title(ax)
    assert not ax.has_data()
    assert drawn(ax)


REFUSED: dict[str, tuple[Callable[..., Any], Any, type[Exception], str]] = {
    "events": (inb.plot_status, inb.history_frame(MANY[:3]), AttributeError, "lacks created_at"),
    "workflows": (inb.plot_activity, WORKFLOWS, AttributeError, "activity_frame.*lacks activity"),
    "any frame": (inb.plot_durations, pd.DataFrame({"x": [1]}), AttributeError, "lacks status"),
    "no times": (inb.plot_status, WORKFLOWS[["status"]], AttributeError, "lacks created_at"),
    "text for times": (inb.plot_status, WORKFLOWS.assign(created_at="x"), ValueError, "times"),
    "numbers": (inb.plot_durations, WORKFLOWS.assign(duration=1.5), ValueError, "timedeltas"),
    "more numbers": (inb.plot_activity, ACTIVITIES.assign(duration=2), ValueError, "timedeltas"),
    "a store": (inb.plot_status, MemoryStore(), TypeError, r"of frame\(\)"),
}


@pytest.mark.parametrize(("plot", "frame", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_other_frames_are_refused_with_words_and_leave_no_figure(
    plot: Any, frame: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        plot(frame)
    assert pyplot.get_fignums() == []


def test_several_axes_are_refused() -> None:
    _, several = pyplot.subplots(1, 2)
    with pytest.raises(TypeError, match="ax is one of matplotlib's Axes, got ndarray"):
        inb.plot_status(WORKFLOWS, ax=several)


def test_without_matplotlib_it_is_said_how_to_install_it() -> None:
    script = """
import sys
sys.modules["matplotlib"] = None  # as if it were not installed
import inngest_nb as inb
plot = inb.frame([]).wf.plot
try:
    plot.status()
except ImportError as error:
    print(error)
"""
    assert in_python(script) == 'charts need matplotlib: pip install "inngest-nb[charts]"\n'


def test_matplotlib_is_loaded_by_the_first_chart_only() -> None:
    script = """
import sys
import inngest_nb as inb
plot, draw = inb.frame([]).wf.plot, inb.plot_status
print("matplotlib" in sys.modules)
draw(inb.frame([]))
print("matplotlib" in sys.modules)
"""
    assert in_python(script) == "False\nTrue\n"


def in_python(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout


# What counts as finished, and where the data is


def test_statuses_that_nobody_knows_are_not_counted_as_finished() -> None:
    frame = pd.concat([took(*[10] * 20), took(*[10**6] * 20, status="terminated")])
    ax = inb.plot_durations(frame)
    assert title(ax) == "Half of 20 workflows finish within 10 s, 1 in 10 takes over 10 s"
    assert below(ax).endswith("not drawn: 20 without a known duration")
    unknown = inb.plot_durations(took(5, status="terminated"))
    assert title(unknown) == "No durations of ended workflows yet"


def test_one_workflow_of_another_century_does_not_squeeze_the_others() -> None:
    for count in (5, 15, 19, 30, 60, 500):
        times = [NOW - timedelta(minutes=7 * place) for place in range(count)]
        ax = inb.plot_status(began(*times, datetime(1700, 1, 1, tzinfo=UTC)))
        assert "week" not in ax.get_ylabel()
        assert height(ax.containers[0]) == count
        assert f"far from the others in time: w-{count} (1700-01-01)" in below(ax)
        pyplot.close("all")


def test_percentiles_are_named_above_the_bars() -> None:
    ax = inb.plot_durations(WORKFLOWS)
    drawn(ax)
    bars = max(bar.get_window_extent().y1 for bars in ax.containers for bar in bars)
    names = [text.get_window_extent() for text in ax.texts]
    assert len(names) == 3
    assert min(name.y0 for name in names) > bars
    assert max(name.y1 for name in names) < ax.get_legend().get_window_extent().y1


# In a notebook


def test_a_notebook_shows_svg_on_a_transparent_ground_in_ink_for_light_and_dark() -> None:
    shell = InteractiveShell.instance()
    ax = inb.plot_status(WORKFLOWS)
    with capture_output() as captured:
        shell.display_formatter.format(ax.figure)
    (output,) = captured.outputs
    assert set(output.data) == {"text/html", "image/svg+xml", "text/plain"}
    assert "max-width:100%" in output.data["text/html"]
    assert len(output.data["image/svg+xml"]) < 250_000
    assert ax.figure.patch.get_alpha() == ax.patch.get_alpha() == 0
    ink = {
        ax.xaxis.label.get_color(),
        heading(ax).get_color(),
        ax.get_legend().get_texts()[0].get_color(),
    }
    assert ink == {TONE_COLOURS["idle"]}
    for ground in (1.0, 0.007):  # white, and JupyterLab's dark ground, as luminance
        assert 3 < contrast(luminance(TONE_COLOURS["idle"]), ground) < 8


def luminance(colour: str) -> float:
    parts = [
        part / 12.92 if part <= 0.04 else ((part + 0.055) / 1.055) ** 2.4
        for part in mpl.colors.to_rgb(colour)
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: float, other: float) -> float:
    low, high = sorted((one, other))
    return (high + 0.05) / (low + 0.05)


def test_charts_and_widgets_have_one_palette() -> None:
    style = Path(inb.__file__).parent / "notebook/page/templates/style.css"
    given = dict(re.findall(r"--inb-(good|bad|busy):(#[0-9a-f]{6});", style.read_text("utf-8")))
    assert given == {tone: TONE_COLOURS[tone] for tone in ("good", "bad", "busy")}
    fills = {
        name.split()[1]: mpl.colors.to_hex(bars[0].get_facecolor())
        for name, bars in layers(inb.plot_status(WORKFLOWS)).items()
    }
    assert fills["failed"] == TONE_COLOURS["bad"]
    assert fills["running"] == TONE_COLOURS["busy"]
    assert fills["completed"] == TONE_COLOURS["good"]
