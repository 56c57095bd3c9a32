"""A store that fails for a while: each run's save waits for itself, and is repeated in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from inngest_nb import AsyncWorkflowContext, EventType, Executor, MemoryStore, Signal, Write
from inngest_nb.engine.basics._patience import pause_after
from inngest_nb.errors import StoreConnectionError, StoreStatusError, WorkflowNotSavedError

UNWELL = StoreStatusError(operation="append", status=503)


class Troubled(MemoryStore):
    """Fails some runs' saves as long as it is told to, and counts what it was asked."""

    def __init__(self, is_bad: Callable[[str], bool], error: BaseException = UNWELL) -> None:
        super().__init__()
        self.is_bad = is_bad
        self.error = error
        self.well = threading.Event()
        self.failed = threading.Semaphore(0)
        self.requests: list[list[str]] = []

    def append_history(self, writes: Sequence[Write]) -> list[BaseException | None]:
        self.requests.append([write.workflow_id for write in writes])
        if self.well.is_set():
            return super().append_history(writes)
        good = [write for write in writes if not self.is_bad(write.workflow_id)]
        outcomes = iter(super().append_history(good))
        told = [self.error if self.is_bad(w.workflow_id) else next(outcomes) for w in writes]
        for _ in range(len(writes) - len(good)):
            self.failed.release()
        return told


async def same(number: int) -> int:
    return number


async def many(ctx: AsyncWorkflowContext, count: int) -> int:
    return sum([await ctx.execute_activity(same, n) for n in range(count)])


def test_other_runs_go_on_while_a_save_is_repeated() -> None:
    store = Troubled(lambda name: name.startswith("bad"))
    with store, Executor(store) as executor:
        bad = [executor.execute(many, id=f"bad{n}", input=3) for n in range(3)]
        for _ in bad:
            assert store.failed.acquire(timeout=60)
        assert executor.execute(many, input=50).result(60) == 1225
        assert not any(handle._run.is_over for handle in bad), "they took the others' time"
        store.well.set()
        assert [handle.result(60) for handle in bad] == [3, 3, 3]


def test_runs_whose_saves_failed_together_are_repeated_together() -> None:
    """So a store that is away is not asked once for each of them."""
    error = StoreConnectionError("append: no answer", operation="append")
    store = Troubled(lambda _: True, error)
    with store, Executor(store) as executor:
        store.well.set()
        waiting = [executor.execute(waits, id=f"w{n}") for n in range(20)]
        for handle in waiting:
            executor.signal(handle.id, Signal("first"))
        store.well.clear()
        for handle in waiting:
            handle._run.record(EventType.SIGNAL_RECEIVED, signal_name="second", signal_payload=1)
        for _ in range(40):
            assert store.failed.acquire(timeout=60)
        assert any(len(names) == 20 for names in store.requests)
        store.well.set()
        assert [handle.result(60) for handle in waiting] == [1] * 20


async def waits(ctx: AsyncWorkflowContext) -> Any:
    await ctx.receive_signal("first")
    return await ctx.receive_signal("second")


def test_what_happens_while_a_save_is_repeated_is_saved_after_it() -> None:
    store = Troubled(lambda _: True)
    with store, Executor(store) as executor:
        handle = executor.execute(waits, id="w")
        assert store.failed.acquire(timeout=60)
        sent = [
            threading.Thread(target=executor.signal, args=("w", Signal(name, name)))
            for name in ("first", "second")
        ]
        for thread in sent:
            thread.start()
        deadline = time.monotonic() + 60
        while len(handle.state.history) < 3:
            assert time.monotonic() < deadline
        store.well.set()
        assert handle.result(60) in ("first", "second")
        for thread in sent:
            thread.join(10)
        stored = store.load("w")
        assert stored is not None
        assert stored.history == handle.state.history


def test_a_save_that_never_succeeds_stops_its_run_alone_and_after_a_while() -> None:
    store = Troubled(lambda name: name == "bad")
    # Two pauses fit in, and a third one does not.
    with store, Executor(store, store_patience=0.5) as executor:
        bad = executor.execute(many, id="bad", input=1)
        with pytest.raises(WorkflowNotSavedError, match="503"):
            bad.result(60)
        assert len(store.requests) == 3
        assert executor.execute(many, input=5).result(60) == 10


def test_closing_does_not_wait_for_what_would_be_repeated_later() -> None:
    store = Troubled(lambda _: True)
    executor = Executor(store)
    handle = executor.execute(many, input=1)
    for _ in range(4):
        assert store.failed.acquire(timeout=60)
    begun = time.monotonic()
    executor.close()
    assert time.monotonic() - begun < 3.8  # the next pause takes more than 4 s
    with pytest.raises(Exception, match="closed"):
        handle.result(60)


def test_pauses_grow_to_five_seconds_and_differ_by_chance() -> None:
    pauses = [round(pause_after(n, 0.5), 3) for n in range(1, 7)]
    assert pauses == [0.05, 0.2, 0.8, 3.2, 5.0, 5.0]
    assert pause_after(3, 0) == pytest.approx(0.64)
    assert pause_after(10**6, 1) == pytest.approx(6.0)
