"""Closing a view with every widget that it is made of."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

import ipywidgets as widgets

__all__ = ["close_widgets", "shared_style"]

_OURS = ("inngest_nb.notebook.", "ipywidgets.")
_SHARED: dict[Any, Any] = {}


def shared_style(kind: Any) -> Any:
    """Return the style of all widgets of a kind that look alike; no view that is closed closes it.

    A page takes as long for a style of its own as for the widget itself.
    """
    style = _SHARED.get(kind)
    if style is None or style.comm is None:  # somebody has closed all widgets
        style = _SHARED[kind] = kind.class_traits()["style"].klass()
    return style


def close_widgets(view: Any, kept: Container[str] = ()) -> None:
    """Close a view and all widgets that it holds, also those that are not shown.

    ipywidgets keeps every widget alive until that very one is closed: its layout and style, and
    the buttons and fields that wait for their turn in an attribute. A kernel keeps what its cells
    returned, so the view lets go of its parts, but for the attributes that are `kept`.
    """
    shared = list(_SHARED.values())
    for widget in [each for each in _widgets_in(view) if each not in shared]:
        widgets.Widget.close(widget)  # a view's own `close` is what called this
    view.children = ()
    for name in [name for name in vars(view) if name not in kept]:
        if any(_widgets_in(getattr(view, name))):
            delattr(view, name)


def _widgets_in(view: Any) -> Iterator[Any]:
    seen: set[int] = set()
    left = [view]
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
