"""A bar of long work in a notebook: there while it is needed, and not in what is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

READ = """
from inngest_nb import progress

progress._PATIENCE = 0.001
with progress.progress("Reading runs", "runs", total={total}) as advance:
    while not advance.__self__.displayed:
        advance(1)
    print(advance.__self__.container.comm is not None)
"""
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")


def outputs_of(cell: str) -> list[Any]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    outputs: list[Any] = notebook.cells[0].outputs
    return outputs


def test_a_bar_that_has_come_to_its_end_leaves_no_widget() -> None:
    bar, said = outputs_of(READ.format(total=None))
    assert dict(bar.data) == {"text/plain": ""}
    assert said.text == "True\n"


def test_a_bar_that_was_stopped_halfway_stays() -> None:
    bar, _ = outputs_of(READ.format(total=10**9))
    assert WIDGET in bar.data
