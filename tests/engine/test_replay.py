"""A store that dies at any write, then a resume: what is recorded is not done again."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from crashes import Lives
from executor_stores import CheckedStore
from replayed_workflows import WORKFLOWS, alike, ended, outcome

from inngest_nb import AsyncWorkflowContext, Executor, HistoryEvent, Hooks, Signal, WorkflowContext
from inngest_nb.errors import EngineError, WorkflowNotSavedError


class Witness:
    """Hooks that count how often each attempt began."""

    def __init__(self) -> None:
        self.begun: Counter[tuple[int, int]] = Counter()
        self.hooks = Hooks(on_activity_start=self.see)

    def see(self, workflow_id: str, event: HistoryEvent) -> None:
        self.begun[int(event.seq or 0), int(event.attempt or 0)] += 1


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_run_whose_store_died_at_any_write_goes_on_where_it_was(name: str) -> None:
    fn, given, signals = WORKFLOWS[name]
    with CheckedStore() as store, Executor(store) as executor:
        handle = executor.execute(fn, id="w", input=given)
        for signal in signals:
            executor.signal("w", signal)
        undisturbed = outcome(handle)
    deaths = 0
    for n in itertools.count(1):
        store, witness = CheckedStore(), Witness()
        store.fail_from = n
        sent = 0
        with store, Executor(store, witness.hooks) as executor:
            handle = executor.execute(fn, id="w", input=given)
            try:
                for signal in signals:
                    executor.signal("w", signal)
                    sent += 1
            except (EngineError, OSError):
                pass  # of the run, or of the store if the run has died before
            try:
                result = outcome(handle)
            except WorkflowNotSavedError:
                deaths += 1
            else:
                assert alike(result, undisturbed)
                break
            store.fail_from = 0
            stored = store.load("w")
            if stored is None:
                continue  # it never began
            recorded = ended(stored)
            resumed = executor.resume(fn, "w")
            assert resumed.run_id == handle.run_id
            for signal in signals[sent:]:
                executor.signal("w", signal)
            assert alike(outcome(resumed), undisturbed), n
        for attempt in recorded:
            assert witness.begun[attempt] == 1, (n, attempt)
        assert all(count <= 2 for count in witness.begun.values())
        final = store.load("w")
        assert final is not None
        assert final.history[: len(stored.history)] == stored.history
        once = Counter(
            (event.seq, event.attempt, event.type)
            for event in final.history
            if event.type == "activity_completed"
        )
        assert set(once.values()) == {1}
    assert deaths >= 4


def test_a_signal_that_is_saved_in_the_middle_of_a_replay_begins_nothing() -> None:
    again, replaying, gate = threading.Event(), threading.Event(), threading.Event()
    third_saved = threading.Event()
    hooks = Hooks(on_activity_complete=lambda _, e: e.result == 3 and third_saved.set())
    begun: list[int] = []

    def note(number: int) -> int:
        begun.append(number)
        return number

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        first = await ctx.execute_activity(note, 1)
        if again.is_set():  # takes its time, as code may
            replaying.set()
            assert gate.wait(60)
        second = await ctx.execute_activity(note, 2)
        third = await ctx.execute_activity(note, 3)
        return [first, second, third, await ctx.receive_signal("go")]

    with CheckedStore() as store:
        with Executor(store, hooks) as executor:
            executor.execute(workflow, id="w")
            assert third_saved.wait(60)
        again.set()
        with Executor(store) as executor:
            handle = executor.resume(workflow, "w")
            assert replaying.wait(60)
            executor.signal("w", Signal("go", 4))
            gate.set()
            assert handle.result(60) == [1, 2, 3, 4]
    assert begun == [1, 2, 3]


def keep(drawn: Any) -> Any:
    return drawn


def draw(ctx: AsyncWorkflowContext | WorkflowContext) -> list[Any]:
    return [str(ctx.uuid()), ctx.random().random(), ctx.now().isoformat()]


async def draws(ctx: AsyncWorkflowContext) -> list[Any]:
    drawn, kept = [], []
    for _ in range(3):
        drawn.append(draw(ctx))
        kept.append(await ctx.execute_activity(keep, drawn[-1]))
        await ctx.receive_signal("go")
    return [drawn, kept]


def draws_plainly(ctx: WorkflowContext) -> list[Any]:
    drawn, kept = [], []
    for _ in range(3):
        drawn.append(draw(ctx))
        kept.append(ctx.execute_activity(keep, drawn[-1]))
        ctx.receive_signal("go")
    return [drawn, kept]


@pytest.mark.parametrize("fn", [draws, draws_plainly])
def test_random_numbers_and_times_are_the_same_in_every_life(
    lives: Lives, fn: Callable[..., Any]
) -> None:
    handle = lives.executor.execute(fn, id="w")
    for _ in range(3):
        while not handle.waiting_for:
            assert handle.status == "running"
        handle = lives.crash_and_resume(handle, fn)
        lives.executor.signal("w", Signal("go"))
    drawn, kept = handle.result(60)
    assert drawn == kept
    assert len({repr(each) for each in drawn}) == 3
