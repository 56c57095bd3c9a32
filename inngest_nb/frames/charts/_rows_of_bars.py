"""Rows of bars on matplotlib's axes: lying bars, small ones over time, and lines above others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from inngest_nb.frames.charts import _drawing as drawing
from inngest_nb.frames.charts._figure import LITERAL, literal, plain

if TYPE_CHECKING:
    from inngest_nb.frames.charts._drawing import Axes, Numbers

_ROW = 0.8  # of the height between two rows
_BAND = 0.34  # inches, a third of which is its text

BAND_LINES = 2  # lines of text that are as high as a band


def lying(ax: Axes, names: Sequence[str], lengths: Mapping[str, Numbers]) -> None:
    """Draw a row for each name, the first on top, with one part per status."""
    rows = np.arange(len(names))
    left = np.zeros(len(names))
    looks = drawing.looks(lengths)
    for word in lengths:
        ax.barh(rows, lengths[word], height=_ROW * 0.8, left=left, **looks[word])
        left = left + lengths[word]
    _name_rows(ax, names)
    ax.set_xlim(0, max(left.max(), 1) * 1.02)
    ax.xaxis.set_major_locator(drawing.whole_numbers())
    ax.grid(axis="x", alpha=0.3)


def strips(ax: Axes, edges: Numbers, names: Sequence[str], heights: Mapping[str, Numbers]) -> None:
    """Draw small bars between the edges in a row for each name, the first on top.

    `heights` has for each status a line of numbers for each name. Each row has its own scale.
    """
    most = np.maximum(np.sum([*heights.values()], axis=0).max(axis=1), 1)
    for row in range(len(names)):
        base = np.full(len(edges) - 1, row + _ROW / 2)
        for word, look in drawing.looks(heights).items():
            up = -_ROW * heights[word][row] / most[row]
            ax.bar(edges[:-1], up, width=np.diff(edges), bottom=base, align="edge", **look)
            base = base + up
    ax.hlines(
        np.arange(len(names)) + _ROW / 2,
        edges[0],
        edges[-1],
        color="gray",
        alpha=0.3,
        linewidth=0.8,
    )
    _name_rows(ax, names)


def bands(ax: Axes, edges: Numbers, lines: Sequence[tuple[str, Numbers]], bottom: float) -> None:
    """Draw lines of a scale of their own above the bars, which end at `bottom`, each with its text.

    Where a number is not known the line is broken.
    """
    down = ax.get_window_extent().height / ax.figure.figure.dpi
    height = _BAND / down
    highest = bottom * ax.get_ylim()[1]
    ax.set_yticks([tick for tick in ax.get_yticks() if tick <= 1.001 * highest])
    ink = ax.xaxis.label.get_color()
    for place, (text, values) in enumerate(reversed(lines)):
        band = ax.inset_axes((0, bottom + place * height, 1, height * 0.6))
        band.axis("off")
        band.stairs(values, edges, baseline=None, color=ink, linewidth=1.2)
        band.set_xlim(edges[0], edges[-1])
        band.set_ylim(0, np.nanmax([*values, 1e-9]) * 1.15)
        band.text(
            0.006,
            1,
            plain(text),
            transform=band.transAxes,
            va="bottom",
            fontsize="small",
            **literal(ax),
        )


def _name_rows(ax: Axes, names: Sequence[str]) -> None:
    ax.set_yticks(np.arange(len(names)), [plain(name) for name in names], **LITERAL)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_axisbelow(True)
