"""Every widget that a view is made of, so that closing the view closes them too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ipywidgets as widgets

__all__ = ["widgets_in"]

_OURS = ("inngest_nb.notebook.", "ipywidgets.")


def widgets_in(whole: Any) -> Iterator[Any]:
    """Yield a view and all widgets that it holds, also those that are not shown.

    ipywidgets keeps every widget alive until that very one is closed: its layout and style, and
    the buttons and fields that wait for their turn in an attribute.
    """
    seen: set[int] = set()
    left = [whole]
    while left:
        thing = left.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, widgets.Widget):
            yield thing
        if isinstance(thing, dict):
            left += thing.values()
        elif isinstance(thing, list | tuple):
            left += thing
        elif type(thing).__module__.startswith(_OURS) and hasattr(thing, "__dict__"):
            left += vars(thing).values()
