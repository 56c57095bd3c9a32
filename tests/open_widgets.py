"""Which widgets are open, and an end to them; the styles that all forms share stay."""

from __future__ import annotations

from ipywidgets import Style, Widget
from ipywidgets.widgets.widget import _instances


def open_widgets() -> set[Widget]:
    return {each for each in list(_instances.values()) if not isinstance(each, Style)}


def close_widgets() -> None:
    for widget in open_widgets():
        widget.close()
