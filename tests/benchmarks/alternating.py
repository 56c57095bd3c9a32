"""Two ways of doing the same, measured in turn, so that a noisy machine disturbs both alike."""

from __future__ import annotations

import gc
import json
import statistics
from collections.abc import Callable
from time import perf_counter

Work = Callable[[], object]


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
    """Print the medians of both and how the other's time relates to ours, as words and as JSON.

    The ratio is the median over the rounds of other / ours: above 1 where ours is faster. With
    `at_most` it is ours / other, for goals that bound a cost.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, taken in zip((ours, other), times, strict=True):
            taken.append(_seconds(work, calls))
    mine, theirs = times
    ratios = [m / t if at_most else t / m for m, t in zip(mine, theirs, strict=True)]
    ratio = statistics.median(ratios)
    for name, taken in zip(names, times, strict=True):
        low, median, high = min(taken), statistics.median(taken), max(taken)
        print(f"{name:>30}: {median * 1e6:10.1f} µs  ({low * 1e6:.1f} to {high * 1e6:.1f})")
    met = ratio <= goal if at_most else ratio >= goal
    result = {"benchmark": benchmark, "ratio": round(ratio, 3), "goal": goal, "met": met}
    print(json.dumps(result), flush=True)


def _seconds(work: Work, calls: int) -> float:
    gc.collect()
    begun = perf_counter()
    for _ in range(calls):
        work()
    return (perf_counter() - begun) / calls
