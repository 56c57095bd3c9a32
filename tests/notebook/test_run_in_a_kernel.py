"""Runs in a real kernel: what a notebook keeps of them, and what goes over the wire meanwhile."""

from __future__ import annotations

import re
import time
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
import pytest
from live_kernel import live_kernel
from nbclient import NotebookClient

BEGIN = "import inngest_nb as inb, asyncio\nstore = inb.MemoryStore()"


def executed(folder: Path, *sources: str) -> list[Any]:
    return [cell.outputs for cell in executed_notebook(folder, *sources).cells[1:]]


def executed_notebook(folder: Path, *sources: str) -> Any:
    cells = [nbformat.v4.new_code_cell(source) for source in (BEGIN, *sources)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(
        notebook, kernel_name="python3", timeout=60, resources={"metadata": {"path": str(folder)}}
    )
    return client.execute()


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")


def test_a_saved_notebook_keeps_the_last_picture_of_each_run(tmp_path: Path) -> None:
    given = "{'speed': 10}, store=store"
    (run,), (start, value), (background,), _, (failed,) = executed(
        tmp_path,
        f"inb.run(inb.samples.order, {given});",
        f"await inb.start(inb.samples.fan_out, {given})",
        f"later = inb.start(inb.samples.import_rows, {given})",
        "later.wait();",
        f"inb.run(inb.samples.broken, {given});",
    )
    for output in (run, start, background):
        assert output.output_type == "display_data"
        assert set(output.data) == {"text/html", "text/plain"}
        assert "✓</span> completed" in output.data["text/html"]
        assert "✓ completed" in output.data["text/plain"].splitlines()[0]
        assert "running" not in output.data["text/plain"]
    assert "warmest" in value.data["text/plain"]
    assert "The activity check_reading failed" in failed.data["text/html"]


def test_on_a_page_of_voila_a_run_is_shown_by_a_widget_up_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")  # as Voilà tells its kernels
    notebook = executed_notebook(
        tmp_path,
        "live = inb.start(inb.samples.fan_out, {'speed': 10}, store=store)\nlive",
        "live.wait()",
    )
    shown = [output for cell in notebook.cells[1:] for output in cell.outputs]
    places = [output.data["application/vnd.jupyter.widget-view+json"] for output in shown]
    assert len(places) == 2  # one in each cell, and both of one widget
    (model_id,) = {place["model_id"] for place in places}
    widgets = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert "✓</span> completed" in widgets[model_id]["state"]["value"]


def test_nothing_else_is_printed_in_a_notebook(tmp_path: Path) -> None:
    outputs = executed(tmp_path, "inb.run(inb.samples.fan_out, {'speed': 50}, store=store).status")
    assert [output.output_type for output in outputs[0]] == ["display_data", "execute_result"]


def test_pictures_of_a_run_are_few_small_and_all_for_one_place() -> None:
    with live_kernel() as kernel:
        kernel.run(BEGIN)
        kernel.client.execute("inb.run(inb.samples.order, {'speed': 1}, store=store);")
        shown: list[dict[str, Any]] = []
        begun = time.monotonic()
        while True:
            try:
                message = kernel.client.get_iopub_msg(timeout=60)
            except Empty:
                pytest.fail("the kernel went quiet")
            if message["msg_type"] in ("display_data", "update_display_data"):
                shown.append(message)
            elif message["content"].get("execution_state") == "idle":
                break
        seconds = time.monotonic() - begun
    kinds = [message["msg_type"] for message in shown]
    assert kinds == ["display_data"] + ["update_display_data"] * (len(kinds) - 1)
    assert len({message["content"]["transient"]["display_id"] for message in shown}) == 1
    # The run takes about five seconds; on a busy machine more, with longer pauses between pictures.
    assert 3 <= len(shown) <= 10 + 5 * seconds
    assert max(len(message["content"]["data"]["text/html"]) for message in shown) < 20_000
    widths = [bar for message in shown for bar in _running(message["content"]["data"]["text/html"])]
    assert len(set(widths)) > 1, "the current bar does not move"


def _running(html: str) -> list[str]:
    return re.findall(r'<rect class="inb-busy" x="([\d.]+)%" width="([\d.]+)%"', html)  # type: ignore[return-value]
