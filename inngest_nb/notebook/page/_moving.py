"""A picture that moves in its place in a page, and keeps unfolded what somebody has unfolded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets
from markupsafe import Markup

from inngest_nb.notebook.page._hearing import hear_in_order

__all__ = ["MovingPicture"]


class MovingPicture(anywidget.AnyWidget):
    """Shows what `draw` gives, anew after each `look`; `draw` also tells whether it is the last.

    If it `asks`, the page looks by itself until the last one. marimo takes changes of a page only
    from the thread that answers it, and of all widgets shows only this kind.
    """

    # Text: of a path, anywidget would keep a signal that holds every widget ever made.
    _esm = (Path(__file__).parent / "moving.js").read_text(encoding="utf-8")

    html = traitlets.Unicode("").tag(sync=True)
    over = traitlets.Bool(False).tag(sync=True)
    asks = traitlets.Bool(False).tag(sync=True)

    def __init__(self, draw: Callable[[], tuple[Markup, bool]], *, asks: bool = False) -> None:
        self._draw = draw
        super().__init__(asks=asks)
        self.look()
        self.on_msg(lambda *_: self.look())
        hear_in_order(self)

    def look(self) -> None:
        """Show the picture as it is now."""
        markup, over = self._draw()
        self.html = str(markup)
        self.over = over
