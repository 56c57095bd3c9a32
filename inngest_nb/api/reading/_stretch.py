"""One stretch of a run list, read backwards in windows that are bounded on both sides.

A request for 100 runs costs the server all runs between `since` and `until`, so that following its
cursor through a long history is quadratic. Here each request asks only for a window of about as
many runs as fit into a page, below the one before; its width follows how dense the runs are.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from inngest_nb.api.basics._listed import Listed, Page

_AIM = 200  # runs in a window: so most pages are full, and none costs much
_NARROWEST = timedelta(milliseconds=10)
# Windows overlap by so much, in case the server rounds times in another way than it compares them.
OVERLAP = timedelta(milliseconds=1)


class Window(NamedTuple):
    """What a request asks for: both ends belong to it, None is no bound."""

    low: datetime | None
    high: datetime | None
    cursor: str | None = None


class Stretch:
    """The runs from `low` to `high`. `next` is the window to ask for, None when all are read.

    Without a `width`, the first window is all of it.
    """

    def __init__(
        self, low: datetime | None, high: datetime | None, width: timedelta = timedelta()
    ) -> None:
        self.low, self.high = low, high
        self.width = width
        self.count = 0
        self.next: Window | None = self._below(high) if width else Window(low, high)

    def take(self, page: Page) -> Window | None:
        """Take the answer for the `next` window; return the part of it that is now read."""
        window = self.next
        if window is None:
            raise ValueError("a stretch that is read needs no page")
        self.count += len(page.listed)
        if page.cursor in (None, window.cursor):
            self.width *= 2 if page.listed else 8
            at_end = window.low is None or (self.low is not None and window.low <= self.low)
            self.next = None if at_end else self._below(window.low)
            return window if page.cursor is None else None
        edge = page.listed and edge_of(page.listed[-1])
        if not edge or (window.high is not None and edge >= window.high):
            # More runs of one moment than fit into a page.
            self.next = window._replace(cursor=page.cursor)
            return None
        self.width = max(self.per_run(page, edge) * _AIM, _NARROWEST)
        self.next = self._below(edge)
        return Window(edge, window.high)

    def end_at(self, low: datetime | None) -> None:
        """Read no further than to a moment."""
        self.low = low
        if self.next is not None and not self.next.cursor:
            self.next = self._below(self.next.high)

    @staticmethod
    def per_run(page: Page, edge: datetime) -> timedelta:
        """Return the time between two runs of a page."""
        first = edge_of(page.listed[0]) or edge
        return (first - edge) / len(page.listed)

    def _below(self, high: datetime | None) -> Window:
        low, width = self.low, self.width
        if high is not None and (low is None or width < high - low):
            low = high - width
        return Window(low, high)


def edge_of(run: Listed) -> datetime | None:
    """Return a moment just after the time by which lists are cut, that of the scheduling."""
    at = run.scheduled_at
    return at and at + OVERLAP
