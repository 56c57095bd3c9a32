"""A run's history as a chart: places in per cent of its width, and the labels beside them.

Everything here is numbers and plain text. What a template draws of it is bounded, however long
the history is, and whatever was left out is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from inngest_nb import wire
from inngest_nb.history import Step, times_of, waiting_text
from inngest_nb.notebook.timeline._lanes import WORST, Lane, fold, lanes_of
from inngest_nb.notebook.timeline._spans import Span, is_activity
from inngest_nb.state import WorkflowState
from inngest_nb.words import count_text, duration_text, short

__all__ = ["Bar", "Chart", "Row", "Tick", "chart_of"]

# The bars keep off the edges, so that a bar of no length at the end can be seen.
_MARGIN = 0.5
_LEAST_WIDTH = 0.3
_MOST_BARS = 1_000
_MOST_NOTES = 200
_IDLE = timedelta(seconds=1)

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
class Row:
    """One line: what it is, since when, its bars, and how it ended in words.

    Only the first of several `lanes` has words, which count for all of them.
    """

    kind: str
    name: str
    begin: str
    bars: tuple[Bar, ...]
    word: str
    outcome: str
    error: str
    lane: int
    lanes: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on the time axis, in per cent, and the time since the axis began."""

    place: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Rows over one time axis. `remarks` say what the picture does not show, or cannot."""

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    words: frozenset[str]
    remarks: tuple[str, ...]


class _Scale:
    """From microseconds to per cent of the chart's width."""

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.length = max(last - first, 1)

    def place(self, us: int) -> float:
        share = min(max((us - self.first) / self.length, 0), 1)
        return round(_MARGIN + share * (100 - 2 * _MARGIN), 2)

    def bar(self, span: Span, note: str = "") -> Bar:
        start = self.place(span.start)
        width = round(self.place(span.end) - start, 2)
        return Bar(min(start, 100 - _MARGIN), max(width, _LEAST_WIDTH), span.word, note)

    def ticks(self) -> tuple[Tick, ...]:
        step = next((step for step in _STEPS if self.length / step <= _TICKS), _STEPS[-1])
        marks = range(int(self.length // step) + 1)
        return tuple(
            Tick(self.place(self.first + int(mark * step)), _since(int(mark * step)))
            for mark in marks
        )


def chart_of(
    state: WorkflowState, steps: Sequence[Step], now: datetime, signals: Sequence[str] = ()
) -> Chart:
    """Draw the steps of a run as numbers and labels.

    `signals` are those that the code is known to wait for.
    """
    lanes = lanes_of(steps, times_of(state).until(now))
    remarks = _remarks(state, steps)
    if state.history and state.status == "running":
        remarks += _waiting(state, steps, now, signals)
    shown, left_out = fold(lanes)
    if left_out:
        remarks.append(left_out)
    first, last = _limits(state, lanes, now)
    scale = _Scale(first, last)
    bars, merged = _bars(shown, scale)
    if merged:
        remarks.append("Too many bars to tell apart: neighbors are drawn as one.")
    rows = tuple(_row(lane, own, scale) for lane, own in zip(shown, bars, strict=True))
    timed = any(lane.spans for lane in lanes)
    return Chart(
        rows=rows,
        ticks=scale.ticks() if timed else (),
        words=frozenset(bar.word for row in rows for bar in row.bars),
        remarks=tuple(remarks),
    )


def _limits(state: WorkflowState, lanes: Sequence[Lane], now: datetime) -> tuple[int, int]:
    """From the first to the last thing that is known to have happened; a running run goes on."""
    times = [us for lane in lanes for span in lane.spans for us in (span.start, span.end)]
    times += [wire.microseconds(event.timestamp) for event in state.history if event.timestamp]
    if times and state.status == "running":
        times.append(wire.microseconds(now))
    return (min(times), max(times)) if times else (0, 0)


def _waiting(
    state: WorkflowState, steps: Sequence[Step], now: datetime, signals: Sequence[str]
) -> list[str]:
    times = [event.timestamp for event in state.history if event.timestamp]
    idle = now - times[-1] if times else timedelta()
    if any(step.outcome == "running" for step in steps) or (idle < _IDLE and not signals):
        return []
    return [waiting_text(state, steps, now, idle, signals)]


def _remarks(state: WorkflowState, steps: Sequence[Step]) -> list[str]:
    running = state.status == "running"
    if not state.history:
        return [_NO_HISTORY[running]]
    remarks = []
    times = [event.timestamp for event in state.history if event.timestamp]
    if any(later < earlier for earlier, later in pairwise(times)):
        remarks.append("The clock went backwards in this history; bars are drawn as recorded.")
    if not running and not steps:
        remarks.append("No activities, signals or timers.")
    return remarks


_NO_HISTORY = (
    "No history is stored, so there is nothing to draw. Go's executor drops it in its last save.",
    "No history is stored yet.",
)


def _bars(lanes: Sequence[Lane], scale: _Scale) -> tuple[list[tuple[Bar, ...]], bool]:
    """Give the bars of each lane; more than can be told apart are drawn as fewer."""
    notes = sum(len(lane.spans) for lane in lanes) <= _MOST_NOTES
    bars = [
        tuple(scale.bar(span, short(span.note, 200) if notes else "") for span in lane.spans)
        for lane in lanes
    ]
    gap, merged = 0.1, False
    while sum(map(len, bars)) > _MOST_BARS:
        bars = [_merge(own, gap) for own in bars]
        gap, merged = gap * 2, True
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
            word = min(last.word, bar.word, key=WORST.index)
            merged[-1] = Bar(last.start, round(end - last.start, 2), word)
        else:
            merged.append(bar)
    return tuple(merged)


def _row(lane: Lane, bars: tuple[Bar, ...], scale: _Scale) -> Row:
    step, is_first = lane.steps[0], lane.number == 1
    begin = lane.spans[0].start - scale.first if lane.spans and is_first else None
    return Row(
        kind=step.kind,
        name=step.name,
        begin="" if begin is None else f"+{_since(begin)}",
        bars=bars,
        word=lane.word if is_first else "",
        outcome=_outcome(lane) if is_first else "",
        error=_error(lane) if is_first else "",
        lane=lane.number,
        lanes=lane.lanes,
    )


def _outcome(lane: Lane) -> str:
    """Say how it ended: `completed, 3 attempts, 1.2 s`."""
    if len(lane.steps) > 1:
        return _outcome_of_many(lane)
    (step,) = lane.steps
    parts, running = [step.outcome], step.outcome == "running"
    if (attempts := len(step.attempts)) > 1:
        parts.append(f"attempt {attempts:,}" if running else count_text(attempts, "attempt"))
    if step.took is not None:
        parts.append(duration_text(step.took) + (" so far" if running else ""))
    return ", ".join(filter(None, [*parts, step.remark]))


def _outcome_of_many(lane: Lane) -> str:
    """Say how many ended how: `58 completed, 2 failed, 70 attempts, 2 min 30 s in all`."""
    steps = lane.steps
    counts = Counter(step.outcome for step in steps)
    parts = [f"{counts[word]:,} {word}" for word in WORST if counts[word]]
    attempts = sum(len(step.attempts) for step in steps)
    if is_activity(steps[0]) and attempts > len(steps):
        parts.append(count_text(attempts, "attempt"))
    if took := sum((step.took for step in steps if step.took), timedelta()):
        parts.append(f"{duration_text(took)} in all")
    if lane.hidden:
        parts.append(f"{count_text(lane.hidden, 'more line')} not shown")
    if lane.untimed:
        parts.append(f"{lane.untimed:,} without a time")
    return ", ".join(parts)


def _error(lane: Lane) -> str:
    errors = [step.error for step in lane.steps if step.error]
    if not errors or len(lane.steps) == 1:
        return "".join(errors)
    return f"the last error: {errors[-1]}"


def _since(us: int) -> str:
    return duration_text(timedelta(microseconds=us)) if us else "0"
