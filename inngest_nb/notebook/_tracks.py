"""What happened in a run, as the tracks of a chart: activities, signals and timers in time.

Times are microseconds since 1970, because years 1 and 9999 of any zone must be comparable.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from inngest_nb import wire
from inngest_nb.notebook._pairing import Activity, Attempt, outcome_of
from inngest_nb.notebook._words import count_text, duration_text
from inngest_nb.state import EventType, HistoryEvent, WorkflowState

__all__ = [
    "MOST_TRACKS",
    "WORST",
    "Span",
    "Track",
    "fold",
    "track_of",
    "track_of_moment",
    "tracks_of",
]

# More tracks than these are too many to read; so are more lanes of one name.
MOST_TRACKS = 40
_MOST_LANES = 8

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
    tracks += [track_of(activity, state, now) for activity in activities]
    return sorted(tracks, key=lambda track: track.spans[0].start if track.spans else _NEVER)


def track_of(activity: Activity, state: WorkflowState, now: datetime) -> Track:
    """Give the track of an activity."""
    word = outcome_of(activity, state)
    attempts = [*activity.earlier, activity.attempt()]
    until = _end_of_run(state, now)
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
        took=_took(activity, known, backwards=backwards),
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


def _took(activity: Activity, spans: Sequence[Span], *, backwards: bool) -> timedelta | None:
    """From the first start to the last end; where the clock can't tell, what the end recorded."""
    if spans and not backwards:
        times = [span.start for span in spans] + [span.end for span in spans]
        took = timedelta(microseconds=max(times) - min(times))
        if took or not activity.recorded:
            return took
    return activity.recorded


def _remark(spans: Sequence[Span], *, backwards: bool) -> str:
    if backwards:
        return "the clock went backwards"
    return "" if spans else "no time was recorded"


def _span(attempt: Attempt, number: int, left_open: str, until: int) -> Span | None:
    """Give the span of an attempt; one whose start is not known begins as its end records."""
    word = attempt.outcome or left_open
    end = _us(attempt.ended_at)
    start = _us(attempt.started_at)
    if start is None and end is not None:
        start = end - (attempt.recorded or timedelta()) // _MICROSECOND
    if start is None:
        return None
    if end is None:
        end = until
    end = max(start, end)
    note = f"attempt {number} {word}, {duration_text(timedelta(microseconds=end - start))}"
    return Span(start, end, word, f"{note}: {attempt.error}" if attempt.error else note)


def _end_of_run(state: WorkflowState, now: datetime) -> int:
    """Give when what was left open ended at the latest: with the run's last event, or never yet."""
    last = state.history[-1] if state.history else None
    if last is not None and last.type in _ENDS and last.timestamp is not None:
        return wire.microseconds(last.timestamp)
    if state.status in _ENDED and state.updated_at is not None:
        return wire.microseconds(state.updated_at)
    return wire.microseconds(now)


_ENDED = ("completed", "failed", "canceled")
_ENDS = tuple(EventType(f"workflow_{word}") for word in _ENDED)


def track_of_moment(event: HistoryEvent) -> Track | None:
    """Give the track of a signal or a timer; None for any other event."""
    at = _us(event.timestamp)
    if event.type is EventType.SIGNAL_RECEIVED:
        spans = () if at is None else (Span(at, at, "received"),)
        return Track("signal", event.signal_name, "received", spans, remark=_missing(spans))
    if event.type is EventType.TIMER_FIRED:
        waited = event.duration
        began = None if at is None else at - max(waited // _MICROSECOND, 0)
        spans = () if at is None or began is None else (Span(began, at, "fired"),)
        return Track("timer", "", "fired", spans, took=waited or None, remark=_missing(spans))
    return None


def _missing(spans: Sequence[Span]) -> str:
    return _remark(spans, backwards=False)


def _us(time: datetime | None) -> int | None:
    return None if time is None else wire.microseconds(time)


def fold(tracks: Sequence[Track]) -> tuple[list[Track], str]:
    """Lay what has one kind and name into few tracks, if there are too many; say what is left out.

    Names with something running or failed come before others; all stay in their order.
    """
    if len(tracks) <= MOST_TRACKS:
        return list(tracks), ""
    groups: dict[tuple[str, str], list[Track]] = {}
    for track in tracks:
        groups.setdefault((track.kind, track.name), []).append(track)
    folded = {key: _lanes(group) for key, group in groups.items()}
    kept: set[tuple[str, str]] = set()
    room = MOST_TRACKS
    for key in sorted(folded, key=lambda key: WORST.index(folded[key][0].word)):
        room -= len(folded[key])
        if room >= 0 or not kept:
            kept.add(key)
    left_out = Counter({key: len(group) for key, group in groups.items() if key not in kept})
    words = ""
    if left_out:
        things = f"{count_text(left_out.total(), 'thing')} of {count_text(len(left_out), 'name')}"
        words = f"{things} left out, for want of room: activity_frame and history_frame have all"
    return [track for key in folded if key in kept for track in folded[key]], words


def _lanes(group: list[Track]) -> list[Track]:
    """Lay tracks of one name into lanes, in each of which nothing happens at the same time."""
    if len(group) == 1:
        return group
    lanes: list[list[Span]] = []
    free: list[tuple[int, int]] = []  # when each lane is free again, the earliest first
    for track in group:
        if not track.spans:
            continue
        start, end = track.spans[0].start, max(span.end for span in track.spans)
        if free and free[0][0] <= start:
            lane = heapq.heappop(free)[1]
        else:
            lane = len(lanes)
            lanes.append([])
        lanes[lane] += track.spans
        heapq.heappush(free, (end, lane))
    hidden = lanes[_MOST_LANES:]
    counts = Counter(track.word for track in group)
    errors = [track.error for track in group if track.error]
    remarks = []
    if hidden:
        remarks.append(f"{count_text(len(hidden), 'more lane')} not drawn")
    if untimed := sum(not track.spans for track in group):
        remarks.append(f"{untimed:,} without a time")
    head = Track(
        kind=group[0].kind,
        name=group[0].name,
        word=min(counts, key=WORST.index),
        spans=tuple(lanes[0]) if lanes else (),
        attempts=sum(track.attempts for track in group),
        took=sum((track.took for track in group if track.took), timedelta()) or None,
        error=f"the last error: {errors[-1]}" if errors else "",
        remark=", ".join(remarks),
        lanes=min(len(lanes), _MOST_LANES) or 1,
        counts=tuple(sorted(counts.items(), key=lambda item: WORST.index(item[0]))),
    )
    more = [
        Track(head.kind, head.name, "", tuple(lane), lane=number)
        for number, lane in enumerate(lanes[1:_MOST_LANES], 2)
    ]
    return [head, *more]
