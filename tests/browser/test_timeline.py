"""Timelines as a person sees them: in either theme, narrow and wide, reopened and printed."""

from datetime import UTC, datetime, timedelta

import pytest
from crowding import crowded_ticks, shown_ticks
from hostile_strings import HOSTILE_STRINGS
from jupyterlab_driver import LabPage
from playwright.sync_api import Browser, expect

import inngest_nb as inb

DRAW = """
from datetime import UTC, datetime, timedelta
import inngest_nb as inb

now = datetime(2026, 3, 10, 12, tzinfo=UTC)
seen = {}
for one in inb.samples.states(300, now=now):
    seen.setdefault((one.workflow_id.split("-")[0], str(one.status)), one)
chosen = [("order", "failed"), ("report", "completed"), ("import", "running"), ("import", "canceled")]
for which in chosen:
    display(inb.timeline(seen[which], now=now))
display(inb.timeline(inb.WorkflowState(workflow_id="from-go", status="completed", updated_at=now)))
"""

DRAW_WAITING = """
import inngest_nb as inb
from datetime import timedelta


def at(seconds, kind, name="", call=0, **more):
    when = now + timedelta(seconds=seconds)
    return inb.HistoryEvent(type=kind, activity_name=name, timestamp=when, seq=call, **more)


cities = ["Oslo", "Lima", "Nairobi", "Kyoto", "Reykjavik", "Montevideo"]
begun = [at(0, "activity_started", "measure_city", n, input={"city": c, "all": cities})
         for n, c in enumerate(cities, 1)]
ended = [at(n / 2, "activity_completed", "measure_city", n, result=8.5 + n) for n in range(1, 7)]
tried = []
for begin, end, pause in ((4, 6, 2), (8, 9, 6), (15, 16, 10)):
    error = f"bank error 503 after {end} s: " + "the payment gateway does not answer; " * 6
    tried += [
        at(begin, "activity_started", "charge_card", 7, input={"amount": 99.5}),
        at(end, "activity_failed", "charge_card", 7, error=error,
           retry_at=now + timedelta(seconds=end + pause)),
    ]
timer = at(5, "timer_fired", call=8, duration=5)
signal = at(7, "signal_received", signal_name="approve")
history = tuple(sorted([*begun, *ended, *tried, timer, signal], key=lambda event: event.timestamp))
inb.timeline(inb.WorkflowState(workflow_id="waits", status="running", history=history,
                               created_at=now), now=now + timedelta(seconds=20))
"""

DRAW_MANY = """
import random
luck = random.Random(1)
events = []
for number in range(3000):
    took = luck.expovariate(1 / 2)
    begin = now + timedelta(seconds=number / 10)
    end = "failed" if luck.random() < 0.02 else "completed"
    name = f"resize_{number % 5}"
    more = {"activity_name": name, "input": number}
    events.append(inb.HistoryEvent(type="activity_started", timestamp=begin, **more))
    more |= {"timestamp": begin + timedelta(seconds=took), "duration": took}
    events.append(inb.HistoryEvent(type=f"activity_{end}", error="boom" * (end == "failed"), **more))
events.sort(key=lambda event: event.timestamp)
long = inb.WorkflowState(workflow_id="long", status="running", history=tuple(events), created_at=now)
inb.timeline(long, now=now + timedelta(minutes=6))
"""

DRAW_HOSTILE = f"""
import inngest_nb as inb
for text in {HOSTILE_STRINGS!r}:
    kinds = ("activity_started", "activity_failed", "signal_received")
    names = {{"activity_name": text, "signal_name": text, "error": text}}
    display(inb.timeline(inb.WorkflowState(
        workflow_id=text, run_id=text, status=text, error=text,
        history=tuple(inb.HistoryEvent(type=kind, **names) for kind in kinds),
    )))
"""

RATIO_OF_CONTRAST = """([word, table]) => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const light = color => {
        canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(part => {
            const share = part / 255;
            return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = getComputedStyle(document.body).getPropertyValue('--jp-layout-color0');
    const [a, b] = [light(getComputedStyle(word)[table]), light(ground)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


def test_a_timeline_can_be_read_in_every_theme_and_width(lab: LabPage) -> None:
    lab.open_cells(DRAW, DRAW_WAITING, DRAW_MANY)
    lab.run_all()
    expect(lab.cell(0).locator(".inb-chart")).to_have_count(4)
    expect(lab.cell(0)).to_contain_text("Go's executor drops it")
    name = lab.page.locator(".inb-chart code").first
    expect(name).to_have_css("background-color", "rgba(0, 0, 0, 0)")  # as in a widget
    lab.pictures("timeline", 400, 800, 1280)
    for theme, width in (("light", 700), ("dark", 1600)):
        lab.theme(theme)
        lab.resize(width)
        lab.picture(f"timeline-{theme}-{width}")
        for table in lab.page.locator(".inb-chart").all():
            room = table.evaluate("node => [node.scrollWidth, node.parentElement.clientWidth]")
            assert room[0] <= room[1], f"a chart is cut off at {width}"
        words = lab.page.locator(".inb-chart td:last-child").first.element_handle()
        assert lab.page.evaluate(RATIO_OF_CONTRAST, [words, "color"]) > 4.5
        bars = lab.page.locator(".inb-chart rect").first.element_handle()
        assert lab.page.evaluate(RATIO_OF_CONTRAST, [bars, "stroke"]) > 2.5


def test_bars_keep_their_places_under_the_ticks(lab: LabPage) -> None:
    lab.open_cells(DRAW)
    lab.run_all()
    chart = lab.cell(0).locator(".inb-chart").nth(1)
    axis = chart.locator("thead svg").bounding_box()
    bars = chart.locator("tbody svg").all()
    assert axis is not None
    for svg in bars:
        box = svg.bounding_box()
        assert box is not None
        assert (round(box["x"]), round(box["width"])) == (round(axis["x"]), round(axis["width"]))


@pytest.mark.parametrize("width", [320, 400, 640, 800, 1_280])
def test_no_outcome_is_cut_off_in_a_pane_of_any_width(browser: Browser, width: int) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    events = [
        {"type": "activity_started", "timestamp": begin},
        {"type": "activity_completed", "timestamp": begin + timedelta(seconds=75)},
        {"type": "activity_started", "timestamp": begin + timedelta(seconds=80)},
        {"type": "activity_failed", "timestamp": begin + timedelta(hours=30), "error": "x" * 200},
    ]
    names = ["measure_city", "measure_city", *["reconcile_invoices_of_all_accounts"] * 2]
    history = tuple(
        inb.HistoryEvent(activity_name=name, **event)
        for name, event in zip(names, events, strict=True)
    )
    state = inb.WorkflowState(workflow_id="order-000123", status="failed", history=history)
    with browser.new_page() as page:
        page.set_viewport_size({"width": width, "height": 600})
        page.set_content(inb.timeline(state)._repr_mimebundle_()["text/html"])
        page.locator("body").evaluate("body => { body.style.margin = 0; }")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for cell in page.locator(".inb-chart tbody td:last-child").all():
            box = cell.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= width
            assert box["width"] >= 72


@pytest.mark.parametrize("width", [320, 400, 640, 800, 1_280])
def test_an_error_takes_the_whole_width_and_moves_nothing(browser: Browser, width: int) -> None:
    def drawn(error: str) -> str:
        begin = datetime(2026, 1, 1, tzinfo=UTC)
        history = tuple(
            inb.HistoryEvent(
                type=kind,
                activity_name="charge_card",
                input={"card": n},
                seq=n,
                error=error if kind == "activity_failed" else "",
                timestamp=begin + timedelta(seconds=n + later),
            )
            for n in (1, 2)
            for later, kind in enumerate(("activity_started", "activity_failed"))
        )
        state = inb.WorkflowState(workflow_id="w", status="failed", history=history)
        html: str = inb.timeline(state)._repr_mimebundle_()["text/html"]
        return html

    axes = []
    with browser.new_page() as page:
        page.set_viewport_size({"width": width, "height": 600})
        for error in ("e", "x" * 200, "the payment gateway does not answer; " * 9):
            page.set_content(drawn(error))
            axes.append(page.locator(".inb-chart thead svg").bounding_box())
            chart = page.locator(".inb-chart").bounding_box()
            shown = page.locator(".inb-error div").first.bounding_box()
            assert chart is not None
            assert shown is not None
            assert shown["width"] > 0.95 * chart["width"]
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert axes[0] == axes[1] == axes[2]


def test_a_narrow_chart_keeps_names_and_outcomes_whole_above_their_bars(browser: Browser) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    history = tuple(
        inb.HistoryEvent(type="activity_started", activity_name="measure_city", seq=n,
                         input={"city": city}, timestamp=begin)
        for n, city in enumerate(("Reykjavik", "Montevideo"), 1)
    )  # fmt: skip
    state = inb.WorkflowState(workflow_id="w", status="failed", history=history, updated_at=begin)
    with browser.new_page() as page:
        page.set_viewport_size({"width": 360, "height": 600})
        page.set_content(inb.timeline(state)._repr_mimebundle_()["text/html"])
        for row in page.locator(".inb-chart tbody tr").all():
            name, outcome, bars = (
                row.locator(cell).bounding_box()
                for cell in ("td:first-child", "td:last-child", ".inb-bars")
            )
            assert name is not None
            assert outcome is not None
            assert bars is not None
            assert name["height"] < 24  # one line
            assert name["y"] == outcome["y"] < bars["y"]
            assert bars["width"] > 300


# The lengths whose labels are the longest, and some whose last tick is at the very end.
LENGTHS = (0.00025, 0.5, 1.8, 2, 75, 150, 4_500, 9_000, 2.5e11)


@pytest.mark.parametrize("seconds", LENGTHS)
def test_labels_of_the_axis_keep_apart_however_narrow_it_is(
    browser: Browser, seconds: float
) -> None:
    begin = datetime(2, 1, 1, tzinfo=UTC)
    end = {"activity_name": "charge", "timestamp": begin + timedelta(seconds=seconds)}
    history = (
        inb.HistoryEvent(type="activity_started", activity_name="charge", timestamp=begin),
        inb.HistoryEvent(type="activity_completed", **end),
    )
    state = inb.WorkflowState(workflow_id="w", status="completed", history=history)
    with browser.new_page() as page:
        page.set_content(inb.timeline(state)._repr_mimebundle_()["text/html"])
        seen = set()
        for width in range(300, 1_100, 40):
            page.locator("body").evaluate("(body, px) => { body.style.width = `${px}px`; }", width)
            assert crowded_ticks(page.locator(".inb-chart")) == [], f"at {width} px"
            seen.add(len(shown_ticks(page.locator(".inb-chart"))))
        assert min(seen) >= 2
        assert max(seen) > min(seen), "a wide chart has no more labels than a narrow one"


def test_a_timeline_reads_on_in_a_reopened_notebook_in_print_and_without_style(
    lab: LabPage,
) -> None:
    lab.open_cells(DRAW)
    lab.run_all()
    lab.open(lab.save())
    expect(lab.cell(0).locator(".inb-chart")).to_have_count(4)
    lab.picture("timeline-reopened")
    lab.page.emulate_media(media="print")
    lab.picture("timeline-print")
    lab.page.emulate_media(media="screen")
    lab.page.evaluate("document.querySelectorAll('.jp-OutputArea style').forEach(s => s.remove())")
    lab.picture("timeline-without-style")
    failed = lab.cell(0).locator(".inb-chart").first
    expect(failed).to_contain_text("✕ failed")
    expect(failed.locator("rect").first).to_be_visible()


def test_hostile_strings_do_nothing_in_a_timeline(lab: LabPage) -> None:
    lab.open_cells(DRAW_HOSTILE)
    lab.run_all()
    expect(lab.cell(0).locator(".inb-chart")).to_have_count(len(HOSTILE_STRINGS))
    lab.assert_undisturbed()
