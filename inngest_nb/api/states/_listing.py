"""The runs that changed last, without paying for all that came before them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from inngest_nb.api._client import InngestAPI
from inngest_nb.api.basics._values import Run
from inngest_nb.api.states._states import changed_at
from inngest_nb.errors import InngestError

# A request costs the server all runs of its window: so the first window is narrow, and each next
# one wider, until one holds enough.
_NARROW, _WIDER, _WIDEST = timedelta(minutes=15), 8, timedelta(days=400)
_PAGE = 100  # runs that one request brings
_NEVER = datetime.min.replace(tzinfo=UTC)


def newest(
    api: InngestAPI, count: int, status: str | Iterable[str] | None = None, *, output: bool
) -> list[Run]:
    """Return so many of the runs that changed last, in that order.

    The server has them in another order: a run that has not ended counts there with its last
    activity, which it tells nobody, and a canceled one with a later end. Both come too early, so
    reading some more is enough.
    """
    latest, width = _latest(api), _NARROW
    size = max(count, min(2 * count, _PAGE))
    while True:
        start = latest - width if width < _WIDEST else None
        found = api.runs(status=status, since=start, by="ended_at", output=output, limit=size)
        is_all = start is None and not found.truncated
        floor = _floor(found) if found.truncated else start
        runs = in_order(found)
        if is_all or (floor and sum(moment(run) >= floor for run in runs) >= count):
            return runs[:count]
        if found.truncated:
            size *= 2
        else:
            width *= _WIDER


def in_order(runs: Iterable[Run]) -> list[Run]:
    """Sort runs as stores list workflows: newest change first, then by id."""
    return sorted(sorted(runs, key=lambda run: run.run_id), key=moment, reverse=True)


def moment(run: Run) -> datetime:
    """Return when a run changed; a run without any time comes last."""
    return changed_at(run) or _NEVER


def _floor(runs: Iterable[Run]) -> datetime | None:
    """Return a time above which no run is left out: the earliest that the server goes by."""
    ends = (run.ended_at for run in runs if run.ended_at and run.status != "canceled")
    return min(ends, default=None)


def _latest(api: InngestAPI) -> datetime:
    """Return when the last event came: on a server that is quiet, runs are hardly newer."""
    now = datetime.now(UTC)
    try:
        events = api.events(limit=1)
    except InngestError:
        return now  # what is wrong is told by what is asked next
    times = [event.received_at for event in events if event.received_at]
    return min([now, *times])
