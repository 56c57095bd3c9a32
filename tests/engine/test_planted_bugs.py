"""The machine of random programs finds what it is there for: bugs that are planted on purpose."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from planted_bugs import BUGS
from program_lives import Cradle, cradle
from program_machine import SETTINGS, EnoughError, Lives, machines_of

from inngest_nb.errors import EngineError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")

_SECONDS = 120
_SETTINGS = settings(SETTINGS, max_examples=1000, derandomize=True)


@pytest.fixture(scope="module")
def sound() -> Iterator[Cradle]:
    with cradle(4) as lives:
        yield lives


@pytest.mark.timeout(5 * _SECONDS)
@pytest.mark.parametrize("bug", BUGS)
def test_random_programs_find_a_bug_within_two_minutes(bug: str, sound: Cradle) -> None:
    with cradle(4, planted=bug) as lives:
        planted = machines_of(lives, plain=False, until=time.monotonic() + _SECONDS)
        with contextlib.suppress(Exception):  # each bug shows as it likes, and perhaps only once
            _run(planted)
    assert planted.failures, f"{len(planted.begun_with)} programs did not find it"
    assert all(isinstance(each, AssertionError | EngineError) for each in planted.failures)

    without = machines_of(sound, plain=False, most=len(planted.begun_with))
    with pytest.raises(EnoughError):
        _run(without)
    assert without.begun_with == planted.begun_with
    assert not without.failures, "it is not the bug that was found"


def _run(machine: type[Lives]) -> None:
    checked: Any = machine
    run_state_machine_as_test(checked, settings=_SETTINGS)  # type: ignore[no-untyped-call]
