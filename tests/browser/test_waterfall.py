"""A waterfall in JupyterLab: readable in every theme and width, and moving until its run is over."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hostile_strings import HOSTILE_STRINGS
from jupyterlab_driver import LabPage
from playwright.sync_api import BrowserContext, Locator, expect
from story_records import Record, milliseconds_of, row_of, shifted, story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI

NAMES = story().names
SHOWN = ("fail_default", "flaky1", "sleep", "wait_match", "invoke", "parallel", "long_by-v2")


@pytest.fixture
def inngest() -> Iterator[StoryServer]:
    with StoryServer() as server:
        yield server


def begin(server: StoryServer) -> str:
    return f"import inngest_nb as inb\napi = inb.InngestAPI({server.url!r})"


def draw(*names: str) -> str:
    return f"for run in {[NAMES[name] for name in names]!r}:\n    display(inb.waterfall(run, api))"


def fact(cell: Locator, label: str) -> Locator:
    """Return the value that stands under a label of the picture."""
    return (
        cell.locator(".inb-facts > div")
        .filter(has=cell.page.get_by_text(label, exact=True))
        .locator("dd")
    )


def test_a_waterfall_can_be_read_in_every_theme_and_width(
    lab: LabPage, inngest: StoryServer
) -> None:
    lab.open_cells(begin(inngest), draw(*SHOWN))
    lab.run_all()
    expect(lab.cell(1).locator(".inb-chart")).to_have_count(len(SHOWN))
    lab.cell(1).locator("details.inb-payloads").first.locator("summary").first.click()
    lab.pictures("waterfall", 400, 800, 1280)
    for theme, width in (("light", 700), ("dark", 1600)):
        lab.theme(theme)
        lab.resize(width)
        for chart in lab.page.locator(".inb-chart").all():
            room = chart.evaluate("node => [node.scrollWidth, node.parentElement.clientWidth]")
            assert room[0] <= room[1], f"a chart is cut off at {width}"


@pytest.mark.parametrize("width", [320, 400, 800, 1_280])
def test_no_row_is_cut_off_and_bars_stay_under_their_ticks(
    browser: BrowserContext, inngest: StoryServer, width: int
) -> None:
    with InngestAPI(inngest.url) as api, browser.new_page() as page:
        page.set_viewport_size({"width": width, "height": 600})
        for name in SHOWN:
            page.set_content(inb.waterfall(NAMES[name], api)._repr_mimebundle_()["text/html"])
            page.locator("body").evaluate("body => { body.style.margin = 0; }")
            page.evaluate(
                "document.querySelectorAll('details').forEach(one => { one.open = true; })"
            )
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            axis = page.locator(".inb-chart thead svg").bounding_box()
            assert axis is not None
            for bars in page.locator(".inb-chart tbody svg").all():
                box = bars.bounding_box()
                assert box is not None
                assert [round(box[key]) for key in ("x", "width")] == [
                    round(axis[key]) for key in ("x", "width")
                ]


def asleep_since(server: StoryServer, seconds: float) -> str:
    """Let a run that sleeps have begun so long ago; return its id."""
    old = server.state.run(NAMES["long_stays"])
    shift = int((time.time() - seconds) * 1000) - milliseconds_of(old.id)
    record = Record(**{name: shifted(part, shift) for name, part in vars(old.record).items()})
    with server.state.lock:
        server.state.runs.put(row_of(record))
    return str(record.item["id"])


def test_an_open_run_moves_in_its_cell_and_its_last_picture_stays(
    lab: LabPage, inngest: StoryServer
) -> None:
    run_id = asleep_since(inngest, 20)
    lab.open_cells(begin(inngest), f"inb.waterfall({run_id!r}, api)")
    lab.run_all()
    cell = lab.cell(1)
    expect(fact(cell, "Status")).to_contain_text("running")
    payloads = cell.locator("details.inb-payloads")
    payloads.locator("summary").first.click()
    payloads.locator("details summary").last.click()
    unfolded = payloads.locator("pre").last
    expect(unfolded).to_contain_text("started")
    for _ in range(2):  # what somebody has unfolded stays so, and where it was
        before, where = fact(cell, "So far").inner_text(), unfolded.bounding_box()
        expect(fact(cell, "So far")).not_to_have_text(before)
        expect(unfolded).to_be_visible()
        assert unfolded.bounding_box() == where
    lab.picture("waterfall-live")
    with InngestAPI(inngest.url) as api:
        api.cancel(run_id)
    expect(fact(cell, "Status")).to_contain_text("canceled")
    expect(fact(cell, "Ended")).to_be_visible()
    expect(cell.locator(".jupyter-widgets")).to_have_count(0)  # what a notebook keeps replaced it
    (output,) = lab.document().cells[1].outputs
    assert "canceled" in output.data["text/html"]
    assert f"{run_id}: ⊘ canceled" in output.data["text/plain"]
    lab.open(lab.save())
    expect(fact(lab.cell(1), "Status")).to_contain_text("canceled")
    lab.picture("waterfall-reopened")


def test_what_changes_is_unfolded_again_and_hostile_text_does_nothing(
    lab: LabPage, inngest: StoryServer
) -> None:
    run_id = asleep_since(inngest, 20)
    lab.open_cells(begin(inngest), f"inb.waterfall({run_id!r}, api)")
    lab.run_all()
    payloads = lab.cell(1).locator("details.inb-payloads")
    payloads.locator("summary").first.click()
    payloads.locator("details summary").last.click()
    expect(payloads.locator("pre").last).to_contain_text("started")
    with inngest.state.lock:
        root = inngest.state.run(run_id).record.trace["rootSpan"]
        root["children"] += [
            {"name": text, "stepOp": "RUN", "stepId": f"{number}", "status": "COMPLETED"}
            | {"output": {text: text}, "input": {"data": text}, "startedAt": root["startedAt"]}
            for number, text in enumerate(HOSTILE_STRINGS)
        ]
    rows = lab.cell(1).locator(".inb-chart tbody tr")
    expect(rows).to_have_count(2 + len(HOSTILE_STRINGS))
    expect(payloads.locator("pre", has_text="started")).to_be_visible()
    lab.assert_undisturbed()
