"""The machine of random programs finds what it is there for: bugs that are planted on purpose."""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from planted_bugs import BUGS
from program_lives import Cradle, cradle
from program_machine import SETTINGS, Lives, machines_of

from inngest_nb.errors import EngineError

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="forks")]

_SECONDS = 120
_SETTINGS = settings(SETTINGS, max_examples=8, derandomize=False, phases=[Phase.generate])

# Where to begin: other seeds find each of them, too, but some take longer.
_SEEDS = {"inputs": 11, "addresses": 1, "outage": 2, "doubled": 1}


@pytest.fixture(scope="module")
def sound() -> Iterator[Cradle]:
    with cradle(4) as lives:
        yield lives


@pytest.mark.timeout(5 * _SECONDS)
@pytest.mark.parametrize("bug", BUGS)
def test_random_programs_find_a_bug_within_two_minutes(bug: str, sound: Cradle) -> None:
    deadline = time.monotonic() + _SECONDS
    with cradle(4, planted=bug) as lives:
        for number in itertools.count(_SEEDS[bug]):
            planted = machines_of(lives, plain=False)
            with contextlib.suppress(Exception):  # each shows as it likes, and perhaps only once
                _run(planted, number)
            assert time.monotonic() < deadline, f"{number} seeds did not find it in time"
            if planted.failures:
                break
    assert all(isinstance(each, AssertionError | EngineError) for each in planted.failures)

    without = machines_of(sound, plain=False)
    _run(without, number)
    assert without.begun_with[: len(planted.begun_with)] == planted.begun_with


def _run(machine: type[Lives], number: int) -> None:
    checked: Any = seed(number)(machine)
    run_state_machine_as_test(checked, settings=_SETTINGS)  # type: ignore[no-untyped-call]
