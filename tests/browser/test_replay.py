"""A history that one scrubs through: by mouse, by keyboard, in either theme, and reopened."""

from hostile_strings import HOSTILE_STRINGS
from jupyterlab_driver import LabPage
from playwright.sync_api import expect

import inngest_nb as inb

RUN = """
import inngest_nb as inb

store = inb.SqliteStore("states.db")

def price(sku):
    return {"sku": sku, "price": 7 * len(sku)}

async def offer(ctx, given):
    lamp = await ctx.execute_activity(price, given["sku"])
    answer = await ctx.receive_signal("approve")
    if not answer["approved"]:
        return "nothing was ordered"
    return await ctx.execute_activity(price, lamp["sku"] + "!")

with inb.Executor(store) as executor:
    handle = executor.execute(offer, id="offer-7", input={"sku": "lamp"})
    executor.signal("offer-7", inb.Signal("approve", {"approved": True, "by": "Ada"}))
    handle.result()
"""
REPLAY = 'view = inb.replay(store.load("offer-7"), offer, store=store)\nview'
SAVED = "from IPython.display import HTML\nHTML(view._repr_mimebundle_()['text/html'])"
PARTED = 'inb.replay(store.load("offer-7"), inb.samples.order)'
HOSTILE = f"""
import inngest_nb as inb
for text in {HOSTILE_STRINGS!r}:
    kinds = ("workflow_started", "activity_started", "activity_failed", "signal_received")
    names = {{"activity_name": text, "signal_name": text, "error": text, "input": {{text: text}}}}
    events = [inb.HistoryEvent(id=n, type=kind, **names) for n, kind in enumerate(kinds)]
    view = inb.replay(inb.WorkflowState(workflow_id=text, status=text, history=events), inb.samples.order)
    view.moment = 3
    display(view)
"""


def test_a_history_is_scrubbed_by_keyboard_and_forked(lab: LabPage) -> None:
    lab.open_cells(RUN.strip(), REPLAY, PARTED, SAVED)
    lab.run_all()
    lab.wait_for_widgets()
    view = lab.cell(1)
    moment = view.locator(".inb-moment")
    expect(moment).to_contain_text("workflow_started")
    expect(moment).to_contain_text('lamp = await ctx.execute_activity(price, given["sku"])')
    handle = view.locator(".inb-scrubber [role=slider]")
    handle.focus()
    lab.page.keyboard.press("End")
    expect(moment).to_contain_text("workflow_completed")
    expect(view.get_by_role("button", name="Fork here")).to_be_disabled()
    expect(view.get_by_role("button", name="Next")).to_be_disabled()
    lab.page.keyboard.press("Home")
    expect(moment).to_contain_text("workflow_started")
    for number in range(
        2, 5
    ):  # the first price is in event 4, whether it was approved before or not
        lab.page.keyboard.press("ArrowRight")
        expect(moment).to_contain_text(f"{number} of 7")
    expect(moment).to_contain_text("activity_completed price")
    expect(moment).to_contain_text("In [")
    lab.pictures("replay-moment", 700, 1280)
    view.get_by_label("Result").fill('{"sku": "torch"}')
    view.get_by_role("button", name="Fork here").click()
    expect(view.locator(".inb-outcome")).to_contain_text("with a different result of price")
    lab.pictures("replay-forked", 700, 1280)
    with inb.SqliteStore(lab.folder / "states.db") as store:
        (forked,) = [each for each in store.list() if each.workflow_id != "offer-7"]
    assert forked.forked_from
    assert forked.history[-1].result == {"sku": "torch"}
    parted = lab.cell(2)
    expect(parted.locator(".inb-parting")).to_contain_text("Code and history diverge at event")
    saved = lab.document().cells[1].outputs[0].data["text/html"]
    assert "signal_received" in saved
    table = lab.cell(3).locator("table")
    expect(table).to_contain_text('lamp = await ctx.execute_activity(price, given["sku"])')
    room = table.evaluate("node => [node.scrollWidth, node.parentElement.clientWidth]")
    assert room[0] <= room[1]


def test_hostile_strings_do_nothing_in_a_replay(lab: LabPage) -> None:
    lab.open_cells(HOSTILE)
    lab.run_all()
    lab.wait_for_widgets()
    expect(lab.cell(0).locator(".inb-moment")).to_have_count(len(HOSTILE_STRINGS))
    lab.assert_undisturbed()
