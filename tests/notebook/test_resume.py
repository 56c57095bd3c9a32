"""A run that is resumed in a cell: shown whole, also what came before."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import inngest_nb as inb
from inngest_nb.errors import (
    NonDeterminismError,
    WorkflowLeasedError,
    WorkflowNotFoundError,
)
from inngest_nb.history import activities_of, steps_of


def double(number: int) -> int:
    return 2 * number


async def until_told(ctx: inb.AsyncWorkflowContext) -> Any:
    doubled = await ctx.execute_activity(double, 4)
    return [doubled, await ctx.receive_signal("go")]


async def other_code(ctx: inb.AsyncWorkflowContext) -> Any:
    return await ctx.receive_signal("go")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[inb.WorkflowStore]:
    """A store with a run that its executor has left."""
    with inb.SqliteStore(tmp_path / "states.db") as made:
        with inb.Executor(made) as executor:
            handle = executor.execute(until_told, id="w")
            while not handle.waiting_for:
                pass
        yield made


def test_a_resumed_run_goes_on_and_is_shown_to_its_end(
    store: inb.WorkflowStore, capfd: pytest.CaptureFixture[str]
) -> None:
    live = inb.resume(until_told, "w", store=store)
    assert live.status == "running"
    live.signal("go", {"by": "Ada"})
    assert live.wait().result() == [8, {"by": "Ada"}]
    assert store.load("w") == live.state
    begin, end = capfd.readouterr().err.splitlines()
    assert begin.startswith("w: ◐ running, ")
    assert end.startswith("w: ✓ completed, ")


def test_what_cannot_be_resumed_says_so(store: inb.WorkflowStore) -> None:
    with pytest.raises(WorkflowNotFoundError, match="cannot resume workflow 'x'"):
        inb.resume(until_told, "x", store=store)
    live = inb.resume(until_told, "w", store=store)
    live.signal("go")
    live.wait()
    assert inb.resume(until_told, "w", store=store).wait().result() == live.result()


def test_a_run_that_another_executor_holds_is_resumed_only_when_told_to(
    store: inb.WorkflowStore,
) -> None:
    with inb.Executor(store) as other:
        other.resume(until_told, "w")
        other.signal("w", inb.Signal("hello"))
        with pytest.raises(WorkflowLeasedError, match="another executor in this process"):
            inb.resume(until_told, "w", store=store)
        live = inb.resume(until_told, "w", store=store, take_over=True)
        live.signal("go", 1)
        assert live.wait().result() == [8, 1]


def test_code_that_does_not_fit_the_history_is_told_in_the_picture_and_by_wait(
    store: inb.WorkflowStore, capfd: pytest.CaptureFixture[str]
) -> None:
    before = store.load("w")
    live = inb.resume(other_code, "w", store=store)
    with pytest.raises(NonDeterminismError, match="call 1 is activity 'double'"):
        live.wait()
    assert "cannot be replayed: its code no longer matches its history" in capfd.readouterr().err
    assert store.load("w") == before


async def two_at_once(ctx: inb.AsyncWorkflowContext) -> Any:
    both = (ctx.execute_activity(fn, 4) for fn in (double, never_ends_at_first))
    return await asyncio.gather(*both)


async def never_ends_at_first(number: int) -> int:
    lives.append(number)
    if len(lives) == 1:
        await asyncio.get_running_loop().create_future()
    return number


lives: list[int] = []


def test_an_attempt_that_a_crash_cut_off_is_drawn_as_such() -> None:
    lives.clear()
    store = inb.MemoryStore()
    with inb.Executor(store) as executor:
        executor.execute(two_at_once, id="w")
        executor.signal("w", inb.Signal("x"))
        while not types_of(store.load("w")) >= Counter(
            activity_started=2, activity_completed=1, signal_received=1
        ):
            pass
    state = inb.resume(two_at_once, "w", store=store).wait().state
    (cut,) = (activity for activity in activities_of(state.history) if len(activity.earlier))
    (first,) = cut.earlier
    assert (cut.name, cut.attempts, cut.outcome) == ("never_ends_at_first", 2, "completed")
    assert (first.outcome, first.ended_at) == ("abandoned", cut.attempt_at)
    steps = steps_of(state, datetime.now(UTC))
    (step,) = (one for one in steps if len(one.attempts) > 1)
    assert [attempt.outcome for attempt in step.attempts] == ["abandoned", "completed"]
    assert step.attempts[0].ended_at == step.attempts[1].started_at


def types_of(state: inb.WorkflowState | None) -> Counter[str]:
    return Counter(str(event.type) for event in state.history) if state else Counter()
