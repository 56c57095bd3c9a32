"""A page that `inngest-nb export` wrote, in a browser without a kernel and without a network."""

from pathlib import Path

from jupyterlab_driver import LabPage
from nb_command import run
from playwright.sync_api import BrowserContext, expect

CELL = """
import inngest_nb as inb
from IPython.display import display

store = inb.samples.fill(inb.MemoryStore(), 30, seed=1)
failed = inb.frame(store, status="failed")["workflow_id"].iloc[0]
display(inb.save_form(store, store.load(failed)), inb.delete_form(store), inb.explore(store))
display(inb.timeline(store.load(failed)))
inb.plot_status(inb.frame(store))
print(failed)
"""


def test_an_exported_page_shows_each_widget_s_static_picture_offline(
    browser: BrowserContext, lab: LabPage, tmp_path: Path
) -> None:
    lab.open_cells(CELL.strip())
    lab.run_all()
    done = run(tmp_path, "export", "--dir", ".", str(lab.save()))
    assert done.returncode == 0, done.stderr
    page = browser.new_page()
    asked_for: list[str] = []
    page.on("request", lambda request: asked_for.append(request.url))
    address = (tmp_path / "test.html").as_uri()
    page.goto(address)
    for shown in ("Save a workflow", "Delete a workflow"):
        expect(page.get_by_text(shown, exact=True).first).to_be_visible()
    failed = page.locator(".output_stdout").inner_text().strip()
    assert page.get_by_text(failed).count() >= 4  # each of the views names it
    expect(page.locator(".inb-chart").first).to_be_visible()
    expect(page.locator(".output_area img")).to_have_count(1)
    assert page.locator(".output_area img").evaluate("image => image.naturalWidth") > 100
    cut_off = "cells => cells.filter(cell => cell.scrollWidth > cell.clientWidth + 1).length"
    cells = page.locator(".inb-table td:not(:empty)")
    assert cells.count() > 100
    for width in (1280, 800):
        page.set_viewport_size({"width": width, "height": 900})
        assert cells.evaluate_all(cut_off) == 0
    assert [url for url in asked_for if url != address and not url.startswith("data:")] == []
    page.close()
