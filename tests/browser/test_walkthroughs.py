"""Run All, as a person would press it, on every notebook of `notebooks/`, and what works afterwards."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from inngest_site import InngestSite
from jupyterlab_driver import LabPage
from playwright.sync_api import expect
from walkthroughs import BESIDE, WALKTHROUGHS, complaints


@pytest.fixture
def engine(path: Path) -> Iterator[str]:
    """The address of an Inngest that runs steps, for the walkthrough that wants one."""
    if not path.stem.startswith("08"):
        yield ""
        return
    with InngestSite(retry_interval=2) as site:
        yield site.url


@pytest.mark.parametrize("path", WALKTHROUGHS, ids=lambda path: path.stem)
def test_run_all_leaves_no_cell_unexecuted(path: Path, engine: str, lab: LabPage) -> None:
    lab.folder.mkdir(parents=True, exist_ok=True)
    for file in BESIDE:
        shutil.copy(file, lab.folder)
    lab.open(path)
    if engine:
        lab.set_in_kernel("INNGEST_API_BASE_URL", "")
        lab.set_in_kernel("INNGEST_BASE_URL", engine)
    lab.run_all(within=90)
    assert complaints(lab.document()) == []
    lab.wait_for_widgets()
    if path.stem in AFTERWARDS:
        AFTERWARDS[path.stem](lab)
    lab.pictures(path.stem, 800, 1280, 1800)


def its_first_table_fits_its_width(lab: LabPage) -> None:
    lab.resize(1280)
    lab.page.evaluate("() => window.jupyterapp.shell.expandLeft()")
    table = lab.page.locator(".jp-OutputArea-output table").first
    assert table.evaluate(
        "table => table.parentElement.scrollWidth <= table.parentElement.clientWidth"
    )
    heights = table.locator("tr.inb-row").evaluate_all("rows => rows.map(row => row.clientHeight)")
    assert max(heights) < 1.5 * min(heights), "a row takes more than one line"


def its_form_shows_a_review(lab: LabPage) -> None:
    expect(lab.page.locator(".inb-form").first).to_contain_text("gave up: no answer for days")
    expect(lab.page.get_by_role("button", name="Save", exact=True).first).to_be_enabled()


def its_form_approves_the_run_that_waits(lab: LabPage) -> None:
    lab.page.get_by_role("button", name="Approve").click()
    run = lab.page.locator(".jp-CodeCell", has_text="Four-day week").first
    expect(run.locator(".inb-chart")).to_contain_text("publish")  # what follows the approval


def its_replay_forks_the_run(lab: LabPage) -> None:
    lab.page.get_by_role("button", name="Fork here").first.click()
    expect(lab.page.locator(".inb-outcome", has_text="-fork-").first).to_be_visible()


AFTERWARDS = {
    "01_look": its_first_table_fits_its_width,
    "02_repair": its_form_shows_a_review,
    "03_run": its_form_approves_the_run_that_waits,
    "06_fork": its_replay_forks_the_run,
}
