"""Two periods of a real Inngest server beside each other: what fails more, what takes longer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from inngest_nb.api import InngestAPI, checks
from inngest_nb.frames.inngest._asking import plain
from inngest_nb.frames.inngest._runs import search_runs
from inngest_nb.frames.insight._compared import compared

Period = checks.When | tuple[checks.When | None, checks.When | None] | pd.DataFrame
_Window = tuple[datetime | None, datetime | None]
_EXAMPLE = {"before": "('7d', '1d')", "after": "'1d'"}


def compare_periods(
    api: InngestAPI | None = None,
    *,
    before: Period = ("7d", "1d"),
    after: Period = "1d",
    app: str | None = None,
    function: str | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Return a DataFrame that tells for each function whether it fails more, or takes longer.

        inb.compare_periods(before=("7d", "1d"), after="1d")
        inb.compare_periods(api, before=("2026-11-21T00:00Z", deploy), after=deploy)

    A period is when it began, until now, or its two ends; each end is a time with its zone, or how
    long ago. It may also be a frame of `search_runs`, such as one from a file. `app` and `function`
    narrow what is read.

    The columns are `app`, `function`, the verdicts `failures` and `durations` (categorical: worse,
    better, no clear change, too few runs), `runs_before` and `runs_after`; then
    `failure_rate_before`, `failure_rate_after` and their difference `failure_rate_change`, which
    lies between `failure_rate_low` and `failure_rate_high`; the same of the median duration, as
    `p50_…`; and `p95_before`, `p95_after`, `p95_change`, without an interval. Functions that fail
    more come first, then those that take longer.

    Only runs that completed or failed count, for durations those that completed; `duration` is that
    of `search_runs`, with the time in the queue. A run that has not ended is in neither period, so
    the last minutes of `after` show short runs first.

    `confidence` is how often such an interval holds the true difference. That of rates is
    Newcombe's hybrid score interval (Statistics in Medicine 17, 1998, method 10); that of medians
    assumes no distribution (Bonett and Price, Psychological Methods 7, 2002). Both take runs as
    independent: of an outage that made many fail together, they are too sure. A verdict is worse or
    better when the interval does not hold 0: that makes a change clear, not large. At 0.95 about
    one in twenty functions that did not change has such a verdict by chance. Fewer than 5 runs in a
    period are too few, and so are fewer than 20 if they show nothing clear.

    `attrs` and `partial` are those of `search_runs`. Raises `ValueError` for periods that make no
    sense or overlap, and `InngestError` as `api.runs` does.
    """
    if not isinstance(confidence, int | float) or not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, such as 0.95, got {confidence!r}")
    now = datetime.now(UTC)
    windows = {"before": _window(before, "before", now), "after": _window(after, "after", now)}
    _check_order(windows["before"], windows["after"])
    old, new = (
        _runs(api, given, windows[name], app, function)
        for name, given in (("before", before), ("after", after))
    )
    made = compared(old, new, confidence)
    said = {"app": app, "function": function, "confidence": confidence}
    made.attrs.update(
        source=new.attrs.get("source"),
        fetched_at=new.attrs.get("fetched_at"),
        filter=plain(windows | said),
        truncated=any(rows.attrs.get("truncated", False) for rows in (old, new)),
        truncated_because=next(
            (why for rows in (old, new) if (why := rows.attrs.get("truncated_because"))), None
        ),
    )
    return made


def _window(given: Period, name: str, now: datetime) -> _Window | None:
    """Return both ends of a period as times, by one clock for both periods; None for a frame."""
    if isinstance(given, pd.DataFrame):
        return None
    ends = given if isinstance(given, tuple) else (given, None)
    if len(ends) != 2:
        raise ValueError(_want(name, f"got {len(ends)} ends"))
    try:
        return checks.check_window(*ends, now)
    except ValueError as error:
        raise ValueError(_want(name, str(error))) from None


def _check_order(before: _Window | None, after: _Window | None) -> None:
    if before is None or after is None:
        return
    end, start = before[1], after[0]
    if end is None or start is None or end > start:
        raise ValueError(
            "before must have ended when after begins, for example before=('7d', '1d'), after='1d'"
        )


def _want(name: str, got: str) -> str:
    return (
        f"{name} must be when the period began, or both its ends, such as {_EXAMPLE[name]}, "
        f"or a frame of runs: {got}"
    )


def _runs(
    api: InngestAPI | None, given: Any, window: _Window | None, app: Any, function: Any
) -> pd.DataFrame:
    """Return the runs of a period, read from the server unless they are given."""
    if window is not None:
        return search_runs(api, app=app, function=function, since=window[0], until=window[1])
    rows: pd.DataFrame = given
    for name, wanted in (("app", app), ("function", function)):
        if wanted is not None:
            rows = rows[rows[name] == wanted]
    return rows
