"""A table in the browser: it shows one page, and tells which row was chosen and what was asked."""

from __future__ import annotations

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
    short,
    status_mark,
    status_tone,
    time_text,
)

__all__ = ["COLUMNS", "Table", "caption", "plain_table"]

# Key, heading, and whether one sees the largest first at the first click.
COLUMNS = (
    ("status", "Status", False),
    ("workflow", "Workflow", False),
    ("updated", "Updated (UTC)", True),
    ("took", "Took", True),
    ("events", "Events", True),
    ("error", "Error", False),
)


class Table(anywidget.AnyWidget):
    """One page of workflows, sorted by its headings and walked with the arrow keys.

    The browser gets texts and sets them as texts. While somebody looks at it and `live` is on, it
    asks every few seconds to `look`, once the last one was answered by `looked`.
    """

    _esm = Path(__file__).parent / "table.js"

    columns = traitlets.List([[key, heading] for key, heading, _ in COLUMNS]).tag(sync=True)
    page = traitlets.Dict().tag(sync=True)
    chosen = traitlets.Unicode("").tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)

    def on_ask(self, call: Callable[[dict[str, Any]], None]) -> None:
        """Call something with each question of the browser: `sort`, `step` or `look`."""
        self.on_msg(lambda _, content, buffers: call(content))

    def show(
        self, rows: list[Entry], total: int, sort: str, *, descending: bool, now: datetime
    ) -> None:
        """Show a page."""
        self.page = {
            "rows": [
                {
                    "id": entry.workflow_id,
                    "mark": status_mark(entry.status),
                    "tone": status_tone(entry.status),
                    "cells": _cells(entry, now),
                }
                for entry in rows
            ],
            "total": total,
            "sort": sort,
            "descending": descending,
        }

    def looked(self, pause: timedelta) -> None:
        """Answer a look, and tell when the next one is wanted."""
        self.send({"kind": "looked", "pause": pause.total_seconds()})


def _cells(entry: Entry, now: datetime) -> list[str]:
    """Write an entry as the texts of its columns; a duration so far ends in …."""
    took = entry.times.took(now)
    so_far = " …" if entry.times.is_open else ""
    return [
        short(entry.status, 40) or "not set",
        short(entry.workflow_id, 200),
        "" if entry.updated is None else time_text(entry.updated).removesuffix(" UTC"),
        "" if took is None else duration_text(took) + so_far,
        f"{entry.events:,}",
        short(" ".join(entry.error[:400].split()), 160),
    ]


def caption(page: Page, query: Query, known: int, *, whole: bool) -> str:
    """Say which part of what is shown, and in which order."""
    total = count_text(known, "workflow") if whole else f"{known:,} workflows or more"
    if not page.entries:
        return f"None of {total} found" if known else "No workflows"
    span = f"{page.start + 1:,}-{page.start + len(page.entries):,}"
    found = f" of {page.matching:,} found" if page.matching < known else ""
    words, low, high = _ORDERS[query.sort]
    return f"{span}{found} of {total}, by {words}, {high if query.descending else low} first"


_ORDERS = {
    "status": ("status", "A", "Z"),
    "workflow": ("id", "A", "Z"),
    "updated": ("time of update", "oldest", "newest"),
    "took": ("duration", "shortest", "longest"),
    "events": ("number of events", "fewest", "most"),
    "error": ("error", "A", "Z"),
}


def plain_table(rows: list[dict[str, Any]]) -> str:
    """Write a page as aligned text."""
    lines = [[heading for _, heading, _ in COLUMNS], *[row["cells"] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
