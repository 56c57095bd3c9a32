"""What a cell of a real kernel shows of runs, states, handles and errors."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from live_kernel import LiveKernel, live_kernel
from nbclient import NotebookClient
from story_troubles import TroubledServer

import inngest_nb as inb

BEGIN = """
import inngest_nb as inb, asyncio, os
store = inb.MemoryStore()
def charge(card):
    raise ValueError(f"card {card} declined")
async def order(ctx, card):
    await ctx.execute_activity(charge, card, retry=inb.RetryPolicy(max_attempts=1))
async def waits(ctx, given):
    return await ctx.receive_signal("go")
"""


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")


def executed(*sources: str) -> list[list[Any]]:
    """Run cells in one kernel, errors too, and return their outputs."""
    cells = [nbformat.v4.new_code_cell(source) for source in (BEGIN, *sources)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(notebook, kernel_name="python3", timeout=60, allow_errors=True)
    return [cell.outputs for cell in client.execute().cells[1:]]


def lines_of(outputs: list[Any]) -> list[str]:
    (error,) = [output for output in outputs if output.output_type == "error"]
    text = "\n".join(error.traceback)
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()


def test_a_started_run_is_one_picture_also_where_it_is_the_cells_value() -> None:
    given = "{'speed': 1000}, store=store"
    first, _, again, state, handle, stopped = executed(
        f"live = inb.start(inb.samples.order, {given})\nlive",
        "live.wait();",
        "live",
        "live.state",
        "live.handle",
        "[live.executor, live.state]",
    )
    for outputs in (first, again):
        assert [output.output_type for output in outputs] == ["display_data"]
        assert "✓</span> completed" in outputs[0].data["text/html"]
    for (output,) in (state, handle):
        assert output.output_type == "execute_result"
        assert "✓</span> completed" in output.data["text/html"]
        assert len(output.data["text/plain"]) < 120
    text = stopped[0].data["text/plain"]
    assert re.search(r"Executor\(MemoryStore\),\s+WorkflowState\('order-\w+', status='comp", text)


def test_a_result_that_is_asked_for_again_has_the_same_short_traceback() -> None:
    asked = ["live.result()"] * 3
    _, *failed, awaited, checked, _ = executed(
        "live = inb.run(order, 7, store=store)",
        *asked,
        "await live",
        "inb.run(order, 7, store=store, check=True)",
        "inb.run(order, 7, store=store)",
    )
    lengths = {len(lines_of(outputs)) for outputs in failed}
    assert len(lengths) == 1
    for outputs in (*failed, awaited, checked):
        text = "\n".join(lines := lines_of(outputs))
        assert len(lines) < 60
        assert "card 7 declined" in lines[-1]
        assert "await ctx.execute_activity(charge, card" in text
        assert not re.search(r"inngest_nb/(engine|notebook)|asyncio/", text)


def test_a_server_that_is_down_is_told_in_a_few_lines() -> None:
    (outputs,) = executed("inb.InngestStore('http://127.0.0.1:9').load('order-1')")
    lines = lines_of(outputs)
    assert len(lines) < 20
    assert "cannot connect" in "\n".join(lines)
    assert not re.search("httpcore|httpx", "\n".join(lines))


@pytest.fixture
def kernel() -> Iterator[LiveKernel]:
    with live_kernel() as kernel:
        kernel.run(BEGIN)
        yield kernel


# A cell that waits for a run handles the signal of the stop button itself. No event tells of that.
LISTENS = """
import signal, threading, time

def tell_when_the_cell_waits():
    before = signal.getsignal(signal.SIGINT)

    def look():
        while signal.getsignal(signal.SIGINT) is before or not store.list():
            time.sleep(0.001)
        print("it waits for the stop button", flush=True)

    threading.Thread(target=look).start()

def ends():
    while (trip := store.load("trip")) is None or trip.status == "running":
        time.sleep(0.001)
    return trip.status
"""


@pytest.mark.parametrize(
    "cell",
    ["inb.run(waits, store=store, id='trip')", "await inb.start(waits, store=store, id='trip')"],
)
def test_the_stop_button_leaves_one_line(kernel: LiveKernel, cell: str) -> None:
    process = int(kernel.run(f"{LISTENS}print(os.getpid())"))
    kernel.client.execute(f"tell_when_the_cell_waits()\n{cell}", stop_on_error=False)
    while True:
        message = kernel.client.get_iopub_msg(timeout=30)
        if "waits for the stop button" in message["content"].get("text", ""):
            os.kill(process, signal.SIGINT)
        elif message["msg_type"] == "error":
            break
    assert message["content"]["traceback"] == ["⊘ Canceled: trip"]
    assert kernel.run("print(ends())").strip() == "canceled"


def test_a_run_that_is_stopped_before_it_has_begun_is_named(kernel: LiveKernel) -> None:
    process = int(kernel.run(f"{LISTENS}print(os.getpid())"))
    kernel.run(
        """
class SlowStore(inb.MemoryStore):
    def load(self, id):
        if not asked.is_set():
            print("it begins", flush=True)  # by looking whether there is such a run
            asked.wait()
        return super().load(id)

asked = threading.Event()
slow = SlowStore()
"""
    )
    kernel.client.execute("inb.run(waits, store=slow, id='trip')", stop_on_error=False)
    while True:
        message = kernel.client.get_iopub_msg(timeout=30)
        if "it begins" in message["content"].get("text", ""):
            os.kill(process, signal.SIGINT)
        elif message["msg_type"] == "error":
            break
    assert message["content"]["traceback"] == ["⊘ Canceled: trip"]
    kernel.run("asked.set(); store = slow")
    assert kernel.run("print(ends())").strip() == "canceled"


def test_a_finished_id_runs_again_only_where_this_kernel_ran_it(kernel: LiveKernel) -> None:
    again = "inb.run(inb.samples.order, {'speed': 1000}, id='order-2', store=store).status"
    assert "completed" in kernel.run(again)
    assert "completed" in kernel.run(again)
    kernel.run(
        "inb.samples.fill(store, 30); id = [each.workflow_id for each in store.list(status='completed')][-1]"
    )
    other = kernel.outcome("inb.run(inb.samples.order, id=id, store=store)")
    assert other.error.startswith("WorkflowEndedError")
    assert 'if_ended="return"' in other.error
    returned = "inb.run(inb.samples.order, id=id, store=store, if_ended='return').run_id"
    assert "True" in kernel.run(f"{returned} == store.load(id).run_id")


def test_the_extension_can_be_reloaded_and_unloaded(kernel: LiveKernel) -> None:
    assert kernel.run("%load_ext inngest_nb") == ""
    assert kernel.run("%reload_ext inngest_nb") == ""
    assert "order" in kernel.run("inb.samples.fill(store, 3)\n%workflows")
    assert kernel.run("%unload_ext inngest_nb") == ""
    assert "not found" in kernel.run("%workflows")


def test_a_state_has_a_short_repr_however_long_its_history_is() -> None:
    history = tuple(inb.HistoryEvent(id=n, activity_name="x" * 100) for n in range(1, 4_001))
    state = inb.WorkflowState(workflow_id="o" * 5_000, status="failed", history=history)
    assert len(repr(state)) < 300
    assert repr(state).endswith("o', status='failed', events=4000)")
    with inb.Executor(inb.MemoryStore()) as executor:
        assert repr(executor) == "Executor(MemoryStore)"


def test_a_checkup_is_a_page_of_its_findings() -> None:
    with TroubledServer() as inngest:
        inngest.lose_jobs(["long_stays"])
        health, doctor = executed(
            f"found = inb.checkup(inb.InngestAPI({inngest.url!r}))\nfound",
            f"inb.doctor({inngest.url!r})",
        )
    for (output,), subject in ((health, "zombies"), (doctor, "Inngest")):
        assert f"<b>{subject}</b>" in output.data["text/html"]
        assert "<style>" in output.data["text/html"]
        assert subject in output.data["text/plain"]
    assert "result['zombies']" in health[0].data["text/plain"]
