"""Which step of one run belongs to which step of another.

Steps of one kind and name are paired. Where both histories number the calls of the code, their
order decides; elsewhere steps with the same input are paired first. So a step that only one run
has shifts no other. What is left is paired by name and order, and said to stand in another order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any

from inngest_nb.history import Step, same_value

__all__ = ["Pair", "aligned"]

# So many possible pairs are weighed. Where there are more, steps that occur often don't lead the
# matching: they alone make for the square of their number.
_MOST_WEIGHED = 100_000

_Places = tuple[int, int]  # of a step in the one run, and of its counterpart in the other
_Key = Callable[[Step], Any]


@dataclass(frozen=True)
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

    @cached_property
    def differs(self) -> tuple[str, ...]:
        """What differs. Durations always do, so they are not among it."""
        if self.a is None or self.b is None:
            return ("only in A",) if self.b is None else ("only in B",)
        found = {
            "status" if self.a.kind == "workflow" else "outcome": self.a.outcome != self.b.outcome,
            "input": not same_value(self.a.input.json, self.b.input.json),
            "result": not same_value(self.a.result.json, self.b.result.json),
            "error": self.a.error != self.b.error,
            "attempts": len(self.a.attempts) != len(self.b.attempts),
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
    return sum(1 for _ in takewhile(lambda pair: _are_same(*pair), pairs))


def _are_same(a: Step, b: Step) -> bool:
    same_call = a.seq is not None and a.seq == b.seq
    same_json = a.input.json == b.input.json  # compared first: nothing has to be indented for it
    return _name(a) == _name(b) and (same_call or same_json or a.input.text == b.input.text)


def _name(step: Step) -> tuple[str, str]:
    return step.kind, step.name


def _name_and_input(step: Step) -> tuple[str, str, str]:
    return step.kind, step.name, step.input.text


def _between(a: Sequence[Step], b: Sequence[Step]) -> Iterator[Pair]:
    chain = _chain(a, b)
    counterpart = dict(chain)
    taken = set(counterpart.values())
    left_a = [place for place in range(len(a)) if place not in counterpart]
    left_b = [place for place in range(len(b)) if place not in taken]
    counterpart |= dict(_in_order(a, b, left_a, left_b))
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


def _chain(a: Sequence[Step], b: Sequence[Step]) -> list[_Places]:
    """Give pairs that don't cross: same calls, or same inputs and then same names."""
    if all(step.seq is not None for step in (*a, *b) if step.kind != "signal"):
        return _matches(a, b, _name)
    chain: list[_Places] = []
    start_a = start_b = 0
    for end_a, end_b in [*_matches(a, b, _name_and_input), (len(a), len(b))]:
        gap = _matches(a[start_a:end_a], b[start_b:end_b], _name)
        chain += [(start_a + one, start_b + other) for one, other in gap]
        chain.append((end_a, end_b))
        start_a, start_b = end_a + 1, end_b + 1
    return chain[:-1]


def _matches(a: Sequence[Step], b: Sequence[Step], key: _Key) -> list[_Places]:
    """Give as many pairs of one key as there are that don't cross."""
    keys_a, places_b = list(map(key, a)), defaultdict[Any, list[int]](list)
    for place in reversed(range(len(b))):
        places_b[key(b[place])].append(place)
    leading, left = set(), _MOST_WEIGHED
    weights = {each: count * len(places_b[each]) for each, count in Counter(keys_a).items()}
    for each in sorted(weights, key=weights.__getitem__):
        left -= weights[each]
        if left < 0:
            break
        leading.add(each)
    candidates = ((place, each) for place, each in enumerate(keys_a) if each in leading)
    return _rising((place, other) for place, each in candidates for other in places_b[each])


def _rising(pairs: Iterable[_Places]) -> list[_Places]:
    """Give the longest part of pairs, which are in the order of A, that is in that of B, too.

    Of the pairs of one step in A those that are later in B come first, so that one is taken.
    """
    ends: list[int] = []  # of the parts of each length, how early in B one of them ends
    parts: list[tuple[_Places, Any]] = []  # its last pair, and the part before that
    for pair in pairs:
        size = bisect_left(ends, pair[1])
        ends[size : size + 1] = [pair[1]]
        parts[size : size + 1] = [(pair, parts[size - 1] if size else None)]
    part, found = parts[-1] if parts else None, []
    while part is not None:
        found.append(part[0])
        part = part[1]
    return found[::-1]


def _in_order(
    a: Sequence[Step], b: Sequence[Step], places_a: Iterable[int], places_b: Iterable[int]
) -> Iterator[_Places]:
    """Pair the first step of each name with the first of that name, the second with the second."""
    waiting: dict[Any, deque[int]] = defaultdict(deque)
    for place in places_b:
        waiting[_name(b[place])].append(place)
    for place in places_a:
        if others := waiting.get(_name(a[place])):
            yield place, others.popleft()
