"""What happened in a run, as the tracks of a chart: activities, signals and timers in time.

Times are microseconds since 1970, because years 1 and 9999 of any zone must be comparable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from inngest_nb import wire
from inngest_nb.history._activities import Activity, Attempt, outcome_of
from inngest_nb.history._times import recorded, times_of
from inngest_nb.state import EventType, HistoryEvent, WorkflowState
from inngest_nb.words import duration_text

__all__ = [
    "WORST",
    "Span",
    "Track",
    "track_of",
    "track_of_moment",
    "tracks_of",
]

_MICROSECOND = timedelta(microseconds=1)
_NEVER = wire.microseconds(datetime.max.replace(tzinfo=UTC)) * 2
# What several together are called: the first of these that one of them is.
WORST = ("running", "failed", "abandoned", "canceled", "completed", "received", "fired")


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when something was; `word` is how it ended."""

    start: int
    end: int
    word: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Track:
    """One line of a chart.

    `counts` is not empty where the line stands for several things. These may need several `lanes`,
    each a track of its own.
    """

    kind: str
    name: str
    word: str
    spans: tuple[Span, ...] = ()
    attempts: int = 1
    took: timedelta | None = None
    error: str = ""
    remark: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    lane: int = 1
    lanes: int = 1


def tracks_of(state: WorkflowState, activities: Sequence[Activity], now: datetime) -> list[Track]:
    """Give one track for each activity, signal and timer, by the time of its start.

    What has no time comes last. An attempt that is open lasts until `now`.
    """
    tracks = [track for event in state.history if (track := track_of_moment(event))]
    until = times_of(state).until(now)
    tracks += [track_of(activity, state, until) for activity in activities]
    return sorted(tracks, key=lambda track: track.spans[0].start if track.spans else _NEVER)


def track_of(activity: Activity, state: WorkflowState, until: datetime | None) -> Track:
    """Give the track of an activity of a run that lasted, or lasts so far, `until` then."""
    word = outcome_of(activity, state)
    attempts = [*activity.earlier, activity.attempt()]
    spans = [_span(attempt, number, word, until) for number, attempt in enumerate(attempts, 1)]
    known = tuple(span for span in spans if span is not None)
    backwards = any(
        attempt.started_at and attempt.ended_at and attempt.ended_at < attempt.started_at
        for attempt in attempts
    )
    return Track(
        kind="child workflow" if activity.child else "activity",
        name=activity.name,
        word=word,
        spans=known,
        attempts=activity.attempts,
        took=activity.took(word, until),
        error=_error(attempts),
        remark=_remark(known, backwards=backwards),
    )


def _error(attempts: Sequence[Attempt]) -> str:
    """Give the last error, with its attempt where another one followed."""
    for number, attempt in reversed(list(enumerate(attempts, 1))):
        if attempt.error:
            last = number == len(attempts)
            return attempt.error if last else f"attempt {number}: {attempt.error}"
    return ""


def _remark(spans: Sequence[Span], *, backwards: bool) -> str:
    if backwards:
        return "the clock went backwards"
    return "" if spans else "no time was recorded"


def _span(attempt: Attempt, number: int, left_open: str, until: datetime | None) -> Span | None:
    """Give the span of an attempt; one whose start is not known begins as its end records."""
    word = attempt.outcome or left_open
    end = _us(attempt.ended_at)
    start = _us(attempt.started_at)
    if start is None and end is not None:
        start = end - (attempt.recorded or timedelta()) // _MICROSECOND
    if start is None:
        return None
    end = max(start, end if end is not None else _us(until) or start)
    note = f"attempt {number} {word}, {duration_text(timedelta(microseconds=end - start))}"
    return Span(start, end, word, f"{note}: {attempt.error}" if attempt.error else note)


def track_of_moment(event: HistoryEvent) -> Track | None:
    """Give the track of a signal or a timer; None for any other event."""
    at = _us(event.timestamp)
    if event.type is EventType.SIGNAL_RECEIVED:
        spans = () if at is None else (Span(at, at, "received"),)
        return Track("signal", event.signal_name, "received", spans, remark=_missing(spans))
    if event.type is EventType.TIMER_FIRED:
        waited = recorded(event)
        began = None if at is None else at - (waited or timedelta()) // _MICROSECOND
        spans = () if at is None or began is None else (Span(began, at, "fired"),)
        return Track("timer", "", "fired", spans, took=waited, remark=_missing(spans))
    return None


def _missing(spans: Sequence[Span]) -> str:
    return _remark(spans, backwards=False)


def _us(time: datetime | None) -> int | None:
    return None if time is None else wire.microseconds(time)
