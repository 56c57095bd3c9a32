"""Small parts of every widget: places for HTML, messages, rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets
from markupsafe import Markup

from inngest_nb.notebook.page._closing import shared_style
from inngest_nb.notebook.page._diff import Change
from inngest_nb.notebook.page._html import fragment

__all__ = ["Area", "FlawArea", "filling", "notice", "row"]


def notice(
    kind: str,
    headline: str,
    *lines: str,
    hints: Sequence[str] = (),
    changes: Sequence[Change] = (),
) -> Markup:
    """Render a message; `kind` is done, note or error."""
    return fragment(
        "notice", kind=kind, headline=headline, lines=lines, hints=hints, changes=changes
    )


def row(*children: Any, align: str = "flex-end") -> Any:
    """Put widgets side by side, or below each other where there is no room."""
    layout = widgets.Layout(flex_flow="row wrap", align_items=align, overflow="visible")
    return widgets.HBox(children, layout=layout)


def filling(base: str = "320px") -> Any:
    """Make a layout that takes the room there is in a row, and wraps below `base`."""
    return widgets.Layout(flex=f"1 1 {base}", min_width="0", width="auto")


class Area(widgets.HTML):  # type: ignore[misc]  # ipywidgets has no types
    """A place for what a template rendered, and for nothing else; it is hidden while empty."""

    markup = Markup("")

    def __init__(self, hook: str, content: Markup = markup) -> None:
        self._check(content)
        # All at once: what is set later is another message to the page.
        super().__init__(
            style=shared_style(widgets.HTML),
            layout=widgets.Layout(display="" if content else "none"),
            value=str(content),
            _dom_classes=("inb", hook),
        )
        self.markup = content

    def show(self, content: Markup = markup) -> None:
        """Show rendered HTML in place of what was there."""
        self._check(content)
        self.markup = content
        self.value = str(content)
        self.layout.display = "" if content else "none"
        self.layout.visibility = None

    @staticmethod
    def _check(content: object) -> None:
        if not isinstance(content, Markup):
            raise TypeError("only what a template rendered may be shown")


class FlawArea(Area):
    """A place below a field for what is wrong in it.

    While the mouse is pressed, as on the button by which the field was left, the stylesheet holds
    it back: a button that moved away before the mouse is let go was not clicked.
    """

    def __init__(self, hook: str) -> None:
        super().__init__(hook)
        self.add_class("inb-flaw")

    def fade(self) -> None:
        """Take the words away and leave their room, for the same reason."""
        self.markup = Markup("")
        self.layout.visibility = "hidden"
