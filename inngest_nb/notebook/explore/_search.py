"""The filters of an explorer: words, a span of time, statuses with their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import ipywidgets as widgets
from markupsafe import Markup

from inngest_nb.notebook.explore._catalog import Query
from inngest_nb.notebook.page import filling, fragment, row, shared_style
from inngest_nb.query import Where
from inngest_nb.state import WorkflowStatus
from inngest_nb.words import short, status_text, status_tone, visible

__all__ = ["Search"]

_USUAL = [str(word) for word in WorkflowStatus if word]
_OTHERS = 8  # chips for statuses beyond the usual ones, the most frequent first
_WHERE = "where:"  # what a condition begins with, in any case
_SPANS = [
    ("any time", timedelta()),
    ("in the last 15 minutes", timedelta(minutes=15)),
    ("in the last hour", timedelta(hours=1)),
    ("in the last 24 hours", timedelta(hours=24)),
    ("in the last 7 days", timedelta(days=7)),
    ("in the last 30 days", timedelta(days=30)),
]


class Search:
    """The fields above a table, and the chips that count each status and filter by it."""

    def __init__(self, changed: Callable[[], None], searched: str) -> None:
        self._changed = changed
        self._chips: dict[str, Any] = {}
        self.text = widgets.Text(description="Filter", layout=filling("240px"))
        self.text.placeholder = searched
        self.text.add_class("inb-filter")
        self.within = widgets.Dropdown(
            description="Updated", options=_SPANS, layout=filling("150px")
        )
        self.within.layout.flex = "0 1 260px"
        self.within.add_class("inb-within")
        self.fields = (self.text, self.within)
        self.chips = row()
        self.chips.add_class("inb-chips")
        self.text.observe(lambda _: changed(), "value")
        self.within.observe(lambda _: changed(), "value")
        self.count(Counter(), whole=False)

    @property
    def statuses(self) -> frozenset[str]:
        """The statuses whose chips are pressed."""
        return frozenset(word for word, chip in self._chips.items() if chip.value)

    @property
    def words(self) -> str:
        """The text that is typed, unless it is a condition."""
        return "" if self._is_condition else str(self.text.value)

    @property
    def condition(self) -> str:
        """The condition that is typed after `where:`, "" if there is none."""
        return self.text.value.partition(":")[2].strip() if self._is_condition else ""

    @property
    def _is_condition(self) -> bool:
        return bool(self.text.value.lstrip().casefold().startswith(_WHERE))

    def misread(self) -> Markup:
        """Say what is wrong in the condition, and where; nothing if it can be understood."""
        try:
            if self.condition:
                Where.parse(self.condition)
        except ValueError as error:
            problem, _, place = str(error).partition("\n")
            return fragment("misread", problem=problem, place=place)
        return Markup()

    def says(self, query: Query) -> str:
        """Put the filters of a query into words; empty when nothing is filtered."""
        parts = [
            f"status {' or '.join(short(word) or 'not set' for word in sorted(query.statuses))}"
        ]
        if not query.statuses:
            parts.clear()
        if query.text.strip():
            parts.append(f"with {visible(query.text.strip())!r}")
        if query.where:
            parts.append(f"where {visible(query.where)}")
        if self.within.value:
            parts.append(f"updated {self.within.label}")
        return ", ".join(parts)

    def chip(self, word: str) -> Any:
        """Give the chip of a status."""
        return self._chips[word]

    def count(self, counts: Counter[str], *, whole: bool, grows: bool = False) -> None:
        """Write the counts on the chips, … until the `whole` store has been read.

        Where what was read `grows`, they are written with a + until then.
        A status that comes up gets a chip of its own.
        """
        others = [word for word, _ in counts.most_common() if word not in _USUAL]
        for word in [*_USUAL, *others[:_OTHERS]]:
            if word not in self._chips:
                self._chips[word] = self._make(word)
        for word, chip in self._chips.items():
            pressed = "☑ " if chip.value else ""
            count = f"{counts[word]:,}{'' if whole else '+'}" if whole or grows else "…"
            chip.description = f"{pressed}{status_text(word)}  {count}"
        if self.chips.children != tuple(self._chips.values()):
            self.chips.children = tuple(self._chips.values())

    def _make(self, word: str) -> Any:
        alike = shared_style(widgets.ToggleButton)
        # All at once: what is set later is another message to the page.
        chip = widgets.ToggleButton(
            layout=widgets.Layout(width="auto"),
            style=alike,
            tooltip=f"Show only status {short(word, 40) or 'not set'}",
            _dom_classes=("inb-chip", f"inb-{status_tone(word)}"),
        )
        chip.observe(lambda _: self._changed(), "value")
        return chip
