"""What the save form does when the store has changed meanwhile, fails, or takes its time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from form_driver import all_html, choose, click, press, type_into, words

from inngest_nb import InngestStore, MemoryStore, SqliteStore, StateServer, WorkflowState, save_form
from inngest_nb.errors import StoreConnectionError
from inngest_nb.notebook.forms import SaveForm
from inngest_nb.store import WorkflowStore

STUCK = WorkflowState(workflow_id="order-7", status="running", input={"order": 7})


def reviewed(store: WorkflowStore, error: str = "mine") -> SaveForm:
    """Give a form with a reviewed edit of what the store has under `order-7`."""
    form = save_form(store)
    type_into(form, form.workflow_id, "order-7")
    type_into(form, form.fields.error, error)
    press(form, form.review)
    return form


def stored(store: WorkflowStore) -> WorkflowState:
    state = store.load("order-7")
    assert state is not None
    return state


class TestAChangeMeanwhile:
    """Somebody else writes between the review and the save."""

    @pytest.fixture
    def form(self, store: WorkflowStore) -> SaveForm:
        store.save(STUCK)
        form = reviewed(store)
        store.save(STUCK.replace(status="completed", result="done"))
        press(form, form.save)
        return form

    def test_it_is_shown_and_not_overwritten(self, form: SaveForm, store: WorkflowStore) -> None:
        assert "was changed by someone else; nothing was saved" in words(form.question)
        assert "running → completed" in words(form.question)
        assert (stored(store).status, stored(store).error) == ("completed", "")
        assert form.fields.error.value == "mine"

    def test_it_can_be_taken_over(self, form: SaveForm, store: WorkflowStore) -> None:
        press(form, form.reapply)
        assert form.fields.status.value == "completed"
        assert form.fields.error.value == "mine"
        press(form, form.review)
        assert "not set → mine" in words(form.question)
        assert "running" not in words(form.question)
        press(form, form.save)
        saved = stored(store)
        assert (saved.status, saved.result, saved.error) == ("completed", "done", "mine")

    def test_it_can_be_overwritten_knowingly(self, form: SaveForm, store: WorkflowStore) -> None:
        press(form, form.overwrite)
        saved = stored(store)
        assert saved == STUCK.replace(error="mine", updated_at=saved.updated_at)

    def test_a_further_change_is_shown_before_it_is_overwritten(
        self, form: SaveForm, store: WorkflowStore
    ) -> None:
        store.save(STUCK.replace(status="failed"))
        press(form, form.overwrite)
        assert "completed → failed" in words(form.question)
        assert stored(store).status == "failed"
        press(form, form.overwrite)
        assert stored(store).error == "mine"

    def test_the_edits_can_be_dropped(self, form: SaveForm, store: WorkflowStore) -> None:
        press(form, form.discard)
        assert form.fields.error.value == ""
        assert form.fields.status.value == "completed"
        press(form, form.review)
        assert "Nothing to save" in words(form.question)

    def test_going_back_asks_again_at_the_next_save(
        self, form: SaveForm, store: WorkflowStore
    ) -> None:
        press(form, form.cancel)
        press(form, form.overwrite)
        press(form, form.review)
        press(form, form.save)
        assert "was changed by someone else" in words(form.question)
        assert stored(store).error == ""


def test_a_workflow_deleted_meanwhile_is_created_again_only_when_told(store: WorkflowStore) -> None:
    store.save(STUCK)
    form = reviewed(store)
    store.delete("order-7")
    press(form, form.save)
    assert "was deleted by someone else" in words(form.question)
    assert store.load("order-7") is None
    press(form, form.overwrite)
    assert stored(store).error == "mine"
    assert stored(store).input == {"order": 7}


def test_a_workflow_created_meanwhile_is_not_overwritten_unseen(store: WorkflowStore) -> None:
    form = reviewed(store)
    store.save(STUCK)
    press(form, form.save)
    assert "was created by someone else" in words(form.question)
    assert "running" in words(form.question)
    press(form, form.reapply)
    assert form.fields.status.value == "running"
    assert form.fields.error.value == "mine"
    assert stored(store) == STUCK


def test_a_field_that_both_changed_shows_both_values_in_the_next_review() -> None:
    store = MemoryStore()
    store.save(STUCK.replace(error="first"))
    form = reviewed(store, "mine")
    store.save(STUCK.replace(error="theirs"))
    press(form, form.save)
    press(form, form.reapply)
    press(form, form.review)
    assert "theirs → mine" in words(form.question)


def test_only_a_new_time_of_update_is_a_change_too() -> None:
    store = MemoryStore()
    store.save(STUCK)
    form, other = reviewed(store), reviewed(store, "")
    type_into(other, other.fields.error, "theirs")
    press(other, other.review)
    press(other, other.save)
    type_into(other, other.fields.error, "")
    press(other, other.review)
    press(other, other.save)
    press(form, form.save)
    assert "updated at" in words(form.question)
    assert stored(store).error == ""


def test_a_server_that_stops_meanwhile_costs_nothing_that_was_typed(tmp_path: Path) -> None:
    with StateServer(tmp_path / "state.db", port=0) as server:
        port = server.port
        store = InngestStore(base_url=server.url)
        store.save(STUCK)
        form = reviewed(store)
    press(form, form.save)
    assert "Could not save the workflow" in words(form.trouble)
    assert "What to try" in words(form.trouble)
    assert isinstance(form.last_error, StoreConnectionError)
    assert form.fields.error.value == "mine"
    with StateServer(tmp_path / "state.db", port=port):
        press(form, form.save)
        assert "Saved order-7" in words(form.question)
        assert words(form.trouble) == ""
        assert stored(store).error == "mine"
    store.close()


def test_a_closed_store_says_so_in_the_form(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "states.db")
    store.save(STUCK)
    form = reviewed(store)
    store.close()
    press(form, form.save)
    assert "the store is closed" in words(form.trouble)
    assert form.fields.error.value == "mine"
    late = save_form(store)
    late.wait()
    assert "Could not list the workflows" in words(late.remark)
    type_into(late, late.workflow_id, "order-7")
    assert "Could not load the workflow" in words(late.load_trouble)


class AnswersAreLost(MemoryStore):
    """A store behind a line that breaks after a save has arrived."""

    lose = True

    def save(self, state: WorkflowState) -> None:
        super().save(state)
        if self.lose:
            raise StoreConnectionError("no answer came", operation="save", workflow_id="order-7")


def test_a_save_that_arrived_though_its_answer_was_lost_is_no_conflict() -> None:
    store = AnswersAreLost()
    store.lose = False
    store.save(STUCK)
    form = reviewed(store)
    store.lose = True
    press(form, form.save)
    assert "no answer came" in words(form.trouble)
    arrived = stored(store)
    press(form, form.save)
    assert "Saved order-7" in words(form.question)
    assert stored(store) == arrived


class SomeoneIsFaster(MemoryStore):
    """A store in which somebody else's save arrives right before one's own."""

    faster = False

    def save(self, state: WorkflowState) -> None:
        if self.faster:
            self.faster = False
            super().save(stored(self).replace(error="theirs"))
        super().save(state)


def test_a_change_in_the_very_moment_of_saving_is_shown_and_not_overwritten() -> None:
    store = SomeoneIsFaster()
    store.save(STUCK)
    form = reviewed(store)
    store.faster = True
    press(form, form.save)
    assert "was changed by someone else; nothing was saved" in words(form.question)
    assert "theirs" in words(form.question)
    assert stored(store).error == "theirs"
    press(form, form.overwrite)
    assert stored(store).error == "mine"


class SlowStore(MemoryStore):
    """A store whose saves wait until they are let through, and are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.saves = 0
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def save(self, state: WorkflowState) -> None:
        self.saves += 1
        self.begun.set()
        assert self.go_on.wait(30)
        super().save(state)


@pytest.fixture
def slow() -> SlowStore:
    store = SlowStore()
    store.save(STUCK)
    store.saves = 0
    store.begun.clear()
    store.go_on.clear()
    return store


def test_a_slow_store_does_not_save_twice(slow: SlowStore) -> None:
    form = reviewed(slow)
    click(form.save)
    click(form.save)
    assert slow.begun.wait(30)
    assert "Trying to save the workflow" in all_html(form)
    assert all(button.disabled for button in (form.load, form.review, form.save, form.cancel))
    slow.go_on.set()
    form.wait()
    click(form.save)
    form.wait()
    assert slow.saves == 1
    assert "Trying" not in all_html(form)
    assert not any(button.disabled for button in (form.load, form.review, form.save))


def test_the_kernel_is_free_while_a_slow_store_works(slow: SlowStore) -> None:
    form = reviewed(slow)
    click(form.save)  # comes back although the save does not
    assert slow.load("order-7") == STUCK
    with pytest.raises(TimeoutError, match="still working"):
        form.wait(0.01)
    slow.go_on.set()
    form.wait()


def test_what_is_typed_while_a_save_is_under_way_stays(slow: SlowStore) -> None:
    form = reviewed(slow)
    click(form.save)
    form.fields.error.set_state({"value": "typed later"})
    choose_status = [value for _, value in form.fields.status.options].index("failed")
    form.fields.status.set_state({"index": choose_status})
    slow.go_on.set()
    form.wait()
    assert stored(slow).error == "mine"
    assert form.fields.error.value == "typed later"
    press(form, form.review)
    assert "mine → typed later" in words(form.question)
    assert "running → failed" in words(form.question)


def test_a_choice_made_while_the_form_works_is_followed_up() -> None:
    loading, go_on = threading.Event(), threading.Event()

    class SlowToLoad(MemoryStore):
        def load(self, workflow_id: str) -> WorkflowState | None:
            loading.set()
            assert go_on.wait(30)
            return super().load(workflow_id)

    store = SlowToLoad()
    store.save(STUCK)
    store.save(STUCK.replace(workflow_id="order-8", error="eight"))
    form = save_form(store)
    form.workflow_id.set_state({"value": "order-7"})
    assert loading.wait(30)
    form.workflow_id.set_state({"value": "order-8"})
    go_on.set()
    form.wait()
    assert form.fields.error.value == "eight"


def test_an_error_nobody_foresaw_is_shown_and_kept() -> None:
    class Broken(MemoryStore):
        def load(self, workflow_id: str) -> WorkflowState | None:
            raise ZeroDivisionError("division by zero")

    form = save_form(Broken())
    type_into(form, form.workflow_id, "order-7")
    assert "division by zero" in words(form.load_trouble)
    assert "last_error" in words(form.load_trouble)
    assert isinstance(form.last_error, ZeroDivisionError)
    choose(form, form.fields.status, "failed")
    assert not form.load.disabled
