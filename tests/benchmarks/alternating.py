"""Several ways of doing the same, measured in turn, so that a noisy machine disturbs all alike."""

from __future__ import annotations

import contextlib
import gc
import json
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter

Work = Callable[[], object]
_FEWEST_ROUNDS = 3


def compare(
    benchmark: str,
    ours: Work,
    other: Work,
    *,
    names: tuple[str, str],
    goal: float,
    rounds: int = 41,
    calls: int = 50,
    at_most: bool = False,
) -> None:
    """Print the medians of both and how the other's time relates to ours, as words and as JSON."""
    times = measure({names[0]: ours, names[1]: other}, rounds=rounds, calls=calls)
    show(times)
    judge(benchmark, times[names[0]], times[names[1]], goal=goal, at_most=at_most)


def measure(
    works: Mapping[str, Work],
    *,
    rounds: int,
    calls: int = 1,
    units: int = 1,
    seconds: float = 40,
    told: bool = False,
) -> dict[str, list[float]]:
    """Return the seconds of each work in each round, for one of the units that a call does.

    With `told`, each work returns its seconds, which a process of its own has measured. On a
    machine that is busy there are fewer rounds than asked for, but three at least: none begins
    when so many `seconds` are over.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    seconds_of = _told if told else _seconds
    with _little_to_collect():
        begun = perf_counter()
        for done in range(rounds):
            if done >= _FEWEST_ROUNDS and perf_counter() - begun > seconds:
                break
            for name, work in works.items():
                times[name].append(seconds_of(work, calls) / units)
    return times


def show(times: Mapping[str, Sequence[float]]) -> None:
    """Print each median, and between which times it lies."""
    for name, taken in times.items():
        low, median, high = min(taken), statistics.median(taken), max(taken)
        spread = f"({low * 1e6:.1f} to {high * 1e6:.1f})"
        print(f"{name:>34}: {median * 1e6:10.1f} µs  {spread}, {1 / median:,.0f} a second")


def ratio_of(ours: Sequence[float], other: Sequence[float], *, at_most: bool = False) -> float:
    """Return the median over the rounds of other / ours: above 1 where ours is faster.

    With `at_most` it is ours / other, for goals that bound a cost.
    """
    rounds = zip(ours, other, strict=True)
    return statistics.median(m / t if at_most else t / m for m, t in rounds)


def judge(
    benchmark: str,
    ours: Sequence[float],
    other: Sequence[float],
    *,
    goal: float,
    at_most: bool = False,
) -> None:
    """Print the line that says how two series relate and whether that meets the goal."""
    verdict(benchmark, ratio_of(ours, other, at_most=at_most), goal=goal, at_most=at_most)


def verdict(benchmark: str, ratio: float, *, goal: float, at_most: bool = False) -> None:
    """Print the line that says whether a ratio meets its goal."""
    met = ratio <= goal if at_most else ratio >= goal
    result = {"benchmark": benchmark, "ratio": round(ratio, 3), "goal": goal, "met": met}
    print(json.dumps(result), flush=True)


@contextlib.contextmanager
def _little_to_collect() -> Iterator[None]:
    """Let the collections before each measurement walk new objects only.

    Walking all of them empties the processor's caches, and the more modules are loaded, the longer
    the work that is measured then takes: with pandas imported and not used, a step took 9 % longer.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _seconds(work: Work, calls: int) -> float:
    gc.collect()
    begun = perf_counter()
    for _ in range(calls):
        work()
    return (perf_counter() - begun) / calls


def _told(work: Callable[[], float], calls: int) -> float:
    return sum(work() for _ in range(calls)) / calls
