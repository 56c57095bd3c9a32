"""A table in the browser: it shows one page, and tells which row was chosen and what was asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from inngest_nb.notebook.explore._catalog import Entry, Page, Query
from inngest_nb.words import (
    count_text,
    duration_text,
    in_columns,
    short,
    status_mark,
    status_tone,
    time_text,
)

__all__ = ["COLUMNS", "Table", "caption", "plain_table"]

_HERE = Path(__file__).parent
# Key, heading, and whether the first click puts the largest first.
COLUMNS = (
    ("status", "Status", False),
    ("workflow", "Workflow", False),
    ("updated", "Updated", True),
    ("took", "Took", True),
    ("events", "Events", True),
    ("error", "Error", False),
)


class Table(anywidget.AnyWidget):
    """One page of workflows, sorted by its headings and walked with the arrow keys.

    The browser gets texts and sets them as texts. It shows times relative to `now`, in seconds
    since 1970. While somebody looks at it and `live` is on, it asks every few seconds to `look`,
    once the last one was answered by `looked`.
    """

    # Texts: of a path, anywidget would keep a signal that holds every table ever made.
    _esm = (_HERE / "table.js").read_text(encoding="utf-8")
    _css = (_HERE / "explore.css").read_text(encoding="utf-8")

    columns = traitlets.List([[key, heading] for key, heading, _ in COLUMNS]).tag(sync=True)
    page = traitlets.Dict().tag(sync=True)
    now = traitlets.Float(0.0).tag(sync=True)
    chosen = traitlets.Unicode("").tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)

    def on_ask(self, call: Callable[[dict[str, Any]], None]) -> None:
        """Call something with each question of the browser: `sort`, `page`, `step` or `look`."""
        self.on_msg(lambda _, content, buffers: call(content))

    def show(self, page: Page, query: Query, now: datetime) -> None:
        """Show a page."""
        self.now = now.timestamp()
        self.page = {
            "rows": [
                {
                    "id": entry.workflow_id,
                    "name": short(entry.workflow_id, 400),
                    "mark": status_mark(entry.status),
                    "tone": status_tone(entry.status),
                    "cells": _cells(entry, now),
                    "updated": entry.updated and entry.updated.timestamp(),
                    "error": short(entry.error[:400], 400),
                }
                for entry in page.entries
            ],
            "total": page.matching,
            "number": page.number,
            "last": page.last,
            "sort": query.sort,
            "descending": query.descending,
        }

    def looked(self, pause: timedelta) -> None:
        """Answer a look, and tell when the next one is wanted."""
        self.send({"kind": "looked", "pause": pause.total_seconds()})


def _cells(entry: Entry, now: datetime) -> list[str]:
    """Write an entry as the texts of its columns."""
    took = entry.times.took(now)
    so_far = " so far" if entry.times.is_open else ""
    return [
        short(entry.status, 40) or "not set",
        short(entry.workflow_id, 80),
        "" if entry.updated is None else time_text(entry.updated),
        "" if took is None else duration_text(took) + so_far,
        f"{entry.events:,}",
        short(_told(" ".join(entry.error[:400].split())), 160),
    ]


def _told(error: str) -> str:
    """Begin an error with what differs: the activity's name, without the words around it."""
    return _ACTIVITY.sub(r"\1: ", error)


_ACTIVITY = re.compile(r"^activity '?([\w.-]+)'?(?: failed[^:]*)?: ")


def caption(page: Page, query: Query, known: int, *, whole: bool) -> str:
    """Say which part of what is shown, and in which order.

    Until the `whole` store has been read nobody knows how many there are.
    """
    total = count_text(known, "workflow") if whole else f"the newest {known:,}"
    if not known:
        return "No workflows" if whole else "Nothing read yet"
    if not page.entries:
        return f"No workflow matches{'' if whole else f' among {total}'}"
    order = _ORDERS[query.sort][query.descending]
    if not whole and page.matching == known and query == Query():
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
    "error": ("by error, A\u2013Z", "by error, Z\u2013A"),
}


def plain_table(rows: list[dict[str, Any]]) -> str:
    """Write a page as aligned text."""
    lines = [[heading for _, heading, _ in COLUMNS], *[row["cells"] for row in rows]]
    return "\n".join(in_columns(lines))
