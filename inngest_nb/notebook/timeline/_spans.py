"""The steps of a run as spans of time, in microseconds.

They count from 1970, because years 1 and 9999 of any zone must be comparable. Each span has a word:
how it ended, or why nothing was done in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from inngest_nb import wire
from inngest_nb.history import Attempt, Step
from inngest_nb.words import duration_text

__all__ = ["IDLE", "WAITING", "Span", "is_activity", "spans_of"]

WAITING = "waiting"
# The words of spans in which the run itself does nothing.
IDLE = ("invoking", "asleep", WAITING, "pausing", "queued")

_MICROSECOND = timedelta(microseconds=1)


class Span(NamedTuple):
    """From when to when something was; `word` is how it ended."""

    start: int
    end: int
    word: str
    note: str = ""


def is_activity(step: Step) -> bool:
    """Tell whether a step is made in attempts."""
    return step.kind in ("activity", "child workflow", "step", "function")


def spans_of(step: Step, until: datetime | None) -> tuple[Span, ...]:
    """Give the spans of a step's attempts, as far as they have times; what is open lasts `until`.

    Between attempts, and until a timer fires, it is waiting. No history says since when a signal
    was waited for, or since when an activity was to begin.
    """
    if step.kind == "timer":
        return tuple(span._replace(word=WAITING) for span in _attempts(step, until))
    return (*_attempts(step, until), *_pauses(step, until))


def _attempts(step: Step, until: datetime | None) -> Iterator[Span]:
    """Yield attempts; one whose start is not known begins as its end records."""
    for number, attempt in enumerate(step.attempts, 1):
        end, start = _us(attempt.ended_at), _us(attempt.started_at)
        if start is None and end is not None:
            start = end - (attempt.recorded or timedelta()) // _MICROSECOND
        if start is None:
            continue
        end = max(start, end if end is not None else _us(until) or start)
        note = _note(attempt, number, end - start) if is_activity(step) else ""
        yield Span(start, end, str(attempt.outcome), note)


def _pauses(step: Step, until: datetime | None) -> Iterator[Span]:
    """Yield the time between attempts, and that before the next one which is due but not begun."""
    for number, (attempt, following) in enumerate(pairwise(step.attempts), 2):
        yield from _pause(attempt.ended_at, following.started_at, number)
    if step.retry_at is not None and until is not None:
        number = len(step.attempts) + 1
        yield from _pause(step.attempts[-1].ended_at, min(step.retry_at, until), number)


def _pause(begin: datetime | None, end: datetime | None, number: int) -> Iterator[Span]:
    start, stop = _us(begin), _us(end)
    if start is not None and stop is not None and start < stop:
        waited = duration_text(timedelta(microseconds=stop - start))
        yield Span(start, stop, WAITING, f"{waited} of waiting for attempt {number}")


def _note(attempt: Attempt, number: int, us: int) -> str:
    note = f"attempt {number} {attempt.outcome}, {duration_text(timedelta(microseconds=us))}"
    return f"{note}: {attempt.error}" if attempt.error else note


def _us(time: datetime | None) -> int | None:
    return None if time is None else wire.microseconds(time)
