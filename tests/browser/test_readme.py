"""The pictures in the README are what a reader will see; with `PICTURES=1` they are made anew."""

from pathlib import Path

from jupyterlab_driver import LabPage
from playwright.sync_api import expect

README = Path(__file__).parents[2] / "README.md"

CELLS = (
    """
import inngest_nb as inb

store = inb.samples.fill(inb.local(), 500)
stuck = inb.frame(store).wf.running(longer_than="6h")
stuck.head(4).wf
""",
    """
inb.save_form(store, store.load(stuck["workflow_id"].iloc[0]))
""",
)

OVERVIEW = """
import inngest_nb as inb

store = inb.samples.fill(inb.local(), 3_000)
inb.overview(store)
"""


def test_the_readmes_first_picture_is_an_overview(lab: LabPage) -> None:
    lab.open_cells(OVERVIEW.strip())
    lab.run_all()
    expect(lab.cell(0).locator(".inb-parts")).to_contain_text("Failures")
    lab.pictures("overview-readme", 1100)
    assert (README.parent / ".images" / "overview.png").stat().st_size > 10_000


def test_the_readmes_picture_shows_a_frame_and_a_review(lab: LabPage) -> None:
    lab.open_cells(*(cell.strip() for cell in CELLS))
    lab.run_all()
    form = lab.cell(1)
    form.get_by_label("Status").select_option("failed ✕")
    form.get_by_label("Error").fill("gave up after days of silence")
    form.get_by_role("button", name="Review changes").click()
    expect(form.locator(".inb-question")).to_contain_text("gave up after days of silence")
    lab.pictures("readme", 1100)
    assert (README.parent / ".images" / "readme.png").stat().st_size > 10_000
