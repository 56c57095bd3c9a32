"""The figures that charts stand on, and how text is drawn on them.

matplotlib is loaded with the first chart, and none of its settings is changed. A figure of our own
has a transparent ground and ink that reads on white and on black, unless a style is in use. Text is
drawn as it stands: no mathematics, no TeX, no character that the fonts lack.
"""

from __future__ import annotations

import io
import sys
import threading
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING, Any

from inngest_nb import words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LITERAL: dict[str, Any] = {"parse_math": False, "usetex": False}
_INK = words.TONE_COLOURS["idle"]


def begin(ax: Axes | None, width: float, height: float) -> Axes:
    """Return the axes to draw on: those given, or new ones of this size in inches."""
    try:
        from matplotlib.axes import Axes

        if ax is None:
            from matplotlib import pyplot

            figure = pyplot.figure(
                FigureClass=_figure_class(), figsize=(width, height), layout="constrained"
            )
            ax = figure.add_subplot()
            if _no_style_is_chosen():
                _see_through(ax)
    except ImportError as error:
        raise ImportError('charts need matplotlib: pip install "inngest-nb[charts]"') from error
    if not isinstance(ax, Axes):
        raise TypeError(f"ax is one of matplotlib's Axes, got {type(ax).__name__}")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


@cache
def _figure_class() -> type[Figure]:
    from matplotlib.figure import Figure

    class ChartFigure(Figure):
        """A figure that notebooks show as SVG, whatever they show of other figures.

        A kernel shows all open figures after each message for a widget, and may do so in another
        thread, while the cell is still drawing. A figure that is asked for then waits for the end
        of its cell.
        """

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._drawer: int | None = None  # the thread of the cell that draws it
            self._has_missed = self._is_shown = False
            if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()):
                self._drawer = threading.get_ident()
                shell.events.register("post_run_cell", self._drawn)

        def _drawn(self, _: object) -> None:
            from IPython import get_ipython

            get_ipython().events.unregister("post_run_cell", self._drawn)
            self._drawer = None
            if self._has_missed and not self._is_shown:
                self._ipython_display_()

        def _ipython_display_(self) -> None:
            if self._drawer not in (None, threading.get_ident()):
                self._has_missed = True
                return
            self._is_shown = True
            from IPython.display import publish_display_data

            file = io.BytesIO()
            self.savefig(file, format="svg", metadata={"Date": None})
            bundle = {
                "text/html": _fitting(file.getvalue()),
                "image/svg+xml": file.getvalue().decode(),
                "text/plain": repr(self),
            }
            publish_display_data(bundle)  # type: ignore[no-untyped-call]

    return ChartFigure


def _fitting(svg: bytes) -> str:
    """Return a picture that shrinks with its pane; JupyterLab shows SVG itself in one size only."""
    source = f"data:image/svg+xml;base64,{b64encode(svg).decode()}"
    return f'<img src="{source}" alt="Chart" style="max-width:100%;height:auto">'


def _no_style_is_chosen() -> bool:
    from matplotlib import rcParams, rcParamsDefault

    names = {"figure.facecolor", "axes.facecolor", "text.color", "axes.labelcolor", "xtick.color"}
    return all(rcParams[name] == rcParamsDefault[name] for name in rcParams if name in names)


def _see_through(ax: Axes) -> None:
    """Take the ground away, and draw in ink that reads on any."""
    ax.figure.patch.set_alpha(0)
    ax.patch.set_alpha(0)
    ax.tick_params(colors=_INK)
    ax.xaxis.label.set_color(_INK)
    ax.yaxis.label.set_color(_INK)
    ax.spines[:].set_color(_INK)


def literal(ax: Axes) -> dict[str, Any]:
    """Return how text is drawn on these axes: in the ink of their labels, as it stands."""
    return {"color": ax.xaxis.label.get_color(), **LITERAL}


def plain(text: str) -> str:
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
