"""What many displays of a form leave behind: no thread, no file, no widget."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from open_widgets import close_widgets, open_widgets

import inngest_nb as inb
from inngest_nb import MemoryStore, SqliteStore, WorkflowState
from inngest_nb.notebook.forms import DeleteForm, SaveForm

PATIENCE = 60


@pytest.fixture(autouse=True)
def forms_of_other_tests_are_closed() -> None:
    """Close what other tests left open: it may still follow a run."""
    close_widgets()
    until_no_thread_is_left()


async def asking(ctx: Any) -> Any:
    return await ctx.receive_signal("approve")


def threads_of_forms() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "inngest-nb-form"]


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline


def until_no_thread_is_left() -> None:
    deadline = time.monotonic() + PATIENCE
    while threads := threads_of_forms():
        assert time.monotonic() < deadline
        threads[0].join(1)


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
def test_fifty_signal_forms_on_a_waiting_run_need_no_thread_and_no_file_each(
    tmp_path: Path,
) -> None:
    with SqliteStore(tmp_path / "states.db") as store:
        live = inb.start(asking, store=store, id="request-7")
        while store.load("request-7") is None:  # else a form finds nothing that it could follow
            pass
        before = len(os.listdir("/proc/self/fd"))
        forms = [inb.signal_form(store, "request-7") for _ in range(50)]
        for form in forms:
            form.wait()
        # Those that look at the very same moment have a thread, and that has the file open.
        until(
            lambda: len(threads_of_forms()) <= 5 and len(os.listdir("/proc/self/fd")) <= before + 15
        )
        live.signal("approve")
        live.result(PATIENCE)
        until_no_thread_is_left()
        assert all("has completed" in form.ended.markup for form in forms)


def test_forms_that_are_closed_leave_no_thread_no_widget_and_no_memory() -> None:
    store = MemoryStore()
    live = inb.start(asking, store=store, id="request-7")
    store.save(WorkflowState(workflow_id="order-7", status="failed"))
    ended = inb.run(inb.samples.fan_out, {"speed": 1_000}, store=store)

    def show_each() -> list[Any]:
        forms = [
            inb.save_form(store),
            inb.save_form(store, "order-7"),
            inb.delete_form(store),
            inb.signal_form(store),
            inb.signal_form(store, "request-7"),
            SaveForm(store, "order-7", choosing=False),
            DeleteForm(store, choosing=False),
            inb.replay(ended.state, inb.samples.fan_out),
        ]
        for form in forms:
            form.wait()
            form.close()
        until_no_thread_is_left()
        gc.collect()
        return forms

    kept = show_each()  # with what is loaded once
    widgets, objects = len(open_widgets()), len(gc.get_objects())
    for _ in range(3):
        kept += show_each()  # as a kernel keeps what cells return
    assert len(open_widgets()) == widgets
    assert (len(gc.get_objects()) - objects) / len(kept) < 150
    live.cancel()


def test_a_form_that_is_closed_while_it_loads_comes_to_rest() -> None:
    store = HeldStore()
    form = inb.save_form(store, "order-7")
    form.close()
    store.go_on.set()
    form.wait()
    until_no_thread_is_left()  # one that broke off fails the test


class HeldStore(MemoryStore):
    """A store that answers only when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def load(self, workflow_id: str) -> WorkflowState | None:
        assert self.go_on.wait(PATIENCE)
        return super().load(workflow_id)
