"""explore in a real JupyterLab: found, chosen and mended by mouse and by keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from crowding import crowded_ticks
from explore_driver import NEWEST, save_all, state_of
from hostile_strings import HOSTILE_STRINGS
from jupyterlab_driver import LabPage
from playwright.sync_api import Locator, WebSocket, expect

from inngest_nb import HistoryEvent, InngestStore, StateServer, WorkflowState

KEY = "planted-key-31be"
OPEN = """
from pathlib import Path
import inngest_nb as inb

store = inb.InngestStore({url!r}, event_key=Path("key").read_text())
inb.explore(store)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[InngestStore]:
    """A client of a state server with 60 workflows; another one than the notebook's."""
    with (
        StateServer(tmp_path / "state.db", port=0, event_key=KEY) as server,
        InngestStore(server.url, event_key=KEY) as client,
    ):
        save_all(client, map(state_of, range(60)))
        yield client


def show(lab: LabPage, store: InngestStore) -> Locator:
    """Open a notebook with an explorer and return its cell once the table is there."""
    lab.folder.mkdir(parents=True, exist_ok=True)
    (lab.folder / "key").write_text(KEY)
    url = re.search(r"http://[\d.:]+", repr(store))
    assert url is not None
    lab.open_cells(OPEN.format(url=url[0]))
    lab.run_all()
    lab.wait_for_widgets()
    cell = lab.cell(0)
    expect(cell.locator(".inb-remark")).to_contain_text(f"of {len(store.fetch()):,} workflows")
    return cell


def rows(cell: Locator) -> Locator:
    return cell.locator(".inb-table [aria-selected]")


def expect_first_row(cell: Locator, text: str) -> None:
    expect(rows(cell).first).to_contain_text(text)


def button(cell: Locator, name: str) -> Locator:
    return cell.get_by_role("button", name=name, exact=True)


def test_filters_headings_and_pages_find_workflows(lab: LabPage, store: InngestStore) -> None:
    store.save(state_of(0, updated_at=datetime.now(UTC)))
    cell = show(lab, store)
    expect(rows(cell)).to_have_count(25)
    button(cell, "Next page").click()
    expect_first_row(cell, "order-0025")
    cell.get_by_role("textbox", name="Filter").fill("run-5")
    expect(rows(cell)).to_have_count(11)
    cell.locator(".inb-chip", has_text="failed").click()
    expect(rows(cell)).to_have_count(3)
    expect(cell.locator(".inb-chip", has_text="failed")).to_have_text(re.compile(r"☑ ✕ failed +3"))
    cell.get_by_role("columnheader", name="Took").get_by_role("button").click()
    heading = cell.get_by_role("columnheader", name="Took")
    expect(heading).to_have_attribute("aria-sort", "descending")
    expect_first_row(cell, "order-0057")
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    expect_first_row(cell, "order-0005")
    cell.locator(".inb-chip", has_text="failed").click()
    cell.get_by_role("textbox", name="Filter").fill("")
    cell.get_by_role("combobox", name="Updated").select_option("in the last hour")
    expect(rows(cell)).to_have_count(1)


def test_a_condition_is_searched_for_and_a_wrong_one_shows_its_place(
    lab: LabPage, store: InngestStore
) -> None:
    cell = show(lab, store)
    field = cell.get_by_role("textbox", name="Filter")
    field.fill("where: input.amount >= 57")
    expect(rows(cell)).to_have_count(3)
    expect(cell.locator(".inb-remark")).to_contain_text("of 3 found in 60 workflows")
    field.fill("where: input.amount >= >= 58")
    misread = cell.locator(".inb-misread")
    expect(misread.locator("pre")).to_contain_text("^")
    expect(rows(cell)).to_have_count(3)
    lab.picture("explore-condition")
    field.fill("where: input.amount >= 58")
    expect(rows(cell)).to_have_count(2)
    expect(misread).to_be_hidden()


def test_a_workflow_is_mended_deleted_and_brought_back(lab: LabPage, store: InngestStore) -> None:
    cell = show(lab, store)
    rows(cell).nth(5).click()
    expect(cell.locator(".inb-summary")).to_contain_text("card declined")
    button(cell, "Edit").click()
    cell.get_by_role("combobox", name="Status").select_option("completed ✓")
    button(cell, "Review changes").click()
    button(cell, "Save").click()
    expect(cell.get_by_text("Saved order-0005")).to_be_visible()
    expect_first_row(cell, "completedorder-0005")
    loaded = store.load("order-0005")
    assert loaded is not None
    assert loaded.status == "completed"
    button(cell, "Delete…").click()
    cell.get_by_role("textbox", name="Type the id to confirm").fill("order-0005")
    cell.locator(".inb-form .inb-form").get_by_role("button", name="Delete", exact=True).click()
    expect(cell.get_by_text("Deleted order-0005")).to_be_visible()
    expect_first_row(cell, "order-0000")
    assert store.load("order-0005") is None
    button(cell, "Restore order-0005").click()
    expect_first_row(cell, "order-0005")
    assert store.load("order-0005") == loaded


def test_the_keyboard_alone_is_enough(lab: LabPage, store: InngestStore) -> None:
    cell = show(lab, store)
    press = lab.page.keyboard.press
    cell.get_by_role("textbox", name="Filter").focus()
    lab.page.keyboard.type("order")
    expect(cell.locator(".inb-remark")).to_contain_text("60")
    grid = cell.get_by_role("grid")
    tab_to(lab, grid)
    press("ArrowDown")
    press("ArrowDown")
    expect(rows(cell).nth(1)).to_have_attribute("aria-selected", "true")
    expect(cell.locator(".inb-summary")).to_contain_text("order-0001")
    press("End")
    expect(cell.locator(".inb-summary")).to_contain_text("order-0024")
    press("ArrowDown")
    expect(cell.locator(".inb-summary")).to_contain_text("order-0025")
    press("PageUp")
    expect(cell.locator(".inb-summary")).to_contain_text("order-0024")
    expect(grid).to_be_focused()
    press("b")  # by which JupyterLab would insert a cell
    tab_to(lab, button(cell, "Edit"))
    press("Enter")
    tab_to(lab, cell.locator(".inb-error textarea"))
    lab.page.keyboard.type("typed")
    review = button(cell, "Review changes")
    tab_to(lab, review)
    press("Enter")
    expect(button(cell, "Save")).to_be_visible()
    expect(review).to_be_enabled()
    expect(review).to_be_focused()  # again, and by then nothing takes the focus from what follows
    tab_to(lab, button(cell, "Save"))
    press("Enter")
    expect(cell.get_by_text("Saved order-0024")).to_be_visible()
    saved = store.load("order-0024")
    assert saved is not None
    assert saved.error == "typed"
    assert len(lab.document().cells) == 1, "a key went to JupyterLab"


def tab_to(lab: LabPage, target: Locator) -> None:
    """Press Tab until something has the focus."""
    expect(target).to_be_visible()
    for _ in range(60):
        lab.page.keyboard.press("Tab")
        if target.evaluate("node => node === document.activeElement"):
            return
    raise AssertionError(f"the Tab key never reaches {target}")


def test_news_come_in_beside_what_is_being_typed(lab: LabPage, store: InngestStore) -> None:
    cell = show(lab, store)
    rows(cell).nth(1).click()
    cell.locator(".inb-payloads summary", has_text="Input").click()
    button(cell, "Edit").click()
    field = cell.locator(".inb-error textarea")
    field.fill("half a sen")
    later = NEWEST + timedelta(seconds=3)
    store.save(state_of(900, updated_at=later))
    expect_first_row(cell, "order-0900")
    store.save(state_of(1, status="canceled", updated_at=later + timedelta(seconds=1)))
    expect_first_row(cell, "canceledorder-0001")
    expect(cell.locator(".inb-summary")).to_contain_text("canceled")
    expect(rows(cell).first).to_have_attribute("aria-selected", "true")
    expect(field).to_be_focused()
    lab.page.keyboard.type("tence")
    expect(field).to_have_value("half a sentence")
    expect(cell.locator(".inb-payloads pre")).to_be_visible()


def test_nothing_is_asked_of_the_store_when_live_is_off(lab: LabPage, store: InngestStore) -> None:
    cell = show(lab, store)
    cell.get_by_role("checkbox", name="Live").uncheck()
    button(cell, "Next page").click()  # answered after the checkbox
    expect_first_row(cell, "order-0025")
    button(cell, "Previous page").click()
    store.save(state_of(900, updated_at=NEWEST + timedelta(seconds=3)))
    lab.page.wait_for_timeout(5_000)  # to see that nothing comes takes a while
    expect_first_row(cell, "order-0000")
    button(cell, "Refresh").click()
    expect_first_row(cell, "order-0900")


def test_hostile_workflows_are_shown_as_they_are(lab: LabPage, store: InngestStore) -> None:
    later = NEWEST + timedelta(seconds=3)
    for text in HOSTILE_STRINGS:
        event = HistoryEvent(type=text, activity_name=text, error=text, result=[text])
        store.save(
            WorkflowState(
                workflow_id=text,
                run_id=text,
                status=text,
                error=text,
                input={text: text},
                history=[event],
                updated_at=later,
            )
        )
    cell = show(lab, store)
    for index in range(len(HOSTILE_STRINGS)):
        name = rows(cell).nth(index).locator(".inb-col-workflow").inner_text()
        rows(cell).nth(index).click()
        expect(cell.locator(".inb-summary")).to_contain_text(name[:30])
        button(cell, "Edit").click()
        expect(button(cell, "Review changes")).to_be_visible()
    lab.assert_undisturbed()


def test_a_key_is_neither_in_the_page_nor_in_the_file_nor_on_the_wire(
    lab: LabPage, store: InngestStore
) -> None:
    frames: list[str | bytes] = []
    watch_sockets(lab, lambda payload: frames.append(payload))
    cell = show(lab, store)
    rows(cell).first.click()
    expect(cell.locator(".inb-summary")).to_contain_text("order-0000")
    assert KEY not in lab.page.content()
    assert KEY not in lab.save().read_text()
    sent = [frame if isinstance(frame, bytes) else frame.encode() for frame in frames]
    assert b"order-0000" in b"".join(sent)
    assert KEY.encode() not in b"".join(sent)


def test_the_socket_carries_pages_and_not_the_store(lab: LabPage, store: InngestStore) -> None:
    long = {"long": "payload " * 200}
    save_all(store, (state_of(number, input=long) for number in range(60, 1_500)))
    sizes: list[int] = []
    watch_sockets(lab, lambda payload: sizes.append(len(payload)))
    cell = show(lab, store)
    for number in (26, 51, 76):
        button(cell, "Next page").click()
        expect(cell.locator(".inb-remark")).to_contain_text(f"{number}-")
    rows(cell).first.click()
    expect(cell.locator(".inb-summary")).to_contain_text("order-0075")
    # A third of it is usual, and more where JupyterLab has to connect again.
    assert sum(sizes) < 1_000_000, "1,500 workflows are 3 MB"


def watch_sockets(lab: LabPage, call: Any) -> None:
    def watch(socket: WebSocket) -> None:
        socket.on("framesent", call)
        socket.on("framereceived", call)

    lab.page.on("websocket", watch)


def test_a_notebook_opened_again_has_the_table_that_was_saved(
    lab: LabPage, store: InngestStore
) -> None:
    show(lab, store)
    file = lab.save()
    saved = nbformat.read(file, as_version=4)
    data = saved.cells[0].outputs[0].data
    assert "1-25 of 60 workflows" in data["text/plain"]
    del data["application/vnd.jupyter.widget-view+json"]  # as where no kernel and no widget is
    copy = file.with_name("again.ipynb")
    nbformat.write(saved, copy)
    lab.open(copy)
    table = lab.cell(0).locator(".inb-table")
    expect(table.locator("tbody tr")).to_have_count(25)
    expect(lab.cell(0)).to_contain_text("1-25 of 60 workflows, newest first")
    lab.picture("explore-saved")


WIDTHS = (400, 800, 1280, 1440)


@pytest.mark.parametrize("files", ["closed", "open"])
def test_nothing_is_cut_off_and_a_click_shows_the_detail_in_sight(
    lab: LabPage, store: InngestStore, files: str
) -> None:
    """At 400 px JupyterLab hides what the file browser leaves: there it stays closed."""
    store.save(state_of(1, workflow_id="a-very-long-id-" * 12, updated_at=NEWEST))
    store.save(state_of(2, workflow_id="approval-000123", updated_at=NEWEST))
    cell = show(lab, store)
    if files == "open":
        lab.page.evaluate("() => window.jupyterapp.shell.activateById('filebrowser')")
    widths = WIDTHS if files == "closed" else WIDTHS[1:]
    for width in widths:
        lab.resize(width)
        cell.locator(".inb-explore").scroll_into_view_if_needed()
        for number in (1, 5, 20):
            row = rows(cell).nth(number)
            name = row.locator(".inb-col-workflow").inner_text()[:20]
            row.click()
            summary = cell.locator(".inb-summary")
            expect(summary).to_contain_text(name)
            expect(summary).to_be_in_viewport(ratio=0.3)
            expect(row).to_be_in_viewport(ratio=0.9)
        wider = """(node) => [node, ...node.querySelectorAll('*')].filter((each) =>
            each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== 'inline'
            && !each.closest('svg, .widget-text, .widget-dropdown, .widget-hidden, pre')
            && each.clientWidth > 0
        ).map((each) => `${each.className || each.tagName}: ${each.scrollWidth}`)"""
        cut = "; ".join(cell.locator(".inb-explore").evaluate(wider))
        assert cut == "", f"cut off at {width} px"
        assert crowded_ticks(cell.locator(".inb-chart")) == [], f"at {width} px"
    lab.pictures(f"explore-{files}", *widths)
    button(cell, "Edit").click()
    expect(button(cell, "Review changes")).to_be_visible()
    lab.pictures(f"explore-edit-{files}", widths[0], widths[-1])
