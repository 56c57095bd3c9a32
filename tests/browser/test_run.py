"""Runs watched in a notebook: moving pictures, the stop button, buttons that work meanwhile."""

from datetime import UTC, datetime

import pytest
from jupyterlab_driver import LabPage
from playwright.sync_api import Locator, expect

import inngest_nb as inb

BEGIN = """
from pathlib import Path
import time
import inngest_nb as inb
store = inb.SqliteStore("state.db")
"""
UNTIL_TOLD = "while not Path('go').exists(): time.sleep(0.02)"
STOP = "() => window.jupyterapp.commands.execute('notebook:interrupt-kernel')"


def fact(cell: Locator, label: str) -> Locator:
    """Return the value that stands under a label of the picture."""
    return (
        cell.locator(".inb-facts > div")
        .filter(has=cell.page.get_by_text(label, exact=True))
        .locator("dd")
    )


def stored(lab: LabPage, workflow_id: str) -> inb.WorkflowState:
    with inb.SqliteStore(lab.folder / "state.db") as store:
        state = store.load(workflow_id)
    assert state is not None
    return state


def test_a_run_moves_in_its_cell_and_its_last_picture_stays(lab: LabPage) -> None:
    lab.open_cells(
        BEGIN, "order = inb.run(inb.samples.order, {'speed': 0.4}, store=store, id='order-1')"
    )
    lab.start_run_all()
    cell = lab.cell(1)
    expect(fact(cell, "Status")).to_contain_text("running")
    so_far = fact(cell, "So far").inner_text()
    expect(fact(cell, "So far")).not_to_have_text(so_far)
    expect(cell.locator("tbody")).to_contain_text("charge_card")
    expect(cell.locator("rect.inb-busy")).to_be_visible()
    lab.picture("run-live")
    assert lab.is_running
    lab.wait_run_all()
    expect(fact(cell, "Status")).to_contain_text("completed")
    expect(cell.locator("tbody")).to_contain_text("completed, 3 attempts")
    lab.pictures("run-finished", 700, 1280)
    (output,) = lab.document().cells[1].outputs
    assert "completed, 3 attempts" in output.data["text/html"]
    assert "order-1: ✓ completed" in output.data["text/plain"]
    lab.open(lab.save())
    expect(fact(lab.cell(1), "Status")).to_contain_text("completed")
    lab.picture("run-reopened")


def test_a_run_that_fails_shows_its_error_with_the_activity(lab: LabPage) -> None:
    lab.open_cells(BEGIN, "inb.run(inb.samples.broken, store=store, id='meter');")
    lab.run_all()
    expect(lab.cell(1).get_by_role("alert")).to_contain_text("The activity check_reading failed")
    expect(lab.cell(1).get_by_role("alert")).to_contain_text("a meter with five digits")
    lab.pictures("run-failed")


@pytest.mark.parametrize(
    "wait",
    [
        "inb.run(inb.samples.approval, store=store, id='stopped')",
        "await inb.start(inb.samples.approval, store=store, id='stopped')",
        "live = inb.start(inb.samples.approval, store=store, id='stopped')\nimport asyncio\nawait asyncio.sleep(0)\nlive.wait()",
    ],
    ids=["run", "await", "run in an async cell"],
)
def test_the_stop_button_cancels_the_run_within_a_second(lab: LabPage, wait: str) -> None:
    lab.open_cells(BEGIN, wait)
    lab.start_run_all()
    expect(lab.cell(1).locator("tbody")).to_contain_text("completed")
    pressed = datetime.now(UTC)
    lab.page.evaluate(STOP)
    lab.wait_run_all(within=30)
    state = stored(lab, "stopped")
    assert state.status == "canceled"
    assert state.updated_at is not None
    assert (state.updated_at - pressed).total_seconds() < 15  # on a busy machine
    expect(fact(lab.cell(1), "Status")).to_contain_text("canceled")
    assert [output.output_type for output in lab.document().cells[1].outputs] == [
        "display_data",
        "error",
    ]


def test_a_started_run_goes_on_and_moves_while_another_cell_blocks(lab: LabPage) -> None:
    lab.open_cells(
        BEGIN,
        "rows = inb.start(inb.samples.import_rows, {'speed': 2}, store=store, id='rows')",
        UNTIL_TOLD,
        "print('after')",
    )
    lab.start_run_all()
    expect(fact(lab.cell(1), "Status")).to_contain_text("running")
    expect(fact(lab.cell(1), "Status")).to_contain_text("completed")
    assert lab.is_running
    lab.picture("run-background")
    (lab.folder / "go").touch()
    lab.wait_run_all()
    expect(lab.cell(3)).to_contain_text("after")
    assert stored(lab, "rows").result == {"imported": 10_000}


APPROVE = """
import ipywidgets as widgets
live = inb.start(inb.samples.approval, store=store, id="asked")
button = widgets.Button(description="Approve")
button.on_click(lambda _: live.signal("approve", {"approved": True, "by": "Ada"}))
button
"""


def test_a_button_works_while_a_cell_awaits_the_run(lab: LabPage) -> None:
    lab.open_cells(BEGIN, APPROVE, "result = await live\nprint(result['by'])")
    lab.start_run_all()
    expect(lab.cell(1).locator("tbody")).to_contain_text("write_proposal")
    lab.cell(1).get_by_role("button", name="Approve").click()
    lab.wait_run_all()
    expect(lab.cell(2)).to_contain_text("Ada")
    expect(lab.cell(1).locator("tbody")).to_contain_text("approve")
    expect(fact(lab.cell(1), "Status")).to_contain_text("completed")


def test_a_run_that_a_button_starts_is_shown_in_its_own_output(lab: LabPage) -> None:
    lab.open_cells(
        BEGIN,
        "import ipywidgets as widgets\n"
        "button, place = widgets.Button(description='Go'), widgets.Output()\n"
        "def go(_):\n"
        "    with place: inb.start(inb.samples.order, {'speed': 5}, store=store, id='clicked')\n"
        "button.on_click(go)\n"
        "widgets.VBox([button, place])",
    )
    lab.run_all()
    lab.cell(1).get_by_role("button", name="Go").click()
    expect(fact(lab.cell(1), "Status")).to_contain_text("completed")
    assert stored(lab, "clicked").status == "completed"
