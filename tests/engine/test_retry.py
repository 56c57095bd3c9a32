"""A failed run goes on from what it failed of, and what was done is not done again."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from executor_stores import CheckedStore
from manual_clock import ManualClock

from inngest_nb import (
    ActivityContext,
    AsyncWorkflowContext,
    EventType,
    Executor,
    HistoryEvent,
    MemoryStore,
    RetryPolicy,
    Signal,
    WorkflowContext,
    WorkflowState,
    wire,
)
from inngest_nb.engine import Workflows
from inngest_nb.errors import (
    EngineError,
    WorkflowAlreadyRunningError,
    WorkflowFailedError,
    WorkflowNotFoundError,
)

THREE = RetryPolicy(max_attempts=3, initial_interval=10, backoff_coefficient=3)


class World:
    """What activities do, how often they did it, and what is broken there for now."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.keys: list[tuple[str, str]] = []
        self.broken: set[str] = set()

    def work(self, ctx: ActivityContext, what: str) -> str:
        self.done[what] += 1
        self.keys.append((what, ctx.idempotency_key))
        if what in self.broken:
            raise ConnectionError(f"{what} is down")
        return what.upper()

    async def work_later(self, ctx: ActivityContext, what: str) -> str:
        return self.work(ctx, what)


@pytest.fixture
def world() -> World:
    return World()


def workflows_of(world: World, retry: RetryPolicy | None = None) -> dict[str, Callable[..., Any]]:
    async def workflow(ctx: AsyncWorkflowContext) -> list[str]:
        first = await ctx.execute_activity(world.work, "first")
        second = await ctx.execute_activity(world.work_later, "second", retry=retry)
        return [first, second, await ctx.execute_activity(world.work, "third")]

    def plain_workflow(ctx: WorkflowContext) -> list[str]:
        first = ctx.execute_activity(world.work, "first")
        second = ctx.execute_activity(world.work_later, "second", retry=retry)
        return [first, second, ctx.execute_activity(world.work, "third")]

    return {"async": workflow, "plain": plain_workflow}


KINDS = pytest.mark.parametrize("kind", ["async", "plain"])


def failed(executor: Executor, fn: Callable[..., Any], **options: Any) -> WorkflowFailedError:
    with pytest.raises(WorkflowFailedError) as caught:
        executor.execute(fn, id="w", **options).result(60)
    return caught.value


def stored(executor: Executor) -> WorkflowState:
    state = executor.store.load("w")
    assert state is not None
    return state


@KINDS
def test_a_retry_goes_on_with_the_activity_that_failed(
    executor: Executor, world: World, kind: str
) -> None:
    workflow = workflows_of(world)[kind]
    world.broken = {"second"}
    run_id = failed(executor, workflow).run_id
    before = stored(executor).history
    world.broken = set()
    handle = executor.retry("w", workflow)
    assert handle.run_id == run_id
    assert handle.result(60) == ["FIRST", "SECOND", "THIRD"]
    assert world.done == {"first": 1, "second": 2, "third": 1}
    state = stored(executor)
    assert (state.status, state.error, state.result) == (
        "completed",
        "",
        ["FIRST", "SECOND", "THIRD"],
    )
    assert [event.id for event in state.history] == list(range(1, len(state.history) + 1))
    for was, now in zip(before, state.history, strict=False):
        assert was == now.replace(superseded=was.superseded, retry_at=was.retry_at)
    assert [event.type for event in state.history if event.superseded is True] == [
        "workflow_failed"
    ]


@KINDS
def test_each_attempt_of_a_call_has_the_same_idempotency_key_after_a_retry_too(
    executor: Executor, world: World, kind: str
) -> None:
    workflow = workflows_of(world)[kind]
    world.broken = {"second"}
    failed(executor, workflow)
    world.broken = set()
    executor.retry("w", workflow).result(60)
    keys = dict.fromkeys(world.keys)
    assert [what for what, _ in keys] == ["first", "second", "third"]
    assert len({key for _, key in keys}) == 3


def test_a_call_after_a_retry_never_has_the_idempotency_key_of_a_superseded_one(
    executor: Executor, world: World
) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        try:
            await ctx.execute_activity(world.work, "charge")
        except EngineError:
            await ctx.execute_activity(world.work, "apologize")
            raise
        return await ctx.execute_activity(world.work, "deliver")

    world.broken = {"charge"}
    failed(executor, workflow)
    world.broken = {"deliver"}
    with pytest.raises(WorkflowFailedError, match="deliver is down"):
        executor.retry("w", workflow).result(60)
    world.broken = set()
    assert executor.retry("w", workflow).result(60) == "DELIVER"
    keys: dict[str, set[str]] = {}
    for what, key in world.keys:
        keys.setdefault(what, set()).add(key)
    assert {what: len(of_it) for what, of_it in keys.items()} == {
        "charge": 1,
        "apologize": 1,
        "deliver": 1,
    }
    assert len(set.union(*keys.values())) == 3


@KINDS
def test_the_key_stays_when_the_process_dies_in_a_call_after_a_retry(
    world: World, kind: str
) -> None:
    with CheckedStore() as store:
        workflow = workflows_of(world)[kind]
        world.broken = {"second"}
        with Executor(store) as executor:
            failed(executor, workflow)
            world.broken = set()
            store.fail_from = store.saves + 4  # the retry, its claim, then "second"; not "third"
            with pytest.raises(EngineError):
                executor.retry("w", workflow).result(60)
        store.fail_from = 0
        with Executor(store) as executor:
            resumed = executor.resume(workflow, "w", take_over=True)
            assert resumed.result(60) == ["FIRST", "SECOND", "THIRD"]
        assert world.done == {"first": 1, "second": 2, "third": 2}
        assert len(set(world.keys)) == 3


@KINDS
def test_a_retry_has_the_whole_policy_again(
    timed: Executor, clock: ManualClock, world: World, kind: str
) -> None:
    workflow = workflows_of(world, THREE)[kind]
    world.broken = {"second"}
    handle = timed.execute(workflow, id="w")
    for pauses in ((10, 30), (0, 10, 30), (0, 10, 30)):
        handle = timed.retry("w", workflow) if pauses[0] == 0 else handle
        for pause in pauses:
            assert clock.wait_for_timers(1) == [pytest.approx(pause, abs=0.01)]
            clock.advance(pause)
        with pytest.raises(WorkflowFailedError):
            handle.result(60)
    assert world.done == {"first": 1, "second": 9}
    assert [event.attempt for event in stored(timed).history if event.input == "second"] == [
        *range(1, 10)
    ]


def test_a_retry_that_dies_in_a_pause_goes_on_at_that_attempt(
    store: CheckedStore, clock: ManualClock, world: World
) -> None:
    workflow = workflows_of(world, THREE)["async"]
    world.broken = {"second"}
    with Executor(store, clock=clock) as executor:
        handle = executor.execute(workflow, id="w")
        clock.advance(10)
        clock.advance(30)
        with pytest.raises(WorkflowFailedError):
            handle.result(60)
        executor.retry("w", workflow)
        clock.advance(0)
        clock.advance(10)
        assert clock.wait_for_timers(1) == [pytest.approx(30, abs=0.01)]
    clock = ManualClock()
    clock.advance(50, waiting=0)  # when the fifth attempt failed
    with Executor(store, clock=clock) as executor:
        handle = executor.resume(workflow, "w")
        assert clock.wait_for_timers(1) == [pytest.approx(30, abs=0.01)]
        clock.advance(31)
        with pytest.raises(WorkflowFailedError, match="after 6 attempts"):
            handle.result(60)
    assert world.done == {"first": 1, "second": 6}


def crash(n: int) -> None:
    raise RuntimeError("the code has a bug")


@KINDS
@pytest.mark.parametrize("where", [0, 1, 2], ids=["first", "in between", "last"])
def test_a_run_that_failed_of_its_code_goes_on_when_that_is_mended(
    executor: Executor, world: World, kind: str, where: int
) -> None:
    def workflows(at: int | None) -> dict[str, Callable[..., Any]]:
        async def workflow(ctx: AsyncWorkflowContext) -> int:
            for n in range(2):
                crash(n) if n == at else None
                await ctx.execute_activity(world.work, str(n))
            crash(2) if at == 2 else None
            return 2

        def plain_workflow(ctx: WorkflowContext) -> int:
            for n in range(2):
                crash(n) if n == at else None
                ctx.execute_activity(world.work, str(n))
            crash(2) if at == 2 else None
            return 2

        return {"async": workflow, "plain": plain_workflow}

    failed(executor, workflows(where)[kind])
    with pytest.raises(WorkflowFailedError, match="the code has a bug"):
        executor.retry("w", workflows(where)[kind]).result(60)
    assert executor.retry("w", workflows(None)[kind]).result(60) == 2
    assert world.done == {"0": 1, "1": 1}


@KINDS
def test_signals_that_came_after_the_failure_are_not_lost(
    executor: Executor, world: World, kind: str
) -> None:
    has_failed = threading.Event()

    def note_failure(_: Any) -> None:
        has_failed.set()

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        try:
            await ctx.execute_activity(world.work, "first")
        except EngineError:
            await ctx.execute_activity(note_failure)
            await ctx.receive_signal("give up")
            raise
        return [await ctx.receive_signal("go"), await ctx.receive_signal("go")]

    def plain_workflow(ctx: WorkflowContext) -> Any:
        try:
            ctx.execute_activity(world.work, "first")
        except EngineError:
            ctx.execute_activity(note_failure)
            ctx.receive_signal("give up")
            raise
        return [ctx.receive_signal("go"), ctx.receive_signal("go")]

    fn = {"async": workflow, "plain": plain_workflow}[kind]
    world.broken = {"first"}
    handle = executor.execute(fn, id="w")
    assert has_failed.wait(60)
    for name, payload in (("go", 1), ("go", 2), ("give up", None)):
        executor.signal("w", Signal(name, payload))
    with pytest.raises(WorkflowFailedError):
        handle.result(60)
    world.broken = set()
    assert executor.retry("w", fn).result(60) == [1, 2]


@KINDS
def test_what_other_calls_completed_after_the_failure_is_not_done_again(
    executor: Executor, world: World, kind: str
) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        calls = [ctx.execute_activity(world.work_later, what) for what in ("first", "second")]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return answers

    world.broken = {"first"}
    failed(executor, workflow)
    world.broken = set()
    assert executor.retry("w", workflow).result(60) == ["FIRST", "SECOND"]
    assert world.done == {"first": 2, "second": 1}


def test_calls_that_were_given_up_for_the_failure_are_made_again(
    executor: Executor, world: World
) -> None:
    began = asyncio.Event()

    async def slow(what: str) -> str:
        began.set()
        if world.broken:
            await asyncio.Event().wait()
        return what

    async def breaks(what: str) -> str:
        await began.wait()
        if world.broken:
            raise ConnectionError("down")
        return what

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(ctx.execute_activity(fn, "x"))  # type: ignore[arg-type]
                for fn in (slow, breaks)
            ]
        return [task.result() for task in tasks]

    world.broken = {"all"}
    failed(executor, workflow)
    assert [event.error for event in stored(executor).history if event.error][:2] == [
        "ConnectionError: down",
        "canceled",
    ]
    world.broken = set()
    assert executor.retry("w", workflow).result(60) == ["x", "x"]


@KINDS
def test_a_timeout_of_the_workflow_is_counted_from_the_retry(
    timed: Executor, clock: ManualClock, kind: str
) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.receive_signal("go")

    def plain_workflow(ctx: WorkflowContext) -> Any:
        return ctx.receive_signal("go")

    fn = {"async": workflow, "plain": plain_workflow}[kind]
    handle = timed.execute(fn, id="w", timeout=60)
    clock.advance(60)
    with pytest.raises(WorkflowFailedError, match="not finished within 60 s"):
        handle.result(60)
    clock.advance(1000, waiting=0)
    handle = timed.retry("w", fn)
    assert clock.wait_for_timers(1) == [pytest.approx(60, abs=0.01)]
    timed.signal("w", Signal("go", 7))
    assert handle.result(60) == 7


def test_another_executor_can_retry_a_run_right_after_it_failed(
    store: CheckedStore, world: World
) -> None:
    workflow = workflows_of(world)["async"]
    world.broken = {"second"}
    with Executor(store) as executor, Executor(store) as other:
        failed(executor, workflow)
        fence = stored(executor).fence
        world.broken = set()
        assert other.retry("w", workflow).result(60)[2] == "THIRD"
        assert fence is not None
        assert stored(other).fence == int(fence or 0) + 1


def test_a_retry_finds_registered_code_by_its_name(world: World) -> None:
    code = Workflows()
    workflow = workflows_of(world)["async"]
    with MemoryStore() as store, Executor(store, workflows=code) as executor:
        world.broken = {"second"}
        failed(executor, workflow)
        document = wire.encode(stored(executor))
        with pytest.raises(EngineError, match="registered workflows: none. Register its function"):
            executor.retry("w")
        assert wire.encode(stored(executor)) == document
        code.add(workflow, "workflow", 1)
        world.broken = set()
        assert executor.retry("w").result(60) == ["FIRST", "SECOND", "THIRD"]


def test_what_cannot_be_retried_says_why(world: World) -> None:
    with MemoryStore() as store, Executor(store) as executor:
        check_refusals(executor, world)


def check_refusals(executor: Executor, world: World) -> None:
    workflow = workflows_of(world)["async"]
    with pytest.raises(WorkflowNotFoundError, match="cannot retry workflow 'w'"):
        executor.retry("w", workflow)
    executor.execute(workflow, id="w").result(60)
    with pytest.raises(EngineError, match="cannot be retried because it is completed, not failed"):
        executor.retry("w", workflow)
    executor.store.save(WorkflowState(workflow_id="w", status="failed", error="gone"))
    with pytest.raises(EngineError, match="was saved without its history"):
        executor.retry("w", workflow)
    assert stored(executor).error == "gone"

    async def waits(ctx: AsyncWorkflowContext) -> None:
        await ctx.receive_signal("never")

    executor.execute(waits, id="w", if_ended="replace")
    with pytest.raises(WorkflowAlreadyRunningError):
        executor.retry("w", workflow)
    executor.store.save(go_failed())
    with pytest.raises(TypeError, match="a workflow must be a function, got int"):
        executor.retry("go", 5)  # type: ignore[arg-type]
    state = executor.store.load("go")
    assert state is not None
    assert state.status == "failed"


def go_failed() -> WorkflowState:
    """A run as a Go program keeps it: no numbers of calls and attempts, no name of the code."""

    def event(number: int, kind: str, **fields: Any) -> HistoryEvent:
        when = now + timedelta(seconds=number)
        return HistoryEvent(id=number, type=EventType(kind), timestamp=when, **fields)

    now, down = ManualClock().now(), "second is down"
    return WorkflowState(
        workflow_id="go",
        run_id="run-go",
        status="failed",  # type: ignore[arg-type]
        error=down,
        created_at=now + timedelta(seconds=1),
        updated_at=now + timedelta(seconds=6),
        history=(
            event(1, "workflow_started"),
            event(2, "activity_started", activity_name="work", input="first"),
            event(3, "activity_completed", activity_name="work", result="FIRST"),
            event(4, "activity_started", activity_name="work_later", input="second"),
            event(5, "activity_failed", activity_name="work_later", error=down),
            event(6, "workflow_failed", error=down),
        ),
    )


@KINDS
def test_a_failed_run_of_a_go_program_goes_on(executor: Executor, world: World, kind: str) -> None:
    executor.store.save(go_failed())
    workflow = workflows_of(world)[kind]
    world.broken = {"third"}
    with pytest.raises(WorkflowFailedError, match="third is down"):
        executor.retry("go", workflow).result(60)
    world.broken = set()
    assert executor.retry("go", workflow).result(60) == ["FIRST", "SECOND", "THIRD"]
    assert world.done == {"second": 1, "third": 2}
