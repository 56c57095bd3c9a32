"""How a policy decides on another attempt: by number, by time, by the error, by chance."""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from crashes import Lives
from executor_stores import CheckedStore
from manual_clock import ManualClock

import inngest_nb as inb
from inngest_nb import AsyncWorkflowContext, Executor, RetryPolicy, WorkflowContext
from inngest_nb.errors import WorkflowFailedError

KINDS = pytest.mark.parametrize("kind", ["async workflow", "plain workflow"])
FUNCTIONS = pytest.mark.parametrize("function", ["plain", "asynchronous"])


class CardDeclined(ValueError):  # noqa: N818
    pass


class Fails:
    """Raises these one after the other, then works; counts its calls."""

    def __init__(self, *errors: Callable[[], BaseException]) -> None:
        self.errors = errors
        self.calls = 0

    def plain(self, given: Any) -> Any:
        self.calls += 1
        if self.calls <= len(self.errors):
            raise self.errors[self.calls - 1]()
        return given

    async def asynchronous(self, given: Any) -> Any:
        return self.plain(given)


def workflow_of(activity: Any, kind: str, **options: Any) -> Callable[..., Any]:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.execute_activity(activity, "x", **options)

    def plain_workflow(ctx: WorkflowContext) -> Any:
        return ctx.execute_activity(activity, "x", **options)

    return workflow if kind == "async workflow" else plain_workflow


def about(*seconds: float) -> list[Any]:
    return [pytest.approx(each, abs=0.05) for each in seconds]


def wait_for_timer(clock: ManualClock, seconds: float) -> None:
    """Wait until what is due next is due then: an attempt that runs may have a limit of its own."""
    deadline = time.monotonic() + 60
    while clock.wait_for_timers(1) != about(seconds):
        assert time.monotonic() < deadline, clock.wait_for_timers(1)


def test_a_pause_of_nothing_stays_nothing_for_ever() -> None:
    policy = RetryPolicy(max_attempts=None, initial_interval=0)
    assert {policy.pause_after(n) for n in (1, 2, 1025, 10**6)} == {timedelta()}


def test_no_limit_of_attempts_is_none() -> None:
    policy = RetryPolicy(max_attempts=None)
    assert policy.pause_after(10**9) == timedelta(minutes=1)


@KINDS
@FUNCTIONS
def test_an_activity_without_a_limit_is_tried_until_it_works(
    executor: Executor, kind: str, function: str
) -> None:
    fails = Fails(*[ConnectionError] * 20)
    policy = RetryPolicy(max_attempts=None, initial_interval=0)
    handle = executor.execute(workflow_of(getattr(fails, function), kind, retry=policy))
    assert handle.result(60) == "x"
    assert fails.calls == 21


def test_jitter_shortens_each_pause_by_chance_and_never_makes_it_longer() -> None:
    whole = RetryPolicy(max_attempts=None, initial_interval=100, max_interval=100, jitter=1)
    pauses = [(whole.pause_after(n) or timedelta()).total_seconds() for n in range(1, 200)]
    assert 0 <= min(pauses) < 25 < 75 < max(pauses) <= 100
    part = RetryPolicy(max_attempts=None, initial_interval=100, max_interval=100, jitter=0.1)
    pauses = [(part.pause_after(n) or timedelta()).total_seconds() for n in range(1, 200)]
    assert 90 <= min(pauses) < max(pauses) <= 100


@KINDS
def test_a_pause_by_chance_is_the_same_after_a_crash(lives: Lives, kind: str) -> None:
    fails = Fails(ConnectionError)
    policy = RetryPolicy(initial_interval=10_000, max_interval=10_000, jitter=1)
    workflow = workflow_of(fails.asynchronous, kind, retry=policy)
    handle = lives.executor.execute(workflow, id="w")
    (pause,) = lives.clock.wait_for_timers(1)
    handle = lives.crash_and_resume(handle, workflow, down=120)
    wait_for_timer(lives.clock, pause - 120)
    lives.clock.advance(10_000)
    assert handle.result(60) == "x"


@KINDS
@FUNCTIONS
@pytest.mark.parametrize(
    "named",
    [
        CardDeclined,
        ValueError,  # its base
        "CardDeclined",
        "ValueError",
        f"{__name__}.CardDeclined",
    ],
    ids=str,
)
def test_an_error_that_is_not_to_be_retried_ends_the_call_at_once(
    executor: Executor, kind: str, function: str, named: Any
) -> None:
    fails = Fails(ConnectionError, CardDeclined)
    policy = RetryPolicy(max_attempts=9, initial_interval=0, non_retryable=("Other", named))
    with pytest.raises(WorkflowFailedError, match="after 2 attempts: CardDeclined"):
        executor.execute(workflow_of(getattr(fails, function), kind, retry=policy)).result(60)
    assert fails.calls == 2


@KINDS
@pytest.mark.parametrize("grouped", [False, True], ids=["alone", "in a group"])
def test_an_activity_can_say_itself_that_it_failed_for_good(
    executor: Executor, kind: str, grouped: bool
) -> None:
    def error() -> BaseException:
        final = inb.NonRetryableError("the card was declined")
        return ExceptionGroup("two", [ConnectionError(), final]) if grouped else final

    fails = Fails(error)
    policy = RetryPolicy(max_attempts=None, initial_interval=0)
    with pytest.raises(WorkflowFailedError, match="NonRetryableError: the card was declined"):
        executor.execute(workflow_of(fails.plain, kind, retry=policy)).result(60)
    assert fails.calls == 1


@KINDS
@FUNCTIONS
def test_an_activity_can_say_when_to_try_it_again(
    timed: Executor, clock: ManualClock, kind: str, function: str
) -> None:
    """Longer than the policy's longest pause, too: whoever is called knows best."""
    fails = Fails(lambda: inb.RetryAfter(500), lambda: inb.RetryAfter(timedelta(0), "now"))
    policy = RetryPolicy(initial_interval=1, max_interval=5, jitter=1)
    handle = timed.execute(workflow_of(getattr(fails, function), kind, retry=policy))
    wait_for_timer(clock, 500)
    clock.advance(500)
    clock.advance(0.001)
    assert handle.result(60) == "x"
    errors = [event.error for event in handle.state.history if event.error]
    assert errors == ["RetryAfter: retry after 500 s", "RetryAfter: now"]


def test_asking_for_another_attempt_gives_no_more_than_the_policy_has(executor: Executor) -> None:
    fails = Fails(*[lambda: inb.RetryAfter(0)] * 9)
    policy = RetryPolicy(max_attempts=2)
    with pytest.raises(WorkflowFailedError, match="after 2 attempts: RetryAfter"):
        executor.execute(workflow_of(fails.plain, "async workflow", retry=policy)).result(60)


def test_a_pause_that_is_later_than_any_calendar_ends_no_thread(
    timed: Executor, clock: ManualClock
) -> None:
    fails = Fails(lambda: inb.RetryAfter(timedelta.max))
    handle = timed.execute(workflow_of(fails.plain, "async workflow", retry=RetryPolicy()), id="w")
    assert clock.wait_for_timers(1)[0] > 1e11
    assert timed.cancel("w")
    assert handle.status == "canceled"


@KINDS
@FUNCTIONS
def test_no_attempt_begins_that_would_be_too_late(
    timed: Executor, clock: ManualClock, kind: str, function: str
) -> None:
    fails = Fails(*[ConnectionError] * 9)
    policy = RetryPolicy(
        max_attempts=None, initial_interval=40, backoff_coefficient=1, total_timeout=100
    )
    handle = timed.execute(workflow_of(getattr(fails, function), kind, retry=policy))
    for _ in range(2):
        wait_for_timer(clock, 40)
        clock.advance(40)
    with pytest.raises(WorkflowFailedError, match="after 3 attempts: ConnectionError"):
        handle.result(60)
    assert fails.calls == 3


@KINDS
@FUNCTIONS
def test_an_attempt_is_cut_off_when_the_time_of_all_is_over(
    timed: Executor, clock: ManualClock, kind: str, function: str
) -> None:
    gate, begun, calls = threading.Event(), threading.Event(), []

    def plain(given: Any) -> None:
        calls.append(given)
        if len(calls) == 1:
            raise ConnectionError
        begun.set()
        assert gate.wait(60)

    async def asynchronous(given: Any) -> None:
        calls.append(given)
        if len(calls) == 1:
            raise ConnectionError
        begun.set()
        await asyncio.get_running_loop().create_future()

    activity = {"plain": plain, "asynchronous": asynchronous}[function]
    policy = RetryPolicy(max_attempts=None, initial_interval=40, total_timeout=100)
    handle = timed.execute(workflow_of(activity, kind, retry=policy, timeout=80))
    wait_for_timer(clock, 40)
    clock.advance(40)
    wait_for_timer(clock, 60)
    assert begun.wait(60)
    clock.advance(60)
    with pytest.raises(WorkflowFailedError, match="not finished within 100 s, retries included"):
        handle.result(60)
    gate.set()
    assert len(calls) == 2


@KINDS
@FUNCTIONS
def test_the_time_of_all_attempts_goes_on_while_no_process_is_there(
    lives: Lives, kind: str, function: str
) -> None:
    fails = Fails(*[ConnectionError] * 2)
    policy = RetryPolicy(max_attempts=None, initial_interval=40, total_timeout=1000)
    workflow = workflow_of(getattr(fails, function), kind, retry=policy)
    handle = lives.executor.execute(workflow, id="w")
    wait_for_timer(lives.clock, 40)
    handle = lives.crash_and_resume(handle, workflow, down=900)
    lives.clock.advance(0)
    wait_for_timer(lives.clock, 60)
    handle = lives.crash_and_resume(handle, workflow, down=900)
    with pytest.raises(WorkflowFailedError, match="not finished within 1000 s, retries included"):
        handle.result(60)
    assert fails.calls == 2


@KINDS
def test_a_retry_of_the_whole_run_has_the_whole_time_again(lives: Lives, kind: str) -> None:
    fails = Fails(*[ConnectionError] * 4)
    policy = RetryPolicy(
        max_attempts=None, initial_interval=40, backoff_coefficient=1, total_timeout=70
    )
    workflow = workflow_of(fails.asynchronous, kind, retry=policy)
    handle = lives.executor.execute(workflow, id="w")
    wait_for_timer(lives.clock, 40)
    lives.clock.advance(40)
    with pytest.raises(WorkflowFailedError, match="after 2 attempts"):
        handle.result(60)
    lives.clock.advance(5000, waiting=0)
    handle = lives.executor.retry("w", workflow)
    lives.clock.advance(0)
    wait_for_timer(lives.clock, 40)
    handle = lives.crash_and_resume(handle, workflow, down=20)
    wait_for_timer(lives.clock, 20)
    lives.clock.advance(20)
    with pytest.raises(WorkflowFailedError, match="after 4 attempts"):
        handle.result(60)
    assert fails.calls == 4


@KINDS
def test_a_retry_after_an_error_for_good_has_all_attempts_again(
    executor: Executor, kind: str
) -> None:
    fails = Fails(ConnectionError, CardDeclined, ConnectionError, ConnectionError)
    policy = RetryPolicy(initial_interval=0, non_retryable=(CardDeclined,))
    workflow = workflow_of(fails.plain, kind, retry=policy)
    with pytest.raises(WorkflowFailedError, match="after 2 attempts: CardDeclined"):
        executor.execute(workflow, id="w").result(60)
    assert executor.retry("w", workflow).result(60) == "x"
    assert fails.calls == 5


def test_the_time_of_a_forks_attempts_begins_with_the_fork(
    lives: Lives, store: CheckedStore
) -> None:
    fails = Fails(ConnectionError)
    policy = RetryPolicy(max_attempts=None, initial_interval=40, total_timeout=100)
    workflow = workflow_of(fails.asynchronous, "async workflow", retry=policy)
    handle = lives.executor.execute(workflow, id="w")
    wait_for_timer(lives.clock, 40)
    forked = inb.fork(handle.state)
    lives.store.save(forked)
    lives.executor.cancel("w")
    lives.clock.advance(5000, waiting=0)
    forked_run = lives.executor.resume(workflow, forked.workflow_id)
    lives.clock.advance(0)
    assert forked_run.result(60) == "x"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"jitter": 1.5}, ValueError),
        ({"jitter": float("nan")}, ValueError),
        ({"total_timeout": 0}, ValueError),
        ({"total_timeout": -1}, ValueError),
        ({"non_retryable": "CardDeclined"}, TypeError),
        ({"non_retryable": ValueError}, TypeError),
        ({"non_retryable": (42,)}, TypeError),
        ({"non_retryable": (int,)}, TypeError),
    ],
    ids=str,
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any], error: type) -> None:
    with pytest.raises(error, match=next(iter(wrong))):
        RetryPolicy(**wrong)


@pytest.mark.parametrize("after", [-1, float("nan"), float("inf")])
def test_a_pause_that_is_none_is_refused_where_it_is_asked_for(after: float) -> None:
    with pytest.raises((ValueError, OverflowError), match="RetryAfter"):
        inb.RetryAfter(after)


def test_what_an_activity_raises_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(inb.RetryAfter(3, "busy")))  # noqa: S301
    assert (error.after, str(error)) == (timedelta(seconds=3), "busy")
    final = pickle.loads(pickle.dumps(inb.NonRetryableError("no")))  # noqa: S301
    assert str(final) == "no"
