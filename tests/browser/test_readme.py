"""The picture in the README is what a reader will see; with `PICTURES=1` this test makes it anew."""

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
