"""Runs that are watched, outside of a notebook: handles, the stop button, lines in a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from form_driver import words
from started_threads import left_since, threads
from watched_terminal import WatchedTerminal

import inngest_nb as inb
from inngest_nb.errors import (
    ExecutorClosedError,
    StoreError,
    WorkflowAlreadyRunningError,
    WorkflowCanceledError,
    WorkflowEndedError,
    WorkflowFailedError,
    WorkflowNotSavedError,
)

# How often it paints depends on the size of pictures, which only a screen of ours can decide.
from inngest_nb.notebook.live._painter import Painter
from inngest_nb.notebook.timeline import Picture

A_SECOND = 10.0  # or what becomes of it on a busy machine; unheard, the button is so for ever


def double(number: int) -> int:
    return 2 * number


def quick(ctx: inb.WorkflowContext, number: int) -> int:
    return int(ctx.execute_activity(double, number))


def broken(ctx: inb.WorkflowContext) -> None:
    ctx.execute_activity(refuse)


def refuse() -> None:
    raise RuntimeError("card declined")


async def until_told(ctx: inb.AsyncWorkflowContext) -> Any:
    return await ctx.receive_signal("go")


@contextmanager
def interrupted_once(running: threading.Event) -> Iterator[list[float]]:
    """Press Ctrl-C, so to speak, once something is running; give the time of that."""
    pressed: list[float] = []

    def press() -> None:
        assert running.wait(60)
        pressed.append(time.monotonic())
        # To this thread: the main one must notice by itself, as it must when it is just falling asleep.
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    yield pressed
    thread.join()


class Telling:
    """A store that tells when the first state has been saved, and can be made to refuse or hang."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go_on = threading.Event()
        self.loads = threading.Event()
        self.go_on.set()
        self.loads.set()
        self.refuses = False
        self.on_load: Callable[[], object] = lambda: None
        self._saved = threading.Condition()
        self._kept = inb.MemoryStore()
        self.list, self.delete = self._kept.list, self._kept.delete

    def load(self, workflow_id: str) -> inb.WorkflowState | None:
        self.on_load()
        self.loads.wait(20)
        return self._kept.load(workflow_id)

    def save(self, state: inb.WorkflowState) -> None:
        self.go_on.wait(20)
        if self.refuses:
            raise StoreError("no space left on device")
        with self._saved:
            self._kept.save(state)
            self._saved.notify_all()
        self.began.set()

    def has_saved(self, workflow_id: str, status: str) -> bool:
        """Wait until a workflow is saved with this status."""

        def saved() -> bool:
            state = self._kept.load(workflow_id)
            return state is not None and state.status == status

        with self._saved:
            return self._saved.wait_for(saved, 10)


@pytest.fixture
def store() -> Iterator[Telling]:
    telling = Telling()
    yield telling
    telling.go_on.set()
    telling.loads.set()


def test_run_returns_a_handle_of_a_run_that_has_ended(tmp_path: Path) -> None:
    with inb.SqliteStore(tmp_path / "state.db") as kept:
        live = inb.run(quick, 21, store=kept, id="order-1")
        assert (live.id, live.status, live.result()) == ("order-1", "completed", 42)
        assert kept.load("order-1") == live.state
        assert live.store is kept


def test_a_workflow_that_failed_is_shown_and_its_result_raises(
    capfd: pytest.CaptureFixture[str],
) -> None:
    live = inb.run(broken)
    assert live.status == "failed"
    assert "card declined" in capfd.readouterr().err
    with pytest.raises(WorkflowFailedError, match="card declined"):
        live.result()


def test_start_returns_at_once_and_the_run_goes_on_until_it_gets_its_signal() -> None:
    live = inb.start(until_told)
    assert live.status == "running"
    live.signal("go", {"by": "Ada"})
    assert live.wait().result() == {"by": "Ada"}


def test_a_page_that_asks_sees_the_run_up_to_its_end_and_then_asks_no_more() -> None:
    live = inb.start(until_told)
    shown = live._display_()  # marimo calls it
    assert "running" in words(shown.html)
    shown._handle_custom_msg({"kind": "look"}, [])
    assert not shown.over
    live.signal("go")
    live.wait()
    assert "running" in words(shown.html)  # nobody has asked
    shown._handle_custom_msg({"kind": "look"}, [])
    assert "✓ completed" in words(shown.html)
    assert shown.over
    shown.close()


def test_a_started_run_can_be_canceled_once() -> None:
    live = inb.start(until_told)
    assert live.cancel()
    assert live.wait().status == "canceled"
    assert not live.cancel()


def test_runs_on_one_store_know_of_each_other() -> None:
    kept = inb.MemoryStore()
    live = inb.start(until_told, store=kept, id="one")
    with pytest.raises(WorkflowAlreadyRunningError, match="cancel"):
        inb.start(until_told, store=kept, id="one")
    assert inb.start(quick, 1, store=kept, id="two").executor is live.executor
    live.cancel()
    with pytest.raises(WorkflowEndedError, match="if_ended="):
        inb.run(quick, 3, store=kept, id="one")
    assert inb.run(quick, 3, store=kept, id="one", if_ended="replace").result() == 6


def ends_as_canceled(store: inb.WorkflowStore, workflow_id: str) -> None:
    """Wait for the end, which whoever pressed the button does not wait for on a busy machine."""
    deadline = time.monotonic() + 60
    while (stored := store.load(workflow_id)) is None or stored.status == "running":
        assert time.monotonic() < deadline
    assert stored.status == "canceled"


def test_the_stop_button_cancels_run_within_a_second(store: Telling) -> None:
    with interrupted_once(store.began) as pressed, pytest.raises(KeyboardInterrupt):
        inb.run(until_told, store=store, id="stopped")
    assert time.monotonic() - pressed[0] < A_SECOND
    ends_as_canceled(store, "stopped")


def test_the_stop_button_cancels_what_is_awaited_within_a_second(store: Telling) -> None:
    awaiting = threading.Event()

    async def main() -> None:
        live = inb.start(until_told, store=store, id="stopped")
        asyncio.get_running_loop().call_later(0.05, awaiting.set)
        await live

    with interrupted_once(awaiting) as pressed, pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert time.monotonic() - pressed[0] < A_SECOND
    ends_as_canceled(store, "stopped")


def test_a_loop_that_sleeps_hears_of_the_stop_button(store: Telling) -> None:
    awaiting = threading.Event()

    async def main() -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        signal.signal(signal.SIGINT, lambda *_: loop.call_soon(task.cancel))  # as kernels do it
        live = inb.start(until_told, store=store, id="stopped")
        loop.call_later(0.05, awaiting.set)
        await live

    before = signal.getsignal(signal.SIGINT)
    try:
        with interrupted_once(awaiting) as pressed, pytest.raises(asyncio.CancelledError):
            asyncio.run(main())
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - pressed[0] < A_SECOND
    assert store.has_saved("stopped", "canceled")


def test_the_stop_button_works_while_the_store_hangs(store: Telling) -> None:
    hanging = threading.Event()

    def hang() -> None:
        assert store.began.wait(60)
        store.go_on.clear()
        hanging.set()

    threading.Thread(target=hang).start()
    with interrupted_once(hanging) as pressed, pytest.raises(KeyboardInterrupt):
        inb.run(until_told, store=store, id="stopped")
    assert time.monotonic() - pressed[0] < A_SECOND
    store.go_on.set()
    assert store.has_saved("stopped", "canceled")


def test_the_stop_button_is_heard_before_the_run_has_begun(store: Telling) -> None:
    store.loads.clear()
    asked = threading.Event()
    store.on_load = asked.set
    with interrupted_once(asked) as pressed, pytest.raises(KeyboardInterrupt):
        inb.run(until_told, store=store, id="stopped")
    assert time.monotonic() - pressed[0] < A_SECOND
    store.loads.set()
    assert store.has_saved("stopped", "canceled")


def test_giving_up_an_await_leaves_the_run_alone() -> None:
    async def main() -> None:
        live = inb.start(until_told)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(live, 0.05)
        waiting = asyncio.ensure_future(_result(live))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert live.status == "running"
        live.signal("go", 1)
        assert await live == 1

    asyncio.run(main())


async def _result(live: Any) -> Any:
    return await live


def test_awaiting_raises_what_made_the_run_fail() -> None:
    async def main() -> None:
        with pytest.raises(WorkflowFailedError):
            await inb.start(broken)
        canceled = inb.start(until_told)
        canceled.cancel()
        with pytest.raises(WorkflowCanceledError):
            await canceled

    asyncio.run(main())


def test_whoever_handled_the_stop_button_before_does_so_again_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)

    async def main() -> None:
        first, second = inb.start(until_told), inb.start(until_told)
        both = asyncio.gather(_result(first), _result(second))
        await asyncio.sleep(0)
        first.signal("go", 1)
        second.signal("go", 2)
        assert await both == [1, 2]
        assert await inb.start(quick, 2) == 4

    asyncio.run(main())
    assert signal.getsignal(signal.SIGINT) is before
    inb.run(quick, 1)
    assert signal.getsignal(signal.SIGINT) is before


def test_runs_can_be_waited_for_in_other_threads() -> None:
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(inb.run(quick, 4).result())),
        threading.Thread(target=lambda: results.append(asyncio.run(_result(inb.start(quick, 4))))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [8, 8]


def test_a_run_that_cannot_be_saved_says_so(
    store: Telling, capfd: pytest.CaptureFixture[str]
) -> None:
    store.refuses = True
    with pytest.raises(WorkflowNotSavedError, match="no space left"):
        inb.run(quick, 1, store=store)
    assert "no space left" in capfd.readouterr().err


def test_a_file_gets_a_line_at_the_begin_and_one_at_the_end(
    capfd: pytest.CaptureFixture[str],
) -> None:
    live = inb.start(until_told, id="order-1")
    live.signal("go")
    live.wait()
    out, err = capfd.readouterr()
    begin, end = err.splitlines()
    assert out == ""
    assert re.fullmatch(r"order-1: ◐ running, .* so far", begin)
    assert re.fullmatch(r"order-1: ✓ completed, \S+ m?s", end)


def test_a_terminal_gets_one_line_that_changes_and_then_the_picture() -> None:
    with WatchedTerminal() as terminal:
        live = inb.start(until_told, id="order-1")
        terminal.shown(r"(?s)(running.*){3}")  # time goes on
        live.signal("go")
        live.wait()
        first, *changing, last = terminal.shown("received").split("\r\x1b[K")
    assert first == ""
    assert len(changing) >= 3
    for line in changing:
        assert re.fullmatch(r"order-1: ◐ running, .* so far", line)
    assert last.startswith("order-1: ✓ completed")
    assert "signal go |" in last


def test_a_terminal_tells_activities_of_one_name_apart() -> None:
    told = threading.Event()

    def get(number: int) -> None:
        assert told.wait(20)

    async def both(ctx: inb.AsyncWorkflowContext) -> None:
        await asyncio.gather(*(ctx.execute_activity(get, number) for number in (1, 2)))

    with WatchedTerminal() as terminal:
        live = inb.start(both, id="w")
        terminal.shown(r"so far: get 1, \S+ m?s, get 2, \S+ m?s(\r|$)")
        told.set()
        live.wait()


def test_a_terminal_that_knows_no_marks_gets_the_words_all_the_same() -> None:
    bytes_of = io.BytesIO()
    stream = io.TextIOWrapper(bytes_of, encoding="ascii")
    with contextlib.redirect_stderr(stream):
        inb.run(quick, 1, id="order-1")
        *before, end = bytes_of.getvalue().splitlines()
        # It may have ended before anything of it was shown.
        assert all(line.startswith((b"order-1: ? running", b"order-1: ? comp")) for line in before)
        assert end.startswith(b"order-1: ? completed")


@pytest.mark.parametrize("closed", ["before", "meanwhile"])
def test_a_run_goes_on_where_its_terminal_was_closed(closed: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with contextlib.redirect_stderr(stream):
        if closed == "before":
            stream.close()
        live = inb.start(until_told)
        stream.close()
        live.signal("go", 7)
        assert live.wait().result() == 7


class Counting:
    """A screen that keeps what it is shown."""

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self.pictures: list[Picture] = []
        self.last: list[bool] = []

    def show(self, picture: Picture, *, last: bool) -> int:
        self.pictures.append(picture)
        self.last.append(last)
        return self.size


async def hundred_steps(ctx: inb.AsyncWorkflowContext) -> None:
    for number in range(100):
        await ctx.execute_activity(double, number)
    await ctx.sleep(1)


@pytest.mark.parametrize(("size", "at_most"), [(1, 8), (1_000_000, 2)])
def test_pictures_are_few_however_much_happens(size: int, at_most: int) -> None:
    screen = Counting(size)
    with inb.Executor() as executor:
        painter = Painter(executor.execute(hundred_steps), screen)
        painter.start()
        painter.drawn.result(60)
    assert 2 <= len(screen.pictures) <= at_most + 2
    assert screen.last == [False] * (len(screen.last) - 1) + [True]
    assert screen.pictures[0].state.status == "running"
    assert screen.pictures[-1].state.status == "completed"
    assert len(screen.pictures[-1].state.history) == 203


def test_an_executor_that_is_closed_ends_the_pictures_and_says_why(
    capfd: pytest.CaptureFixture[str],
) -> None:
    live = inb.start(until_told, id="order-1")
    live.executor.close()
    with pytest.raises(ExecutorClosedError):
        live.wait()
    _, end = capfd.readouterr().err.splitlines()
    assert end.startswith("order-1: ⊘ stopped here")
    assert "Stopped here: " in end
    assert "the executor was closed" in end


def test_no_painter_is_left_behind() -> None:
    before = threads()
    for _ in range(5):
        inb.run(quick, 1)
    assert "inngest-nb-painter" not in left_since(before)
