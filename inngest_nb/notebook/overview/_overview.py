"""`overview`: the morning's question to a store, answered in one picture."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

import pandas as pd
from markupsafe import Markup

from inngest_nb.frames import columns, is_store
from inngest_nb.notebook.overview._following import Following
from inngest_nb.notebook.overview._picture import Picture, picture_of
from inngest_nb.notebook.overview._plain import plain_text
from inngest_nb.notebook.overview._reading import read
from inngest_nb.notebook.page import as_running_cell, bundle, in_voila, output
from inngest_nb.query import When, span_of
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore

__all__ = ["LiveOverview", "Overview", "overview"]


class Overview:
    """A picture of a store as of a moment: its HTML in a notebook, its text elsewhere."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    def __repr__(self) -> str:
        return plain_text(self._shown())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        picture = self._shown()
        return bundle(output("overview", picture=picture), plain_text(picture))

    def _shown(self) -> Picture:
        return self._picture


class LiveOverview(Overview):
    """A picture that a cell keeps up to date, and the notebook keeps as it was last."""

    def __init__(self, following: Following) -> None:
        super().__init__(following.picture())
        self._following = following
        self._display_id = uuid4().hex
        self._is_shown = False
        self._moving: Any = None

    def close(self) -> None:
        """Stop updating the picture; the last one stays."""
        self._following.close()

    def _shown(self) -> Picture:
        return self._following.picture()

    def _ipython_display_(self) -> None:
        """Show the picture and follow the store; outside of kernels IPython prints its text."""
        kernel = _kernel()
        if kernel is None:
            raise NotImplementedError
        from IPython.display import display

        _take_the_place_of_earlier(self, kernel)
        show: Callable[..., object] = display
        if in_voila():
            show(self._begin(asks=False))
            return
        show(self._repr_mimebundle_(), raw=True, display_id=self._display_id)
        if not self._is_shown:
            self._is_shown = True
            self._following.start(self._update)

    def _display_(self) -> Any:
        """Show the picture in marimo, which asks for it by this name."""
        return self._begin(asks=True)

    def _begin(self, *, asks: bool) -> Any:
        """Give the widget, and follow the store from now on."""
        if self._moving is None:
            from inngest_nb.notebook.page import MovingPicture  # brings anywidget

            moving = self._moving = MovingPicture(self._draw, asks=asks)
            look = partial(as_running_cell, moving.look)
            self._following.start((lambda: None) if asks else look)
        return self._moving

    def _draw(self) -> tuple[Markup, bool]:
        over = self._following.done.is_set()  # first, so that the last picture says so
        return output("overview", picture=self._shown()), over

    def _update(self) -> None:
        from IPython.display import update_display

        shown = self._repr_mimebundle_()
        as_running_cell(update_display, shown, raw=True, display_id=self._display_id)


# The one that a cell shows, by the id that the page gave the cell.
_OF_CELLS: WeakValueDictionary[str, LiveOverview] = WeakValueDictionary()


def overview(
    source: WorkflowStore | WorkflowState | Iterable[WorkflowState] | pd.DataFrame,
    since: When = "24h",
    *,
    stuck_after: columns.Span = "1h",
    live: bool = False,
) -> Overview:
    """Return a picture of a store: whether all is well, and if not, what is wrong and since when.

        inb.overview(store)
        inb.overview(store, since="7d", live=True)

    It counts what started, ended and failed since `since` and compares that with the previous span
    of the same length; it shows starts by outcome over time, failures in groups, what is stuck and
    in which step, what waits for a signal, so for a person, and the slowest activities. Next to
    each is the line of Python that shows more; replace `store` in these lines with your variable.

    `source` is a store, states, or a DataFrame of `frame`, which has no activities. `since` is how
    long ago ("24h", "7d", a timedelta) or a time with a zone. An open workflow that was not updated
    for `stuck_after` ("1h", a timedelta, seconds) is stuck, unless it waits for a signal or a
    timer. For a store with many workflows, the slowest activities are those of the 5,000 newest.

    With `live`, the picture in a cell is drawn again when the store has changed, at most once a
    second, until you call `close()`, run the cell again or stop the kernel. A saved notebook keeps
    the last picture, in less than 60 kB of HTML.

    Raises `ValueError` for an invalid argument, `TypeError` for another source, and a `StoreError`
    if the store cannot be read.
    """
    after = span_of(stuck_after, "stuck_after")
    if after < timedelta():
        raise ValueError(f"stuck_after must not be negative, got {stuck_after!r}")
    draw = partial(_drawn, source, since, after)
    if not live:
        return Overview(draw())
    if not is_store(source):
        raise TypeError(
            f"a live overview follows a store; got a {type(source).__name__}, which does not change"
        )
    return LiveOverview(Following(source, draw))  # type: ignore[arg-type]  # is_store has seen to it


def _drawn(source: Any, since: When, stuck_after: timedelta) -> Picture:
    return picture_of(read(source, since), stuck_after)


def _kernel() -> Any:
    """Return the kernel in which this runs; None outside of one."""
    module: Any = sys.modules.get("IPython")
    shell = module.get_ipython() if module else None
    return getattr(shell, "kernel", None)


def _take_the_place_of_earlier(view: LiveOverview, kernel: Any) -> None:
    """Close what the cell showed before it ran again, if the page tells which cell it is."""
    cell = str(kernel.get_parent().get("metadata", {}).get("cellId") or "")
    if not cell:
        return
    before = _OF_CELLS.get(cell)
    if before is not None and before is not view:
        before.close()
    _OF_CELLS[cell] = view
