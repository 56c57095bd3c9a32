"""What charts are drawn of, on matplotlib's axes: bars, lines, ticks, columns, headings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from inngest_nb import words
from inngest_nb.frames.charts._figure import LITERAL, literal, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.text import Text

Numbers = npt.NDArray[Any]

# Colours are those of the widgets. All but the commonest have a hatch, so that a grey print tells
# them apart. The first ones lie at the bottom of a stack; the commonest is pale.
_HATCHES = {
    "failed": "////",
    "running": ".",
    "queued": "++++",
    "canceled": "xxxx",
    "abandoned": "\\\\\\\\",
    "completed": "",
}
_UNKNOWN_HATCHES = ("||", "--", "o", "*")
_DOT = words.TONE_COLOURS["busy"]
_PALE = 0.5
_STEPS = (1, 2, 5, 10)
_LEGEND_LINE, _LINE = 0.22, 0.19  # inches
_ABOVE_HEADS = 20  # points
_SKEWED = 20  # durations this many times apart need a log scale

_SECONDS = (1, 10, 60, 600, 3_600, 36_000, 86_400)
_TICKS = (
    *(10.0**power for power in range(-6, 0)),
    *_SECONDS,
    *(86_400 * 10.0**power for power in range(1, 8)),
)


def entitle(
    ax: Axes, title: str, below: str, notes: Sequence[str] = (), *, heads: bool = False
) -> None:
    """Write what is seen above the axes, and below them the unit and what is not seen.

    Comes last, when it is known how much room there is. `heads` tells that columns have theirs
    above the axes too.
    """
    figure = ax.figure.figure
    heading = ax.set_title(" ", loc="left", pad=_ABOVE_HEADS if heads else None, **literal(ax))
    label = ax.set_xlabel(" \n" * (1 + len(notes)), **LITERAL)
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
    _fit(ax, heading, [title])
    _fit(ax, label, [below, *notes])


def only_words(ax: Axes, title: str, text: str) -> None:
    """Draw axes that have nothing to show, and say so on them."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    said = ax.text(0.5, 0.5, "", transform=ax.transAxes, ha="center", va="center", **literal(ax))
    entitle(ax, title, "")
    _fit(ax, said, [text])


def stacks(
    ax: Axes,
    edges: Numbers,
    heights: Mapping[str, Numbers],
    names: Mapping[str, str],
    lines: int = 0,
) -> float:
    """Draw stacked bars between the edges, one layer per status, and name the layers above them.

    Return the share of the axes' height that the bars fill. Above them is room for the legend, and
    below that for so many `lines`.
    """
    base = np.zeros(len(edges) - 1)
    layers, labels = [], []
    for word, look in looks(heights).items():
        bars = ax.bar(
            edges[:-1],
            heights[word],
            width=np.diff(edges),
            bottom=base,
            align="edge",
            **look,
        )
        base = base + heights[word]
        layers.append(bars)
        labels.append(plain(names[word]))
    across, down = _inches(ax)
    columns = max(1, min(len(layers), int(across / 1.5)))
    legend = ax.legend(
        layers,
        labels,
        loc="upper left",
        ncols=columns,
        fontsize="small",
        frameon=False,
        borderaxespad=0,
    )
    for text in legend.get_texts():
        text.set(**literal(ax))
    rows = ceil(len(layers) / columns) * _LEGEND_LINE + lines * _LINE
    room = 0.96 - min(0.6, rows / down)
    ax.set_ylim(0, max(base.max(), 1) / room)
    ax.yaxis.set_major_locator(whole_numbers())
    ax.grid(axis="y", alpha=0.3)
    ax.set_axisbelow(True)
    return room


def time_axis(ax: Axes, edges: Numbers, places: Sequence[float], labels: Sequence[str]) -> None:
    """Let x run from the first to the last edge, with ticks at these places."""
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xticks(places, labels)


def is_skewed(low: float, high: float) -> bool:
    """Return whether durations lie so far apart that they need a log scale."""
    return low > 0 and high / low >= _SKEWED


def duration_axis(ax: Axes, low: float, high: float) -> None:
    """Let x run from one duration to another, in seconds, with ticks a person would choose."""
    if is_skewed(low, high):
        ax.set_xscale("log")
        inside = [tick for tick in _TICKS if low <= tick <= high]
        ticks = inside[:: ceil(len(inside) / max(2, int(_inches(ax)[0] / 0.7)))]
        ax.set_xticks(ticks, [_duration(tick) for tick in ticks])
        ax.set_xticks([], minor=True)
    else:
        ax.xaxis.set_major_formatter(_duration_tick)
        most = max(2, int(_inches(ax)[0] / 0.8))
        ax.xaxis.set_major_locator(_ticker().MaxNLocator(most, steps=_STEPS))
    ax.set_xlim(low, high)


def marks(ax: Axes, found: Mapping[str, float], room: float) -> None:
    """Draw an upright line at each duration, and its name above the bars, which end at `room`."""
    ink = ax.xaxis.label.get_color()
    across, down = _inches(ax)
    for step, (name, seconds) in enumerate(found.items(), 1):
        top = room + (len(found) - step + 0.5) * _LINE / down
        ax.axvline(seconds, 0, top, color=ink, linewidth=1.1, linestyle=(0, (4, 2)))
        place = ax.transAxes.inverted().transform(ax.transData.transform((seconds, 0)))[0]
        left = (1 - place) * across < 1.3
        ax.annotate(
            f"{name} {_duration(seconds)}",
            (seconds, top),
            xycoords=("data", "axes fraction"),
            xytext=(-5 if left else 5, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize="small",
            **literal(ax),
        )


def ranges(ax: Axes, names: Sequence[str], points: Numbers) -> None:
    """Draw a row for each name, the first on top: a dot, a bar on from it, a line on from that.

    `points` has a row of three for each name.
    """
    rows = np.arange(len(names))
    first, second, third = points.T
    ax.hlines(rows, second, third, color=_DOT, linewidth=1.2)
    ax.hlines(rows, first, second, color=_DOT, linewidth=7, alpha=_PALE)
    ax.plot(first, rows, "o", color=_DOT, markersize=6)
    ax.set_yticks(rows, [plain(name) for name in names], **LITERAL)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)


def columns_beside(ax: Axes, columns: Mapping[str, Iterable[str]]) -> None:
    """Write columns of text to the right of the rows that `ranges` drew."""
    for place, (head, cells) in enumerate(columns.items(), 1):
        for row, cell in enumerate((head, *cells)):
            ax.annotate(
                plain(cell),
                (1, row - 1 if row else 1),
                xycoords=("axes fraction", "data" if row else "axes fraction"),
                xytext=(52 * place, 0 if row else 4),
                textcoords="offset points",
                ha="right",
                va="center" if row else "bottom",
                fontsize="small",
                annotation_clip=False,
                **literal(ax),
            )


def looks(heights: Mapping[str, Numbers]) -> dict[str, dict[str, Any]]:
    """Return how bars of each status look, in the order in which they are stacked."""
    return {
        word: {
            "facecolor": (words.TONE_COLOURS[words.status_tone(word)], 1 if hatch else _PALE),
            "hatch": hatch,
            "edgecolor": ("white", 0.6),
            "linewidth": 0.6,
        }
        for word, hatch in _hatches(heights).items()
    }


def whole_numbers() -> Any:
    """Return a locator of ticks at whole numbers."""
    return _ticker().MaxNLocator("auto", steps=_STEPS, integer=True)


def _hatches(heights: Mapping[str, Numbers]) -> dict[str, str]:
    """Return the hatch of each status, in the order in which they are stacked."""
    known = {word: hatch for word, hatch in _HATCHES.items() if word in heights}
    others = [word for word in heights if word not in known]
    count = len(_UNKNOWN_HATCHES)
    unknown = {word: _UNKNOWN_HATCHES[place % count] for place, word in enumerate(others)}
    completed = {word: known.pop(word) for word in ("completed",) if word in known}
    return known | unknown | completed


def _duration(seconds: float) -> str:
    return words.duration_text(timedelta(seconds=float(seconds)))


def _duration_tick(seconds: float, _: float) -> str:
    return _duration(seconds)


def _ticker() -> Any:
    from matplotlib import ticker

    return ticker


def _inches(ax: Axes) -> tuple[float, float]:
    """Tell how wide and high the axes are, about: a layout may move them a little later."""
    box, dpi = ax.get_window_extent(), ax.figure.figure.dpi
    return max(box.width / dpi, 0.5), max(box.height / dpi, 0.5)


def _fit(ax: Axes, said: Text, lines: Sequence[str]) -> None:
    """Break lines so that they end inside the figure, or inside the axes if there are more."""
    figure = ax.figure.figure
    whole = figure.bbox if len(figure.axes) == 1 else ax.get_window_extent()
    lines = [plain(line) for line in lines]
    for width in range(max(12, *map(len, lines)), 11, -2):
        said.set_text("\n".join(textwrap.fill(line, width) for line in lines))
        box = said.get_window_extent()
        if box.x0 >= whole.x0 - 1 and box.x1 <= whole.x1 + 1:
            break
