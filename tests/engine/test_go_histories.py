"""Histories as Go programs keep them, without numbers of calls: they replay as far as names tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from code_variants import Steps, activity, history, workflow
from executor_stores import CheckedStore
from small_workflows import types

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    MemoryStore,
    Signal,
    WorkflowContext,
    WorkflowStore,
    wire,
)
from inngest_nb.engine import replay_steps
from inngest_nb.errors import EngineError, NonDeterminismError

KINDS = pytest.mark.parametrize("kind", ["async", "plain"])


def together(kind: str, names: list[str], log: list[str], behind: str = "") -> Callable[..., Any]:
    """Return code that begins activities together; the plain kind only those of one name."""

    async def order(ctx: AsyncWorkflowContext) -> list[Any]:
        calls = [ctx.execute_activity(activity(name, log)) for name in names]
        seen = await asyncio.gather(*calls)
        return [*seen, await ctx.execute_activity(activity(behind, log))] if behind else seen

    def plain_order(ctx: WorkflowContext) -> list[Any]:
        assert len(set(names)) == 1
        return ctx.map(activity(names[0], log), names)

    return plain_order if kind == "plain" else order


def bytes_of(store: WorkflowStore) -> bytes:
    state = store.load("w")
    assert state is not None
    return wire.encode(state)


@pytest.fixture
def resume(timed: Executor, store: CheckedStore) -> Callable[..., Any]:
    """Store a history, and return the handle of its resumed run."""

    def begin(name: str, fn: Callable[..., Any]) -> Any:
        store.save(history(name))
        return timed.resume(fn, "w")

    return begin


@KINDS
@pytest.mark.parametrize(
    ("name", "steps", "result", "done"),
    [
        (
            "go-sequence",
            ("reserve", "charge", "signal go", "ship"),
            ["reserve done", "charge done", {"by": "ann"}, "ship done"],
            ["ship"],  # it was begun, and nothing says that it ended
        ),
        (
            "go-sequence",
            ("reserve", "charge", "signal go", "ship", "thank"),
            ["reserve done", "charge done", {"by": "ann"}, "ship done", "thank done"],
            ["ship", "thank"],
        ),
        ("go-in-turn", ("reserve", "reserve"), ["one", "two"], []),
        ("go-in-turn", ("reserve",) * 3, ["one", "two", "reserve done"], ["reserve"]),
        ("go-ends-only", ("reserve", "charge"), ["reserve done", "charge done"], []),
    ],
)
def test_a_run_of_a_go_program_goes_on_where_it_was(
    resume: Callable[..., Any],
    kind: str,
    name: str,
    steps: Steps,
    result: list[Any],
    done: list[str],
) -> None:
    log: list[str] = []
    fn = workflow(kind, steps, log)
    assert [step.event for step in replay_steps(fn, history(name))] == list(history(name).history)
    handle = resume(name, fn)
    assert handle.result(60) == result
    assert log == done
    before = history(name).history
    assert handle.state.history[: len(before)] == before
    assert types(handle.state).count("activity_completed") == len(
        [step for step in steps if not str(step).startswith("signal")]
    )


def test_activities_of_different_names_replay_in_the_order_in_which_they_ended(
    resume: Callable[..., Any],
) -> None:
    log: list[str] = []
    handle = resume("go-parallel", together("async", ["reserve", "charge"], log, "ship"))
    assert handle.result(60) == ["reserve done", "charge done", "ship done"]
    assert log == ["ship"]


@KINDS
def test_what_a_resumed_go_run_did_here_has_numbers_and_replays(
    timed: Executor, store: CheckedStore, kind: str
) -> None:
    """Its first part is matched by names, the rest by number."""
    log: list[str] = []
    steps: Steps = ("reserve", "reserve", "reserve", "signal go", "reserve")
    fn = workflow(kind, steps, log)
    store.save(history("go-in-turn"))
    with Executor(store, clock=timed._engine.clock) as first:
        handle = first.resume(fn, "w")
        while not handle.waiting_for:
            assert handle.status == "running"
    assert log == ["reserve"]
    handle = timed.resume(fn, "w")
    timed.signal("w", Signal("go", 5))
    assert handle.result(60) == ["one", "two", "reserve done", 5, "reserve done"]
    assert log == ["reserve", "reserve"]
    replay_steps(fn, handle.state)


@KINDS
@pytest.mark.parametrize(
    ("name", "steps", "event_id", "recorded", "asked"),
    [
        ("go-sequence", ("book", "charge"), 2, "activity 'reserve'", "is activity 'book' ("),
        ("go-sequence", ("charge", "reserve"), 2, "activity 'reserve'", "is activity 'charge' ("),
        ("go-sequence", ("reserve", "ship"), 4, "activity 'charge'", "is activity 'ship' ("),
        ("go-sequence", ("reserve", 1.0, "charge"), 4, "activity 'charge'", "is a timer ("),
        ("go-sequence", ("reserve",), 4, "activity 'charge'", "last call is activity 'reserve' ("),
        ("go-sequence", (), 2, "activity 'reserve'", "it has made no calls yet"),
        ("go-ends-only", ("charge",), 2, "activity 'reserve'", "is activity 'charge' ("),
    ],
)
def test_code_that_parts_from_a_go_history_is_told_where(
    resume: Callable[..., Any],
    store: CheckedStore,
    kind: str,
    name: str,
    steps: Steps,
    event_id: int,
    recorded: str,
    asked: str,
) -> None:
    log: list[str] = []
    handle = resume(name, workflow(kind, steps, log))
    check_parting(handle.result, store, name, event_id, recorded, asked)
    with pytest.raises(NonDeterminismError, match=f"history at event {event_id} "):
        replay_steps(workflow(kind, steps), history(name))
    assert log == []


def check_parting(
    ask: Callable[[float], Any],
    store: CheckedStore,
    name: str,
    event_id: int,
    recorded: str,
    asked: str,
) -> None:
    with pytest.raises(NonDeterminismError) as raised:
        ask(10)
    assert (raised.value.event_id, raised.value.recorded) == (event_id, recorded)
    assert asked in raised.value.asked
    assert bytes_of(store) == wire.encode(history(name))
    assert store.saves == 1


@KINDS
def test_two_open_calls_of_one_name_are_too_many_to_tell_apart(
    resume: Callable[..., Any], store: CheckedStore, kind: str
) -> None:
    log: list[str] = []
    handle = resume("go-one-name", together(kind, ["reserve", "reserve"], log))
    asked = "2 calls of activity 'reserve' are open, and the history has no Seq"
    check_parting(handle.result, store, "go-one-name", 4, "activity 'reserve' ended", asked)
    assert log == []


@pytest.mark.parametrize("name", ["go-no-history", "go-headless"])
def test_a_run_whose_history_is_missing_says_so(name: str) -> None:
    fn, words = workflow("async", ("reserve",)), "because it was saved without its history"
    state = history(name)
    with MemoryStore() as store, Executor(store) as executor:
        store.save(state)
        with pytest.raises(EngineError, match=f"'w' cannot be resumed {words}"):
            executor.resume(fn, "w")
        with pytest.raises(EngineError, match=f"'w' cannot be replayed {words}"):
            replay_steps(fn, state)
        recovery = executor.recover()
        assert recovery.handles == ()
        assert list(recovery.left) == ["w"]
        assert bytes_of(store) == wire.encode(state)
        assert executor.cancel("w")  # as the error says
        assert executor.execute(fn, id="w", if_ended="replace").result(60) == ["reserve done"]


def test_recovery_leaves_a_go_run_and_says_how_to_go_on(
    timed: Executor, store: CheckedStore
) -> None:
    store.save(history("go-sequence"))
    recovery = timed.recover()
    assert recovery.handles == ()
    assert "does not name its function" in recovery.left["w"]
    assert "resume(fn, 'w')" in recovery.left["w"]
    assert bytes_of(store) == wire.encode(history("go-sequence"))
