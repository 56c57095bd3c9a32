"""Two periods of a real Inngest server compared: what fails more, what takes longer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from inngest_nb.api import InngestAPI
from inngest_nb.frames.inngest._asking import plain
from inngest_nb.frames.inngest._runs import search_runs
from inngest_nb.frames.insight._compared import compared
from inngest_nb.query import When, check_time

Period = When | tuple[When | None, When | None] | pd.DataFrame
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
    """Compare two periods: return a row per function, whether it fails more or takes longer.

        inb.compare_periods(before=("7d", "1d"), after="1d")
        inb.compare_periods(api, before=(deploy - timedelta(days=7), deploy), after=deploy)

    A period is its two ends, or only its beginning if it lasts until now; an end is a time with its
    zone, a date, or how long ago, such as "7d". A period may also be a frame of `search_runs`, for
    example from a file. `app` and `function` narrow both.

    The columns are `app`, `function`, two verdicts, `failures` and `durations` (categorical: worse,
    better, no clear change, too few runs), `runs_before` and `runs_after`; then the failure rates
    `failure_rate_before` and `failure_rate_after`, their difference `failure_rate_change`, and the
    interval in which it lies, `failure_rate_low` to `failure_rate_high`; the same for the median
    duration, as `p50_...`; and `p95_before`, `p95_after` and `p95_change`, without an interval.
    Functions that fail more come first, then those that take longer.

    Only runs that completed or failed count, and only completed ones for durations, which include
    the time in the queue. Runs that have not ended are in neither period, so if `after` has just
    begun, it holds mostly short runs.

    `confidence` is how often such an interval holds the true difference. For rates it is Newcombe's
    hybrid score interval (Statistics in Medicine 17, 1998, method 10), for medians the interval of
    Bonett and Price (Psychological Methods 7, 2002), which assumes no distribution. Both take runs
    to be independent, and so are too sure about an outage in which many fail together. A verdict is
    worse or better if 0 lies outside the interval: the change is clear, not necessarily large. At
    0.95, about one in twenty functions that did not change gets such a verdict by chance. A period
    with fewer than 5 runs has too few for any verdict, one with under 20 for "no clear change".

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
    start, end = (check_time(each, name, now) for each in ends)
    if start is not None and end is not None and start >= end:
        raise ValueError(f"{name} must begin before it ends, for example {name}=('7d', '1d')")
    return start, end


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
    if missing := {name for name, wanted in (("app", app), ("function", function)) if wanted} - {
        *rows.columns
    }:
        raise ValueError(f"before and after must have the column {min(missing)} to be narrowed by")
    if app is not None:
        rows = rows[rows["app"] == app]
    if function is not None:
        # By its short id or, as a search finds it too, by the long one.
        long = rows["app"] + "-" + rows["function"] if "app" in rows.columns else rows["function"]
        rows = rows[(rows["function"] == function) | (long == function)]
    return rows
