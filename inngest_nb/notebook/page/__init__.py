"""What every view is made of: HTML that is safe to show, its style, differences, small parts."""

import importlib
import typing

from inngest_nb.notebook.page._diff import Change, Line, change_of, changes
from inngest_nb.notebook.page._errands import Errands
from inngest_nb.notebook.page._hearing import (
    as_running_cell,
    confirm_changes,
    hear_in_order,
    in_voila,
)
from inngest_nb.notebook.page._html import bundle, fragment, output
from inngest_nb.notebook.page._news import News

if typing.TYPE_CHECKING:
    from inngest_nb.notebook.page._areas import Area, FlawArea, filling, notice, row
    from inngest_nb.notebook.page._closing import close_widgets, shared_style
    from inngest_nb.notebook.page._moving import MovingPicture
else:
    _HOMES = {
        "MovingPicture": "_moving",
        "close_widgets": "_closing",
        "shared_style": "_closing",
    }

    def __getattr__(name: str) -> object:
        # Those above are loaded on first use: a timeline needs no ipywidgets, which load slowly.
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = _HOMES.get(name, "_areas")
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)


__all__ = [
    "Area",
    "Change",
    "Errands",
    "FlawArea",
    "Line",
    "MovingPicture",
    "News",
    "as_running_cell",
    "bundle",
    "change_of",
    "changes",
    "close_widgets",
    "confirm_changes",
    "filling",
    "fragment",
    "hear_in_order",
    "in_voila",
    "notice",
    "output",
    "row",
    "shared_style",
]
