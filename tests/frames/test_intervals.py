"""How sure one can be of a difference: the intervals against published figures and by simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from inngest_nb.frames.insight._intervals import median_change, rate_change

# R. G. Newcombe, Interval estimation for the difference between independent proportions (1998):
# the 95 % intervals of method 10 for its eight contrasts.
NEWCOMBE = [
    ((56, 70), (48, 80), 0.0524, 0.3339),
    ((9, 10), (3, 10), 0.1705, 0.8090),
    ((6, 7), (2, 7), 0.0582, 0.8062),
    ((5, 56), (0, 29), -0.0381, 0.1926),
    ((0, 10), (0, 20), -0.1611, 0.2775),
    ((0, 10), (0, 10), -0.2775, 0.2775),
    ((10, 10), (0, 20), 0.6791, 1.0000),
    ((10, 10), (0, 10), 0.6075, 1.0000),
]
# D. G. Bonett's examples of the interval for two medians, from the documentation of statpsych.
BONETT = [
    (
        [32, 39, 26, 35, 43, 27, 40, 37, 34, 29],
        [36, 44, 47, 42, 49, 39, 46, 31, 33, 48],
        (-8.5, -16.95977, -0.04022524),
    ),
    (
        [32.1, 39.8, 26.3, 35.0, 43.1, 27.0, 40.9, 37.4, 34.0, 29.2],
        [36.8, 44.0, 47.1, 42.7, 49.0, 39.6, 46.2, 31.6, 33.1, 48.4],
        (-8.85, -17.66002, -0.0399751),
    ),
    (
        [70, 394, 43, 95, 62, 128, 2, 203, 81, 436, 85, 35, 156, 1, 3, 27, 63, 181, 184, 18],
        [
            102,
            120,
            78,
            78,
            417,
            124,
            86,
            171,
            176,
            129,
            230,
            194,
            100,
            157,
            306,
            411,
            164,
            103,
            193,
            312,
        ],
        (-85, -157.7441, -12.25589),
    ),
]


@pytest.mark.parametrize(("after", "before", "low", "high"), NEWCOMBE)
def test_a_change_of_rates_has_the_published_interval(
    after: Any, before: Any, low: float, high: float
) -> None:
    found = rate_change(before, after)
    assert found.change == pytest.approx(after[0] / after[1] - before[0] / before[1])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.00005)
    back = rate_change(after, before)
    assert (back.low, back.high) == pytest.approx((-high, -low), abs=0.00005)


@pytest.mark.parametrize(("after", "before", "published"), BONETT)
def test_a_change_of_medians_has_the_published_interval(
    after: Any, before: Any, published: Any
) -> None:
    assert median_change(before, after) == pytest.approx(published, rel=1e-6)


def test_more_confidence_is_a_wider_interval() -> None:
    for change in (
        lambda confidence: rate_change((3, 50), (9, 50), confidence),
        lambda confidence: median_change(range(50), range(5, 60), confidence),
    ):
        narrow, wide = change(0.8), change(0.99)
        assert narrow.change == wide.change
        assert wide.low < narrow.low < narrow.change < narrow.high < wide.high


@pytest.mark.parametrize("some", [0, 1])
def test_without_a_sample_nothing_is_known(some: int) -> None:
    for found in (rate_change((0, 0), (0, some)), median_change([], [7] * some)):
        assert all(math.isnan(each) for each in found)
        assert not found.is_clear


def test_one_observation_says_nothing_of_a_median() -> None:
    found = median_change([1.0], range(100))
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert not found.is_clear


@pytest.mark.parametrize("size", [199, 201, 5_000])
def test_the_shortcut_for_many_observations_is_as_good(size: int) -> None:
    """The interval shrinks with the root of the number, on both sides of the shortcut."""
    draw = np.random.default_rng(7)
    reach = [
        found.high - found.change
        for found in (median_change(*draw.normal(size=(2, size))) for _ in range(50))
    ]
    # The error of a normal sample's median is 1.2533 / sqrt(n).
    expected = 1.96 * math.sqrt(2) * 1.2533 / math.sqrt(size)
    assert np.mean(reach) == pytest.approx(expected, rel=0.1)


def test_intervals_hold_the_true_difference_about_as_often_as_they_say() -> None:
    draw = np.random.default_rng(3)
    tries = 400
    rates = [
        rate_change((draw.binomial(40, 0.1), 40), (draw.binomial(60, 0.25), 60))
        for _ in range(tries)
    ]
    medians = [
        median_change(draw.exponential(1, 30), draw.exponential(3, 50)) for _ in range(tries)
    ]
    for true, intervals in ((0.15, rates), (2 * math.log(2), medians)):
        held = sum(each.low <= true <= each.high for each in intervals) / tries
        assert 0.92 <= held <= 0.985
