"""Workflows on Inngest's engine end as with the executor, in whatever order their calls end."""

from __future__ import annotations

import os
import random
from functools import cache

import pytest
from driven_workflows import TRIES
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from replayed_workflows import alike
from two_engines import Ended, OnInngest, on_executor

# How many orders of answers are tried of all workflows: some, always the same ones, or as many new
# ones as this says.
MANY = int(os.environ.get("INNGEST_NB_RANDOM_ORDERS", "0"))


@cache
def expected(name: str) -> Ended:
    each = TRIES[name]
    return on_executor(each.fn, each.given, each.signals)


def check(name: str, shuffle: random.Random | None) -> None:
    each, expects = TRIES[name], expected(name)
    with OnInngest(each.fn, *each.children, shuffle=shuffle) as on:
        ended = on.ended(on.run(each.fn, each.given, each.signals))
        on.check_replays()
    assert ended.error == expects.error
    assert alike(ended.result, expects.result), (ended.result, expects.result)
    assert ended.made == expects.made


@pytest.mark.parametrize("name", TRIES)
def test_it_ends_as_with_the_executor(name: str) -> None:
    check(name, None)


@pytest.mark.timeout(0)  # a long time, if many are asked for
@settings(
    max_examples=MANY or 40,
    derandomize=not MANY,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(name=st.sampled_from([*TRIES]), seed=st.integers(0, 2**32))
def test_it_does_so_in_any_order_of_answers(name: str, seed: int) -> None:
    check(name, random.Random(seed))
