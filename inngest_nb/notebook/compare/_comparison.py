"""Two runs side by side: what differs first, what differs at all, and by how much time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import UNSET

from inngest_nb.history import run_and_steps
from inngest_nb.notebook.compare._alignment import Pair, aligned
from inngest_nb.state import WorkflowState
from inngest_nb.words import count_text, duration_text, short

__all__ = ["Fork", "Sides", "change_of_time", "sides_of", "summary"]


class Fork(NamedTuple):
    """What forking has to do with two runs, in words, and after which event they went apart.

    That is None where it happened in neither of the two.
    """

    event_id: int | None
    words: str


@dataclass(frozen=True, slots=True)
class Sides:
    """Two runs with their steps paired.

    `whole` is the pair of the runs themselves. `fork_place` is the number of pairs that had begun
    where one of them was forked, None if none was.
    """

    a: WorkflowState
    b: WorkflowState
    whole: Pair
    pairs: Sequence[Pair]
    fork: Fork | None
    fork_place: int | None

    @property
    def first(self) -> Pair | None:
        """The first step in which the runs differ."""
        return next((pair for pair in self.pairs if pair.differs), None)


def sides_of(a: WorkflowState, b: WorkflowState, now: datetime) -> Sides:
    """Put two runs side by side; what still runs lasts until `now`."""
    (whole_a, steps_a), (whole_b, steps_b) = run_and_steps(a, now), run_and_steps(b, now)
    pairs = aligned(steps_a, steps_b)
    fork = _fork(a, b)
    return Sides(
        a=a,
        b=b,
        whole=Pair(whole_a, whole_b),
        pairs=pairs,
        fork=fork,
        fork_place=None if fork is None or fork.event_id is None else _place(pairs, fork.event_id),
    )


def change_of_time(pair: Pair) -> timedelta | None:
    """Give how much longer B took; None where either is unknown."""
    if pair.a is None or pair.b is None or pair.a.took is None or pair.b.took is None:
        return None
    return pair.b.took - pair.a.took


def summary(sides: Sides) -> tuple[str, list[str]]:
    """Say in one line where the runs first differ, and in a few more how much differs."""
    lines = [_counts(sides.pairs), _time(sides.whole)]
    if sides.fork is not None:
        lines.append(sides.fork.words)
    lines += [
        f"{side} has no history to compare"
        for side, state in (("A", sides.a), ("B", sides.b))
        if not state.history
    ]
    return _headline(sides), [line for line in lines if line]


def _headline(sides: Sides) -> str:
    whole, first = sides.whole.differs, sides.first
    if first is None:
        steps = "Same steps" if sides.pairs else "No steps to compare"
        return f"{steps}; the runs differ in {_listed(whole)}" if whole else "No differences"
    kind = "" if first.step.kind == "activity" else f"{first.step.kind} "
    what = f"{kind}{short(first.step.name)}".rstrip()
    if first.a is None or first.b is None:
        return f"First difference: {what} (missing in {'A' if first.a is None else 'B'})"
    return f"First difference: {what} ({_listed(first.differs)})"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _counts(pairs: Sequence[Pair]) -> str:
    if not pairs:
        return ""
    lonely = {side: sum(pair.differs == (f"only in {side}",) for pair in pairs) for side in "AB"}
    same = sum(not pair.differs for pair in pairs)
    differ = len(pairs) - same - sum(lonely.values())
    parts = [f"{same:,} the same", f"{differ:,} {'differs' if differ == 1 else 'differ'}"]
    parts += [f"{count:,} only in {side}" for side, count in lonely.items() if count]
    return f"{count_text(len(pairs), 'step')}: {', '.join(parts)}"


def _time(whole: Pair) -> str:
    change = change_of_time(whole)
    if change is None or whole.a is None or whole.b is None:
        return ""
    took = [duration_text(step.took or timedelta()) for step in (whole.a, whole.b)]
    if not change or took[0] == took[1]:
        return f"Both took {took[0]}"
    by, word = duration_text(abs(change)), "longer" if change > timedelta() else "less"
    return f"B took {by} {word}: {took[1]} instead of {took[0]}"


def _fork(a: WorkflowState, b: WorkflowState) -> Fork | None:
    for child, parent, name, other in ((b, a, "B", "A"), (a, b, "A", "B")):
        origin = child.forked_from
        if origin is UNSET or origin.workflow_id != parent.workflow_id:
            continue
        if origin.run_id == parent.run_id:
            words = f"{name} was forked from {other} after event {origin.event_id}"
            return Fork(origin.event_id, words)
        return Fork(None, f"{name} was forked from another run of {other}'s workflow id")
    return _siblings(a, b)


def _siblings(a: WorkflowState, b: WorkflowState) -> Fork | None:
    one, two = a.forked_from, b.forked_from
    if one is UNSET or two is UNSET:
        return None
    if (one.workflow_id, one.run_id) != (two.workflow_id, two.run_id):
        return None
    places = f"A after event {one.event_id}, B after event {two.event_id}"
    words = f"Both were forked from {short(one.workflow_id)}: {places}"
    return Fork(min(one.event_id, two.event_id), words)


def _place(pairs: Sequence[Pair], event_id: int) -> int:
    """Give the number of pairs up to the last that began before the fork."""
    before = [
        all(step.first <= event_id for step in (pair.a, pair.b) if step is not None)
        for pair in pairs
    ]
    return len(before) - before[::-1].index(True) if True in before else 0
