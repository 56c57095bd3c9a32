"""How charts are drawn on matplotlib's axes, which is loaded when the first chart is.

Text on them is drawn as it stands: no mathematics, no TeX, no character that the fonts lack. No
setting of matplotlib is changed.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from inngest_nb import words

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.text import Text

Numbers = npt.NDArray[Any]

# Colours differ in lightness too, and all but the commonest have a hatch: a grey print tells them
# apart, and so does an eye that sees no red. The first ones lie at the bottom of a stack.
_FILLS = {
    "failed": ("#c8500a", "////"),
    "running": ("#1f4e8c", "...."),
    "queued": ("#d9b44a", "++++"),
    "canceled": ("#8a8a8a", "xxxx"),
    "abandoned": ("#a583bd", "\\\\\\\\"),
    "completed": ("#8fbfde", ""),
}
_UNKNOWN_FILLS = (("#4d4d4d", "oo"), ("#6b8e23", "||"), ("#9c6b4f", "--"), ("#c7c7c7", "**"))
_DOT, _BAR = "#2f6db5", "#8fbfde"
_STEPS = (1, 2, 5, 10)
_ABOVE_HEADS = 20  # points
_SKEWED = 20  # durations this many times apart want a log scale

_SECONDS = (1, 10, 60, 600, 3_600, 36_000, 86_400)
_TICKS = (
    *(10.0**power for power in range(-6, 0)),
    *_SECONDS,
    *(86_400 * 10.0**power for power in range(1, 8)),
)


def begin(ax: Axes | None, width: float, height: float) -> Axes:
    """Return the axes to draw on: those given, or new ones of this size in inches."""
    try:
        from matplotlib.axes import Axes

        if ax is None:
            from matplotlib import pyplot

            _, ax = pyplot.subplots(figsize=(width, height), layout="constrained")
    except ImportError as error:
        raise ImportError('charts need matplotlib: pip install "inngest-nb[charts]"') from error
    if not isinstance(ax, Axes):
        raise TypeError(f"ax is one of matplotlib's Axes, got {type(ax).__name__}")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def entitle(
    ax: Axes, title: str, below: str, notes: Sequence[str] = (), *, heads: bool = False
) -> None:
    """Write what is seen above the axes, and below them the unit and what is not seen.

    Comes last, when it is known how much room there is. `heads` tells that columns have theirs
    above the axes too.
    """
    figure = ax.figure.figure
    heading = ax.set_title(" ", loc="left", pad=_ABOVE_HEADS if heads else None, **_LITERAL)
    label = ax.set_xlabel(" \n" * (1 + len(notes)), **_LITERAL)
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
    _fit(ax, heading, [title])
    _fit(ax, label, [below, *notes])


def only_words(ax: Axes, title: str, text: str) -> None:
    """Draw axes that have nothing to show, and say so on them."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    said = ax.text(0.5, 0.5, "", transform=ax.transAxes, ha="center", va="center", **_LITERAL)
    entitle(ax, title, "")
    _fit(ax, said, [text])


def stacks(
    ax: Axes, edges: Numbers, heights: Mapping[str, Numbers], names: Mapping[str, str]
) -> float:
    """Draw stacked bars between the edges, one layer a status, and name the layers above them.

    Return the share of the axes' height that the bars may fill.
    """
    base = np.zeros(len(edges) - 1)
    layers, labels = [], []
    for word, (colour, hatch) in _fills(heights).items():
        bars = ax.bar(
            edges[:-1],
            heights[word],
            width=np.diff(edges),
            bottom=base,
            align="edge",
            facecolor=colour,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.6,
        )
        base = base + heights[word]
        layers.append(bars)
        labels.append(_plain(names[word]))
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
        text.set(**_LITERAL)
    room = 0.96 - min(0.6, ceil(len(layers) / columns) * 0.22 / down)
    ax.set_ylim(0, max(base.max(), 1) / room)
    ax.yaxis.set_major_locator(_ticker().MaxNLocator("auto", steps=_STEPS, integer=True))
    ax.grid(axis="y", alpha=0.3)
    ax.set_axisbelow(True)
    return room


def time_axis(ax: Axes, edges: Numbers, places: Sequence[float], labels: Sequence[str]) -> None:
    """Let x run from the first to the last edge, with ticks at these places."""
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xticks(places, labels)


def is_skewed(low: float, high: float) -> bool:
    """Tell whether durations lie so far apart that they want a log scale."""
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
    """Draw an upright line at each duration, and its name beside it, below `room`."""
    ink, paper = ax.xaxis.label.get_color(), ax.get_facecolor()
    for step, (name, seconds) in enumerate(found.items()):
        ax.axvline(seconds, 0, room, color=ink, linewidth=1.1, linestyle=(0, (4, 2)))
        place = ax.transAxes.inverted().transform(ax.transData.transform((seconds, 0)))[0]
        left = (1 - place) * _inches(ax)[0] < 1.3
        ax.annotate(
            f"{name} {_duration(seconds)}",
            (seconds, room - 0.06 - 0.11 * step),
            xycoords=("data", "axes fraction"),
            xytext=(-5 if left else 5, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            fontsize="small",
            color=ink,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": paper, "linewidth": 0, "alpha": 0.85},
            **_LITERAL,
        )


def ranges(ax: Axes, names: Sequence[str], points: Numbers) -> None:
    """Draw a row for each name, the first on top: a dot, a bar on from it, a line on from that.

    `points` has a row of three for each name.
    """
    rows = np.arange(len(names))
    first, second, third = points.T
    ax.hlines(rows, second, third, color=_DOT, linewidth=1.2)
    ax.hlines(rows, first, second, color=_BAR, linewidth=7)
    ax.plot(first, rows, "o", color=_DOT, markersize=6)
    ax.set_yticks(rows, [_plain(name) for name in names], **_LITERAL)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)


def columns_beside(ax: Axes, columns: Mapping[str, Iterable[str]]) -> None:
    """Write columns of text to the right of the rows that `ranges` drew."""
    for place, (head, cells) in enumerate(columns.items(), 1):
        for row, cell in enumerate((head, *cells)):
            ax.annotate(
                _plain(cell),
                (1, row - 1 if row else 1),
                xycoords=("axes fraction", "data" if row else "axes fraction"),
                xytext=(52 * place, 0 if row else 4),
                textcoords="offset points",
                ha="right",
                va="center" if row else "bottom",
                fontsize="small",
                annotation_clip=False,
                **_LITERAL,
            )


_LITERAL: dict[str, Any] = {"parse_math": False, "usetex": False}


def _fills(heights: Mapping[str, Numbers]) -> dict[str, tuple[str, str]]:
    """Give the colour and hatch of each status, in the order in which they are stacked."""
    known = {word: fill for word, fill in _FILLS.items() if word in heights}
    others = [word for word in heights if word not in known]
    unknown = {
        word: _UNKNOWN_FILLS[place % len(_UNKNOWN_FILLS)] for place, word in enumerate(others)
    }
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
    lines = [_plain(line) for line in lines]
    for width in range(max(12, *map(len, lines)), 11, -2):
        said.set_text("\n".join(textwrap.fill(line, width) for line in lines))
        box = said.get_window_extent()
        if box.x0 >= whole.x0 - 1 and box.x1 <= whole.x1 + 1:
            break


def _plain(text: str) -> str:
    """Write characters that no font at hand can draw as escapes.

    matplotlib would draw them all as the same box, with a warning for each.
    """
    text = words.visible(text)
    if text.isascii():
        return text
    from matplotlib import font_manager

    found = []
    for family in font_manager.FontProperties().get_family():
        properties = font_manager.FontProperties(family=[family])
        try:
            path = font_manager.findfont(properties, fallback_to_default=False)
        except ValueError:
            continue  # a family that is not installed: the next one stands in
        found.append(font_manager.get_font(path))
    return "".join(
        char
        if char.isascii() or any(font.get_char_index(ord(char)) for font in found)
        else char.encode("unicode_escape").decode()
        for char in text
    )
