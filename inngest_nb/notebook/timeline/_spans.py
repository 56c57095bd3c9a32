"""The steps of a run as spans of time, in microseconds.

They count from 1970, because years 1 and 9999 of any zone must be comparable.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from inngest_nb import wire
from inngest_nb.history import Attempt, Step
from inngest_nb.words import duration_text

__all__ = ["Span", "is_activity", "spans_of"]

_MICROSECOND = timedelta(microseconds=1)


class Span(NamedTuple):
    """From when to when something was; `word` is how it ended."""

    start: int
    end: int
    word: str
    note: str = ""


def is_activity(step: Step) -> bool:
    """Tell whether a step is made in attempts."""
    return step.kind in ("activity", "child workflow")


def spans_of(step: Step, until: datetime | None) -> tuple[Span, ...]:
    """Give the spans of a step's attempts, as far as they have times; what is open lasts `until`.

    An attempt whose start is not known begins as its end records.
    """
    spans = []
    for number, attempt in enumerate(step.attempts, 1):
        end, start = _us(attempt.ended_at), _us(attempt.started_at)
        if start is None and end is not None:
            start = end - (attempt.recorded or timedelta()) // _MICROSECOND
        if start is None:
            continue
        end = max(start, end if end is not None else _us(until) or start)
        note = _note(attempt, number, end - start) if is_activity(step) else ""
        spans.append(Span(start, end, str(attempt.outcome), note))
    return tuple(spans)


def _note(attempt: Attempt, number: int, us: int) -> str:
    note = f"attempt {number} {attempt.outcome}, {duration_text(timedelta(microseconds=us))}"
    return f"{note}: {attempt.error}" if attempt.error else note


def _us(time: datetime | None) -> int | None:
    return None if time is None else wire.microseconds(time)
