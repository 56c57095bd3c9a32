"""A new run from the middle of another: what the old one did before answers, edited if wanted."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from executor_stores import CheckedStore
from manual_clock import ManualClock

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    HistoryEvent,
    MemoryStore,
    RetryPolicy,
    Signal,
    WorkflowContext,
    WorkflowState,
    WorkflowStore,
    fork,
    wire,
)
from inngest_nb.errors import ActivityError, NonDeterminismError, WorkflowFailedError
from inngest_nb.state import UNSET, ForkOrigin

TWICE = RetryPolicy(max_attempts=2, initial_interval=0)


class World:
    """Activities, and how often each was done."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()

    def reserve(self, order: Any) -> dict[str, Any]:
        self.done["reserve"] += 1
        return {"reserved": order}

    async def charge(self, amount: int) -> int:
        self.done["charge"] += 1
        if amount > 100:
            raise ValueError(f"{amount} is too much")
        return amount

    def pack(self, item: int) -> int:
        self.done["pack"] += 1
        return item * 10


@pytest.fixture
def world() -> World:
    return World()


def workflows_of(world: World) -> dict[str, Callable[..., Any]]:
    async def order(ctx: AsyncWorkflowContext, given: Any) -> Any:
        luck = [str(ctx.uuid()), ctx.random().random()]
        reserved = await ctx.execute_activity(world.reserve, given)
        packed = await asyncio.gather(*(ctx.execute_activity(world.pack, n) for n in range(3)))
        approved = await ctx.receive_signal("approve")
        await ctx.sleep(0.001)
        paid = await ctx.execute_activity(world.charge, sum(packed), retry=TWICE)
        return [luck, given, reserved, packed, approved, paid, ctx.random().random()]

    def plain_order(ctx: WorkflowContext, given: Any) -> Any:
        luck = [str(ctx.uuid()), ctx.random().random()]
        reserved = ctx.execute_activity(world.reserve, given)
        packed = [ctx.execute_activity(world.pack, n) for n in range(3)]
        approved = ctx.receive_signal("approve")
        ctx.sleep(0.001)
        paid = ctx.execute_activity(world.charge, sum(packed), retry=TWICE)
        return [luck, given, reserved, packed, approved, paid, ctx.random().random()]

    return {"async": order, "plain": plain_order}


KINDS = pytest.mark.parametrize("kind", ["async", "plain"])


def load(store: WorkflowStore, workflow_id: str) -> WorkflowState:
    state = store.load(workflow_id)
    assert state is not None
    return state


def ended(executor: Executor, fn: Callable[..., Any], given: Any = 7) -> WorkflowState:
    handle = executor.execute(fn, id="w", input=given, if_ended="replace")
    executor.signal("w", Signal("approve", "yes"))
    handle.result(60)
    return load(executor.store, "w")


def go_on(executor: Executor, fn: Callable[..., Any], forked: WorkflowState) -> Any:
    executor.store.save(forked)
    handle = executor.resume(fn, forked.workflow_id)
    assert handle.run_id == forked.run_id
    if fn.__name__.endswith("order") and not any(e.signal_name for e in forked.history):
        executor.signal(forked.workflow_id, Signal("approve", "yes"))
    return handle.result(60)


def answers(state: WorkflowState) -> Counter[str]:
    return Counter(e.activity_name for e in state.history if e.type == "activity_completed")


@KINDS
def test_a_fork_at_any_event_does_only_what_comes_after_it(
    executor: Executor, world: World, kind: str
) -> None:
    workflow = workflows_of(world)[kind]
    original = ended(executor, workflow)
    document = wire.encode(original)
    ends = len(original.history)
    for event in original.history[:-1]:
        world.done.clear()
        forked = fork(original, event.id)
        assert forked.status == "running"
        assert (forked.result, forked.error) == (None, "")
        assert len(forked.history) == event.id
        result = go_on(executor, workflow, forked)
        assert result[1:-1] == original.result[1:-1]
        final = load(executor.store, forked.workflow_id)
        assert final.history[: event.id] == forked.history
        assert world.done == answers(original) - answers(forked)
        assert len(final.history) >= ends
    assert wire.encode(load(executor.store, "w")) == document


@KINDS
def test_random_numbers_of_the_old_run_are_repeated_and_then_go_on(
    executor: Executor, world: World, kind: str
) -> None:
    workflow = workflows_of(world)[kind]
    original = ended(executor, workflow)
    first = fork(original, 2)
    result = go_on(executor, workflow, first)
    assert result == original.result
    second = fork(load(executor.store, first.workflow_id), 4)
    assert go_on(executor, workflow, second) == original.result
    assert len({original.run_id, first.run_id, second.run_id}) == 3
    assert ended(executor, workflow).result[0] != original.result[0]  # a run of its own


def test_without_an_event_the_whole_history_is_kept(executor: Executor, world: World) -> None:
    workflow = workflows_of(world)["async"]
    original = ended(executor, workflow)
    world.done.clear()
    forked = fork(original)
    assert forked.history[1:] == original.history[1:-1]
    assert go_on(executor, workflow, forked) == original.result
    assert not world.done


@KINDS
def test_a_fork_says_where_it_comes_from_and_keeps_that(
    executor: Executor, world: World, kind: str
) -> None:
    workflow = workflows_of(world)[kind]
    original = ended(executor, workflow)
    forked = fork(original, 3, id="second")
    origin = ForkOrigin(workflow_id="w", run_id=original.run_id, event_id=3)
    assert (forked.workflow_id, forked.forked_from) == ("second", origin)
    go_on(executor, workflow, forked)
    kept = load(executor.store, "second")
    assert kept.forked_from == origin
    document = json.loads(wire.encode(kept))
    assert document["ForkedFrom"] == {"WorkflowID": "w", "RunID": original.run_id, "EventID": 3}
    again = fork(kept, id="third")
    assert again.forked_from == ForkOrigin(
        workflow_id="second", run_id=kept.run_id, event_id=kept.history[-2].id
    )
    assert original.forked_from is UNSET


def test_forks_get_ids_of_their_own(executor: Executor, world: World) -> None:
    original = ended(executor, workflows_of(world)["async"])
    forks = [fork(original) for _ in range(3)]
    assert all(each.workflow_id.startswith("w-fork-") for each in forks)
    assert len({each.workflow_id for each in forks}) == len({each.run_id for each in forks}) == 3


@KINDS
def test_a_fork_with_another_input_keeps_the_recorded_answers(
    executor: Executor, world: World, kind: str
) -> None:
    workflow = workflows_of(world)[kind]
    original = ended(executor, workflow)
    forked = fork(original, 6, input={"order": 8})
    assert (forked.input, forked.history[0].input) == ({"order": 8}, {"order": 8})
    result = go_on(executor, workflow, forked)
    assert result[1:4] == [{"order": 8}, {"reserved": 7}, [0, 10, 20]]
    nothing = fork(original, 1, input=None)
    assert go_on(executor, workflow, nothing)[1:3] == [None, {"reserved": None}]


@KINDS
def test_a_result_is_edited_by_the_name_of_its_activity(
    executor: Executor, world: World, kind: str
) -> None:
    workflow = workflows_of(world)[kind]
    original = ended(executor, workflow)
    world.done.clear()
    forked = fork(original, result_of={"reserve": "from hand"})
    assert forked.history[-1].activity_name == "reserve"  # cut there, so that the rest follows
    assert go_on(executor, workflow, forked)[2] == "from hand"
    assert world.done == {"pack": 3, "charge": 1}


@KINDS
def test_a_result_is_edited_by_the_id_of_its_event(
    executor: Executor, world: World, kind: str
) -> None:
    workflow = workflows_of(world)[kind]
    original = ended(executor, workflow)
    packs = [
        event
        for event in original.history
        if event.type == "activity_completed" and event.activity_name == "pack"
    ]
    forked = fork(original, result_of={packs[0].id: 1, packs[2].id: 2, "reserve": 0})
    assert forked.history[-1].id == packs[2].id
    result = go_on(executor, workflow, forked)
    expected = {1: packs[1].result, 2: 2}
    assert result[2] == 0
    assert sorted(result[3]) == sorted([1, *expected.values()])
    assert result[5] == sum(result[3])


def charges_too_much(world: World, kind: str) -> Callable[..., Any]:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        reserved = await ctx.execute_activity(world.reserve, 1)
        return [reserved, await ctx.execute_activity(world.charge, 101, retry=TWICE)]

    def plain_workflow(ctx: WorkflowContext) -> Any:
        reserved = ctx.execute_activity(world.reserve, 1)
        return [reserved, ctx.execute_activity(world.charge, 101, retry=TWICE)]

    return {"async": workflow, "plain": plain_workflow}[kind]


@KINDS
@pytest.mark.parametrize("by", ["name", "event"])
def test_a_failed_activity_has_completed_in_a_fork_that_says_so(
    executor: Executor, world: World, kind: str, by: str
) -> None:
    workflow = charges_too_much(world, kind)
    with pytest.raises(WorkflowFailedError):
        executor.execute(workflow, id="w").result(60)
    original = load(executor.store, "w")
    failures = [event for event in original.history if event.type == "activity_failed"]
    assert [event.attempt for event in failures] == [1, 2]
    key: str | int = "charge" if by == "name" else failures[1].id
    world.done.clear()
    forked = fork(original, result_of={key: 100})
    assert (forked.history[-1].type, forked.history[-1].error) == ("activity_completed", "")
    assert go_on(executor, workflow, forked) == [{"reserved": 1}, 100]
    assert not world.done
    with pytest.raises(ValueError, match="has no result of"):
        fork(original, result_of={failures[0].id: 100})  # another attempt followed


def test_a_fork_at_an_attempt_that_failed_makes_the_next_one(
    executor: Executor, world: World
) -> None:
    workflow = charges_too_much(world, "async")
    with pytest.raises(WorkflowFailedError):
        executor.execute(workflow, id="w").result(60)
    original = load(executor.store, "w")
    failed = next(event for event in original.history if event.type == "activity_failed")
    world.done.clear()
    with pytest.raises(WorkflowFailedError, match="after 2 attempts"):
        go_on(executor, workflow, fork(original, failed.id))
    assert world.done == {"charge": 1}


def test_a_fork_of_a_retried_run_leaves_out_what_the_retry_undid(world: World) -> None:
    with MemoryStore() as store, Executor(store) as executor:
        check_fork_of_a_retried_run(executor, world)


def check_fork_of_a_retried_run(executor: Executor, world: World) -> None:
    limit = [101]

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        try:
            paid = await ctx.execute_activity(world.charge, limit[0])
        except ActivityError:
            await ctx.execute_activity(world.pack, 0)
            raise
        return [paid, await ctx.execute_activity(world.pack, 1)]

    with pytest.raises(WorkflowFailedError):
        executor.execute(workflow, id="w").result(60)
    limit[0] = 5
    assert executor.retry("w", workflow).result(60) == [5, 10]
    original = load(executor.store, "w")
    gone = [event for event in original.history if event.superseded is True]
    assert [event.activity_name for event in gone] == ["pack", "pack", ""]
    forked = fork(original)
    assert not any(event.superseded is True for event in forked.history)
    world.done.clear()
    assert go_on(executor, workflow, forked) == [5, 10]
    assert not world.done
    with pytest.raises(
        ValueError, match=f"cannot be forked at event {gone[0].id}: it has no such event"
    ):
        fork(original, gone[0].id)


def test_a_fork_is_free_while_the_run_that_it_comes_from_goes_on(
    store: CheckedStore, world: World
) -> None:
    workflow = workflows_of(world)["async"]
    with Executor(store) as executor, Executor(store) as other:
        handle = executor.execute(workflow, id="w", input=7)
        executor.signal("w", Signal("approve", "yes"))  # saved, and with it the start
        forked = fork(load(store, "w"), 1)
        assert (forked.owner, forked.fence, forked.lease_until) == (UNSET, UNSET, UNSET)
        assert go_on(other, workflow, forked)[1] == 7
        assert handle.result(60)[1] == 7
        assert load(store, forked.workflow_id).fence == 1


class PastClock(ManualClock):
    """A manual clock that is so many seconds behind now."""

    def __init__(self, behind: float) -> None:
        super().__init__()
        self._now = datetime.now(UTC) - timedelta(seconds=behind)


@pytest.mark.parametrize("behind", [86_400, -86_400], ids=["a day ago", "by a clock ahead"])
def test_the_timeout_of_a_workflow_is_counted_from_the_fork(
    store: CheckedStore, world: World, behind: float
) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        await ctx.sleep(10)
        return await ctx.receive_signal("go")

    clock = PastClock(behind)
    with Executor(store, clock=clock) as executor:
        handle = executor.execute(workflow, id="w", timeout=60)
        clock.advance(10, waiting=2)
        executor.signal("w", Signal("other"))  # recorded after the timer, which is saved with it
        clock.advance(60)
        with pytest.raises(WorkflowFailedError, match="not finished within 60 s"):
            handle.result(60)
    original = load(store, "w")
    at = next(event.id for event in original.history if event.type == "timer_fired")
    clock = PastClock(0)
    with Executor(store, clock=clock) as executor:
        forked = fork(original, at)
        store.save(forked)
        handle = executor.resume(workflow, forked.workflow_id)
        assert clock.wait_for_timers(1) == [pytest.approx(50, abs=1)]
        executor.signal(forked.workflow_id, Signal("go", 3))
        assert handle.result(60) == 3


def test_a_sleep_that_a_fork_cuts_ends_when_it_would_have(store: CheckedStore) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> str:
        await ctx.sleep(100)
        return "slept"

    clock = ManualClock()
    with Executor(store, clock=clock) as executor:
        executor.execute(workflow, id="w")
        assert clock.wait_for_timers(1) == [pytest.approx(100, abs=0.01)]
        forked = fork(load(store, "w"))
        clock = ManualClock()
        clock.advance(30, waiting=0)
        with Executor(store, clock=clock) as other:
            store.save(forked)
            handle = other.resume(workflow, forked.workflow_id)
            assert clock.wait_for_timers(1) == [pytest.approx(70, abs=0.01)]
            clock.advance(71)
            assert handle.result(60) == "slept"


def test_code_that_does_not_fit_the_fork_is_told_so(executor: Executor, world: World) -> None:
    original = ended(executor, workflows_of(world)["async"])

    async def other(ctx: AsyncWorkflowContext, given: Any) -> Any:
        return await ctx.execute_activity(world.pack, given)

    forked = fork(original, 4)
    executor.store.save(forked)
    document = wire.encode(load(executor.store, forked.workflow_id))
    with pytest.raises(
        NonDeterminismError, match="no longer matches its history at event . .activity_started"
    ):
        executor.resume(other, forked.workflow_id).result(60)
    assert wire.encode(load(executor.store, forked.workflow_id)) == document


def test_a_fork_that_cannot_be_says_why(executor: Executor, world: World) -> None:
    original = ended(executor, workflows_of(world)["async"])
    started = original.history[1]
    packs = [e.id for e in original.history if (e.type, e.activity_name)[1] == "pack"]
    reserve = next(e.id for e in original.history if e.type == "activity_completed")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"at": 99}, "'w' cannot be forked at event 99"),
        ({"at": 0}, "'w' cannot be forked at event 0"),
        (
            {"at": original.history[-1].id},
            "it has no such event",
        ),  # its end, which it is to have anew
        ({"result_of": {"missing": 1}}, "has no result of 'missing'"),
        ({"result_of": {99: 1}}, "has no result of 99"),
        ({"result_of": {started.id: 1}}, f"has no result of {started.id}"),
        ({"result_of": {"pack": 1}}, "has 3 results of 'pack'; pass the id of one"),
        ({"at": reserve, "result_of": {packs[-1]: 1}}, f"event {packs[-1]}, comes after"),
    ]
    for arguments, words in wrong:
        with pytest.raises(ValueError, match=words):
            fork(original, **arguments)
    for arguments, words in [
        ({"input": object()}, "the input of the workflow cannot be written as JSON"),
        ({"result_of": {"reserve": object()}}, "the result of 'reserve' cannot be written as JSON"),
    ]:
        with pytest.raises(TypeError, match=words):
            fork(original, **arguments)
    for history in ((), (HistoryEvent(id=1, type="activity_started"),)):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="'x' cannot be forked: it has no history"):
            fork(WorkflowState(workflow_id="x", history=history))
