"""A plan as people read it: frames of its rows, and a summary by function or event."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from inngest_nb import words
from inngest_nb.api import InngestAPI
from inngest_nb.frames.acting._rows import RESULTS, TO_DO, UNKNOWN, Row
from inngest_nb.frames.acting._work import Work
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._markup import markup
from inngest_nb.frames.inngest._asking import attrs_of

UNCONFIRMED = 100  # more rows than these need `confirm`
_MOST_LINES = 20  # of a summary
_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def planned(api: InngestAPI, work: Work, rows: Sequence[Row], at: datetime) -> pd.DataFrame:
    """Return what is to be done about each row, or why nothing is."""
    series = _about_runs(rows) if work.noun == "run" else _about_events(rows)
    series["action"] = columns.text(row.action for row in rows)
    if work.noun != "run":
        series["starts"] = columns.text(row.starts for row in rows)
    series["left_out"] = columns.text(row.left_out for row in rows)
    return _made(series, api, work, at)


def results(api: InngestAPI, work: Work, rows: Sequence[Row], at: datetime) -> pd.DataFrame:
    """Return what became of each row."""
    if work.noun == "run":
        series = {
            "run_id": columns.text(row.key for row in rows),
            "app": columns.text(row.run.app if row.run else "" for row in rows),
            "function": columns.text(row.run.function if row.run else "" for row in rows),
        }
    else:
        series = {
            "event_id": columns.text(row.key for row in rows),
            "event_name": columns.text(row.name for row in rows),
        }
    series["action"] = columns.text(row.action for row in rows)
    series["result"] = columns.words((row.result for row in rows), RESULTS)
    series["reason"] = columns.text(row.reason for row in rows)
    series["at"] = columns.times(columns.microseconds(row.tried_at for row in rows))
    series["new_run_id"] = columns.text(row.new_run_id for row in rows)
    series["new_event_id"] = columns.text(", ".join(row.new_event_ids) for row in rows)
    return _made(series, api, work, at)


def _about_runs(rows: Sequence[Row]) -> dict[str, Any]:
    runs = [row.run for row in rows]
    queued = columns.microseconds(run.queued_at if run else None for run in runs)
    return {
        "run_id": columns.text(row.key for row in rows),
        "app": columns.text(run.app if run else "" for run in runs),
        "function": columns.text(run.function if run else "" for run in runs),
        "status": columns.words((run.status if run else "" for run in runs), columns.RUN_WORDS),
        "inngest_status": columns.text(run.inngest_status if run else "" for run in runs),
        "queued_at": columns.times(queued),
        "event_id": columns.text(run.event_ids[0] if run and run.event_ids else "" for run in runs),
        "is_batch": np.array([bool(run and run.is_batch) for run in runs], dtype=bool),
    }


def _about_events(rows: Sequence[Row]) -> dict[str, Any]:
    received = columns.microseconds(
        row.sources[0].received_at if row.sources else None for row in rows
    )
    return {
        "event_id": columns.text(row.key for row in rows),
        "event_name": columns.text(row.name for row in rows),
        "received_at": columns.times(received),
    }


def _made(series: dict[str, Any], api: InngestAPI, work: Work, at: datetime) -> pd.DataFrame:
    made = pd.DataFrame(series)
    made.attrs.update(attrs_of(api, {"plan": work.verb}, None, at))
    return made


class Told(NamedTuple):
    """A summary: a headline, lines of columns, and what to do next."""

    headline: str
    lines: list[tuple[str, str, str]]
    after: list[str]


def told(server: str, work: Work, rows: Sequence[Row]) -> Told:
    """Say what is to be done, of which function or event how often, and what has been done."""
    acted = [row for row in rows if row.action]
    begun = any(row.tries for row in acted)
    given = words.count_text(len(rows), work.noun)
    headline = f"Plan to {work.verb} {len(acted):,} of {given} at {words.short(server, 100)}"
    if begun:
        headline += f": {counts(rows)}"
    doing = Counter((row.name, _said(row, begun=begun)) for row in acted)
    left_out = Counter(_ID.sub("…", row.left_out) for row in rows if row.left_out)
    groups = doing.most_common()
    groups += [(("", f"left out: {why}"), count) for why, count in left_out.most_common()]
    lines = [
        (f"{count:,}", words.short(name), words.short(said, 160))
        for (name, said), count in groups[:_MOST_LINES]
    ]
    rest = len(groups) - len(lines)
    after = [f"… and {words.count_text(rest, 'more line')}: see .frame"] if rest else []
    return Told(headline, lines, [*after, _next(work, acted, begun=begun)])


def _said(row: Row, *, begun: bool) -> str:
    what = row.action + (f", which starts {row.starts}" if row.starts else "")
    if begun:
        what += f": {row.result}" + (f", {row.reason}" if row.reason else "")
    return _ID.sub("…", what)


def _next(work: Work, acted: Sequence[Row], *, begun: bool) -> str:
    states = Counter(row.result for row in acted)
    if not acted:
        return f"There is nothing to {work.verb}; .frame says why."
    if not begun:
        number = f"confirm={len(acted)}" if len(acted) > UNCONFIRMED else ""
        return f"Nothing has been done yet. See .frame for each, then call .run({number})."
    if states[UNKNOWN]:
        return (
            "No response came for the unknown ones: .settle() looks up what became of them, and "
            ".run() does so too before it continues. See .results for each."
        )
    if states[TO_DO]:
        return "Call .run() to continue. See .results for each."
    return "See .results for each."


def counts(rows: Iterable[Row]) -> str:
    """Count the rows that something is done about, by what became of them."""
    states = Counter(row.result for row in rows if row.action)
    return ", ".join(f"{states[word]:,} {word}" for word in RESULTS if states[word]) or "none"


def html(summary: Told) -> str:
    """Write a summary as HTML."""
    return markup("plan", summary=summary)
