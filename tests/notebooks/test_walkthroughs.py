"""Every notebook of `notebooks/` runs from top to bottom, and is committed as nobody's run."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from walkthroughs import WALKTHROUGHS, code_cells, complaints

EXPECTED = {"01", "02", "03", "04", "05", "06"}

each_walkthrough = pytest.mark.parametrize("path", WALKTHROUGHS, ids=lambda path: path.stem)


def test_the_expected_walkthroughs_are_there() -> None:
    assert {path.name[:2] for path in WALKTHROUGHS} >= EXPECTED


@each_walkthrough
def test_a_walkthrough_runs_without_a_complaint(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    for name in ("INNGEST_BASE_URL", "INNGEST_DEV", "INNGEST_EVENT_KEY"):
        monkeypatch.delenv(name, raising=False)
    here = tmp_path / "here"
    here.mkdir()
    notebook = read(path)
    # A cell that failed is complained about with the others below.
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=240,
        allow_errors=True,
        resources={"metadata": {"path": str(here)}},
    )
    client.execute()
    assert code_cells(notebook), "nothing to run"
    assert complaints(notebook) == []


@each_walkthrough
def test_a_walkthrough_is_committed_without_outputs(path: Path) -> None:
    notebook = read(path)
    assert [cell.outputs for cell in code_cells(notebook) if cell.outputs] == []
    assert {cell.execution_count for cell in code_cells(notebook)} == {None}
    assert "widgets" not in notebook.metadata


@each_walkthrough
def test_a_walkthrough_begins_with_words_and_names_its_kernel(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.metadata.kernelspec.name == "python3"


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)
