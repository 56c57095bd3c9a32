"""Hooks: which are called, with what, in which order, and that they cannot hurt a run."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from executor_stores import CheckedStore

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    HistoryEvent,
    Hooks,
    RetryPolicy,
    Signal,
    WorkflowContext,
    Write,
)
from inngest_nb.engine.threads._hooks import HOOK_NAMES

Told = list[tuple[str, str, str]]


def all_hooks(told: Told) -> Hooks:
    def hear(name: str, workflow_id: str, event: HistoryEvent) -> None:
        told.append((name, workflow_id, str(event.type)))

    return Hooks(**{name: partial(hear, name) for name in HOOK_NAMES})


class Flaky:
    def __init__(self, failures: int) -> None:
        self.failures = failures

    def __call__(self, _: Any) -> str:
        self.failures -= 1
        if self.failures >= 0:
            raise ValueError("flaky")
        return "fine"


async def workflow(ctx: AsyncWorkflowContext, failures: int) -> str:
    await ctx.receive_signal("go")
    retry = RetryPolicy(max_attempts=2, initial_interval=0)
    result: str = await ctx.execute_activity(Flaky(failures), retry=retry)
    return result


def plain_workflow(ctx: WorkflowContext, failures: int) -> str:
    ctx.receive_signal("go")
    retry = RetryPolicy(max_attempts=2, initial_interval=0)
    result: str = ctx.execute_activity(Flaky(failures), retry=retry)
    return result


@pytest.mark.parametrize("code", [workflow, plain_workflow])
@pytest.mark.parametrize(
    ("failures", "end"),
    [
        (
            1,
            [
                ("on_activity_complete", "activity_completed"),
                ("on_workflow_complete", "workflow_completed"),
            ],
        ),
        (2, [("on_workflow_fail", "workflow_failed")]),
    ],
)
def test_every_hook_is_called_in_the_order_of_events(
    code: Any, failures: int, end: list[tuple[str, str]]
) -> None:
    told: Told = []
    with Executor(hooks=all_hooks(told)) as executor:
        executor.execute(code, id="w", input=failures)
        executor.signal("w", Signal("go"))
        executor.close(timeout=10)
    starts = [("on_activity_start", "activity_started")] * 2
    rest = [
        ("on_workflow_start", "workflow_started"),
        ("on_signal", "signal_received"),
        ("on_retry", "activity_failed"),
        *end,
    ]
    heard = [(name, kind) for name, _, kind in told]
    # A start is told at once, the others when they are saved.
    assert [each for each in heard if each[0] != "on_activity_start"] == rest
    assert [each for each in heard if each[0] == "on_activity_start"] == starts
    assert {workflow_id for _, workflow_id, _ in told} == {"w"}


def test_a_canceled_run_is_told_to_the_hook_of_failures() -> None:
    told: Told = []
    with Executor(hooks=all_hooks(told)) as executor:
        executor.execute(workflow, id="w", input=0)
        executor.cancel("w")
    assert told[-1] == ("on_workflow_fail", "w", "workflow_canceled")


def test_hooks_add_up(store: CheckedStore) -> None:
    first: Told = []
    second: Told = []
    hooks = all_hooks(first) + all_hooks(second)
    with Executor(store, hooks) as executor:
        executor.execute(workflow, id="w", input=0)
        executor.signal("w", Signal("go"))
        executor.close(timeout=10)
    assert len(first) == 5
    assert first == second
    with pytest.raises(TypeError):
        hooks + 1  # type: ignore[operator]


def test_a_hook_hears_of_an_end_once_it_is_saved() -> None:
    told = threading.Event()
    too_early: list[bool] = []

    class Slow(CheckedStore):
        def append_history(self, writes: Sequence[Write]) -> list[BaseException | None]:
            if any(write.status == "completed" for write in writes):
                too_early.append(told.wait(0.2))
            return super().append_history(writes)

    hooks = Hooks(on_workflow_complete=lambda workflow_id, event: told.set())
    with Slow() as store, Executor(store, hooks) as executor:
        executor.execute(workflow, id="w", input=0)
        executor.signal("w", Signal("go"))
        assert told.wait(60)
    assert too_early == [False]


def test_a_hook_that_raises_is_logged_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(workflow_id: str, event: HistoryEvent) -> None:
        raise SystemExit("no")

    told: Told = []
    hooks = Hooks(on_workflow_start=broken, on_signal=broken) + all_hooks(told)
    with Executor(hooks=hooks) as executor:
        handle = executor.execute(workflow, id="w", input=0)
        executor.signal("w", Signal("go"))
        assert handle.result(60) == "fine"
        executor.close(timeout=10)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "hook on_workflow_start failed for workflow 'w'; the run continues",
        "hook on_signal failed for workflow 'w'; the run continues",
    ]
    assert "SystemExit: no" in caplog.text
    assert len(told) == 5


def test_a_slow_hook_delays_no_run() -> None:
    gate = threading.Event()

    def slow(workflow_id: str, event: HistoryEvent) -> None:
        assert gate.wait(60)

    with Executor(hooks=Hooks(on_workflow_start=slow)) as executor:
        handle = executor.execute(workflow, id="w", input=0)
        executor.signal("w", Signal("go"))
        assert handle.result(60) == "fine"
        gate.set()


def test_a_hook_may_use_the_executor(store: CheckedStore) -> None:
    executors: list[Executor] = []

    def go(workflow_id: str, event: HistoryEvent) -> None:
        executors[0].signal(workflow_id, Signal("go"))

    with Executor(store, Hooks(on_workflow_start=go)) as executor:
        executors.append(executor)
        assert executor.execute(workflow, id="w", input=0).result(60) == "fine"
