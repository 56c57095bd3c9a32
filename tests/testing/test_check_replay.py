"""Histories replayed in fresh processes: code that would do something else is found there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import unlike_itself

import inngest_nb as inb
from inngest_nb import AsyncWorkflowContext, Executor, WorkflowState
from inngest_nb.errors import EngineError, NonDeterminismError, WorkflowFailedError


def ended(fn: Callable[..., Any], runs: int = 1) -> list[WorkflowState]:
    with Executor() as executor:
        handles = [executor.execute(fn) for _ in range(runs)]
        for handle in handles:
            with contextlib.suppress(WorkflowFailedError):
                handle.result(60)
        return [handle.state for handle in handles]


@pytest.mark.parametrize(
    ("fn", "recorded", "asked"),
    [
        (
            unlike_itself.takes_a_set_in_order,
            "activity 'keep' with input \"word ",
            "is activity 'keep' with input \"word ",
        ),
        (unlike_itself.returns_a_set_in_order, 'its result is ["word ', 'its result is ["word '),
        (unlike_itself.looks_at_its_process, "'keep' with input ", "'keep' with input "),
        (unlike_itself.fails_by_its_process, "ValueError: in process", "ValueError: in process"),
    ],
)
def test_code_that_differs_in_a_fresh_process_is_told_with_event_and_line(
    fn: Callable[..., Any], recorded: str, asked: str
) -> None:
    states = ended(fn, 2)
    with pytest.raises(NonDeterminismError, match=r"history at event \d+ \(") as raised:
        inb.testing.check_replay(fn, states)
    error = raised.value
    assert recorded in error.recorded
    assert asked in error.asked
    assert "(unlike_itself.py:" in error.asked
    assert error.recorded != error.asked
    assert error.workflow_id in [state.workflow_id for state in states]
    (note,) = [note for note in error.__notes__ if "PYTHONHASHSEED" in note]
    assert note.endswith("2 of 2 histories cannot be replayed")


@pytest.mark.parametrize(
    "fn",
    [
        unlike_itself.is_like_itself,
        unlike_itself.is_plainly_like_itself,
        unlike_itself.fails_like_itself,
    ],
)
def test_code_that_does_the_same_passes(fn: Callable[..., Any]) -> None:
    (state,) = ended(fn)
    inb.testing.check_replay(fn, state, hash_seeds=[5])
    half = state.replace(status="running", history=state.history[:4])
    inb.testing.check_replay(fn, [half], hash_seeds=[6])


def test_a_function_of_a_cell_is_checked_here_with_a_warning() -> None:
    made = [1]

    async def counts(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.execute_activity(unlike_itself.keep, made[0])

    states = ended(counts)
    with pytest.warns(UserWarning, match="counts cannot be imported by a fresh process"):
        inb.testing.check_replay(counts, states)
    made[0] = 2
    with (
        pytest.warns(UserWarning, match="move it to a module"),
        pytest.raises(NonDeterminismError, match=r"event 2 \(activity_started\).* with input 2"),
    ):
        inb.testing.check_replay(counts, states)


def test_code_that_ends_otherwise_than_it_did_is_told() -> None:
    fn = unlike_itself.is_plainly_like_itself
    (state,) = ended(fn)
    with pytest.raises(NonDeterminismError, match="its result is"):
        inb.testing.check_replay(fn, with_end(state, result=[1]), hash_seeds=[1])
    failed = with_end(state, type="workflow_failed", error="ValueError: no")
    with pytest.raises(NonDeterminismError) as raised:
        inb.testing.check_replay(fn, failed, hash_seeds=[1])
    assert raised.value.recorded == "workflow failed with ValueError: no"
    assert raised.value.asked.startswith("workflow completed; its last call is activity")


def test_a_history_that_cannot_be_read_is_an_error_with_words() -> None:
    state = WorkflowState(workflow_id="w", run_id="r")
    with pytest.raises(EngineError, match="it was saved without its history"):
        inb.testing.check_replay(unlike_itself.is_like_itself, [state], hash_seeds=[1])


def with_end(state: WorkflowState, **changes: Any) -> WorkflowState:
    *events, end = state.history
    return state.replace(history=(*events, end.replace(**changes)))
