"""The forms, as a person uses them in JupyterLab: typing, clicking, and the keyboard alone."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hostile_strings import HOSTILE_STRINGS
from jupyterlab_driver import LabPage
from playwright.sync_api import Locator, expect

from inngest_nb import HistoryEvent, SqliteStore, StateServer, WorkflowState, wire

BEGAN = datetime(2025, 7, 14, 9, 8, 7, tzinfo=UTC)
STUCK = WorkflowState(
    workflow_id="order-7",
    run_id="01J2Z0007",
    status="running",
    input={"order": 7, "items": [{"sku": "A-1", "count": 2}], "total": 12345678901234567890123},
    error="payment gateway timed out after 30 s\nat charge-card",
    history=[
        HistoryEvent(id=1, type="workflow_started", timestamp=BEGAN),
        HistoryEvent(id=2, type="activity_completed", activity_name="reserve-stock"),
    ],
    created_at=BEGAN,
    updated_at=BEGAN,
)
OPEN_STORE = """
import inngest_nb as inb

store = inb.SqliteStore("states.db")
"""


@pytest.fixture
def store(lab: LabPage) -> Iterator[SqliteStore]:
    """The file that the notebook's store has open, as another process sees it."""
    lab.folder.mkdir(parents=True, exist_ok=True)
    with SqliteStore(lab.folder / "states.db") as store:
        store.save(STUCK)
        yield store


def opened(lab: LabPage, call: str, setup: str = OPEN_STORE) -> Locator:
    lab.open_cells(setup.strip(), call)
    lab.run_all()
    lab.wait_for_widgets()
    return lab.cell(1)


def press(form: Locator, name: str) -> None:
    form.get_by_role("button", name=name, exact=True).click()


def load(form: Locator, workflow_id: str) -> None:
    form.get_by_label("Workflow id").fill(workflow_id)
    form.get_by_label("Workflow id").press("Enter")
    expect(form.locator(".inb-summary")).to_contain_text(workflow_id)


def test_a_stuck_workflow_is_mended(lab: LabPage, store: SqliteStore) -> None:
    form = opened(lab, "inb.save_form(store)")
    load(form, "order-7")
    form.get_by_label("Status").select_option("failed ✕")
    # Else its arrow is ipywidgets' own, which is black in dark themes too.
    expect(form.get_by_label("Status")).to_have_css("background-image", "none")
    form.get_by_label("Error").fill("gave up")
    field = form.get_by_label("Input")
    right = field.input_value().replace('"count": 2', '"count": 3')
    field.fill(right.replace('"count": 3', '"count": 3 "size": 1'))
    press(form, "Review changes")
    expect(form.locator(".inb-input-flaw")).to_contain_text("line 6, column 18")
    expect(form.locator(".inb-input-flaw mark")).to_have_text('"')
    expect(form.locator(".inb-trouble")).to_contain_text("Input is not valid JSON")
    lab.pictures("forms-save-flaw")
    field.fill(right)
    press(form, "Review changes")
    question = form.locator(".inb-question")
    expect(question).to_contain_text("Save order-7?")
    comes = ["failed", '+       "count": 3', "+ gave up"]
    expect(question.locator("ins")).to_have_text(comes)
    assert store.load("order-7") == STUCK
    lab.pictures("forms-save-review")
    form.get_by_role("button", name="Save", exact=True).dblclick()
    expect(question).to_contain_text("Saved order-7")
    expect(form.locator(".widget-button")).to_have_text(["Load", "Review changes"])
    state = store.load("order-7")
    assert state is not None
    assert (state.status, state.error, state.history) == ("failed", "gave up", STUCK.history)
    assert state.input == STUCK.input | {"items": [{"sku": "A-1", "count": 3}]}
    lab.pictures("forms-save-done")


def test_a_change_meanwhile_is_seen_before_it_is_overwritten(
    lab: LabPage, store: SqliteStore
) -> None:
    form = opened(lab, "inb.save_form(store)")
    load(form, "order-7")
    form.get_by_label("Error").fill("mine")
    press(form, "Review changes")
    expect(form.locator(".inb-question")).to_contain_text("Save order-7?")
    store.save(STUCK.replace(status="completed", result={"shipped": True}))
    press(form, "Save")
    expect(form.locator(".inb-question")).to_contain_text("was changed by someone else")
    lab.pictures("forms-save-conflict")
    press(form, "Reapply my edits")
    expect(form.get_by_label("Status")).to_have_value("completed ✓")
    expect(form.get_by_label("Error")).to_have_value("mine")
    press(form, "Review changes")
    press(form, "Save")
    expect(form.locator(".inb-question")).to_contain_text("Saved order-7")
    state = store.load("order-7")
    assert state is not None
    assert (state.status, state.result, state.error) == ("completed", {"shipped": True}, "mine")


def test_a_workflow_is_deleted_and_put_back(lab: LabPage, store: SqliteStore) -> None:
    for n in range(30):
        state = ("completed", "failed", "paused")[n % 3]
        store.save(STUCK.replace(workflow_id=f"order-{n + 100}", status=state))
    form = opened(lab, "inb.delete_form(store)")
    form.get_by_label("Filter").press_sequentially("running")
    entries = form.get_by_label("Workflows").locator("option")
    line = (
        "order-7  ·  running ◐  ·  2025-07-14 09:08:07 UTC  ·  payment gateway timed out after 30 s"
    )
    expect(entries).to_have_text([line])
    form.get_by_label("Workflows").select_option(index=0)
    expect(form.locator(".inb-summary")).to_contain_text("2 events")
    form.locator("summary", has_text="Input").click()
    expect(form.locator(".inb-summary pre").first).to_contain_text("12345678901234567890123")
    form.get_by_label("Type the id to confirm").fill("order")
    press(form, "Delete")
    expect(form.locator(".inb-trouble")).to_contain_text("type its id to confirm: order-7")
    lab.pictures("forms-delete")
    form.get_by_label("Type the id to confirm").fill("order-7")
    press(form, "Delete")
    expect(form.locator(".inb-outcome")).to_contain_text("Deleted order-7")
    assert store.load("order-7") is None
    lab.pictures("forms-delete-done")
    press(form, "Restore order-7")
    expect(form.locator(".inb-outcome")).to_contain_text("Restored order-7")
    back = store.load("order-7")
    assert back is not None
    assert wire.encode(back) == wire.encode(STUCK)


def test_errors_of_the_store_appear_in_the_forms(lab: LabPage, tmp_path: Path) -> None:
    with ExitStack() as running:
        server = running.enter_context(StateServer(tmp_path / "state.db", port=0))
        setup = f"import inngest_nb as inb\nstore = inb.InngestStore(base_url={server.url!r})"
        lab.open_cells(setup, "inb.save_form(store)", "inb.delete_form(store)")
        lab.run_all()
        lab.wait_for_widgets()
    saving, deleting = lab.cell(1), lab.cell(2)
    saving.get_by_label("Workflow id").fill("order-7")
    saving.get_by_label("Error").fill("typed before it failed")
    press(saving, "Review changes")
    expect(saving.locator(".inb-question")).to_contain_text("Create order-7?")
    press(saving, "Save")
    expect(saving.locator(".inb-trouble")).to_contain_text("Could not save the workflow")
    expect(saving.locator(".inb-trouble")).to_contain_text("What to try")
    expect(saving.get_by_label("Error")).to_have_value("typed before it failed")
    press(deleting, "Refresh")
    expect(deleting.locator(".inb-trouble")).to_contain_text("Could not list the workflows")
    lab.pictures("forms-errors")


def test_hostile_workflows_stay_inert_in_both_forms(lab: LabPage, store: SqliteStore) -> None:
    for text in HOSTILE_STRINGS:
        store.save(
            WorkflowState(
                workflow_id=text, run_id=text, status=text, error=text, input={text: [text]}
            )
        )
    store.delete("order-7")
    lab.open_cells(OPEN_STORE.strip(), "inb.save_form(store)", "inb.delete_form(store)")
    lab.run_all()
    lab.wait_for_widgets()
    saving, deleting = lab.cell(1), lab.cell(2)
    for number, text in enumerate(sorted(HOSTILE_STRINGS)):
        load(saving, text)
        saving.get_by_label("Result").fill(json.dumps(text) + ",")
        saving.get_by_label("Result").blur()
        expect(saving.locator(".inb-result-flaw")).to_contain_text("extra data")
        saving.get_by_label("Result").fill(json.dumps(text))
        press(saving, "Review changes")
        expect(saving.locator(".inb-question")).to_contain_text(text[:20])
        press(saving, "Save")
        expect(saving.locator(".inb-question")).to_contain_text("Saved")
        deleting.get_by_label("Workflows").select_option(index=number)
        expect(deleting.locator(".inb-summary dd").first).to_have_text(text)
        deleting.get_by_label("Type the id to confirm").fill(f"{text}!")
        press(deleting, "Delete")
        expect(deleting.locator(".inb-trouble")).to_contain_text(text)
    lab.pictures("forms-hostile")


def test_a_mended_field_moves_no_button_away_from_a_pressed_mouse(
    lab: LabPage, store: SqliteStore
) -> None:
    form = opened(lab, "inb.save_form(store)")
    load(form, "order-7")
    flaw, field = form.locator(".inb-result-flaw"), form.get_by_label("Result")
    field.fill("[1,")
    field.blur()
    expect(flaw).to_be_visible()
    field.fill("[1]")
    form.get_by_role("button", name="Review changes").hover()
    lab.page.mouse.down()
    expect(flaw).to_be_hidden()
    lab.page.mouse.up()
    expect(form.locator(".inb-question")).to_contain_text("Save order-7?")


def test_a_flawed_field_moves_no_button_away_from_a_pressed_mouse(
    lab: LabPage, store: SqliteStore
) -> None:
    form = opened(lab, "inb.save_form(store)")
    load(form, "order-7")
    flaw, review = form.locator(".inb-result-flaw"), form.get_by_role("button", name="Review")
    form.get_by_label("Result").fill("[1,")
    review.hover()
    lab.page.mouse.down()
    expect(flaw).to_contain_text("is not valid JSON")
    expect(flaw).to_be_hidden()
    lab.page.mouse.up()
    expect(flaw).to_be_visible()
    expect(form.locator(".inb-trouble")).to_contain_text("is not valid JSON")


def test_the_keyboard_alone_mends_a_workflow(lab: LabPage, store: SqliteStore) -> None:
    form = opened(lab, "inb.save_form(store)")
    keys = lab.page.keyboard
    form.get_by_label("Workflow id").focus()
    keys.type("order-7")
    keys.press("Enter")
    expect(form.locator(".inb-summary")).to_contain_text("running")
    expect(form.get_by_role("button", name="Load")).to_be_enabled()
    keys.press("Tab")
    expect(form.get_by_role("button", name="Load")).to_be_focused()
    keys.press("Tab")
    keys.type("f")
    expect(form.get_by_label("Status")).to_have_value("failed ✕")
    keys.press("Tab")
    expect(form.get_by_label("Error")).to_be_focused()
    for _ in ("input", "result", "review"):
        keys.press("Tab")
    expect(form.get_by_role("button", name="Review changes")).to_be_focused()
    keys.press("Enter")
    expect(form.get_by_role("button", name="Save", exact=True)).to_be_visible()
    expect(form.get_by_role("button", name="Review changes")).to_be_enabled()
    expect(form.get_by_role("button", name="Review changes")).to_be_focused()
    keys.press("Tab")
    expect(form.get_by_role("button", name="Save", exact=True)).to_be_focused()
    keys.press("Space")
    expect(form.locator(".inb-question")).to_contain_text("Saved order-7")
    expect(form.get_by_role("button", name="Review changes")).to_be_focused()
    state = store.load("order-7")
    assert state is not None
    assert state.status == "failed"


ASK = """
import inngest_nb as inb

store = inb.SqliteStore("states.db")

async def ask(ctx):
    return [await ctx.receive_signal("approve"), await ctx.receive_signal("approve")]

request = inb.start(ask, store=store, id="request-7")
"""


def test_a_run_that_waits_is_answered(lab: LabPage, store: SqliteStore) -> None:
    lab.open_cells(ASK.strip(), "inb.signal_form(request)", "await request")
    lab.start_run_all()
    form = lab.cell(1)
    expect(form.locator(".inb-summary")).to_contain_text("running")
    assert lab.is_running
    form.get_by_label("Signal").fill("approve")
    form.get_by_label("Payload").fill("{'by': 'Ada'}")
    press(form, "Approve")
    expect(form.locator(".inb-trouble")).to_contain_text("Payload is not valid JSON")
    lab.pictures("forms-signal-flaw")
    form.get_by_label("Payload").fill('{"by": "Ada"}')
    form.get_by_role("button", name="Approve", exact=True).dblclick()
    expect(form.locator(".inb-outcome")).to_contain_text("Saved as event 2")
    expect(form.locator(".inb-summary")).to_contain_text("the last: signal_received")
    expect(form.locator(".widget-button")).to_have_text(["Send another signal"])
    expect(form.get_by_role("button", name="Send another signal")).to_be_focused()
    lab.pictures("forms-signal-sent")
    form.get_by_role("button", name="Send another signal").press("Enter")
    expect(form.get_by_label("Signal")).to_be_focused()
    for _ in range(3):  # the payload, Approve, Reject
        lab.page.keyboard.press("Tab")
    expect(form.get_by_role("button", name="Reject")).to_be_focused()
    lab.page.keyboard.press("Enter")
    expect(form.locator(".inb-ended")).to_contain_text("This run has completed")
    lab.wait_run_all()
    answers = "[{'approved': True, 'by': 'Ada'}, {'approved': False, 'by': 'Ada'}]"
    expect(lab.cell(2).locator(".jp-OutputArea-output")).to_have_text(answers)
    lab.pictures("forms-signal-ended")
    lab.open_cells("import inngest_nb as inb", "inb.signal_form(inb.SqliteStore('states.db'))")
    lab.run_all()
    lab.wait_for_widgets()
    lab.pictures("forms-signal-choice")
