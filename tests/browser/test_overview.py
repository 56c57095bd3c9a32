"""Overviews as a person sees them: in either theme, narrow and wide, reopened, exported, live."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from hostile_strings import HOSTILE_STRINGS
from jupyterlab_driver import LabPage
from nb_command import run
from playwright.sync_api import BrowserContext, expect

from inngest_nb import InngestStore, StateServer, WorkflowState

DRAW = """
import inngest_nb as inb

store = inb.samples.fill(inb.MemoryStore(), 3_000, seed=5)
inb.overview(store)
"""

DRAW_WELL = """
inb.overview([state for state in store.list() if state.status == "completed"], since="7d")
"""

DRAW_WAITING = """
rows = inb.frame(store, limit=40)
rows["waiting_for"], rows["signal"] = "signal", "approve"
inb.overview(rows, since="2h")
"""

DRAW_NOTHING = """
inb.overview(inb.MemoryStore())
"""

DRAW_HOSTILE = f"""
import inngest_nb as inb
from datetime import UTC, datetime, timedelta

now = datetime.now(UTC) - timedelta(hours=2)
store = inb.MemoryStore()
for number, text in enumerate({HOSTILE_STRINGS!r}):
    for status in ("failed", "running", text):
        begun = inb.HistoryEvent(type="activity_started", activity_name=text, timestamp=now)
        ended = inb.HistoryEvent(type="activity_failed", activity_name=text, timestamp=now, error=text)
        store.save(inb.WorkflowState(
            workflow_id=f"{{number}}{{status[:9]}}{{text}}-1", run_id=text, status=status, error=text,
            created_at=now, updated_at=now,
            history=(begun,) if status == "running" else (begun, ended),
        ))
inb.overview(store)
"""

DRAW_LIVE = """
import inngest_nb as inb

store = inb.InngestStore(base_url={url!r})
views = globals().get("views", [])
views.append(inb.overview(store, live=True))
views[-1]
"""

CLOSED = "[view._following.done.wait(30 if view is not views[-1] else 0) for view in views]"

TICKS = """node => [...node.querySelectorAll('text')].map(label => label.getBoundingClientRect())
    .filter(box => box.width > 0).map(box => [box.left, box.right])"""


def test_an_overview_can_be_read_in_every_theme_and_width(lab: LabPage) -> None:
    lab.open_cells(DRAW, DRAW_WELL, DRAW_WAITING, DRAW_NOTHING)
    lab.run_all()
    expect(lab.cell(0).locator(".inb-part")).to_have_count(5)
    expect(lab.cell(1)).to_contain_text("All is well")
    expect(lab.cell(2)).to_contain_text("waiting for a person")
    expect(lab.cell(3)).to_contain_text("Nothing ran in the last 24 h")
    lab.pictures("overview", 700, 1280, 1800)
    for width in (700, 1280, 1800):
        lab.resize(width)
        for part in lab.page.locator(".inb-part, .inb-starts").all():
            widths = part.evaluate("node => [node.scrollWidth, node.clientWidth]")
            assert widths[0] <= widths[1], f"a part is cut off at {width}"
        starts = lab.page.locator(".inb-starts").first
        ticks, room = starts.evaluate(TICKS), starts.bounding_box()
        assert len(ticks) > 2
        assert room is not None
        assert ticks[0][0] >= room["x"], f"the first label is cut off at {width}"
        assert ticks[-1][1] <= room["x"] + room["width"], f"the last label is cut off at {width}"
        gaps = [left - right for (_, right), (left, _) in pairwise(ticks)]
        assert min(gaps) > 4, f"labels touch at {width}"


def test_a_name_leads_to_the_lines_that_show_more(lab: LabPage) -> None:
    lab.open_cells(DRAW)
    lab.run_all()
    failures = lab.cell(0).locator(".inb-part").first
    line = failures.locator(".inb-call", has_text="inb.timeline(store.load(").first
    expect(line).to_be_hidden()
    failures.locator("summary").first.click()
    expect(line).to_be_visible()
    lab.pictures("overview-unfolded", 1280)
    line.click()  # selects all of it
    selected = lab.page.evaluate("window.getSelection().toString()")
    assert selected.strip() == line.inner_text().strip()
    failures.locator("summary").first.click()
    expect(line).to_be_hidden()


def test_an_overview_reads_on_in_a_reopened_notebook_and_without_style(lab: LabPage) -> None:
    lab.open_cells(DRAW)
    lab.run_all()
    lab.open(lab.save())
    expect(lab.cell(0).locator(".inb-part")).to_have_count(5)
    expect(lab.cell(0).locator(".inb-starts rect").first).to_be_visible()
    lab.picture("overview-reopened")
    lab.page.evaluate("document.querySelectorAll('.jp-OutputArea style').forEach(s => s.remove())")
    lab.picture("overview-without-style")
    expect(lab.cell(0)).to_contain_text("✕")
    expect(lab.cell(0).locator("code", has_text="inb.timeline(").first).to_be_visible()


def test_an_exported_page_shows_the_overview_offline(
    browser: BrowserContext, lab: LabPage, tmp_path: Path
) -> None:
    lab.open_cells(DRAW)
    lab.run_all()
    done = run(tmp_path, "export", "--dir", ".", str(lab.save()))
    assert done.returncode == 0, done.stderr
    page = browser.new_page()
    asked_for: list[str] = []
    page.on("request", lambda request: asked_for.append(request.url))
    address = (tmp_path / "test.html").as_uri()
    page.goto(address)
    expect(page.locator(".inb-part")).to_have_count(5)
    expect(page.locator(".inb-starts rect").first).to_be_visible()
    assert [url for url in asked_for if url != address and not url.startswith("data:")] == []
    page.close()


def test_hostile_strings_do_nothing_in_an_overview(lab: LabPage) -> None:
    lab.open_cells(DRAW_HOSTILE)
    lab.run_all()
    cell = lab.cell(0)
    expect(cell.locator(".inb-part").first).to_be_visible()
    for summary in cell.locator("summary").all():
        summary.click()
    expect(cell).to_contain_text(HOSTILE_STRINGS[0][:20])
    lab.picture("overview-hostile")
    lab.assert_undisturbed()


def test_a_live_overview_follows_its_store_and_the_notebook_keeps_the_last(
    lab: LabPage, tmp_path: Path
) -> None:
    with (
        StateServer(tmp_path / "state.db", port=0) as server,
        InngestStore(base_url=server.url) as store,
    ):
        began = datetime.now(UTC) - timedelta(minutes=5)
        one = WorkflowState(
            workflow_id="order-1",
            run_id="r",
            status="completed",
            created_at=began,
            updated_at=began,
        )
        store.save(one)
        lab.open_cells(DRAW_LIVE.format(url=server.url), CLOSED, "views[-1].close()")
        lab.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-cell')")
        cell = lab.cell(0)
        expect(cell).to_contain_text("All is well")
        expect(cell).to_contain_text("Live: updates until")
        store.save(one.replace(status="failed", error="no money", etag=""))
        expect(cell).to_contain_text("1 failed")
        lab.picture("overview-live")
        store.save(one.replace(workflow_id="order-2", status="failed", error="no money"))
        expect(cell).to_contain_text("2 failed")
        # Run again, the cell follows once.
        lab.run_all()
        expect(lab.cell(1)).to_contain_text("[True, False]")
        expect(cell).to_contain_text("No longer updated.")
        (output,) = lab.document().cells[0].outputs
        assert "2 failed" in output.data["text/html"]
        assert "No longer updated." in output.data["text/plain"]
