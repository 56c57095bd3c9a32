"""What still holds of the runs that were read before, and what is to be read again.

The server deletes nothing and an ended run stays as it is. So all runs of a time that was read are
known, but for those that were open then. A server that has started from nothing, or another one at
the same address, is told by the first and the last of them, which it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from inngest_nb.api._client import InngestAPI
from inngest_nb.api.basics._listed import Listed
from inngest_nb.api.reading._kept import Kept
from inngest_nb.api.reading._moments import Span, nanoseconds
from inngest_nb.errors import InngestNotFoundError

_AROUND = 1_000_000  # ns on each side of a run that is to be read again
_PAGE = 100


class Part(NamedTuple):
    """A part of a window: kept, or to be asked for."""

    span: Span
    is_kept: bool


class ReplacedError(Exception):
    """The server does not know what was read of it."""


def parts_of(
    api: InngestAPI,
    kept: Kept,
    window: Span,
    scopes: Collection[str],
    outputs: bool,
    fits: Callable[[Listed], bool],
    open_now: Callable[[Span], Iterable[Listed]],
) -> list[Part]:
    """Divide a window into parts, the latest first.

    `open_now` asks the server for the runs of a span that have not ended. Raises `ReplacedError`.
    """
    spans = [
        Span(max(span.low, window.low), min(span.high, window.high))
        for span in kept.spans(scopes, outputs)
        if span.high >= window.low and span.low <= window.high
    ]
    if not spans:
        return [Part(window, False)]
    known = [key for span in spans for key in reversed(kept.ends(outputs, span))]
    if not known:  # nothing tells that it is the same server
        return [Part(window, False)]
    for run_id in {known[0], known[-1]}:
        try:
            api.run(run_id, output=False)
        except InngestNotFoundError:
            raise ReplacedError from None
    changed = _changed(kept, spans, outputs, fits, open_now)
    gaps = _joined(kept, outputs, changed)
    return _divided(window, spans, gaps)


def _changed(
    kept: Kept,
    spans: list[Span],
    outputs: bool,
    fits: Callable[[Listed], bool],
    open_now: Callable[[Span], Iterable[Listed]],
) -> list[int]:
    """Return the times of runs that have ended since, or that were not known, the latest first."""
    was_open = {
        each.id: nanoseconds(each.started_at) or 0
        for span in spans
        for each in kept.unsettled(outputs, span)
        if fits(each)
    }
    if not was_open:
        return []
    times = was_open.values()
    is_open = {
        each.id: nanoseconds(each.started_at) or 0
        for each in open_now(Span(min(times) - _AROUND, max(times) + _AROUND))
    }
    different = was_open.keys() ^ is_open.keys()
    return sorted(((was_open | is_open)[key] for key in different), reverse=True)


def _joined(kept: Kept, outputs: bool, times: list[int]) -> list[Span]:
    """Return spans around moments; where one page has all runs between two, it is one span."""
    gaps: list[Span] = []
    for time in times:
        around = Span(time - _AROUND, time + _AROUND)
        joined = Span(around.low, gaps[-1].high) if gaps else around
        if gaps and not kept.has_more_than(_PAGE, outputs, joined):
            gaps[-1] = joined
        else:
            gaps.append(around)
    return gaps


def _divided(window: Span, spans: list[Span], gaps: list[Span]) -> list[Part]:
    """Return what is kept and is no gap, and all between; neighbours share their border."""
    kept: list[Span] = []
    for span in spans:
        high = span.high
        for gap in gaps:
            if gap.high < span.low or gap.low > high:
                continue
            if gap.high < high:
                kept.append(Span(gap.high, high))
            high = gap.low
        if high >= span.low:
            kept.append(Span(span.low, high))
    parts: list[Part] = []
    high = window.high
    for span in kept:
        if span.high < high:
            parts.append(Part(Span(span.high, high), False))
        parts.append(Part(span, True))
        high = span.low
    if high > window.low:
        parts.append(Part(Span(window.low, high), False))
    return parts
