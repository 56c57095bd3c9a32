"""Which step of one run belongs to which step of another.

Steps of one kind and name are paired, as many as can be without crossing. Of several ways to do
that the best has the most pairs that are the same call of the code, then the most with the same
input. So a step that only one run has shifts no other. What is left is paired by name and order,
and said to stand in another order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from inngest_nb.history import Step, same_value

__all__ = ["Pair", "aligned"]

# Where so many pairs are possible, all ways are weighed; where more are, equal steps lead.
_MOST_WEIGHED = 250_000
# A pair weighs more than any number of same calls, and a same call more than any same inputs.
_PAIR, _CALL, _INPUT = 1 << 40, 1 << 20, 1

_Places = tuple[int, int]  # of a step in the one run, and of its counterpart in the other


@dataclass(frozen=True, slots=True)
class Pair:
    """A step of run A and the same of run B; a side is None if that run has no such step.

    What is `moved` stands elsewhere in B.
    """

    a: Step | None
    b: Step | None
    moved: bool = False

    @property
    def step(self) -> Step:
        """The step of A, or of B where A has none."""
        step = self.a or self.b
        if step is None:
            raise ValueError("a pair has a side at least")
        return step

    @property
    def differs(self) -> tuple[str, ...]:
        """What differs. Durations always do, so they are not among it."""
        if self.a is None or self.b is None:
            return ("only in A",) if self.b is None else ("only in B",)
        found = {
            "status" if self.a.kind == "workflow" else "outcome": self.a.outcome != self.b.outcome,
            "input": not same_value(self.a.input.text, self.b.input.text),
            "result": not same_value(self.a.result.text, self.b.result.text),
            "error": self.a.error != self.b.error,
            "attempts": self.a.attempts != self.b.attempts,
            "order": self.moved,
        }
        return tuple(word for word, is_so in found.items() if is_so)


def aligned(a: Sequence[Step], b: Sequence[Step]) -> list[Pair]:
    """Pair the steps of two runs, in the order of A and, between its steps, of B."""
    head = _length_of_same(zip(a, b, strict=False))
    tail = _length_of_same(zip(reversed(a[head:]), reversed(b[head:]), strict=False))
    end_a, end_b = len(a) - tail, len(b) - tail
    return [
        *(Pair(*both) for both in zip(a[:head], b[:head], strict=True)),
        *_between(a[head:end_a], b[head:end_b]),
        *(Pair(*both) for both in zip(a[end_a:], b[end_b:], strict=True)),
    ]


def _length_of_same(pairs: Iterable[tuple[Step, Step]]) -> int:
    return sum(1 for _ in takewhile(lambda pair: _weight(*pair) > _PAIR, pairs))


def _weight(a: Step, b: Step) -> int:
    """Say how well two steps go together; 0 is not at all."""
    if _key(a) != _key(b):
        return 0
    same_call = a.seq is not None and a.seq == b.seq
    return _PAIR + _CALL * same_call + _INPUT * (a.input.text == b.input.text)


def _key(step: Step) -> tuple[str, str]:
    return step.kind, step.name


def _between(a: Sequence[Step], b: Sequence[Step]) -> Iterator[Pair]:
    chain = _best_chain(a, b) if len(a) * len(b) <= _MOST_WEIGHED else _equal_chain(a, b)
    counterpart = dict(chain)
    taken = set(counterpart.values())
    left_a = [place for place in range(len(a)) if place not in counterpart]
    left_b = [place for place in range(len(b)) if place not in taken]
    counterpart |= dict(_in_order(a, b, left_a, left_b, _key))
    taken = set(counterpart.values())
    start_a = start_b = 0
    for end_a, end_b in [*chain, (len(a), len(b))]:
        for place in range(start_a, end_a):
            other = counterpart.get(place)
            if other is None:
                yield Pair(a[place], None)
            else:
                yield Pair(a[place], b[other], moved=not start_b <= other < end_b)
        yield from (Pair(None, b[place]) for place in range(start_b, end_b) if place not in taken)
        if end_a < len(a):
            yield Pair(a[end_a], b[end_b])
        start_a, start_b = end_a + 1, end_b + 1


def _best_chain(a: Sequence[Step], b: Sequence[Step]) -> list[_Places]:
    """Give the heaviest pairs that don't cross."""
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]  # of what begins at two places
    for i in range(len(a) - 1, -1, -1):
        row, below = best[i], best[i + 1]
        for j in range(len(b) - 1, -1, -1):
            weight = _weight(a[i], b[j])
            row[j] = max(below[j], row[j + 1], below[j + 1] + weight if weight else 0)
    chain, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        weight = _weight(a[i], b[j])
        if weight and best[i][j] == best[i + 1][j + 1] + weight:
            chain.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return chain


def _equal_chain(a: Sequence[Step], b: Sequence[Step]) -> list[_Places]:
    """Give the longest chain of steps with the same name and input that don't cross."""
    pairs = list(
        _in_order(a, b, range(len(a)), range(len(b)), lambda one: (*_key(one), one.input.text))
    )
    ends: list[int] = []  # the least place in B at which a chain of each length ends
    last: list[int] = []  # and the number of the pair that ends it
    before: list[int] = []  # the number of the pair before each in its chain
    for number, (_, place) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1], last[length : length + 1] = [place], [number]
    chain, number = [], last[-1] if last else -1
    while number >= 0:
        chain.append(pairs[number])
        number = before[number]
    return chain[::-1]


def _in_order(
    a: Sequence[Step],
    b: Sequence[Step],
    places_a: Iterable[int],
    places_b: Iterable[int],
    key: Callable[[Step], Any],
) -> Iterator[_Places]:
    """Pair the first step of each key with the first of that key, the second with the second."""
    waiting: dict[Any, deque[int]] = defaultdict(deque)
    for place in places_b:
        waiting[key(b[place])].append(place)
    for place in places_a:
        if others := waiting.get(key(a[place])):
            yield place, others.popleft()
