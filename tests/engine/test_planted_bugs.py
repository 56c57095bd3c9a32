"""The machine of random programs finds what it is there for: bugs that are planted on purpose."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from planted_bugs import BUGS
from program_lives import cradle
from program_machine import SETTINGS, machines_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")

_SECONDS = 120


@pytest.mark.timeout(2 * _SECONDS)
@pytest.mark.parametrize("bug", BUGS)
def test_random_programs_find_a_bug_within_two_minutes(bug: str) -> None:
    begun = time.monotonic()
    with cradle(4, planted=bug) as lives:
        machine: Any = machines_of(lives, plain=False)
        with pytest.raises(BaseException) as found:  # noqa: PT011  # each bug shows as it likes
            run_state_machine_as_test(machine, settings=settings(SETTINGS, max_examples=1000))  # type: ignore[no-untyped-call]
    assert not isinstance(found.value, KeyboardInterrupt)
    assert time.monotonic() - begun < _SECONDS
