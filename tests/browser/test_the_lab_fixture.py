"""The ground that every other browser test stands on: it must notice what goes wrong."""

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import nbformat
import pytest
from hostile_strings import HOSTILE_STRINGS
from jupyterlab_driver import LabPage
from playwright.sync_api import Dialog, expect

GREETING = """
import ipywidgets as widgets

name = widgets.Text(description="Name")
button = widgets.Button(description="Greet")
greeting = widgets.Label().add_class("t-greeting")


def greet(_):
    greeting.value = f"Hello {name.value}"


button.on_click(greet)
widgets.VBox([name, button, greeting])
"""

DRAW_A_LOST_WIDGET = """
from IPython.display import display

view = {"model_id": "nobody", "version_major": 2, "version_minor": 0}
display({"application/vnd.jupyter.widget-view+json": view}, raw=True)
"""

UNTIL_TOLD = """
import asyncio
from pathlib import Path

print("begun")
while not Path("go").exists():
    await asyncio.sleep(0.02)
print("ended")
"""


def test_a_clicked_widget_answers_from_its_kernel(lab: LabPage) -> None:
    lab.open_cells(GREETING)
    lab.run_all()
    cell = lab.cell(0)
    cell.get_by_role("textbox", name="Name").fill("Ada")
    cell.get_by_role("button", name="Greet").click()
    expect(cell.locator(".t-greeting")).to_have_text("Hello Ada")


def test_hostile_strings_in_a_label_are_shown_as_they_are(lab: LabPage) -> None:
    lab.open_cells(
        "from ipywidgets import Label, VBox",
        f"VBox([Label(text).add_class('t-label') for text in {HOSTILE_STRINGS!r}])",
    )
    lab.run_all()
    labels = lab.cell(1).locator(".t-label")
    expect(labels).to_have_text([re.compile(re.escape(text)) for text in HOSTILE_STRINGS])


def test_hostile_strings_that_a_view_forgot_to_escape_are_noticed(lab: LabPage) -> None:
    lab.open_cells(
        "from IPython.display import HTML, display",
        f"for text in {HOSTILE_STRINGS[:3]!r}: display(HTML(text))",
    )
    with ExitStack() as all_of_them:
        for message in ("script element", "image error", "svg animation"):
            says = partial(_says, message)
            all_of_them.enter_context(lab.page.expect_event("dialog", says))
        lab.run_all()
    with pytest.raises(AssertionError, match="opened a dialog"):
        lab.assert_undisturbed()
    lab.page.close()  # an image may fail, and tell, a second time
    lab.dialogs.clear()


def test_a_request_beyond_loopback_is_noticed_and_refused(lab: LabPage) -> None:
    lab.open_cells("1")
    ask = "() => fetch('https://example.org/a.png').then(() => 'answered', () => 'refused')"
    assert lab.page.evaluate(ask) == "refused"
    assert lab.external == ["https://example.org/a.png"]
    lab.external.clear()


def test_an_uncaught_error_of_the_page_is_noticed(lab: LabPage) -> None:
    lab.open_cells("1")
    with lab.page.expect_event("pageerror"):
        lab.page.evaluate("() => { setTimeout(() => { throw new Error('boom') }) }")
    assert lab.page_errors == ["boom"]
    lab.page_errors.clear()


def test_cells_can_be_looked_at_while_they_run(lab: LabPage) -> None:
    lab.open_cells(UNTIL_TOLD, "print('after')")
    lab.start_run_all()
    expect(lab.cell(0)).to_contain_text("begun")
    assert lab.is_running
    (lab.folder / "go").touch()
    lab.wait_run_all()
    assert not lab.is_running
    expect(lab.cell(1)).to_contain_text("after")


def test_cells_that_do_not_end_are_told_and_where_the_kernel_is(lab: LabPage) -> None:
    lab.open_cells("print('before')", UNTIL_TOLD, "print('after')")
    lab.start_run_all()
    expect(lab.cell(1).locator(".jp-OutputArea-output")).to_contain_text("begun")
    with pytest.raises(AssertionError, match="Run All was not over after 0.1 s") as failure:
        lab.wait_run_all(within=0.1)
    told = str(failure.value)
    assert re.findall("cell [0-9]+ .*", told) == [
        "cell 1 [running] import asyncio",
        "cell 2 [running] print('after')",
    ]
    for words in ("stream begun", "for the page the kernel is ", "for the server kernel "):
        assert words in told
    assert "in run_forever" in told  # a stack of the kernel's main thread
    (lab.folder / "go").touch()
    lab.wait_run_all()


def test_the_document_tells_a_failed_cell_from_the_ones_it_stopped(lab: LabPage) -> None:
    lab.open_cells("fine = 1", f"{UNTIL_TOLD}1 / 0", "print('never')")
    lab.start_run_all()
    expect(lab.cell(2)).to_contain_text("[*]:")  # else it may come to the kernel after the error
    (lab.folder / "go").touch()
    lab.wait_run_all()
    cells = lab.document().cells
    assert [cell.execution_count for cell in cells] == [1, 2, None]
    assert [[output.output_type for output in cell.outputs] for cell in cells] == [
        [],
        ["stream", "error"],
        [],
    ]


def test_the_kernel_is_the_one_that_was_asked_for(lab: LabPage) -> None:
    asked_for = [
        os.environ.get("LAB_PYTHON", sys.executable),
        "-c",
        "import sys; print(sys.prefix)",
    ]
    prefix = subprocess.run(asked_for, check=True, capture_output=True, text=True).stdout.strip()
    lab.open_cells("import sys; print(sys.prefix)")
    lab.run_all()
    expect(lab.cell(0).locator(".jp-OutputArea-output")).to_have_text(prefix)


def test_each_test_has_a_kernel_of_its_own(lab: LabPage) -> None:
    lab.open_cells("fine")
    lab.run_all()
    expect(lab.cell(0)).to_contain_text("NameError")


def test_a_notebook_file_is_opened_as_a_copy(lab: LabPage, tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell("6 * 7")],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, tmp_path / "title.ipynb")
    before = (tmp_path / "title.ipynb").read_bytes()
    lab.open(tmp_path / "title.ipynb")
    lab.run_all()
    expect(lab.cell(1)).to_contain_text("42")
    assert (tmp_path / "title.ipynb").read_bytes() == before


def test_a_saved_notebook_can_be_opened_again(lab: LabPage) -> None:
    lab.open_cells("6 * 7")
    lab.run_all()
    saved = lab.save()
    assert nbformat.read(saved, as_version=4).cells[0].outputs[0].data["text/plain"] == "42"
    lab.open(saved)
    expect(lab.cell(0).locator(".jp-OutputArea-output")).to_have_text("42")


def test_a_widget_that_is_never_drawn_is_noticed(lab: LabPage) -> None:
    lab.open_cells(GREETING)
    lab.run_all()
    lab.wait_for_widgets()
    lab.open_cells(GREETING, DRAW_A_LOST_WIDGET)
    lab.run_all()
    with pytest.raises(AssertionError, match="to have count"):
        lab.wait_for_widgets(within=1)


def test_a_screenshot_shows_the_whole_notebook_in_either_theme(lab: LabPage) -> None:
    lab.open_cells(*[f"print('line\\n' * {count})" for count in (30, 30, 30)])
    lab.run_all()
    lab.resize(1000)
    sizes = []
    for theme in ("light", "dark"):
        lab.theme(theme)
        sizes.append(_png_size(lab.screenshot(f"fixture-{theme}", whole=True)))
    assert sizes[0] == sizes[1]
    assert sizes[0][0] == 1000
    assert sizes[0][1] > 1500
    assert _png_size(lab.screenshot("fixture-window")) == (1000, 900)


def _png_size(file: Path) -> tuple[int, int]:
    """Return width and height as they stand in the head of a PNG file."""
    head = file.read_bytes()[:24]
    return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])


def _says(message: str, dialog: Dialog) -> bool:
    return dialog.message == message
