"""The lines of a chart: one for each step, or a few lanes for many steps of one name."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from inngest_nb import wire
from inngest_nb.history import Step
from inngest_nb.notebook.timeline._spans import Span, is_activity, spans_of
from inngest_nb.words import count_text

__all__ = ["Lane", "fold", "in_time", "lanes_of", "severity"]

# What several steps together are called: the first of these that one of them is.
_WORST = (
    *("running", "waiting", "queued", "failed", "abandoned", "canceled"),
    *("completed", "received", "fired"),
)

# More lines than these are too many to read; so are more lanes of one name.
_MOST = 40
_MOST_LANES = 8
_NEVER = wire.microseconds(datetime.max.replace(tzinfo=UTC)) * 2


@dataclass(frozen=True, slots=True)
class Lane:
    """A line of a chart, or one of several `lanes` that the same steps need: `number`, from 1.

    The first one knows how many more are `hidden`, and how many steps are `untimed`. `name` is that
    of all its steps together.
    """

    steps: Sequence[Step]
    spans: Sequence[Span]
    number: int = 1
    lanes: int = 1
    hidden: int = 0
    untimed: int = 0
    name: str = ""

    @property
    def word(self) -> str:
        """How the worst of the steps ended."""
        return min((step.outcome for step in self.steps), key=severity)


def severity(word: str) -> int:
    """Return the place of an outcome when the worst of several is looked for, 0 for the worst."""
    return _WORST.index(word) if word in _WORST else _WORST.index("completed")


def lanes_of(steps: Sequence[Step], until: datetime | None) -> list[Lane]:
    """Give one lane for each step, by the time of its start; what has no time comes last."""
    return in_time([Lane([step], spans_of(step, until)) for step in steps])


def in_time(lanes: Iterable[Lane]) -> list[Lane]:
    """Sort lanes by the start of their first span; what has no time comes last."""

    def order(lane: Lane) -> tuple[int, bool, int]:
        step, start = lane.steps[0], lane.spans[0].start if lane.spans else _NEVER
        return start, is_activity(step), step.first

    return sorted(lanes, key=order)


def fold(
    lanes: Sequence[Lane],
    name_of: Callable[[Step], str] = lambda step: step.name,
    frame: str = "activity_frame()",
) -> tuple[list[Lane], str]:
    """Lay steps of one kind and name into few lanes, if there are too many; say what is left out.

    `name_of` a step is what counts as its name, and `frame` has what is left out. Names with
    something running or failed come before others; all stay in their order.
    """
    if len(lanes) <= _MOST:
        return list(lanes), ""
    groups: dict[tuple[str, str], list[Lane]] = {}
    for lane in lanes:
        groups.setdefault((lane.steps[0].kind, name_of(lane.steps[0])), []).append(lane)
    folded = {key: _folded(group, key[1]) for key, group in groups.items()}
    kept: set[tuple[str, str]] = set()
    room = _MOST
    for key in sorted(folded, key=lambda key: severity(folded[key][0].word)):
        room -= len(folded[key])
        if room >= 0 or not kept:
            kept.add(key)
    left_out = Counter({key: len(group) for key, group in groups.items() if key not in kept})
    words = ""
    if left_out:
        items, names = count_text(left_out.total(), "item"), count_text(len(left_out), "name")
        words = f"{items} ({names}) not shown; {frame} has all"
    return [lane for key in folded if key in kept for lane in folded[key]], words


def _folded(group: list[Lane], name: str) -> list[Lane]:
    """Lay steps of one name into lanes, in each of which nothing happens at the same time."""
    if len(group) == 1:
        return group
    lanes: list[list[Span]] = []
    free: list[tuple[int, int]] = []  # when each lane is free again, the earliest first
    for spans in (one.spans for one in group if one.spans):
        start, end = spans[0].start, max(span.end for span in spans)
        if free and free[0][0] <= start:
            number = heapq.heappop(free)[1]
        else:
            number = len(lanes)
            lanes.append([])
        lanes[number] += spans
        heapq.heappush(free, (end, number))
    shown = lanes[:_MOST_LANES] or [[]]
    steps = [one.steps[0] for one in group]
    hidden = max(0, len(lanes) - len(shown))
    untimed = sum(not one.spans for one in group)
    return [
        Lane(steps, shown[0], lanes=len(shown), hidden=hidden, untimed=untimed, name=name),
        *(Lane(steps, spans, number, len(shown)) for number, spans in enumerate(shown[1:], 2)),
    ]
