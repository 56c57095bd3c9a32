"""How many workflows began when, and what became of them, as bars: numbers for a template."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandas as pd

from inngest_nb.frames import time_bins
from inngest_nb.notebook.overview._window import Window

__all__ = ["HEIGHT", "Bars", "Block", "Chart", "Label", "Tip", "chart_of"]

HEIGHT = 84  # pixels of the highest bar
_LEAST = 2.0  # pixels of a part that is there at all
_GAP = 0.12  # of a bar's width
# From the bottom: what failed stands on the axis, where its heights can be compared.
_STACK = ("failed", "unfinished", "unknown", "canceled", "completed")
_SAID = {"unfinished": "still open", "unknown": "with an unknown status"}


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a bar: its left edge in per cent, its top and its height in pixels."""

    left: float
    top: float
    height: float


@dataclass(frozen=True, slots=True)
class Bars:
    """All parts of one outcome; `word` has its look, `label` its name."""

    word: str
    label: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Tip:
    """What is said of a whole bar where the mouse is over it."""

    left: float
    text: str


@dataclass(frozen=True, slots=True)
class Label:
    """A label of the axis, its place in per cent."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars of one `width` in per cent; `slot` is that with the gap to the next.

    `caption` says what the bars tell to those who don't see them.
    """

    bars: tuple[Bars, ...]
    tips: tuple[Tip, ...]
    labels: tuple[Label, ...]
    width: float
    slot: float
    caption: str


def chart_of(began: pd.DataFrame, window: Window) -> Chart | None:
    """Draw the workflows that began in the window; None if none did."""
    axis = time_bins.bins(pd.Series(pd.to_datetime([window.since, window.until], utc=True)))
    if axis is None or began.empty:
        return None
    # What a clock that is wrong put into the future stands in the last bar.
    times = began["created_at"]
    rows = began.assign(created_at=times.where(times <= window.until, window.until))
    rates = rows.wf.rate(every=timedelta(seconds=axis.width))
    starts = pd.to_datetime(axis.edges[:-1], unit="s", utc=True).as_unit("us")
    counts = rates.drop(columns="failure_rate").astype("int64").reindex(starts, fill_value=0)
    most = int(counts["runs"].max())
    slot = 100 / len(counts)
    lefts = [round(slot * bar, 2) for bar in range(len(counts))]
    return Chart(
        bars=_stacked(counts, lefts, most),
        tips=tuple(
            Tip(left, f"{axis.text(bar)}: {_told(counts.iloc[bar])}")
            for bar, left in enumerate(lefts)
            if counts["runs"].iloc[bar]
        ),
        labels=_labels(axis),
        width=round(slot * (1 - _GAP), 2),
        slot=round(slot, 2),
        caption=_caption(counts, axis),
    )


def _stacked(counts: pd.DataFrame, lefts: list[float], most: int) -> tuple[Bars, ...]:
    """Lay the parts of each bar on one another."""
    tops = [float(HEIGHT)] * len(lefts)
    layers = []
    for outcome in _STACK:
        blocks = []
        for bar, count in enumerate(counts[outcome]):
            if count:
                height = round(max(HEIGHT * count / most, _LEAST), 1)
                tops[bar] = round(tops[bar] - height, 1)
                blocks.append(Block(lefts[bar], tops[bar], height))
        if blocks:
            word = "running" if outcome == "unfinished" else outcome
            layers.append(Bars(word, _SAID.get(outcome, outcome), tuple(blocks)))
    return tuple(layers)


def _told(count: Any) -> str:
    """Say what became of the workflows of one bar."""
    parts = [
        f"{count[outcome]:,} {_SAID.get(outcome, outcome)}"
        for outcome in reversed(_STACK)
        if count[outcome]
    ]
    return f"{count['runs']:,} started: {', '.join(parts)}"


def _labels(axis: time_bins.Bins) -> tuple[Label, ...]:
    """Give labels for the axis; a day is named where it begins or is seen first."""
    low, high = axis.edges[0], axis.edges[-1]
    labels = []
    for place, label in zip(*time_bins.ticks(axis), strict=True):
        clock, _, day = label.partition("\n")
        text = day if day and clock == "00:00" else ", ".join(filter(None, [day, clock]))
        labels.append(Label(round(100 * (place - low) / (high - low), 2), text))
    return tuple(labels)


def _caption(counts: pd.DataFrame, axis: time_bins.Bins) -> str:
    runs, failed = counts["runs"].to_numpy(), counts["failed"].to_numpy()
    busiest = int(runs.argmax())
    said = f"Starts per {axis.width_text}, at most {runs[busiest]:,} ({axis.text(busiest)})"
    if failed.any():
        worst = int(failed.argmax())
        said += f"; most failures: {failed[worst]:,} of {runs[worst]:,} ({axis.text(worst)})"
    return said
