"""Reading a long list of runs backwards, in windows that are bounded on both sides.

A request for 100 runs costs the server all runs between `since` and `until`, so that following its
cursor through a long history is quadratic. Here each request asks only for a window of about as
many runs as fit into a page, beside the one before; its width follows how dense the runs are.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from inngest_nb.api._client import InngestAPI
from inngest_nb.api.basics._values import Run

_PAGE = 100
_AIM = 200  # runs in a window: so most pages are full, and none costs much
_NARROWEST = timedelta(milliseconds=10)
# Windows overlap by so much, in case the server rounds times in another way than it compares them.
_OVERLAP = timedelta(milliseconds=1)


def runs_in(
    api: InngestAPI,
    start: datetime | None,
    end: datetime | None,
    most: int | None,
    **wanted: Any,
) -> Iterator[list[Run]]:
    """Yield the runs of a window page by page, newest first, each run once.

    At least `most` of them are read, if there are as many. `wanted` are arguments of `runs_page`.
    """
    if wanted.get("function") and not wanted.get("app"):
        apps = api.apps()
        if len(apps) == 1:  # else each page looks the apps up again
            wanted["app"] = apps[0].app_id
    seen: set[str] = set()
    low, high = start, end
    width = timedelta()
    cursor: str | None = None
    while True:
        # A later page begins with runs that are known.
        size = _PAGE if most is None or seen else min(_PAGE, most)
        page = api.runs_page(since=low, until=high, limit=size, cursor=cursor, **wanted)
        fresh = [run for run in page.runs if run.run_id not in seen]
        seen.update(run.run_id for run in fresh)
        yield fresh
        if most is not None and len(seen) >= most:
            return
        if page.cursor is None:
            if low is None or low == start:
                return
            high, cursor = low, None
            width *= 2 if fresh else 8
        else:
            if start is None:
                low = start = _oldest(api, end, wanted)
            edge = _edge(page.runs[-1])
            if start is None or edge is None or (high is not None and edge >= high):
                cursor = page.cursor  # more runs of one moment than fit into a page
                continue
            first = _edge(page.runs[0]) or edge
            width = max((first - edge) * _AIM / len(page.runs), _NARROWEST)
            high, cursor = edge, None
        low = start if start is None or width >= high - start else high - width


def _edge(run: Run) -> datetime | None:
    """Return a moment just after the time by which lists are cut, that of the scheduling."""
    return run.started_at and run.started_at + _OVERLAP


def _oldest(api: InngestAPI, end: datetime | None, wanted: dict[str, Any]) -> datetime | None:
    """Return a moment before all runs."""
    page = api.runs_page(order="oldest", until=end, limit=1, **(wanted | {"output": False}))
    times = [run.started_at - _OVERLAP for run in page.runs if run.started_at]
    return times[0] if times else None
