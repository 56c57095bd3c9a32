"""Random programs, killed at random moments: what comes out is what a model of them says."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis.stateful import run_state_machine_as_test
from program_lives import cradle
from program_machine import FEWER, MANY, SETTINGS, PlainPrograms, Programs, machines_of

pytestmark = pytest.mark.slow

_KINDS = pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])


@pytest.mark.timeout(0)  # a long time, if many are asked for
@_KINDS
def test_random_programs_that_are_killed_end_as_their_model_says(plain: bool) -> None:
    machine: Any = PlainPrograms if plain else Programs
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine, settings=SETTINGS if plain else FEWER
    )


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.timeout(0)
@_KINDS
def test_random_programs_end_the_same_in_processes_with_other_hashes(plain: bool) -> None:
    with cradle(8 if MANY else 4) as lives:
        machine: Any = machines_of(lives, plain=plain)
        try:
            run_state_machine_as_test(machine, settings=FEWER)  # type: ignore[no-untyped-call]
        except Exception as told:  # noqa: BLE001  # Hypothesis may only say that it is not so again
            raise (machine.failures or [told])[0] from None
