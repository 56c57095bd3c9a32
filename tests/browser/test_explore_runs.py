"""explore over a real Inngest server in a real JupyterLab: a run is found, canceled and rerun."""

from __future__ import annotations

import re
from collections.abc import Iterator

import nbformat
import pytest
from jupyterlab_driver import LabPage
from playwright.sync_api import Locator, expect
from story_records import story
from story_server import StoryServer

OPEN = """
import inngest_nb as inb

inb.explore(inb.InngestAPI({url!r}))
"""
NAMES = dict(story().names)


@pytest.fixture
def inngest() -> Iterator[StoryServer]:
    """A server with the story, which the test changes."""
    with StoryServer() as server:
        yield server


def show(lab: LabPage, inngest: StoryServer) -> Locator:
    lab.open_cells(OPEN.format(url=inngest.url))
    lab.run_all()
    lab.wait_for_widgets()
    cell = lab.cell(0)
    expect(cell.locator(".inb-remark")).to_contain_text("of 47 runs, newest first")
    return cell


def button(cell: Locator, name: str) -> Locator:
    return cell.get_by_role("button", name=name, exact=True)


def rows(cell: Locator) -> Locator:
    return cell.locator(".inb-table [aria-selected]")


def find(cell: Locator, name: str) -> None:
    """Filter by the id of a run of the story, and choose it."""
    cell.get_by_role("textbox", name="Filter").fill(NAMES[name])
    found = rows(cell).filter(has_text=NAMES[name])  # not the one row of the filter before
    expect(found).to_have_count(1)
    expect(rows(cell)).to_have_count(1)
    found.click()
    expect(cell.locator(".inb-summary")).to_contain_text(NAMES[name])


def test_a_run_is_canceled_and_another_rerun(lab: LabPage, inngest: StoryServer) -> None:
    cell = show(lab, inngest)
    expect(cell.get_by_role("grid", name="Runs")).to_be_visible()
    rows(cell).first.click()
    expect(cell.locator(".inb-summary")).to_contain_text("nb-lab-always-fails")
    lab.pictures("explore-api-failed", 1280, 800)

    find(cell, "long_stays")
    button(cell, "Cancel run…").click()
    expect(cell.get_by_text("Cancel nb-lab-long-job")).to_be_visible()
    lab.pictures("explore-api-cancel", 1280, 800)
    button(cell, "Cancel this run").click()
    expect(cell.get_by_text("Canceled nb-lab-long-job")).to_be_visible()
    expect(rows(cell).first).to_contain_text("canceled")
    expect(button(cell, "Cancel run…")).to_have_count(0)

    find(cell, "order1")
    button(cell, "Rerun…").click()
    cell.get_by_role("combobox", name="From").select_option("charge")
    lab.pictures("explore-api-rerun", 1280, 800)
    button(cell, "Start the rerun").click()
    expect(cell.get_by_text("Started run")).to_be_visible()
    expect(cell.locator(".inb-summary")).to_contain_text(re.compile("queued"))
    expect(cell.locator(".inb-summary")).not_to_contain_text(NAMES["order1"])
    cell.get_by_role("textbox", name="Filter").fill("")
    expect(cell.locator(".inb-remark")).to_contain_text("of 48 runs")
    assert len(inngest.state.runs.rows) == 48
    lab.pictures("explore-api-done", 1280, 800)

    file = lab.save()
    saved = nbformat.read(file, as_version=4)
    data = saved.cells[0].outputs[0].data
    assert "Runs in RunStore(" in data["text/plain"]
    del data["application/vnd.jupyter.widget-view+json"]  # as where no kernel and no widget is
    copy = file.with_name("again.ipynb")
    nbformat.write(saved, copy)
    lab.open(copy)
    expect(lab.cell(0)).to_contain_text("Runs in RunStore('http://127.0.0.1:")
    expect(lab.cell(0).locator("tbody tr")).to_have_count(25)
    lab.picture("explore-api-reopened")
