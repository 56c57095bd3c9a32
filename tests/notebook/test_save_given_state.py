"""The save form over a state at hand: `save_form(store, state)`."""

from __future__ import annotations

from datetime import UTC, datetime

from form_driver import press, words

from inngest_nb import HistoryEvent, MemoryStore, WorkflowState, WorkflowStore, save_form
from inngest_nb.notebook.forms import SaveForm

BEGAN = datetime(2025, 7, 14, 9, 8, 7, tzinfo=UTC)
STUCK = WorkflowState(
    workflow_id="order-7",
    run_id="run-1",
    status="running",
    input={"order": 7},
    history=[HistoryEvent(id=1, type="workflow_started", timestamp=BEGAN)],
    created_at=BEGAN,
    updated_at=BEGAN,
)


def save(form: SaveForm) -> None:
    press(form, form.review)
    press(form, form.save)


def test_a_new_one_is_created_as_it_is(store: WorkflowStore) -> None:
    form = save_form(store, STUCK)
    form.wait()
    assert "saving creates it" in words(form.summary)
    save(form)
    saved = store.load("order-7")
    assert saved is not None
    assert saved == STUCK.replace(updated_at=saved.updated_at)


def test_its_changes_are_reviewed_like_edits(store: WorkflowStore) -> None:
    store.save(STUCK)
    state = store.load("order-7")
    assert state is not None
    form = save_form(store, state.replace(status="failed", run_id="run-2"))
    press(form, form.review)
    assert "running → failed" in words(form.question)
    assert "run-1 → run-2" in words(form.question)
    press(form, form.save)
    saved = store.load("order-7")
    assert saved is not None
    assert (saved.status, saved.run_id, saved.input) == ("failed", "run-2", {"order": 7})


def test_an_old_one_goes_on_top_of_what_the_store_has_now(store: WorkflowStore) -> None:
    store.save(STUCK)
    state = store.load("order-7")
    assert state is not None
    store.save(state.replace(result="done"))
    form = save_form(store, state.replace(error="mine"))
    form.wait()
    assert "This workflow has changed in the store" in words(form.question)
    save(form)
    saved = store.load("order-7")
    assert saved is not None
    assert (saved.error, saved.result) == ("mine", "done")


def test_one_made_by_hand_shows_all_it_would_change(store: WorkflowStore) -> None:
    store.save(STUCK)
    form = save_form(store, WorkflowState(workflow_id="order-7", status="failed"))
    press(form, form.review)
    assert "running → failed" in words(form.question)
    press(form, form.save)
    saved = store.load("order-7")
    assert saved is not None
    assert (saved.status, saved.history) == ("failed", STUCK.history)


def test_a_copy_under_another_id_is_a_new_workflow(store: WorkflowStore) -> None:
    store.save(STUCK)
    state = store.load("order-7")
    assert state is not None
    save(save_form(store, state.replace(workflow_id="order-7-again")))
    copy = store.load("order-7-again")
    assert copy is not None
    assert (copy.input, copy.history) == (STUCK.input, STUCK.history)


def test_a_copy_over_another_workflow_brings_all_it_has(store: WorkflowStore) -> None:
    store.save(STUCK)
    store.save(WorkflowState(workflow_id="order-8", status="failed", run_id="run-8"))
    state = store.load("order-7")
    assert state is not None
    save(save_form(store, state.replace(workflow_id="order-8")))
    copy = store.load("order-8")
    assert copy is not None
    assert copy == STUCK.replace(workflow_id="order-8", updated_at=copy.updated_at)


def test_what_json_cannot_hold_is_said_in_the_form() -> None:
    form = save_form(MemoryStore(), WorkflowState(workflow_id="a", input=object()))
    form.wait()
    assert "input cannot be written as JSON" in words(form.load_trouble)


def test_what_the_fields_show_is_saved_also_where_the_state_was_changed_since() -> None:
    store, order = MemoryStore(), {"order": 7}
    form = save_form(store, STUCK.replace(input=order))
    form.wait()
    order["order"] = 8
    save(form)
    saved = store.load("order-7")
    assert saved is not None
    assert saved.input == {"order": 7}
