"""Places on the time axis of a chart, in per cent of its width: bars and ticks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from inngest_nb.notebook.timeline._lanes import severity
from inngest_nb.notebook.timeline._spans import IDLE, Span
from inngest_nb.words import duration_text, short

__all__ = ["Bar", "Scale", "Tick", "bars_of", "since_text"]

# The bars keep off the edges, so that a bar of no length at the end can be seen.
_MARGIN = 0.5
_LEAST_WIDTH = 0.3
# Words of spans beside others of their row, which may be too short to be seen.
_BETWEEN = ("queued", "pausing")
_MOST_BARS = 600
_MOST_NOTES = 200

_TICKS = 5
_SECOND, _DAY = 1_000_000, 86_400_000_000
_STEPS = (
    *(size * 10**power for power in range(7) for size in (1, 2, 5)),
    *(minutes * 60 * _SECOND for minutes in (0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 240, 720)),
    *(size * 10**power * _DAY for power in range(7) for size in (1, 2, 5)),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a row, `start` and `width` in per cent; `note` tells about one attempt."""

    start: float
    width: float
    word: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on the time axis, in per cent, and the time since the axis began."""

    place: float
    label: str


class Scale:
    """From microseconds to per cent of the chart's width."""

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.length = max(last - first, 1)

    def place(self, us: int) -> float:
        """Give the place of a moment."""
        share = min(max((us - self.first) / self.length, 0), 1)
        return round(_MARGIN + share * (100 - 2 * _MARGIN), 2)

    def bar(self, span: Span, note: str = "") -> Bar:
        """Give the bar of a span, which can be seen however short it is."""
        start = self.place(span.start)
        width = round(self.place(span.end) - start, 2)
        return Bar(min(start, 100 - _MARGIN), max(width, _LEAST_WIDTH), span.word, note)

    def can_show(self, span: Span) -> bool:
        """Tell whether a span is long enough to be seen as it is."""
        return (span.end - span.start) * 100 > self.length * _LEAST_WIDTH

    def ticks(self) -> tuple[Tick, ...]:
        """Give few ticks at round times."""
        step = next((step for step in _STEPS if self.length / step <= _TICKS), _STEPS[-1])
        marks = range(int(self.length // step) + 1)
        return tuple(
            Tick(self.place(self.first + int(mark * step)), since_text(int(mark * step)))
            for mark in marks
        )


def since_text(us: int) -> str:
    """Write the time since the axis began."""
    return duration_text(timedelta(microseconds=us)) if us else "0"


def bars_of(lines: Sequence[Sequence[Span]], scale: Scale) -> tuple[list[tuple[Bar, ...]], bool]:
    """Give the bars of each line; more than can be told apart are drawn as fewer, which is told."""
    notes = sum(map(len, lines)) <= _MOST_NOTES
    bars = [
        tuple(
            scale.bar(span, short(span.note, 200) if notes else "")
            for span in spans
            if span.word not in _BETWEEN or scale.can_show(span)
        )
        for spans in lines
    ]
    gap, merged = 0.1, False
    while sum(map(len, bars)) > _MOST_BARS:
        bars = [_merge(own, gap) for own in bars]
        gap, merged = gap * 1.3, True
    return bars, merged


def _merge(bars: Sequence[Bar], gap: float) -> tuple[Bar, ...]:
    """Draw neighbours with less than a gap between them as one bar.

    Of different words only such that are short themselves; the bar then has the worst of them.
    """
    merged: list[Bar] = []
    for bar in sorted(bars, key=lambda bar: bar.start):
        last = merged[-1] if merged else None
        near = last is not None and bar.start - last.start - last.width < gap
        if (
            last is not None
            and near
            and (last.word == bar.word or max(last.width, bar.width) < gap)
        ):
            end = max(last.start + last.width, bar.start + bar.width)
            word = min(last.word, bar.word, key=_order)
            merged[-1] = Bar(last.start, round(end - last.start, 2), word)
        else:
            merged.append(bar)
    return tuple(merged)


def _order(word: str) -> tuple[bool, int]:
    idle = word in IDLE
    return idle, IDLE.index(word) if idle else severity(word)
