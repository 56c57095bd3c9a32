"""A table in the browser: it shows one page, and tells which row was chosen and what was asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from inngest_nb.history import OPEN
from inngest_nb.notebook.explore._catalog import Page, Query
from inngest_nb.notebook.explore._subject import Subject
from inngest_nb.store import Head, duration_us
from inngest_nb.wire import microseconds
from inngest_nb.words import (
    count_text,
    duration_text,
    in_columns,
    short,
    status_mark,
    status_tone,
    time_text,
)

__all__ = ["Table", "caption", "plain_table"]

_HERE = Path(__file__).parent


class Table(anywidget.AnyWidget):
    """One page of workflows, sorted by its headings and walked with the arrow keys.

    The browser gets texts and sets them as texts. `rows` is what is on the page, `page` which one
    it is, so that rows that stay are not sent again. Times are shown relative to `now`, in seconds
    since 1970. While somebody looks at it and `live` is on, it asks every few seconds to `look`,
    once the last one was answered by `looked`.
    """

    # Texts: of a path, anywidget would keep a signal that holds every table ever made.
    _esm = (_HERE / "table.js").read_text(encoding="utf-8")
    _css = (_HERE / "explore.css").read_text(encoding="utf-8")

    label = traitlets.Unicode("").tag(sync=True)
    columns: Any = traitlets.List().tag(sync=True)
    rows: Any = traitlets.List().tag(sync=True)
    page = traitlets.Dict().tag(sync=True)
    now = traitlets.Float(0.0).tag(sync=True)
    chosen = traitlets.Unicode("").tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)

    def __init__(self, subject: Subject) -> None:
        columns = [[key, heading] for key, heading, _ in subject.columns]
        super().__init__(label=subject.title, columns=columns)

    def on_ask(self, call: Callable[[dict[str, Any]], None]) -> None:
        """Call something with each question of the browser: `sort`, `page`, `step` or `look`."""
        self.on_msg(lambda _, content, buffers: call(content))

    def show(self, page: Page, query: Query, now: datetime, *, grows: bool = False) -> None:
        """Show a page.

        While what was read `grows`, the same rows are not counted again for each of the pages that
        come behind them.
        """
        keys = [key for key, _ in self.columns]
        rows = [
            {
                "id": head.workflow_id,
                "name": short(head.workflow_id, 400),
                "mark": status_mark(head.status),
                "tone": status_tone(head.status),
                "cells": [*map(_cells(head, now).__getitem__, keys)],
                "updated": head.updated_at and head.updated_at.timestamp(),
                "error": short(head.error[:400], 400),
            }
            for head, *_ in page.entries
        ]
        fresh = {
            "total": page.matching,
            "number": page.number,
            "last": page.last,
            "sort": query.sort,
            "descending": query.descending,
        }
        if not (grows and rows == self.rows and _grown_a_little(self.page, fresh)):
            with self.hold_sync():
                self.now, self.rows, self.page = now.timestamp(), rows, fresh

    def looked(self, pause: timedelta) -> None:
        """Answer a look, and tell when the next one is wanted."""
        self.send({"kind": "looked", "pause": pause.total_seconds()})


def _grown_a_little(shown: dict[str, Any], fresh: dict[str, Any]) -> bool:
    """Tell whether there is the same to see, but for the numbers of some more pages."""
    counts = ("total", "last")
    same = [{key: page[key] for key in page if key not in counts} for page in (shown, fresh)]
    return same[0] == same[1] and shown["last"] <= fresh["last"] < 4 * shown["last"]


def _cells(head: Head, now: datetime) -> dict[str, str]:
    """Write a head as the texts of columns."""
    took_us = duration_us(head, microseconds(now))
    took = "" if took_us is None else duration_text(timedelta(microseconds=took_us))
    so_far = " so far" if took and head.status in OPEN else ""
    return {
        "status": short(head.status, 40) or "not set",
        "workflow": short(head.workflow_id, 80),
        "function": short(head.workflow, 80),
        "updated": "" if head.updated_at is None else time_text(head.updated_at),
        "took": took + so_far,
        "events": f"{head.events:,}",
        "error": short(_told(" ".join(head.error[:400].split())), 160),
    }


def _told(error: str) -> str:
    """Begin an error with what differs: the activity's name, without the words around it."""
    return _ACTIVITY.sub(r"\1: ", error)


_ACTIVITY = re.compile(r"^activity '?([\w.-]+)'?(?: failed[^:]*)?: ")


def caption(
    page: Page, query: Query, known: int, noun: str, *, whole: bool, grows: bool = False
) -> str:
    """Say which part of what is shown, and in which order.

    Until the `whole` store has been read nobody knows how many there are; where what was read
    `grows`, it is told how many there are so far.
    """
    total = f"the newest {known:,}"
    if whole or grows:
        total = count_text(known, noun) + ("" if whole else " read so far")
    if not known:
        return f"No {noun}s" if whole else "Nothing read yet"
    if not page.entries:
        return f"No {noun} matches{'' if whole else f' among {total}'}"
    order = _ORDERS[query.sort][query.descending]
    if not (whole or grows) and page.matching == known and query == Query():
        return f"The newest {len(page.entries):,}"
    among = "in" if whole else "among"
    found = f" of {page.matching:,} found {among}" if page.matching < known else " of"
    return f"{page.start + 1:,}-{page.start + len(page.entries):,}{found} {total}, {order}"


# What each order is called, the ascending one first.
_ORDERS = {
    "status": ("by status, A\u2013Z", "by status, Z\u2013A"),
    "workflow": ("by id, A\u2013Z", "by id, Z\u2013A"),
    "updated": ("oldest first", "newest first"),
    "took": ("shortest first", "longest first"),
    "events": ("fewest events first", "most events first"),
    "function": ("by function, A\u2013Z", "by function, Z\u2013A"),
    "error": ("by error, A\u2013Z", "by error, Z\u2013A"),
}


def plain_table(columns: list[list[str]], rows: list[dict[str, Any]]) -> str:
    """Write a page as aligned text."""
    lines = [[heading for _, heading in columns], *[row["cells"] for row in rows]]
    return "\n".join(in_columns(lines))
