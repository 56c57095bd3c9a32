"""A picture of a run that its page asks for, where nobody else may change the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets

from inngest_nb.notebook.page import output
from inngest_nb.notebook.timeline import Picture

__all__ = ["AskingPicture"]


class AskingPicture(anywidget.AnyWidget):
    """Shows what `draw` gives, anew each time that the page asks, until `is_over`.

    marimo takes changes of a page only from the thread that answers it, and of all widgets shows
    only this kind.
    """

    # Text: of a path, anywidget would keep a signal that holds every widget ever made.
    _esm = (Path(__file__).parent / "asking.js").read_text(encoding="utf-8")

    html = traitlets.Unicode("").tag(sync=True)
    over = traitlets.Bool(False).tag(sync=True)

    def __init__(self, draw: Callable[[], Picture], is_over: Callable[[], bool]) -> None:
        self._draw, self._is_over = draw, is_over
        super().__init__()
        self._look()
        self.on_msg(lambda *_: self._look())

    def _look(self) -> None:
        over = self._is_over()  # first, so that the last picture is of the end
        self.html = str(output("timeline", picture=self._draw()))
        self.over = over
