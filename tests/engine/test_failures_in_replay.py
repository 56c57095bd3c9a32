"""What the code of a workflow sees of a failed activity: the same in each life."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from crashes import Lives
from executor_stores import CheckedStore

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    HistoryEvent,
    RetryPolicy,
    Signal,
    WorkflowContext,
)
from inngest_nb.errors import ActivityError, WorkflowFailedError

KINDS = pytest.mark.parametrize("kind", ["async", "plain"])


class CardDeclinedError(Exception):
    """Carries more than its text."""

    def __init__(self, text: str, details: Any) -> None:
        super().__init__(text)
        self.details = details


def declines(given: Any) -> None:
    try:
        raise OSError("no line")
    except OSError as error:
        raise CardDeclinedError("no: money", {"code": 51, "limits": (1, None)}) from error


def no_text(given: Any) -> None:
    raise KeyError


def several(given: Any) -> None:
    raise ExceptionGroup("both", [ValueError("one"), TypeError("two")])


def not_json(given: Any) -> None:
    raise CardDeclinedError("odd", object())


async def slow(given: Any) -> None:
    raise TimeoutError("slow")


def seen_of(error: ActivityError) -> list[Any]:
    """Return all that a workflow's code could judge by."""
    return [
        str(error),
        error.activity,
        error.attempts,
        error.error,
        error.error_type,
        error.message,
        error.details,
        repr(error.__cause__),
        sorted(vars(error)),
    ]


def workflow_of(kind: str, act: Callable[..., Any], seen: list[Any]) -> Callable[..., Any]:
    retry = RetryPolicy(max_attempts=2, initial_interval=0)

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        try:
            await ctx.execute_activity(act, 1, retry=retry)
        except ActivityError as error:
            seen.append(seen_of(error))
        await ctx.receive_signal("go")

    def plain(ctx: WorkflowContext) -> Any:
        try:
            ctx.execute_activity(act, 1, retry=retry)
        except ActivityError as error:
            seen.append(seen_of(error))
        ctx.receive_signal("go")

    return workflow if kind == "async" else plain


@KINDS
@pytest.mark.parametrize(
    ("act", "kind_of_error", "message", "details"),
    [
        (declines, "CardDeclinedError", "no: money", {"code": 51, "limits": [1, None]}),
        (no_text, "KeyError", "", None),
        (several, "ExceptionGroup", "ValueError: one; TypeError: two", None),
        (not_json, "CardDeclinedError", "odd", None),
        (slow, "TimeoutError", "slow", None),
    ],
)
def test_a_failure_looks_the_same_when_it_is_replayed(
    lives: Lives, kind: str, act: Callable[..., Any], kind_of_error: str, message: str, details: Any
) -> None:
    seen: list[Any] = []
    workflow = workflow_of(kind, act, seen)
    handle = lives.executor.execute(workflow, id="w")
    lives.clock.advance(1)
    deadline = time.monotonic() + 60
    while not handle.waiting_for:
        assert time.monotonic() < deadline
    again = lives.crash_and_resume(handle, workflow)
    lives.executor.signal("w", Signal("go"))
    again.result(60)
    live, replayed = seen
    assert live == replayed
    assert live[4:8] == [kind_of_error, message, details, "None"]


def test_the_original_traceback_is_in_the_log_and_the_history(
    executor: Executor, store: CheckedStore, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "inngest_nb.engine"):
        handle = executor.execute(calling(declines), id="w")
        with pytest.raises(WorkflowFailedError) as failed:
            handle.result(60)
    cause = failed.value.__cause__
    assert isinstance(cause, ActivityError)
    assert cause.__cause__ is None
    event = failure_in(store)
    for text in ("OSError: no line", "in declines", "CardDeclinedError: no: money"):
        assert text in str(event.trace)
        assert text in caplog.text
    assert "_activity.py" not in str(event.trace)
    assert (event.error, event.error_type) == ("CardDeclinedError: no: money", "CardDeclinedError")
    assert event.details == {"code": 51, "limits": [1, None]}


def test_a_long_traceback_is_cut(executor: Executor, store: CheckedStore) -> None:
    def deep(given: int) -> None:
        if given:
            deep(given - 1)
        raise ValueError("x" * 20_000)

    with pytest.raises(WorkflowFailedError):
        executor.execute(calling(deep, 200), id="w").result(60)
    assert len(str(failure_in(store).trace)) < 5_000


def test_an_error_whose_parts_raise_still_fails_its_activity_with_words(
    executor: Executor, store: CheckedStore
) -> None:
    class BrokenError(Exception):
        @property
        def details(self) -> Any:
            raise RuntimeError("no details")

        def __str__(self) -> str:
            raise RuntimeError("no text")

    def breaks() -> None:
        raise BrokenError

    with pytest.raises(WorkflowFailedError):
        executor.execute(calling(breaks, None), id="w").result(60)
    assert failure_in(store).error_type == "BrokenError"


def test_what_old_histories_say_of_an_error_is_read_from_its_text() -> None:
    def old(text: str) -> tuple[str, str]:
        error = ActivityError("it failed", activity="a", attempts=1, error=text)
        return error.error_type, error.message

    assert old("ValueError: no: money") == ("ValueError", "no: money")
    assert old("KeyError") == ("KeyError", "")
    assert old("activity 'b' failed: ValueError: no") == ("", "activity 'b' failed: ValueError: no")


def calling(act: Callable[..., Any], given: Any = 1) -> Callable[..., Any]:
    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(act, given)

    return workflow


def failure_in(store: CheckedStore) -> HistoryEvent:
    state = store.load("w")
    assert state is not None
    return next(event for event in state.history if event.type == "activity_failed")
