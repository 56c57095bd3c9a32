"""Workflows that a workflow's code asks for: begun once whatever dies, and canceled with it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crashes import Lives
from executor_stores import CheckedStore
from small_workflows import double

import inngest_nb as inb
from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    MemoryStore,
    Signal,
    WorkflowContext,
    WorkflowState,
    WorkflowStore,
)
from inngest_nb.engine import replay_steps
from inngest_nb.errors import (
    ChildWorkflowError,
    ExecutorClosedError,
    NonDeterminismError,
    StoreConnectionError,
    WorkflowCanceledError,
    WorkflowCodeError,
    WorkflowFailedError,
)

KINDS = pytest.mark.parametrize("kind", ["async", "plain"])


async def doubles(ctx: AsyncWorkflowContext, number: int) -> int:
    return await ctx.execute_activity(double, number)


def doubles_plainly(ctx: WorkflowContext, number: int) -> int:
    return ctx.execute_activity(double, number)


async def waits(ctx: AsyncWorkflowContext) -> Any:
    return await ctx.receive_signal("go")


async def breaks(ctx: AsyncWorkflowContext, why: str) -> None:
    raise ValueError(why)


def parent_of(kind: str, fn: Callable[..., Any], *given: Any, **options: Any) -> Any:
    async def parent(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.execute_workflow(fn, *given, **options)

    def plain_parent(ctx: WorkflowContext) -> Any:
        return ctx.execute_workflow(fn, *given, **options)

    return parent if kind == "async" else plain_parent


def children(store: WorkflowStore, parent: str = "w") -> list[WorkflowState]:
    return [state for state in store.list() if state.parent_id == parent]


def wait_for_child(store: WorkflowStore, parent: str = "w") -> WorkflowState:
    """Return the only child once it is stored."""
    deadline = time.monotonic() + 60
    while not (found := children(store, parent)):
        assert time.monotonic() < deadline, "no child was begun"
    (child,) = found
    return child


def wait_for_status(store: WorkflowStore, workflow_id: str, status: str) -> None:
    deadline = time.monotonic() + 60
    while (stored := store.load(workflow_id)) is None or stored.status != status:
        assert time.monotonic() < deadline, stored


def wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline


@KINDS
@pytest.mark.parametrize("fn", [doubles, doubles_plainly], ids=["async child", "plain child"])
def test_a_child_is_a_run_of_its_own_that_both_sides_name(
    any_store: WorkflowStore, kind: str, fn: Any
) -> None:
    with Executor(any_store) as executor:
        handle = executor.execute(parent_of(kind, fn, 21), id="w")
        assert handle.result(60) == 42
    (begun, ended) = (event for event in handle.state.history if event.child)
    assert (begun.type, begun.activity_name, begun.input) == ("activity_started", fn.__name__, 21)
    assert (ended.type, ended.result, ended.seq) == ("activity_completed", 42, 1)
    assert begun.child == ended.child
    assert handle.run_id in str(begun.child)
    child = any_store.load(str(begun.child))
    assert child is not None
    assert (child.parent_id, child.status, child.result) == ("w", "completed", 42)
    assert [step.event for step in replay_steps(parent_of(kind, fn, 21), handle.state)]


def test_children_run_beside_each_other(executor: Executor) -> None:
    async def parent(ctx: AsyncWorkflowContext) -> Any:
        return await asyncio.gather(*(ctx.execute_workflow(doubles, n) for n in range(20)))

    assert executor.execute(parent, id="w").result(60) == [2 * n for n in range(20)]
    assert len(children(executor.store)) == 20


def test_a_child_may_have_children(executor: Executor) -> None:
    async def parent(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.execute_workflow(parent_of("plain", doubles, 4))

    assert executor.execute(parent, id="w").result(60) == 8
    (middle,) = children(executor.store)
    (inner,) = children(executor.store, middle.workflow_id)
    assert inner.result == 8


@KINDS
def test_a_parent_that_crashed_finds_its_child_and_starts_no_other(lives: Lives, kind: str) -> None:
    parent = parent_of(kind, waits)
    handle = lives.executor.execute(parent, id="w")
    child = wait_for_child(lives.store)
    handle = lives.crash_and_resume(handle, parent)
    deadline = time.monotonic() + 60
    while "go" not in lives.executor.waiting_for(child.workflow_id):
        assert time.monotonic() < deadline
    lives.executor.signal(child.workflow_id, Signal("go", "here"))
    assert handle.result(60) == "here"
    assert [state.run_id for state in children(lives.store)] == [child.run_id]


@KINDS
def test_a_child_that_ended_while_no_parent_was_there_has_its_result_taken(
    lives: Lives, kind: str
) -> None:
    parent = parent_of(kind, waits)
    handle = lives.executor.execute(parent, id="w")
    child = wait_for_child(lives.store)
    executor = lives.crash()
    alone = executor.resume(waits, child.workflow_id)
    executor.signal(child.workflow_id, Signal("go", 7))
    assert alone.result(60) == 7
    handle = executor.resume(parent, "w")
    assert handle.result(60) == 7
    assert len(children(lives.store)) == 1


def test_a_child_that_another_executor_runs_is_waited_for(lives: Lives) -> None:
    parent = parent_of("async", waits)
    lives.executor.execute(parent, id="w")
    child = wait_for_child(lives.store)
    executor = lives.crash()
    with Executor(lives.store, clock=lives.clock) as other:
        other.resume(waits, child.workflow_id)
        handle = executor.resume(parent, "w")
        other.signal(child.workflow_id, Signal("go", 7))
        assert handle.result(60) == 7


DIES = """
import os, signal, sys, threading
import inngest_nb as inb

charged = threading.Event()

def charge(given):
    with open(sys.argv[2], "a") as log:
        log.write("charged\\n")

@inb.workflow
async def child(ctx):
    await ctx.execute_activity(charge, 1)
    await ctx.execute_activity(charged.set)  # begins once the charge is saved
    return await ctx.receive_signal("go")

@inb.workflow
async def parent(ctx):
    return await ctx.execute_workflow(child)

store = inb.SqliteStore(sys.argv[1])
executor = inb.Executor(store)
if sys.argv[3] == "first":
    executor.execute(parent, id="w")
    assert charged.wait(20)
    os.kill(os.getpid(), signal.SIGKILL)
handle, *_ = sorted(executor.recover().handles, key=lambda handle: handle.id != "w")
(child_id,) = [state.workflow_id for state in store.list() if state.parent_id == "w"]
executor.signal(child_id, inb.Signal("go", "done"))
print(handle.result(60))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills")
def test_a_process_that_is_killed_leaves_one_child_that_has_done_its_work_once(
    tmp_path: Path,
) -> None:
    arguments = [str(tmp_path / "states.db"), str(tmp_path / "log")]
    lives = [
        subprocess.run(
            [sys.executable, "-c", DIES, *arguments, life],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for life in ("first", "second")
    ]
    assert lives[0].returncode == -signal.SIGKILL, lives[0].stderr
    assert lives[1].stdout.split() == ["done"], lives[1].stderr
    assert (tmp_path / "log").read_text().split() == ["charged"]


ORPHANS = """
import os, signal, sys
import inngest_nb as inb

class Mortal(inb.SqliteStore):
    def append_history(self, writes):
        outcomes = super().append_history(writes)
        if any(write.workflow_id == "w" and write.status == "canceled" for write in writes):
            os.kill(os.getpid(), signal.SIGKILL)
        return outcomes

@inb.workflow
async def waits(ctx):
    await ctx.receive_signal("go")

@inb.workflow
async def parent(ctx):
    detached = ctx.execute_workflow(waits, id="detached", detached=True)
    await ctx.execute_workflow(waits, id="attached")
    await detached

if sys.argv[2] == "first":
    executor = inb.Executor(Mortal(sys.argv[1]))
    executor.execute(parent, id="w")
    while not all(executor.store.load(each) for each in ("attached", "detached")):
        pass
    executor.cancel("w")
executor = inb.Executor(inb.SqliteStore(sys.argv[1]), supervise=sys.argv[2] == "supervises", lease=1)
if sys.argv[2] == "recovers":
    executor.recover()
while executor.handle("attached").status == "running" or not executor._engine.alive("detached"):
    pass
print(executor.handle("attached").status, executor.handle("detached").status)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills")
@pytest.mark.parametrize("how", ["recovers", "supervises"])
def test_a_child_whose_parent_died_right_after_its_end_is_canceled_unless_detached(
    tmp_path: Path, how: str
) -> None:
    lives = [
        subprocess.run(
            [sys.executable, "-c", ORPHANS, str(tmp_path / "states.db"), life],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for life in ("first", how)
    ]
    assert lives[0].returncode == -signal.SIGKILL, lives[0].stderr
    assert lives[1].stdout.split() == ["canceled", "running"], lives[1].stderr


@KINDS
def test_a_failure_is_an_error_of_the_call_and_the_same_in_each_life(
    lives: Lives, kind: str
) -> None:
    seen: list[tuple[Any, ...]] = []

    def note(error: ChildWorkflowError) -> None:
        cause = error.__cause__
        seen.append((str(error), error.activity, error.error, error.child_id, error.seq, cause))

    async def parent(ctx: AsyncWorkflowContext) -> None:
        try:
            await ctx.execute_workflow(breaks, "no money")
        except ChildWorkflowError as error:
            note(error)
        await ctx.receive_signal("go")

    def plain_parent(ctx: WorkflowContext) -> None:
        try:
            ctx.execute_workflow(breaks, "no money")
        except ChildWorkflowError as error:
            note(error)
        ctx.receive_signal("go")

    code = parent if kind == "async" else plain_parent
    handle = lives.executor.execute(code, id="w")
    deadline = time.monotonic() + 60
    while not handle.waiting_for:
        assert time.monotonic() < deadline
    handle = lives.crash_and_resume(handle, code)
    while not handle.waiting_for:
        assert time.monotonic() < deadline
    lives.executor.signal("w", Signal("go"))
    handle.result(60)
    assert seen[0] == seen[1]
    (child,) = children(lives.store)
    assert seen[0][:5] == (
        f"child workflow 'breaks' ({child.workflow_id}) failed: ValueError: no money",
        "breaks",
        "ValueError: no money",
        child.workflow_id,
        1,
    )
    assert child.status == "failed"


@KINDS
def test_a_child_is_canceled_with_its_parent(executor: Executor, kind: str) -> None:
    handle = executor.execute(parent_of(kind, waits), id="w")
    child = wait_for_child(executor.store)
    assert executor.cancel("w")
    wait_for_status(executor.store, child.workflow_id, "canceled")
    with pytest.raises(WorkflowCanceledError):
        handle.result(60)


@KINDS
def test_a_detached_child_outlives_its_parent(executor: Executor, kind: str) -> None:
    executor.execute(parent_of(kind, waits, detached=True), id="w")
    child = wait_for_child(executor.store)
    assert executor.cancel("w")
    executor.signal(child.workflow_id, Signal("go", "on"))
    wait_for_status(executor.store, child.workflow_id, "completed")


def test_a_child_that_nobody_waits_for_any_more_is_canceled(executor: Executor) -> None:
    async def parent(ctx: AsyncWorkflowContext) -> str:
        call = asyncio.ensure_future(ctx.execute_workflow(waits))
        await ctx.receive_signal("enough")
        call.cancel()
        return await ctx.receive_signal("go")

    handle = executor.execute(parent, id="w")
    child = wait_for_child(executor.store)
    executor.signal("w", Signal("enough"))
    wait_for_status(executor.store, child.workflow_id, "canceled")
    assert handle.status == "running"


@pytest.mark.parametrize("gives_up", [False, True])
def test_a_child_is_canceled_though_its_parent_comes_to_its_end_in_the_replay(
    lives: Lives, gives_up: bool
) -> None:
    async def parent(ctx: AsyncWorkflowContext) -> str:
        call = asyncio.ensure_future(ctx.execute_workflow(waits))
        await ctx.receive_signal("enough")
        if gives_up:
            call.cancel()
        return "done"

    lives.executor.execute(parent, id="w")
    child = wait_for_child(lives.store)
    wait_until(lambda: "enough" in lives.executor.waiting_for("w"))
    lives.store.fail_from = lives.store.saves + 2  # the signal is stored, and not what comes of it
    lives.executor.signal("w", Signal("enough"))
    wait_until(lambda: lives.store.saves >= lives.store.fail_from)
    executor = lives.crash()
    before = lives.store.load("w")
    assert before is not None
    assert before.history[-1].type == "signal_received"
    assert executor.resume(parent, "w").result(60) == "done"
    wait_for_status(lives.store, child.workflow_id, "canceled")


@KINDS
def test_a_child_that_is_canceled_is_a_failed_call(executor: Executor, kind: str) -> None:
    handle = executor.execute(parent_of(kind, waits), id="w")
    assert executor.cancel(wait_for_child(executor.store).workflow_id)
    with pytest.raises(WorkflowFailedError, match="child workflow 'waits' .* it was canceled"):
        handle.result(60)


def test_closing_an_executor_cancels_no_child(store: CheckedStore) -> None:
    with Executor(store) as executor:
        executor.execute(parent_of("async", waits), id="w")
        child = wait_for_child(store)
    with Executor(store) as executor:
        handle = executor.resume(parent_of("async", waits), "w")
        deadline = time.monotonic() + 60
        while not executor.waiting_for(child.workflow_id):
            assert time.monotonic() < deadline
        executor.signal(child.workflow_id, Signal("go", 1))
        assert handle.result(60) == 1


@KINDS
def test_a_retry_of_the_run_starts_a_failed_child_anew(executor: Executor, kind: str) -> None:
    broken = threading.Event()
    broken.set()

    async def works(ctx: AsyncWorkflowContext) -> str:
        if broken.is_set():
            raise ConnectionError("down")
        return "up"

    parent = parent_of(kind, works)
    with pytest.raises(WorkflowFailedError, match="ConnectionError: down"):
        executor.execute(parent, id="w").result(60)
    broken.clear()
    assert executor.retry("w", parent).result(60) == "up"
    assert sorted(str(child.status) for child in children(executor.store)) == [
        "completed",
        "failed",
    ]


@KINDS
def test_an_id_that_is_given_names_one_piece_of_work(executor: Executor, kind: str) -> None:
    parent = parent_of(kind, doubles, 4, id="four")
    assert executor.execute(parent, id="w").result(60) == 8
    first = executor.store.load("four")
    assert executor.execute(parent, id="v").result(60) == 8
    assert executor.store.load("four") == first
    for other in (parent_of(kind, doubles, 5, id="four"), parent_of(kind, waits, id="four")):
        with pytest.raises(WorkflowFailedError, match="its id 'four' belongs to another workflow"):
            executor.execute(other).result(60)


@KINDS
def test_a_child_in_place_of_an_activity_is_not_the_same_code(lives: Lives, kind: str) -> None:
    async def acts(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(double, 1)
        await ctx.receive_signal("go")

    handle = lives.executor.execute(acts, id="w")
    deadline = time.monotonic() + 60
    while not handle.waiting_for:
        assert time.monotonic() < deadline
    handle = lives.crash_and_resume(handle, parent_of(kind, doubles, 1))
    with pytest.raises(NonDeterminismError, match="activity 'double'.*workflow 'doubles'"):
        handle.result(60)
    assert children(lives.store) == []


@KINDS
@pytest.mark.parametrize("use", ["execute", "resume", "retry", "recover"])
def test_workflow_code_starts_no_run_by_an_executor(
    executor: Executor, kind: str, use: str
) -> None:
    uses: dict[str, Callable[[], Any]] = {
        "execute": lambda: executor.execute(waits),
        "resume": lambda: executor.resume(waits, "x"),
        "retry": lambda: executor.retry("x", waits),
        "recover": executor.recover,
    }

    async def parent(ctx: AsyncWorkflowContext) -> None:
        uses[use]()

    def plain_parent(ctx: WorkflowContext) -> None:
        uses[use]()

    with pytest.raises(WorkflowFailedError, match=r"ctx\.execute_workflow\(fn, input\)") as failed:
        executor.execute(parent if kind == "async" else plain_parent, id="w").result(60)
    assert isinstance(failed.value.__cause__, WorkflowCodeError)
    assert [state.workflow_id for state in executor.store.list()] == ["w"]


@KINDS
def test_activities_may_start_runs_and_so_may_code_after_them(
    executor: Executor, kind: str
) -> None:
    def plain_activity(number: int) -> Any:
        return executor.execute(doubles, input=number).result(60)

    async def activity(number: int) -> Any:
        return await executor.execute(doubles, input=number)

    async def parent(ctx: AsyncWorkflowContext) -> Any:
        return [await ctx.execute_activity(fn, 2) for fn in (plain_activity, activity)]

    def plain_parent(ctx: WorkflowContext) -> Any:
        return [ctx.execute_activity(fn, 2) for fn in (plain_activity, activity)]

    assert executor.execute(parent if kind == "async" else plain_parent).result(60) == [4, 4]
    assert executor.execute(doubles, input=1).result(60) == 2


def test_children_are_seen_in_frames_and_in_the_timeline(executor: Executor) -> None:
    handle = executor.execute(parent_of("async", doubles, 1), id="w")
    handle.result(60)
    frame = inb.frame(executor.store).set_index("workflow_id")["parent_id"]
    (child,) = children(executor.store)
    assert frame[child.workflow_id] == "w"
    assert frame.isna()["w"]
    assert "child workflow doubles" in repr(inb.timeline(handle.state))


class SometimesAway(MemoryStore):
    """Cannot be read for a few times, once it is told so."""

    failures = 0

    def load(self, workflow_id: str) -> WorkflowState | None:
        if self.failures:
            self.failures -= 1
            raise StoreConnectionError("the store is away")
        return super().load(workflow_id)


def test_a_child_that_runs_elsewhere_is_canceled_once_the_store_is_there() -> None:
    async def parent(ctx: AsyncWorkflowContext) -> Any:
        call = asyncio.ensure_future(ctx.execute_workflow(waits, id="child"))
        await ctx.receive_signal("stop")
        store.failures = 2
        call.cancel()
        return await ctx.receive_signal("end")

    with SometimesAway() as store, Executor(store) as one, Executor(store) as other:
        one.execute(parent, id="w")
        wait_for_child(store)
        owned = False
        while not owned:  # the parent's executor may be quicker, and take it up again
            taken = other.resume(waits, "child", take_over=True)
            run = taken._run
            wait_until(lambda run=run: run.journal.owned or run.is_over)
            owned = not run.is_over
        wait_until(lambda: one._engine.alive("child") is None)
        one.signal("w", Signal("stop"))
        with pytest.raises(WorkflowCanceledError):
            taken.result(60)
        assert store.failures == 0


def test_a_child_whose_id_is_claimed_just_then_is_canceled_after_it() -> None:
    refusals = threading.Semaphore(0)

    async def parent(ctx: AsyncWorkflowContext) -> Any:
        call = asyncio.ensure_future(ctx.execute_workflow(waits, id="child"))
        await ctx.receive_signal("stop")
        call.cancel()
        return await ctx.receive_signal("end")

    with MemoryStore() as store, Executor(store) as executor:
        executor.execute(parent, id="w")
        wait_for_child(store)
        child = executor._engine.alive("child")
        assert child is not None
        child.suspend(ExecutorClosedError("stopped, as in a process that dies"))
        claim = executor._engine.claim

        def counted(workflow_id: str) -> Any:
            refusals.release()
            return claim(workflow_id)

        with claim("child"):
            executor._engine.claim = counted  # type: ignore[method-assign]
            executor.signal("w", Signal("stop"))
            assert refusals.acquire(timeout=60)
        wait_until(lambda: store.load("child").status == "canceled")
