"""The notebooks of `notebooks/` and their pages in `.pages/`; `tests/browser` runs the notebooks."""

import html
import re
import socket
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from walkthroughs import FOLDER, WALKTHROUGHS, code_cells

EXPECTED = {"01", "02", "03", "04", "05", "06", "07", "08", "09"}
PAGES = FOLDER.parent / ".pages"

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


@each_walkthrough
def test_a_walkthrough_has_a_name_that_tabs_and_the_file_browser_do_not_cut(path: Path) -> None:
    assert len(path.name) <= len("09_incident.ipynb")


@each_walkthrough
def test_a_walkthrough_closes_no_store_that_its_widgets_or_a_second_run_want(path: Path) -> None:
    assert [cell.source for cell in code_cells(read(path)) if ".close()" in cell.source] == []


def test_every_cell_of_the_first_walkthrough_can_be_run_again(tmp_path: Path) -> None:
    (first,) = (read(path) for path in WALKTHROUGHS if path.name.startswith("01"))
    cells = code_cells(first)
    again = [nbformat.v4.new_code_cell(cell.source) for cell in cells for _ in range(2)]
    twice = nbformat.v4.new_notebook(cells=[*again, *map(nbformat.from_dict, cells)])
    NotebookClient(twice, resources={"metadata": {"path": str(tmp_path)}}).execute()


@pytest.mark.parametrize("number", ["07", "08"])
def test_a_walkthrough_that_wants_a_server_says_so_at_once(
    number: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        monkeypatch.setenv("INNGEST_BASE_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
    (path,) = FOLDER.glob(f"{number}*")
    notebook = read(path)
    client = NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}})
    with pytest.raises(CellExecutionError, match="no response from .*\n.*`npx inngest-cli"):
        client.execute()
    first, *others = code_cells(notebook)
    assert [output.output_type for output in first.outputs] == ["error"]
    assert [cell.source for cell in others if cell.outputs] == []


@each_walkthrough
def test_a_page_shows_the_walkthrough_as_it_is_and_is_small(path: Path) -> None:
    page = (PAGES / f"{path.stem}.html").read_text(encoding="utf-8")
    shown = words(html.unescape(re.sub("<[^>]*>", "", page)))
    cells = code_cells(read(path))
    assert [cell.source for cell in cells if words(cell.source) not in shown] == [], "run .ci/pages"
    assert len(page) < 500_000
    assert "<script" not in page


def words(text: str) -> str:
    return "".join(text.split())


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def test_the_page_about_killed_workers_shows_that_no_parcel_was_lost() -> None:
    page = html.unescape((PAGES / "08_engines.html").read_text(encoding="utf-8"))
    for town in ("Oslo", "Lima", "Kyoto"):
        assert str([f"{town} {number}" for number in (1, 2, 3, 4)]) in page
