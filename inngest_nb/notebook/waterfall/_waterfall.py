"""`waterfall`: a run of a real Inngest server, drawn in time, again and again until it ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from markupsafe import Markup

from inngest_nb.api import InngestAPI
from inngest_nb.frames.inngest import opened
from inngest_nb.notebook.page import as_running_cell, bundle, output
from inngest_nb.notebook.waterfall._following import Following
from inngest_nb.notebook.waterfall._given import given_run
from inngest_nb.notebook.waterfall._picture import plain_text

__all__ = ["Waterfall", "waterfall"]

_WIDGET = "application/vnd.jupyter.widget-view+json"


class Waterfall:
    """A picture of a run: its HTML in a notebook, its text elsewhere."""

    def __init__(self, following: Following) -> None:
        self._following = following

    def __repr__(self) -> str:
        return plain_text(self._following.picture())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        picture = self._following.picture()
        return bundle(output("waterfall", picture=picture), plain_text(picture))


class MovingWaterfall(Waterfall):
    """A picture of a run that has not ended: once a cell shows it, it is updated until the end.

    The last picture is what the notebook keeps.
    """

    def __init__(self, following: Following, api: InngestAPI | None) -> None:
        super().__init__(following)
        self._api = api
        self._display_id = uuid4().hex
        self._moving: Any = None

    def stop(self) -> None:
        """Stop updating the picture; the run itself is left alone."""
        self._following.stop()

    def _ipython_display_(self) -> None:
        """Show the moving picture; outside of kernels IPython falls back to `__repr__`."""
        if not _in_kernel():
            raise NotImplementedError
        from IPython.display import display

        moving = self._begin(asks=False)
        view = {"version_major": 2, "version_minor": 0, "model_id": moving.model_id}
        bundle = {_WIDGET: view, **self._repr_mimebundle_()}
        show: Callable[..., object] = display
        show(bundle, raw=True, display_id=self._display_id)

    def _display_(self) -> Any:
        """Show the moving picture in marimo, which asks for it by this name."""
        return self._begin(asks=True)

    def _begin(self, *, asks: bool) -> Any:
        """Give the widget, and follow the run from now on."""
        if self._moving is None:
            from inngest_nb.notebook.page import MovingPicture  # brings anywidget

            self._moving = MovingPicture(self._draw, asks=asks)
            self._following.start(self._api, self._changed)
        return self._moving

    def _draw(self) -> tuple[Markup, bool]:
        over = self._following.done.is_set()  # first, so that the last picture is of the end
        return output("waterfall", picture=self._following.picture()), over

    def _changed(self) -> None:
        """Show what is new; the last picture replaces the widget, for the notebook to keep."""
        if not self._moving.asks:
            self._moving.look()
        if self._following.done.is_set() and _in_kernel():
            from IPython.display import update_display

            last = self._repr_mimebundle_()
            as_running_cell(update_display, last, raw=True, display_id=self._display_id)


def waterfall(run: Any, api: InngestAPI | None = None) -> Waterfall:
    """Return a picture of a run of a real Inngest server: when its steps ran, waited and retried.

        inb.waterfall(inb.search_runs(status="failed").iloc[0])

    `run` is a run's id, a `Run`, a row of `search_runs`, a frame of one run such as that of
    `trace_frame`, or a `Trace`, for which no server is asked. `api` is None for a client with the
    settings of the environment. While the run has not ended, the picture in its cell is updated:
    the server is asked every second, later every half minute. At most 40 lines are drawn; if there
    are more steps, those whose names differ only in numbers share lines. Inputs and outputs can be
    unfolded, their first 2,000 characters.

    Raises `ValueError` for a value that is not a run, and `InngestNotFoundError` for a run that the
    server does not have.
    """
    given = given_run(run)
    if given.trace is not None:
        return Waterfall(Following(given, given.trace, None))
    with opened(api) as server:
        trace = server.trace(given.run_id)
        if not given.function:
            known = server.run(given.run_id, output=False)
            given = given._replace(function=known.function, app=known.app)
        if trace.is_over:
            return Waterfall(Following(given, trace, None))
        jobs = server.jobs(given.run_id)
    return MovingWaterfall(Following(given, trace, jobs), api)


def _in_kernel() -> bool:
    module: Any = sys.modules.get("IPython")
    shell = module.get_ipython() if module else None
    return getattr(shell, "kernel", None) is not None
