"""A run's history as a chart: places in per cent of its width, and the labels beside them.

Everything here is numbers and plain text. What a template draws of it is bounded, however long
the history is, and whatever was left out is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from inngest_nb import wire
from inngest_nb.history import (
    OPEN_STEPS,
    Step,
    last_news,
    times_of,
    waiting_for,
    waiting_text,
    went_back,
)
from inngest_nb.notebook.timeline._lanes import Lane, fold, lanes_of, severity
from inngest_nb.notebook.timeline._parts import Words, words_of
from inngest_nb.notebook.timeline._scale import Bar, Scale, Tick, bars_of, since_text
from inngest_nb.notebook.timeline._spans import is_activity
from inngest_nb.state import WorkflowState
from inngest_nb.words import count_text, duration_text, short

__all__ = ["Chart", "Row", "chart_of", "chart_of_lanes"]

_IDLE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what it is, since when, its bars, and how it ended in words.

    `part` is what tells its input from those of its namesakes. Of several `lanes` the first one has
    words, which count for all of them; the error stands below the last.
    """

    kind: str
    name: str
    part: str
    begin: str
    bars: tuple[Bar, ...]
    word: str
    outcome: str
    result: str
    error: str
    lane: int
    lanes: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Rows over one time axis. `remarks` say what the picture does not show, or cannot."""

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    words: frozenset[str]
    remarks: tuple[str, ...]


def chart_of(
    state: WorkflowState, steps: Sequence[Step], now: datetime, signals: Sequence[str] = ()
) -> Chart:
    """Draw the steps of a run as numbers and labels.

    `signals` are those that the code is known to wait for.
    """
    times = times_of(state)
    lanes = lanes_of(steps, times.until(now))
    remarks = _remarks(state, steps, is_open=times.is_open)
    if state.history and times.is_open:
        remarks += _waiting(state, now, signals)
    limits = _limits(state, lanes, now if times.is_open else None)
    return chart_of_lanes(lanes, *fold(lanes), limits, remarks)


def chart_of_lanes(
    lanes: Sequence[Lane],
    shown: Sequence[Lane],
    left_out: str,
    limits: tuple[int, int],
    remarks: Sequence[str],
) -> Chart:
    """Draw lanes, which may have been folded into those that are `shown`, between two moments."""
    scale = Scale(*limits)
    bars, merged = bars_of([lane.spans for lane in shown], scale)
    words = words_of([lane.steps[0] for lane in lanes]) if len(shown) == len(lanes) else {}
    rows = tuple(
        _row(lane, own, scale, words.get(lane.steps[0], Words()))
        for lane, own in zip(shown, bars, strict=True)
    )
    timed = any(lane.spans for lane in lanes)
    too_many = "Too many bars to tell apart: neighbors are drawn as one." if merged else ""
    return Chart(
        rows=rows,
        ticks=scale.ticks() if timed else (),
        words=frozenset(bar.word for row in rows for bar in row.bars),
        remarks=tuple(filter(None, [*remarks, left_out, too_many])),
    )


def _limits(state: WorkflowState, lanes: Sequence[Lane], now: datetime | None) -> tuple[int, int]:
    """From the first to the last thing known to have happened; for an open run, to now."""
    times = [us for lane in lanes for span in lane.spans for us in (span.start, span.end)]
    times += [wire.microseconds(event.timestamp) for event in state.history if event.timestamp]
    if times and now is not None:
        times.append(wire.microseconds(now))
    return (min(times), max(times)) if times else (0, 0)


def _waiting(state: WorkflowState, now: datetime, signals: Sequence[str]) -> list[str]:
    """Say what a run waits for: at once if that is stored, else after a moment without news.

    `signals` are those that the process that runs it says its code waits for.
    """
    waiting = waiting_for(state, signals=signals)
    is_sure = waiting is not None and waiting.kind != "retry"
    news = last_news(state)
    if not is_sure and (news is None or now - news < _IDLE):
        return []
    return [waiting_text(state, waiting, now)]


def _remarks(state: WorkflowState, steps: Sequence[Step], *, is_open: bool) -> list[str]:
    if not state.history:
        return [_NO_HISTORY[is_open]]
    remarks = []
    if went_back(state.history):
        remarks.append("The clock went backwards in this history; bars are drawn as recorded.")
    if not is_open and not steps:
        remarks.append("No activities, signals or timers.")
    return remarks


_NO_HISTORY = (
    "No history is stored, so there is nothing to draw. Go's executor drops it in its last save.",
    "No history is stored yet.",
)


def _row(lane: Lane, bars: tuple[Bar, ...], scale: Scale, words: Words) -> Row:
    step, is_first = lane.steps[0], lane.number == 1
    begin = lane.spans[0].start - scale.first if lane.spans and is_first else None
    return Row(
        kind=step.kind,
        name=lane.name or step.name,
        part=words.part,
        begin="" if begin is None else f"+{since_text(begin)}",
        bars=bars,
        word=lane.word if is_first else "",
        outcome=_outcome(lane) if is_first else "",
        result=words.result,
        error=_error(lane) if lane.number == lane.lanes else "",
        lane=lane.number,
        lanes=lane.lanes,
    )


def _outcome(lane: Lane) -> str:
    """Say how it ended: `completed, 3 attempts, 1.2 s`."""
    if len(lane.steps) > 1:
        return _outcome_of_many(lane)
    (step,) = lane.steps
    parts = [short(step.outcome, 40)]
    if (attempts := len(step.attempts)) > 1:
        is_last = step.outcome != "running"
        parts.append(count_text(attempts, "attempt") if is_last else f"attempt {attempts:,}")
    if step.took is not None:
        is_open = step.outcome in OPEN_STEPS
        parts.append(duration_text(step.took) + (" so far" if is_open else ""))
    return ", ".join(filter(None, [*parts, step.remark]))


def _outcome_of_many(lane: Lane) -> str:
    """Say how many ended how: `58 completed, 2 failed, 70 attempts, 2 min 30 s in all`."""
    steps = lane.steps
    counts = Counter(step.outcome for step in steps)
    parts = [f"{counts[word]:,} {word}" for word in sorted(counts, key=severity)]
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
