"""What a stored run says while it rests: which signal, timer or activity it waits for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from executor_stores import CheckedStore
from manual_clock import ManualClock
from small_servers import plain_server
from small_workflows import waits_and_returns, waits_for_ever

import inngest_nb as inb
from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    MemoryStore,
    RetryPolicy,
    Signal,
    WorkflowContext,
    WorkflowState,
    WorkflowStore,
    Write,
    wire,
)
from inngest_nb.engine.threads._loop import PrivateLoop
from inngest_nb.engine.threads._settling import Settling
from inngest_nb.engine.threads._writer import Writer
from inngest_nb.errors import (
    EngineError,
    StoreConflictError,
    StoreConnectionError,
    WorkflowNotSavedError,
)
from inngest_nb.history import Waiting, waiting_for
from inngest_nb.state import UNSET, Waits

HOUR = 3600
LATER = RetryPolicy(max_attempts=5, initial_interval=HOUR, max_interval=HOUR)


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def load(store: WorkflowStore, workflow_id: str = "w") -> WorkflowState:
    state = store.load(workflow_id)
    assert state is not None
    return state


def waiting(store: WorkflowStore, workflow_id: str = "w") -> Waiting | None:
    """Wait until the store says what a run waits for, and return that."""
    until(lambda: (state := store.load(workflow_id)) and waiting_for(state))
    return waiting_for(load(store, workflow_id))


def fails() -> None:
    raise ValueError("not yet")


async def hangs() -> None:
    await asyncio.get_running_loop().create_future()


async def quick(ctx: AsyncWorkflowContext) -> None:
    pass


async def hears(ctx: AsyncWorkflowContext) -> Any:
    await ctx.receive_signal("approve")
    await ctx.receive_signal("then")


def hears_plainly(ctx: WorkflowContext) -> Any:
    ctx.receive_signal("approve")
    ctx.receive_signal("then")


async def sleeps(ctx: AsyncWorkflowContext) -> None:
    await asyncio.gather(ctx.sleep(2 * HOUR), asyncio.sleep(HOUR))


def sleeps_plainly(ctx: WorkflowContext) -> None:
    ctx.sleep(HOUR)


async def races(ctx: AsyncWorkflowContext) -> None:
    async with asyncio.timeout(HOUR):
        await asyncio.gather(ctx.receive_signal("yes"), ctx.receive_signal("no"))


def races_plainly(ctx: WorkflowContext) -> None:
    ctx.receive_signal("yes", timeout=HOUR)


async def retries(ctx: AsyncWorkflowContext) -> None:
    await asyncio.gather(ctx.execute_activity(fails, retry=LATER), ctx.receive_signal("stop"))


def retries_plainly(ctx: WorkflowContext) -> None:
    ctx.execute_activity(fails, retry=LATER)


async def works(ctx: AsyncWorkflowContext) -> None:
    await asyncio.gather(ctx.execute_activity(hangs), ctx.receive_signal("stop"))


def works_plainly(ctx: WorkflowContext) -> None:
    ctx.execute_activity(hangs)


@pytest.mark.parametrize(
    ("workflow", "kind", "names", "timed"),
    [
        (hears, "signal", ("approve",), False),
        (hears_plainly, "signal", ("approve",), False),
        (sleeps, "timer", (), True),
        (sleeps_plainly, "timer", (), True),
        (races, "signal", ("no", "yes"), True),
        (races_plainly, "signal", ("yes",), True),
        (retries, "retry", ("fails",), True),
        (retries_plainly, "retry", ("fails",), True),
        (works, "activity", ("hangs",), False),
        (works_plainly, "activity", ("hangs",), False),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_a_store_says_what_a_run_waits_for(
    any_store: WorkflowStore,
    clock: ManualClock,
    workflow: Any,
    kind: str,
    names: tuple[str, ...],
    timed: bool,
) -> None:
    with Executor(any_store, clock=clock) as executor:
        handle = executor.execute(workflow, id="w")
        found = waiting(any_store)
        assert found is not None
        assert (found.kind, found.names) == (kind, names)
        begun = handle.state.history[0].timestamp
        assert begun is not None
        due = found.until - begun if found.until else None
        assert due == (
            pytest.approx(timedelta(hours=1), abs=timedelta(seconds=1)) if timed else None
        )
        assert handle.state == load(any_store)


def test_a_later_event_ends_a_wait_and_the_next_wait_is_told(any_store: WorkflowStore) -> None:
    with Executor(any_store) as executor:
        handle = executor.execute(hears, id="w")
        assert waiting(any_store) == Waiting("signal", ("approve",))
        executor.signal("w", Signal("approve"))
        found = waiting_for(load(any_store))
        assert found in (None, Waiting("signal", ("then",)))  # the latter on a slow machine
        assert waiting(any_store) == Waiting("signal", ("then",))
        executor.signal("w", Signal("then"))
        handle.result(10)
    ended = load(any_store)
    assert waiting_for(ended) is None
    assert ended.waits is UNSET


def test_a_parent_waits_for_its_child_and_the_child_for_its_signal(
    any_store: WorkflowStore,
) -> None:
    async def parent(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_workflow(hears, id="child")

    with Executor(any_store) as executor:
        executor.execute(parent, id="w")
        found = waiting(any_store)
        assert found is not None
        assert (found.kind, found.until) == ("activity", None)
        assert waiting(any_store, "child") == Waiting("signal", ("approve",))


@pytest.mark.parametrize("activity", [hangs, fails])
def test_an_activity_that_the_code_has_given_up_is_not_waited_for(
    store: CheckedStore, clock: ManualClock, activity: Any
) -> None:
    async def impatient(ctx: AsyncWorkflowContext) -> None:
        try:
            async with asyncio.timeout(60):
                await ctx.execute_activity(activity, retry=LATER)
        except TimeoutError:
            await ctx.receive_signal("approve")

    with Executor(store, clock=clock) as executor:
        executor.execute(impatient, id="w")
        found = waiting(store)
        assert found is not None
        assert found.kind == ("activity" if activity is hangs else "retry")
        clock.advance(61, waiting=1 if activity is hangs else 2)
        until(lambda: load(store).waits)
        assert waiting_for(load(store)) == Waiting("signal", ("approve",))


def test_another_process_reads_it_in_frames_and_timelines(tmp_path: Path) -> None:
    with inb.SqliteStore(tmp_path / "states.db") as store, Executor(store) as executor:
        executor.execute(hears, id="order-1")
        waiting(store, "order-1")
        program = (
            "import sys, inngest_nb as inb\n"
            "store = inb.SqliteStore(sys.argv[1])\n"
            "print(inb.frame(store)['waiting_for'].iloc[0])\n"
            "print(inb.timeline('order-1', store=store))\n"
        )
        command = [sys.executable, "-c", program, str(tmp_path / "states.db")]
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout.splitlines()[0] == "signal"
    assert 'Waiting for the signal "approve".' in told.stdout


def test_frames_and_timelines_tell_it_at_once(tmp_path: Path) -> None:
    with inb.SqliteStore(tmp_path / "states.db") as store, Executor(store) as executor:
        executor.execute(hears, id="order-1")
        waiting(store, "order-1")
        assert inb.frame(store)["waiting_for"].iloc[0] == "signal"
        assert 'Waiting for the signal "approve".' in str(inb.timeline("order-1", store=store))


# What it must not disturb


class Notes:
    """Notes that it was told to settle; rests when it is."""

    def __init__(self, *, rests: bool = True) -> None:
        self.settled = 0
        self.rests = rests

    def settle(self) -> bool:
        self.settled += 1
        return self.rests


def a_writer() -> Writer:
    return Writer(MemoryStore(), lambda: None)


def test_only_a_run_that_has_not_moved_between_two_looks_settles_and_only_once() -> None:
    settling = Settling(PrivateLoop(), a_writer())
    moving, resting, busy = Notes(), Notes(), Notes(rests=False)
    for run in (moving, resting, busy):
        settling.moved(run)
    for _ in range(5):
        settling.look()
        settling.moved(moving)
    assert (moving.settled, resting.settled) == (0, 1)
    assert busy.settled > 1
    settling.look()
    settling.forget(moving)
    settling.look()
    assert moving.settled == 0


def test_many_runs_that_rest_settle_a_few_at_a_time() -> None:
    settling = Settling(PrivateLoop(), a_writer())
    runs = [Notes() for _ in range(500)]
    for run in runs:
        settling.moved(run)
    settling.look()
    counts = []
    while sum(run.settled for run in runs) < len(runs):
        settling.look()
        counts.append(sum(run.settled for run in runs))
    assert counts == [200, 400, 500]


def test_the_more_others_are_saved_the_fewer_settle() -> None:
    writer = a_writer()
    settling = Settling(PrivateLoop(), writer)
    runs = [Notes() for _ in range(500)]
    for run in runs:
        settling.moved(run)
    settling.look()
    counts = []
    for others in (50, 5000, 0, 180):
        writer.saves += others
        settling.look()
        counts.append(sum(run.settled for run in runs))
        writer.saves += counts[-1] - sum(counts[-2:-1])  # each that settles is saved, too
    assert counts == [150, 170, 370, 390]


def test_a_run_that_cannot_settle_does_not_keep_others_from_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Notes):
        def settle(self) -> bool:
            raise OSError("no")

    settling = Settling(PrivateLoop(), a_writer())
    sound = Notes()
    for run in (Broken(), sound):
        settling.moved(run)
    settling.look()
    settling.look()
    assert sound.settled == 1
    assert "could not be stored" in caplog.text


def test_a_timer_that_is_due_at_once_is_not_told(store: CheckedStore, clock: ManualClock) -> None:
    async def polls(ctx: AsyncWorkflowContext) -> None:
        await ctx.sleep(0.9)

    with Executor(store, clock=clock) as executor:
        short = executor.execute(polls, id="w")
        executor.execute(sleeps, id="later")  # settles after it
        waiting(store, "later")
        assert len(store.documents["w"]) == 1
        assert not short.state.waits


@pytest.mark.parametrize("changed", [False, True])
def test_a_resumed_run_tells_its_wait_again_only_if_it_is_another(
    store: CheckedStore, clock: ManualClock, changed: bool
) -> None:
    with Executor(store, clock=clock) as executor:
        executor.execute(races, id="w")
        before = waiting(store)
    with Executor(store, clock=clock) as executor:
        executor.resume(hears if changed else races, "w", take_over=True)
        until(lambda: load(store).fence == 2)
        executor.execute(waits_for_ever, id="later")  # settles after it
        waiting(store, "later")
        assert waiting_for(load(store)) == (Waiting("signal", ("approve",)) if changed else before)
        written = [body for body in store.documents["w"] if wire.decode(body).fence == 2]
        assert len(written) == 1 + changed  # the first is the claim


def test_a_fork_and_a_copy_of_a_later_moment_wait_for_nothing_yet(store: CheckedStore) -> None:
    with Executor(store) as executor:
        executor.execute(hears, id="w")
        waiting(store)
    assert inb.fork(load(store)).waits is UNSET


@pytest.mark.parametrize("error", [OSError, StoreConnectionError])
def test_a_run_goes_on_if_its_wait_could_not_be_stored(
    store: CheckedStore, error: Callable[[str], Exception]
) -> None:
    with Executor(store, store_patience=0) as executor:
        handle = executor.execute(waits_and_returns, id="w")
        until(lambda: store.load("w"))
        store.error = lambda: error("the disk is full")
        store.fail_from = store.saves + 1
        until(lambda: store.saves >= store.fail_from)
        store.fail_from = 0
        executor.signal("w", Signal("go", 7))
        assert handle.result(10) == 7
        assert not handle.store_trouble
    assert [event.id for event in load(store).history] == [1, 2, 3]


class Forgetful(CheckedStore):
    """Performs the second write of a run, and loses its answer."""

    def append_history(self, writes: Sequence[Write]) -> list[BaseException | None]:
        outcomes = super().append_history(writes)
        return [StoreConnectionError("lost")] if self.saves == 2 else outcomes


def test_a_run_goes_on_if_nobody_knows_whether_its_wait_was_stored() -> None:
    with Forgetful() as store, Executor(store, store_patience=0) as executor:
        handle = executor.execute(waits_and_returns, id="w")
        until(lambda: store.saves == 2)
        executor.signal("w", Signal("go", 7))
        assert handle.result(10) == 7


@pytest.mark.parametrize("recovers", [True, False])
def test_a_signal_that_comes_while_its_wait_cannot_be_stored_counts(recovers: bool) -> None:
    held, go = threading.Event(), threading.Event()

    class Slow(CheckedStore):
        def before_write(self, workflow_id: str) -> None:
            super().before_write(workflow_id)
            if self.saves == 2:
                held.set()
                assert go.wait(30)
            if self.saves == 2 or (self.saves > 2 and not recovers):
                raise OSError("the disk is full")

    with Slow() as store, Executor(store) as executor, ThreadPoolExecutor() as threads:
        handle = executor.execute(waits_and_returns, id="w")
        assert held.wait(30)
        sent = threads.submit(executor.signal, "w", Signal("go", 7))
        until(lambda: len(handle.state.history) == 2)
        go.set()
        if recovers:
            sent.result(10)
            assert handle.result(10) == 7
        else:
            for told in (sent, handle):
                with pytest.raises(WorkflowNotSavedError):
                    told.result(10)


def test_a_run_whose_last_write_had_all_of_it_is_not_written_again(store: CheckedStore) -> None:
    with Executor(store) as executor:
        handle = executor.execute(waits_and_returns, id="w")
        waiting(store)
        executor._engine.save(handle._run)  # type: ignore[arg-type]
        executor.execute(quick).result(10)  # saved after it
        assert len(store.documents["w"]) == 2


def test_a_form_that_was_opened_before_the_wait_was_stored_is_told_so(
    any_store: WorkflowStore,
) -> None:
    with Executor(any_store) as executor:
        handle = executor.execute(waits_and_returns, id="w")
        until(lambda: handle.waiting_for)
        opened = load(any_store)
        waiting(any_store)
        if opened.waits is UNSET:  # else the machine was too slow
            with pytest.raises(StoreConflictError):
                any_store.save(opened.replace(input="edited"))
        any_store.save(load(any_store).replace(input="edited"))
        assert load(any_store).waits == Waits(at=1, signals=("go",))


def test_a_plain_server_gets_no_write_for_it() -> None:
    with plain_server() as server, inb.InngestStore(server.url) as client:
        with Executor(client) as executor:
            handle = executor.execute(waits_and_returns, id="w")
            until(lambda: handle.waiting_for and handle._run.settle())  # type: ignore[union-attr]
            executor.execute(quick).result(10)  # saved after whatever was to be saved by then
            executor.signal("w", Signal("go", 7))
            assert handle.result(10) == 7
        puts = [path for method, path, _ in server.seen if method == "PUT" and path.endswith("/w")]
    assert len(puts) == 3  # the start, the signal and the end


@pytest.mark.parametrize("order", ["the note comes too late", "the note comes in between"])
def test_a_run_that_was_stopped_beside_its_note_is_left_to_others(
    order: str, caplog: pytest.LogCaptureFixture
) -> None:
    held, go, noted = threading.Event(), threading.Event(), threading.Event()

    class Slow(CheckedStore):
        def load(self, workflow_id: str) -> WorkflowState | None:
            found = super().load(workflow_id)
            if threading.current_thread().name == "inngest-nb-lease" and "between" in order:
                go.set()
                assert noted.wait(30)
            return found

        def append_history(self, writes: Sequence[Write]) -> list[BaseException | None]:
            is_note = b'"Waits"' in writes[0].document
            if is_note:
                held.set()
                assert go.wait(30)
            outcomes = super().append_history(writes)
            if is_note:
                noted.set()
            return outcomes

    with Slow() as store, Executor(store) as executor:
        handle = executor.execute(waits_and_returns, id="w")
        assert held.wait(30)
        handle._run.suspend(EngineError("stopped by the test"))  # type: ignore[union-attr]
        until(lambda: not load(store).owner)
        go.set()
        assert noted.wait(30)
        with Executor(store) as other:
            resumed = other.resume(waits_and_returns, "w")
            other.signal("w", Signal("go", 7))
            assert resumed.result(10) == 7
        with pytest.raises(EngineError, match="stopped by the test"):
            handle.result(10)
    assert "was stopped here" not in caplog.text
