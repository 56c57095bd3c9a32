"""The newest runs of a real Inngest server as a table in a cell, which changes while they run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pandas as pd
from markupsafe import Markup

from inngest_nb.api import InngestAPI
from inngest_nb.errors import InngestConnectionError
from inngest_nb.frames.inngest import check_every, search_runs
from inngest_nb.notebook.page import bundle, output
from inngest_nb.query import When, check_window

Wait = Callable[[float], object]


def follow_runs(
    api: InngestAPI | None = None,
    *,
    status: str | Iterable[str] | None = None,
    app: str | None = None,
    function: str | None = None,
    since: When = "24h",
    rows: int = 20,
    every: float | timedelta = 2,
) -> None:
    """Show the newest runs of a real Inngest server in this cell, and keep the table up to date.

        inb.follow_runs(status=["running", "failed"])

    It runs until you interrupt the cell; the last table stays in the notebook. `rows` is how
    many runs it has at most, up to 20; the other arguments are those of `search_runs` and
    `watch_runs`. While the server does not answer, the table stays as it was and says so. In a
    terminal the table is printed again when runs have changed.

    Raises `ValueError` for an invalid argument, and `InngestError` as `search_runs` does, except
    for a connection that fails later.
    """
    if isinstance(rows, bool) or not isinstance(rows, int) or not 1 <= rows <= _MOST_ROWS:
        raise ValueError(f"rows must be a number from 1 to {_MOST_ROWS}, such as 20, got {rows!r}")
    if since is None:
        raise ValueError("since must be how long ago, such as '24h', or a time, got None")
    statuses = status if status is None or isinstance(status, str) else [*status]
    wanted: dict[str, Any] = {"status": statuses, "app": app, "function": function}
    _Following(api, wanted, since, rows, check_every(every), _place()).run()


_MOST_ROWS = 20  # as many as a readable table shows


class _Following:
    """One table while it is kept up to date."""

    def __init__(
        self,
        api: InngestAPI | None,
        wanted: dict[str, Any],
        since: When,
        rows: int,
        every: float,
        show: Callable[[pd.DataFrame, str], object],
    ) -> None:
        self._api, self._wanted, self._since = api, wanted, since
        self._rows, self._every, self._show = rows, every, show
        self._from: datetime | None = None  # an older run would not be among the newest

    def run(self, wait: Wait = time.sleep) -> None:
        """Show the table again and again until the cell is interrupted."""
        found: pd.DataFrame | None = None
        note = f"Live, every {self._every:g} s. Interrupt the cell to stop."
        try:
            found = self._look()
            while True:
                self._show(found, note)
                wait(self._every)
                try:
                    found = self._look()
                    note = f"Live, every {self._every:g} s. Interrupt the cell to stop."
                except InngestConnectionError as error:
                    note = f"Waiting for the server, which does not answer: {error}"
        except KeyboardInterrupt:
            if found is not None:
                self._show(found, f"Stopped at {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC.")

    def _look(self) -> pd.DataFrame:
        """Read the newest runs; what a request costs is what lies in its window."""
        start, _ = check_window(self._since, None, datetime.now(UTC))
        since = max(filter(None, (start, self._from)), default=None)
        # So few runs are read anew; to ask what is kept of them would cost as much again.
        found = search_runs(self._api, since=since, limit=self._rows, cache=False, **self._wanted)
        full = len(found) == self._rows
        self._from = found["started_at"].min().to_pydatetime() if full else None
        return found


def _place() -> Callable[[pd.DataFrame, str], object]:
    """Return what shows a table: in the cell that is running, or in a terminal."""
    module: Any = sys.modules.get("IPython")
    shell = module.get_ipython() if module else None
    return _Cell().show if getattr(shell, "kernel", None) is not None else _Terminal().show


class _Cell:
    """An output of the cell, in which each table takes the place of the one before."""

    def __init__(self) -> None:
        self._display_id = uuid4().hex
        self._shown = False

    def show(self, found: pd.DataFrame, note: str) -> None:
        from IPython.display import display, update_display

        show: Callable[..., object] = update_display if self._shown else display
        show(_picture(found, note), raw=True, display_id=self._display_id)
        self._shown = True


class _Terminal:
    """Lines of a terminal: a table only where runs have changed."""

    def __init__(self) -> None:
        self._last: list[tuple[str, str]] | None = None

    def show(self, found: pd.DataFrame, note: str) -> None:
        runs = [*zip(found["run_id"], map(str, found["status"]), strict=True)]
        if runs != self._last:
            sys.stdout.write(f"{_text(found)}\n")
        self._last = runs


def _picture(found: pd.DataFrame, note: str) -> dict[str, str]:
    """Return the table and what is said below it, for a notebook to keep."""
    table = Markup(found.wf._repr_html_())  # noqa: S704  # it has escaped what it shows
    return bundle(table + output("remark", lines=[note]), f"{_text(found)}\n{note}")


def _text(found: pd.DataFrame) -> str:
    """Return the table as text, without what else can be asked of it."""
    return repr(found.wf).rpartition("\n")[0]
