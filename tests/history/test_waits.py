"""What a stored run waits for, as a kind and in words."""

from __future__ import annotations

from typing import Any

import pytest
from frame_states import after, history, state

from inngest_nb import WorkflowState
from inngest_nb.history import Waiting, waiting_for, waiting_text
from inngest_nb.state import UNSET, Waits

ASKED = history(("activity_started", "ask", 0), ("activity_completed", "ask", 1))
HOUR = 3_600


def resting(status: str = "running", events: Any = ASKED, **waits: Any) -> WorkflowState:
    return state(status=status, history=events, waits=Waits(**({"at": len(events)} | waits)))


def text(run: WorkflowState, *, seconds: float = 61, signals: tuple[str, ...] = ()) -> str:
    now = after(seconds)
    return waiting_text(run, waiting_for(run, signals=signals), now)


@pytest.mark.parametrize(
    ("run", "found"),
    [
        (resting(signals=("approve",)), Waiting("signal", ("approve",))),
        (resting(signals=("a", "b"), until=after(9)), Waiting("signal", ("a", "b"), after(9))),
        (resting(until=after(9)), Waiting("timer", (), after(9))),
        (resting(at=1, signals=("approve",)), None),
        (resting(at=3, until=after(9)), None),
        (resting("completed", signals=("approve",)), None),
        (resting(), None),
        (resting(until=None), None),
        (state(status="running", history=(), waits=Waits(signals=("approve",))), None),
        (state(status="running", history=ASKED), None),
    ],
)
def test_stored_waits_count_while_the_run_is_open_and_nothing_has_happened_since(
    run: WorkflowState, found: Waiting | None
) -> None:
    assert waiting_for(run) == found
    assert waiting_for(run, ()) == found


def test_stored_waits_say_more_than_an_activity_that_the_code_has_given_up() -> None:
    open_ = history(("activity_started", "ask", 0))
    failed = history(("activity_started", "ask", 0), ("activity_failed", "ask", 1))
    retried = (failed[0], failed[1].replace(retry_at=after(HOUR)))
    for events, found in (
        (open_, Waiting("activity", ("ask",))),
        (retried, Waiting("retry", ("ask",), after(HOUR))),
    ):
        run = resting(events=events, signals=("approve",))
        assert waiting_for(run) == Waiting("signal", ("approve",))
        assert waiting_for(run.replace(waits=UNSET)) == found


def test_the_words_say_what_is_stored_where_nobody_knows_more() -> None:
    approve = resting(signals=("approve",))
    assert text(approve) == 'Waiting for the signal "approve".'
    assert text(approve, signals=("stop",)) == 'Waiting for the signal "stop".'
    both = resting(signals=("no", "yes"), until=after(HOUR))
    said = 'Waiting for the signals "no" and "yes". Its timer is due at 2025-07-14 13:00:00 UTC.'
    assert text(both) == said
    assert text(resting(until=after(HOUR))) == "Sleeping until 2025-07-14 13:00:00 UTC."
    assert text(resting(at=1, until=after(HOUR))).startswith("Nothing has run for 1 min: ")


def test_a_timer_that_is_long_due_tells_of_a_process_that_is_gone() -> None:
    gone = "Its timer was due at 2025-07-14 12:00:50 UTC: its process is gone, or busy."
    assert text(resting(until=after(50))) == gone
    assert text(resting(until=after(50)), seconds=51) == "Sleeping until 2025-07-14 12:00:50 UTC."
    both = resting(signals=("approve",), until=after(50))
    assert text(both) == f'Waiting for the signal "approve". {gone}'


def test_a_lease_that_has_run_out_says_more_than_a_wait() -> None:
    run = resting(signals=("approve",)).replace(lease_until=after(30))
    assert text(run).startswith("No process is running it")
