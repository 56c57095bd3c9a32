"""What the delete form does when its store fails, or loses an answer."""

from __future__ import annotations

from pathlib import Path

from form_driver import press, type_into, words

from inngest_nb import MemoryStore, SqliteStore, WorkflowState, WorkflowStore, delete_form
from inngest_nb.errors import StoreConnectionError
from inngest_nb.notebook.forms import DeleteForm

FAILED = WorkflowState(workflow_id="order-7", status="failed", input={"order": 7})


def showing(store: WorkflowStore) -> DeleteForm:
    form = delete_form(store)
    type_into(form, form.workflow_id, "order-7")
    return form


def delete(form: DeleteForm) -> None:
    type_into(form, form.confirmation, "order-7")
    press(form, form.delete)


class LosesAnswers(MemoryStore):
    """A store behind a line that breaks once a deletion has arrived."""

    def delete(self, workflow_id: str) -> None:
        super().delete(workflow_id)
        raise StoreConnectionError("no answer came", operation="delete", workflow_id=workflow_id)


def test_a_deletion_whose_answer_was_lost_can_still_be_undone() -> None:
    store = LosesAnswers()
    store.save(FAILED)
    form = showing(store)
    delete(form)
    assert "Could not delete the workflow" in words(form.trouble)
    press(form, form.undo)
    assert store.load("order-7") == FAILED


class RefusesToDelete(MemoryStore):
    """A store that keeps what it has."""

    def delete(self, workflow_id: str) -> None:
        raise StoreConnectionError("no way there", operation="delete", workflow_id=workflow_id)


def test_a_deletion_that_never_arrived_leaves_nothing_to_undo() -> None:
    store = RefusesToDelete()
    store.save(FAILED)
    form = showing(store)
    delete(form)
    press(form, form.undo)
    assert "order-7 is in the store, unchanged; nothing to restore" in words(form.outcome)
    assert form.undoing.children == ()


def test_a_store_that_fails_says_so_in_the_form(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "states.db")
    store.save(FAILED)
    form = showing(store)
    store.close()
    delete(form)
    assert "the store is closed" in words(form.trouble)
    press(form, form.show)
    assert "Could not show the workflow" in words(form.trouble)
    assert words(form.summary) == ""
    press(form, form.refresh)
    assert "Could not list the workflows" in words(form.trouble)
