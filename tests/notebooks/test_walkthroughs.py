"""Every notebook of `notebooks/` is committed as nobody's run; `tests/browser` runs them."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from walkthroughs import WALKTHROUGHS, code_cells

EXPECTED = {"01", "02", "03", "04", "05", "06"}

each_walkthrough = pytest.mark.parametrize("path", WALKTHROUGHS, ids=lambda path: path.stem)


def test_the_expected_walkthroughs_are_there() -> None:
    assert {path.name[:2] for path in WALKTHROUGHS} >= EXPECTED


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
