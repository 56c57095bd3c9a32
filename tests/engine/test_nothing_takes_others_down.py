"""Whatever is raised wherever others' code runs: that run ends with words, the others go on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from crashes import wait_until_saved

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    Hooks,
    MemoryStore,
    Signal,
    WorkflowContext,
    WorkflowState,
    Write,
    workflow,
)
from inngest_nb.errors import EngineError, ExecutorClosedError, WorkflowAlreadyRunningError


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


class Fundamental(BaseException):
    pass


def circular() -> BaseException:
    error = ValueError("goes round")
    error.__cause__ = error
    return error


def deep() -> BaseException:
    error = ValueError("the last")
    for _ in range(5_000):
        outer = ValueError("another")
        outer.__cause__, error = error, outer
    return error


ERRORS: dict[str, Callable[[], BaseException]] = {
    "Exception": lambda: Exception("plain"),
    "BaseException": lambda: Fundamental("base"),
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "RecursionError": lambda: RecursionError("too deep"),
    "MemoryError": MemoryError,
    "CancelledError": asyncio.CancelledError,
    "no text": UnspeakableError,
    "cycle of causes": circular,
    "5,000 causes": deep,
    "group": lambda: BaseExceptionGroup("many", [ValueError("one"), SystemExit(1)]),
}


class World:
    """Where an error is raised, and what it is."""

    def __init__(self, error: Callable[[], BaseException]) -> None:
        self.error = error

    def plain(self, _: Any = None) -> Any:
        raise self.error()

    async def asynchronous(self, _: Any = None) -> Any:
        raise self.error()

    async def child_task(self, _: Any = None) -> Any:
        await asyncio.gather(self.asynchronous(), asyncio.sleep(0))

    async def forgotten_task(self, _: Any = None) -> Any:
        task = asyncio.ensure_future(self.asynchronous())
        await asyncio.sleep(0)
        await task

    async def closing(self, _: Any = None) -> Any:
        try:
            return await asyncio.sleep(0)
        finally:
            raise self.error()

    def items(self) -> Iterator[int]:
        yield 1
        raise self.error()


async def same(given: Any) -> Any:
    return given


def of_activity(name: str) -> Callable[[World], Callable[..., Any]]:
    def make(world: World) -> Callable[..., Any]:
        async def workflow(ctx: AsyncWorkflowContext) -> Any:
            return await ctx.execute_activity(getattr(world, name))

        return workflow

    return make


def of_code(name: str) -> Callable[[World], Callable[..., Any]]:
    def make(world: World) -> Callable[..., Any]:
        async def workflow(ctx: AsyncWorkflowContext) -> Any:
            await ctx.execute_activity(same, 1)
            return await getattr(world, name)()

        return workflow

    return make


def plain_code(world: World) -> Callable[..., Any]:
    def workflow(ctx: WorkflowContext) -> Any:
        return world.plain()

    return workflow


def plain_activity(world: World) -> Callable[..., Any]:
    def workflow(ctx: WorkflowContext) -> Any:
        return ctx.execute_activity(world.plain)

    return workflow


def unlisted(world: World) -> Callable[..., Any]:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.map(same, world.items())

    return workflow


PLACES: dict[str, Callable[[World], Callable[..., Any]]] = {
    "a plain activity": of_activity("plain"),
    "an async activity": of_activity("asynchronous"),
    "an activity's child task": of_activity("child_task"),
    "an activity's own task": of_activity("forgotten_task"),
    "an activity's finally": of_activity("closing"),
    "the code": of_code("asynchronous"),
    "the code's child task": of_code("child_task"),
    "the code's finally": of_code("closing"),
    "plain code": plain_code,
    "a plain workflow's activity": plain_activity,
    "the items of a map": unlisted,
}


@workflow
async def neighbour(ctx: AsyncWorkflowContext) -> Any:
    await ctx.receive_signal("go")
    return await ctx.map(same, range(3))


def lets_others_live(executor: Executor, fn: Callable[..., Any]) -> BaseException:
    """Run a function beside another run, and return how it ended; the other must end right."""
    other = executor.execute(neighbour)
    handle = executor.execute(fn)
    with pytest.raises(EngineError) as caught:
        handle.result(60)
    executor.signal(other.id, Signal("go"))
    assert other.result(60) == [0, 1, 2]
    after = executor.execute(neighbour)
    executor.signal(after.id, Signal("go"))
    assert after.result(60) == [0, 1, 2]
    return caught.value


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("error", ERRORS)
def test_what_code_raises_ends_its_own_run(place: str, error: str) -> None:
    with Executor() as executor:
        ended = lets_others_live(executor, PLACES[place](World(ERRORS[error])))
    assert str(ended)


@pytest.mark.parametrize("error", ERRORS)
def test_what_a_hook_raises_ends_nothing(error: str) -> None:
    world = World(ERRORS[error])

    def raises(_: str, __: Any) -> None:
        world.plain()

    hooks = Hooks(on_activity_start=raises, on_workflow_complete=raises, on_signal=raises)
    with Executor(hooks=hooks) as executor:
        for _ in range(2):
            handle = executor.execute(neighbour)
            executor.signal(handle.id, Signal("go"))
            assert handle.result(60) == [0, 1, 2]


class Breaking(MemoryStore):
    """Raises, or answers nonsense, when the run of a certain id is written."""

    def __init__(self, answer: Callable[[int], Any]) -> None:
        super().__init__()
        self.answer = answer

    def append_history(self, writes: Sequence[Write]) -> list[BaseException | None]:
        if any(write.workflow_id == "bad" for write in writes):
            return self.answer(len(writes))  # type: ignore[no-any-return]
        return super().append_history(writes)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("how", ["raised", "returned"])
def test_what_a_store_raises_stops_the_run_that_was_saved(error: str, how: str) -> None:
    def answer(count: int) -> Any:
        if how == "raised":
            raise ERRORS[error]()
        return [ERRORS[error]() for _ in range(count)]

    breaks_alone(answer)


@pytest.mark.parametrize("nonsense", [[], [None] * 9, None, ["ok"], 7])
def test_a_store_s_answer_that_makes_no_sense_stops_the_run_that_was_saved(nonsense: Any) -> None:
    breaks_alone(lambda _: nonsense)


def breaks_alone(answer: Callable[[int], Any]) -> None:
    with Breaking(answer) as store, Executor(store) as executor:
        other = executor.execute(neighbour)
        executor.signal(other.id, Signal("warm up"))
        with pytest.raises(EngineError, match="'bad' was stopped"):
            executor.execute(neighbour, id="bad").result(60)
        executor.signal(other.id, Signal("go"))
        assert other.result(60) == [0, 1, 2]


class Faulty:
    """A clock that stops working."""

    def __init__(self, error: Callable[[], BaseException]) -> None:
        self.error = error
        self.broken = False

    def now(self) -> datetime:
        if self.broken:
            raise self.error()
        return datetime.now(UTC)

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Any:
        raise self.error()


@pytest.mark.parametrize("error", ["Exception", "BaseException", "SystemExit", "no text"])
def test_a_clock_that_fails_stops_the_run_that_asked_it(error: str) -> None:
    clock = Faulty(ERRORS[error])

    def breaks(_: Any) -> None:
        clock.broken = True

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(breaks)

    with Executor(clock=clock) as executor:
        other = executor.execute(neighbour)
        with pytest.raises(EngineError, match="stopped by an error outside of its code"):
            executor.execute(workflow).result(60)
        clock.broken = False
        executor.signal(other.id, Signal("go"))
        assert other.result(60) == [0, 1, 2]


def test_what_json_cannot_hold_ends_the_activity_and_no_worker() -> None:

    def nested(_: Any) -> Any:
        value: Any = None
        for _ in range(600):
            value = [value]
        return value

    async def nested_too(_: Any) -> Any:
        return nested(0)

    with Executor(workers=2) as executor:
        for fn in (nested, nested, nested, nested_too):
            lets_others_live(executor, runs(fn))


def runs(fn: Callable[..., Any], given: Callable[[], Any] = lambda: 1) -> Callable[..., Any]:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.execute_activity(fn, given())

    return workflow


class Opaque(Mapping[str, Any]):
    """A payload that raises when it is looked at."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __len__(self) -> int:
        return 1

    def __getitem__(self, key: str) -> Any:
        return self.world.plain()

    def __iter__(self) -> Iterator[str]:
        self.world.plain()
        yield ""


@dataclass
class Record:
    """One that raises within a dataclass, where it is looked at later."""

    inner: Any


ENCODED: dict[str, Callable[[World], Callable[..., Any]]] = {
    "an activity's input": lambda world: runs(same, lambda: Record(Opaque(world))),
    "a plain activity's result": lambda world: runs(lambda _: Opaque(world)),
    "an async activity's result": lambda world: runs(returns(Opaque(world))),
    "the workflow's result": lambda world: returns(Record(Opaque(world))),
    "a child's input": lambda world: has_child(Opaque(world)),
}


@pytest.mark.parametrize("place", ENCODED)
@pytest.mark.parametrize("error", ERRORS)
def test_a_payload_that_raises_ends_its_own_run(place: str, error: str) -> None:
    with Executor(workers=2) as executor:
        lets_others_live(executor, ENCODED[place](World(ERRORS[error])))


def returns(value: Any) -> Callable[..., Any]:
    async def fn(_: Any) -> Any:
        return value

    return fn


def has_child(given: Any) -> Callable[..., Any]:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.execute_workflow(returns(1), given)

    return workflow


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("error", ERRORS)
def test_what_a_finalizer_raises_ends_nothing(error: str) -> None:
    world = World(ERRORS[error])

    class Litter:
        def __del__(self) -> None:
            world.plain()

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            world.plain()

    async def litters(_: Any) -> None:
        Litter()
        generator = endless()
        await anext(generator)

    def litters_plainly(_: Any) -> None:
        Litter()

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        Litter()
        generator = endless()
        await anext(generator)
        del generator
        await ctx.execute_activity(litters)
        await ctx.execute_activity(litters_plainly)
        return await ctx.map(same, range(2))

    with Executor() as executor:
        other = executor.execute(neighbour)
        assert executor.execute(workflow).result(60) == [0, 1]
        executor.signal(other.id, Signal("go"))
        assert other.result(60) == [0, 1, 2]


class Whole:
    """A store that takes whole states only, and raises when those of a certain id are saved."""

    def __init__(self, error: Callable[[], BaseException]) -> None:
        self._store, self._error = MemoryStore(), error

    def save(self, state: WorkflowState) -> None:
        if state.workflow_id == "bad":
            raise self._error()
        self._store.save(state)

    def __getattr__(self, name: str) -> Any:
        if name in ("load", "delete", "list", "fetch", "refresh", "close"):
            return getattr(self._store, name)
        raise AttributeError(name)


@pytest.mark.parametrize("error", ERRORS)
def test_what_a_store_of_whole_states_raises_stops_the_run_that_was_saved(error: str) -> None:
    with Executor(Whole(ERRORS[error])) as executor:  # type: ignore[arg-type]  # by its verbs
        other = executor.execute(neighbour, id="other")
        with pytest.raises(EngineError, match="'bad' was stopped"):
            executor.execute(neighbour, id="bad").result(60)
        executor.signal("other", Signal("go"))
        assert other.result(60) == [0, 1, 2]


class Sharing(MemoryStore):
    """Raises when one of its methods for several processes is called, while it is told to."""

    def __init__(self, method: str, error: Callable[[], BaseException]) -> None:
        super().__init__()
        self.method, self.error = method, error
        self.broken, self.raised = False, threading.Event()
        for name in ("hold_lease", "send", "receive", "discard", "abandoned"):
            setattr(self, name, partial(self._call, name, getattr(super(), name)))

    def _call(self, name: str, method: Callable[..., Any], *args: Any, **more: Any) -> Any:
        if self.broken and name == self.method:
            self.raised.set()
            raise self.error()
        return method(*args, **more)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("method", ["hold_lease", "receive", "discard", "abandoned"])
def test_what_a_shared_store_raises_ends_no_thread(method: str, error: str) -> None:
    with (
        Sharing(method, ERRORS[error]) as store,
        Executor(store, lease=timedelta(seconds=1), supervise=True) as executor,
    ):
        handle = executor.execute(neighbour)
        wait_until_saved(store, handle)
        store.broken = True
        while not store.raised.wait(0.05):
            signal_from_elsewhere(store, handle.id, "warm up")  # some is called after a message
        store.broken = False
        with Executor(store) as other:
            other.execute(neighbour, id="left")
        for workflow_id in (handle.id, "left"):
            signal_from_elsewhere(store, workflow_id, "go")
            assert executor.handle(workflow_id).result(30) == [0, 1, 2]


class Hesitant(MemoryStore):
    """Answers the first who asks what it supports only after somebody else has had an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.used = threading.Event(), threading.Event()

    def can_share(self) -> bool:
        if not self.asked.is_set():
            self.asked.set()
            assert self.used.wait(60)
        return super().can_share()


def test_two_that_begin_to_use_an_executor_at_once_share_its_threads() -> None:
    with Hesitant() as store, Executor(store) as executor:
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(executor.execute, neighbour, id="late")
            assert store.asked.wait(60)
            early = executor.execute(neighbour, id="early")
            store.used.set()
            handles = early, late.result(60)
        for handle in handles:
            wait_until_saved(store, handle)
            signal_from_elsewhere(store, handle.id, "go")
            assert handle.result(30) == [0, 1, 2]


def signal_from_elsewhere(store: MemoryStore, workflow_id: str, name: str) -> None:
    with Executor(store) as elsewhere:
        elsewhere.signal(workflow_id, Signal(name))


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("method", ["hold_lease", "send", "discard"])
def test_what_a_shared_store_raises_leaves_no_thread_behind(method: str, error: str) -> None:
    before = set(threading.enumerate())
    with Sharing(method, ERRORS[error]) as store:
        executor = Executor(store)
        executor.execute(neighbour)
        store.broken = True
        with contextlib.suppress(BaseException):
            executor.close()
        assert store.raised.is_set()
        left = {thread.name for thread in set(threading.enumerate()) - before}
        assert left <= {"inngest-nb-messages"}  # which ends when what it waits for has come


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_an_interrupt_while_closing_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    executor = Executor()
    handle = executor.execute(neighbour)

    main = threading.get_ident()

    def interrupt() -> None:
        with contextlib.suppress(ExecutorClosedError):
            while True:
                with contextlib.suppress(WorkflowAlreadyRunningError):
                    executor.execute(neighbour, id=handle.id)
        while sys._current_frames()[main].f_code.co_name != "wait":  # for the run
            pass
        os.kill(os.getpid(), signal.SIGINT)

    other = threading.Thread(target=interrupt)
    other.start()
    with pytest.raises(KeyboardInterrupt):
        executor.close(timeout=60)
    other.join()
    assert set(threading.enumerate()) <= before
    with pytest.raises(ExecutorClosedError):
        handle.result(60)


NO_THREADS = """
import resource
import inngest_nb as inb

def waits(ctx):
    return ctx.receive_signal("go")

async def same(given):
    return given

async def neighbour(ctx):
    await ctx.receive_signal("go")
    return await ctx.map(same, range(3))

with inb.Executor() as executor, open("/proc/self/statm") as size:
    other, plain = executor.execute(neighbour), executor.execute(waits)
    executor.signal(other.id, inb.Signal("warm up"))
    used = int(size.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 100 * 2**20, -1))
    stopped = 0
    for _ in range(100):
        handle = executor.execute(waits)
        try:
            handle.result(0.2)
        except TimeoutError:
            continue
        except inb.errors.EngineError as error:
            assert "can't start new thread" in str(error), error
            assert executor.store.load(handle.id).status == "running"
            stopped += 1
            if stopped == 5:
                break
    for each in (other, plain):
        executor.signal(each.id, inb.Signal("go", "signal"))
    print(stopped, other.result(60), plain.result(20))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's memory")
def test_a_run_that_no_thread_is_to_be_had_for_is_stopped_and_others_go_on() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_THREADS], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout == "5 [0, 1, 2] signal\n", done.stderr[-2000:]


def test_a_failed_run_keeps_its_words_in_the_store() -> None:
    with Executor() as executor:
        with pytest.raises(EngineError):
            executor.execute(of_code("asynchronous")(World(circular)), id="w").result(60)
        stored: WorkflowState | None = executor.store.load("w")
        assert stored is not None
        assert (str(stored.status), stored.error) == ("failed", "ValueError: goes round")
