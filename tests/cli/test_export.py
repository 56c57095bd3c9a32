"""`inngest-nb export`, as a process: pages that need neither a kernel nor a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nb_command import environment, run

WIDGET = "application/vnd.jupyter.widget-view+json"
VIEW = {"model_id": "1", "version_major": 2, "version_minor": 0}


def write(path: Path, *cells: nbformat.NotebookNode, **metadata: object) -> Path:
    notebook = nbformat.v4.new_notebook(cells=list(cells), metadata=metadata)
    nbformat.write(notebook, path)
    return path


def saved_form(path: Path) -> Path:
    """A notebook as JupyterLab saves it: a widget, its static picture, and the widget's state."""
    data = {WIDGET: VIEW, "text/html": "<p>order-1 waits</p>", "text/plain": "SignalForm()"}
    cell = nbformat.v4.new_code_cell("inb.signal_form(store)")
    cell.outputs = [nbformat.v4.new_output("display_data", data)]
    only_a_view = nbformat.v4.new_code_cell("slider")
    only_a_view.outputs = [
        nbformat.v4.new_output("display_data", {WIDGET: VIEW, "text/plain": "IntSlider(value=7)"})
    ]
    state = {"state": {"1": {"model_name": "VBoxModel", "state": {}}}, "version_major": 2}
    widgets = {"application/vnd.jupyter.widget-state+json": state | {"version_minor": 0}}
    return write(path, cell, only_a_view, widgets=widgets)


def test_a_page_shows_the_static_picture_of_a_widget_and_asks_no_network(tmp_path: Path) -> None:
    notebook = saved_form(tmp_path / "saved.ipynb")
    before = notebook.read_bytes()
    done = run(tmp_path, "export", "saved.ipynb")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "saved.html").read_text()
    assert "<p>order-1 waits</p>" in page
    assert "IntSlider(value=7)" in page
    for wanted_from_elsewhere in ("<script", "http://", "https://", "<link", "model_id", "@import"):
        assert wanted_from_elsewhere not in page
    assert notebook.read_bytes() == before
    assert done.stdout.split() == ["saved.html", f"{len(page.encode()) / 1000:.0f}", "kB"]


def test_cells_are_run_first_where_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "beside.txt").write_text("what stands beside it")
    code = nbformat.v4.new_code_cell("print(open('beside.txt').read(), 6 * 7)")
    notebook = write(tmp_path / "run.ipynb", code)
    done = run(tmp_path, "export", "--run", "--dir", "pages/deep", str(notebook))
    assert done.returncode == 0, done.stderr
    assert "what stands beside it 42" in (tmp_path / "pages" / "deep" / "run.html").read_text()
    assert nbformat.read(notebook, as_version=4).cells[0].outputs == []


def test_a_cell_that_fails_is_told_and_no_page_is_written(tmp_path: Path) -> None:
    write(tmp_path / "bad.ipynb", nbformat.v4.new_code_cell("1 / 0"))
    done = run(tmp_path, "export", "--run", "bad.ipynb")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: bad.ipynb could not be run")
    assert "ZeroDivisionError" in done.stderr
    assert not (tmp_path / "bad.html").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"cells": 7, "nbformat": 4}'])
def test_a_file_that_is_no_notebook_is_told_without_a_traceback(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "no.ipynb").write_text(content)
    done = run(tmp_path, "export", "no.ipynb")
    assert done.returncode == 1
    assert done.stderr == "Error: no.ipynb is not a Jupyter notebook\n"


def test_without_nbconvert_it_says_what_to_install(tmp_path: Path) -> None:
    write(tmp_path / "plain.ipynb")
    script = (
        "import sys; sys.modules['nbconvert'] = None\n"
        "from inngest_nb.cli import main; main(['export', 'plain.ipynb'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert 'pip install "inngest-nb[lab]"' in done.stderr


def test_a_title_and_code_are_shown_as_they_are(tmp_path: Path) -> None:
    notebook = write(tmp_path / "a<b>&c.ipynb", nbformat.v4.new_code_cell("'</pre><b>x</b>'"))
    assert run(tmp_path, "export", str(notebook)).returncode == 0
    page = (tmp_path / "a<b>&c.html").read_text()
    assert "<title>a&lt;b&gt;&amp;c</title>" in page
    assert "<b>x</b>" not in page
