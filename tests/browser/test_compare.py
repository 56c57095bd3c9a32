"""Two runs beside each other, as a person sees them: in either theme, narrow, and reopened."""

from hostile_strings import HOSTILE_STRINGS
from jupyterlab_driver import LabPage
from playwright.sync_api import expect

RUN = """
import inngest_nb as inb

store = inb.MemoryStore()
given = {"order": 42, "speed": 50}
for name, failures in (("patient", 2), ("prompt", 0)):
    with inb.Executor(store) as executor:
        executor.execute(inb.samples.order, id=f"order-{name}", input=given | {"bank_failures": failures}).result()
a, b = (store.load(f"order-{name}") for name in ("patient", "prompt"))
"""

FORKED = """
from inngest_nb.state import ForkOrigin

events = [event for event in b.history if event.activity_name != "send_parcel"]
events.insert(-1, inb.HistoryEvent(type="signal_received", signal_name="approve", signal_payload={"by": "Ada"}))
events = [event.replace(id=number) for number, event in enumerate(events, 1)]
fork = b.replace(
    workflow_id="order-fork", run_id="another", status="failed", history=events, error="nobody sent it\\nafter all",
    result=None, forked_from=ForkOrigin(workflow_id=b.workflow_id, run_id=b.run_id, event_id=3),
)
inb.compare(b, fork)
"""

HOSTILE = f"""
import inngest_nb as inb
for text in {HOSTILE_STRINGS!r}:
    kinds = ("activity_started", "activity_failed", "signal_received")
    names = {{"activity_name": text, "signal_name": text, "error": text, "input": {{text: text}}}}
    events = [inb.HistoryEvent(type=kind, **names) for kind in kinds]
    one = inb.WorkflowState(workflow_id=text, status=text, error=text, history=events, input=text)
    display(inb.compare(one, one.replace(workflow_id="b", history=events[:1], input=[text])))
"""


ROWS = "names => names.map(name => name.getClientRects().length)"


def test_two_runs_can_be_compared_in_every_width(lab: LabPage) -> None:
    lab.open_cells(RUN.strip(), "inb.compare(a, b)", FORKED.strip())
    lab.run_all()
    cell = lab.cell(1)
    expect(cell).to_contain_text("First difference: reserve_stock (input")
    expect(cell.locator("tbody").nth(1).locator("details").first).to_have_attribute("open", "")
    cell.locator("summary", has_text="input, error, attempts").click()
    expect(cell.locator("tbody").nth(2).locator("del").first).to_be_visible()
    expect(lab.cell(2)).to_contain_text("forked here, after event 3")
    lab.pictures("compare", 400, 700, 1280)
    for width in (1280, 700, 400):
        lab.resize(width)
        for table in lab.page.locator(".inb-pairs").all():
            room = table.evaluate("node => [node.scrollWidth, node.parentElement.clientWidth]")
            assert room[0] <= room[1], f"a comparison is cut off at {width}"
        names = lab.page.locator(".inb-pairs td:nth-child(2) > code").evaluate_all(ROWS)
        assert set(names) == {1}, f"the name of a step is broken at {width}"
    lab.open(lab.save())
    expect(lab.cell(2)).to_contain_text("forked here, after event 3")
    lab.picture("compare-reopened")
    lab.page.evaluate("document.querySelectorAll('.jp-OutputArea style').forEach(s => s.remove())")
    lab.picture("compare-without-style")


def test_hostile_strings_do_nothing_in_a_comparison(lab: LabPage) -> None:
    lab.open_cells(HOSTILE)
    lab.run_all()
    expect(lab.cell(0).locator(".inb-pairs")).to_have_count(len(HOSTILE_STRINGS))
    lab.assert_undisturbed()
