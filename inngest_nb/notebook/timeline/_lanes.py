"""Laying many things of one name into few lines of a chart."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from inngest_nb.history import WORST, Span, Track
from inngest_nb.words import count_text

__all__ = ["MOST_TRACKS", "fold"]

# More tracks than these are too many to read; so are more lanes of one name.
MOST_TRACKS = 40
_MOST_LANES = 8


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
        items, names = count_text(left_out.total(), "item"), count_text(len(left_out), "name")
        words = f"{items} ({names}) not shown; activity_frame() has all"
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
        remarks.append(f"{count_text(len(hidden), 'more line')} not shown")
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
