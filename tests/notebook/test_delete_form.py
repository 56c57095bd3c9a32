"""The form that deletes a workflow: choose, see, confirm, undo, on every kind of store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from form_driver import choose, press, type_into, words
from small_servers import plain_server

from inngest_nb import (
    AsyncInngestStore,
    HistoryEvent,
    InngestStore,
    MemoryStore,
    StateServer,
    WorkflowState,
    WorkflowStore,
    delete_form,
    wire,
)
from inngest_nb.notebook.forms import DeleteForm

BEGAN = datetime(2025, 7, 14, 9, 8, 7, tzinfo=UTC)
FAILED = WorkflowState(
    workflow_id="order-7",
    run_id="run-1",
    status="failed",
    input={"order": 7},
    error="no stock",
    history=[HistoryEvent(id=1, type="activity_failed", activity_name="reserve")],
    created_at=BEGAN,
    updated_at=BEGAN + timedelta(seconds=90),
)


def showing(store: WorkflowStore, workflow_id: str = "order-7") -> DeleteForm:
    form = delete_form(store)
    type_into(form, form.workflow_id, workflow_id)
    return form


def delete(form: DeleteForm, typed: str = "order-7") -> None:
    type_into(form, form.confirmation, typed)
    press(form, form.delete)


def choices(form: DeleteForm) -> list[str]:
    form.wait()
    return [value for _, value in form.list.options]


def test_a_workflow_is_chosen_from_the_list_and_shown(store: WorkflowStore) -> None:
    store.save(FAILED)
    store.save(FAILED.replace(workflow_id="order-8", updated_at=BEGAN))
    form = delete_form(store)
    assert choices(form) == ["order-7", "order-8"]
    assert words(form.summary) == ""
    choose(form, form.list, "order-7")
    summary = words(form.summary)
    for part in ("✕ failed", "run-1", "2025-07-14 09:08:07 UTC", "1 min 30 s", "1 event"):
        assert part in summary
    for part in ("no stock", "reserve", '"order": 7'):
        assert part in summary


def test_nothing_is_chosen_by_itself(store: WorkflowStore) -> None:
    store.save(FAILED)
    form = delete_form(store)
    form.wait()
    assert form.list.value is None
    press(form, form.delete)
    press(form, form.undo)
    assert store.load("order-7") == FAILED


@pytest.mark.parametrize("typed", ["", "order", "order-70", "ORDER-7"])
def test_without_its_id_typed_nothing_is_deleted(typed: str) -> None:
    store = MemoryStore()
    store.save(FAILED)
    form = showing(store)
    delete(form, typed)
    assert "type its id to confirm: order-7" in words(form.trouble)
    assert store.load("order-7") == FAILED


@pytest.mark.parametrize("store", ["memory", "state server"], indirect=True)
def test_deleting_and_undoing_brings_back_every_byte(
    go_documents: list[bytes], store: WorkflowStore
) -> None:
    for document in go_documents:
        state = wire.decode(document)
        store.save(state)
        form = showing(store, state.workflow_id)
        delete(form, state.workflow_id)
        assert "Deleted" in words(form.outcome)
        assert store.load(state.workflow_id) is None
        press(form, form.undo)
        back = store.load(state.workflow_id)
        assert back is not None
        assert wire.encode(back) == document
        assert "Restored " in words(form.outcome)


def test_a_deleted_workflow_leaves_the_list_and_returns_to_it() -> None:
    store = MemoryStore()
    for n in range(3):
        store.save(FAILED.replace(workflow_id=f"order-{n}"))
    form = delete_form(store)
    choose(form, form.list, "order-1")
    delete(form, "order-1")
    assert choices(form) == ["order-0", "order-2"]
    assert form.list.value is None
    press(form, form.undo)
    assert form.list.value == "order-1"
    assert form.undoing.children == ()


def test_several_deletions_are_undone_from_the_last_to_the_first() -> None:
    store = MemoryStore()
    form = delete_form(store)
    for name in ("a", "b"):
        store.save(FAILED.replace(workflow_id=name))
        type_into(form, form.workflow_id, name)
        delete(form, name)
    assert form.undo.description == "Restore b"
    press(form, form.undo)
    assert form.undo.description == "Restore a"
    press(form, form.undo)
    press(form, form.undo)
    assert {state.workflow_id for state in store.list()} == {"a", "b"}


def test_a_second_click_on_delete_does_nothing_more() -> None:
    store = MemoryStore()
    store.save(FAILED)
    form = showing(store)
    delete(form)
    store.save(FAILED)
    press(form, form.delete)
    assert store.load("order-7") == FAILED


def test_what_changed_since_it_was_shown_is_not_deleted_unseen(store: WorkflowStore) -> None:
    store.save(FAILED)
    form = showing(store)
    store.save(FAILED.replace(status="running"))
    delete(form)
    assert "has changed, so it was not deleted" in words(form.outcome)
    assert "failed → running" in words(form.outcome)
    assert "running" in words(form.summary)
    assert store.load("order-7") is not None
    delete(form)
    assert store.load("order-7") is None


def test_what_was_deleted_by_someone_else_is_said_to_be() -> None:
    store = MemoryStore()
    store.save(FAILED)
    form = showing(store)
    store.delete("order-7")
    delete(form)
    assert "had already been deleted by someone else" in words(form.outcome)
    assert words(form.summary) == ""


def test_undo_does_not_overwrite_a_new_workflow_of_the_same_id_unseen(
    store: WorkflowStore,
) -> None:
    store.save(FAILED)
    form = showing(store)
    delete(form)
    store.save(FAILED.replace(status="running"))
    press(form, form.undo)
    assert "a different workflow with the id order-7; nothing was" in words(form.outcome)
    assert "running → failed" in words(form.outcome)
    store.save(FAILED.replace(status="canceled"))
    press(form, form.undo_anyway)
    assert "canceled → failed" in words(form.outcome)
    press(form, form.undo_anyway)
    assert store.load("order-7") == FAILED


def test_an_unknown_id_is_said_to_be_unknown(store: WorkflowStore) -> None:
    form = showing(store, "nobody")
    assert "The store has no workflow nobody" in words(form.summary)
    press(form, form.delete)
    assert words(form.trouble) == ""


def test_show_asks_for_an_id_first() -> None:
    form = delete_form(MemoryStore())
    press(form, form.show)
    assert "choose or type a workflow id first" in words(form.trouble)


def test_the_filter_finds_by_words_of_id_run_status_and_error() -> None:
    store = MemoryStore()
    store.save(FAILED)
    store.save(WorkflowState(workflow_id="payment-7", status="running"))
    form = delete_form(store)
    for typed, found in {
        "ORDER": ["order-7"],
        "7 running": ["payment-7"],
        "stock": ["order-7"],
        "run-1": ["order-7"],
        "order running": [],
        "": ["order-7", "payment-7"],
    }.items():
        type_into(form, form.filter, typed)
        assert choices(form) == found, typed
    assert "2 workflows" in words(form.remark)


def test_of_many_workflows_the_newest_are_listed_and_all_can_be_found() -> None:
    store = MemoryStore()
    for n in range(1_200):
        store.save(
            FAILED.replace(workflow_id=f"order-{n}", updated_at=BEGAN + timedelta(minutes=n))
        )
    form = delete_form(store)
    assert choices(form)[0] == "order-1199"
    assert len(choices(form)) == 100
    assert "The newest 100 of 300 workflows" in words(form.remark)
    assert "Only the newest 300 workflows are offered" in words(form.remark)
    type_into(form, form.filter, "order-3")
    assert len(choices(form)) == 100
    assert "The newest 100 of 111 workflows" in words(form.remark)
    type_into(form, form.filter, "order-3 12:")
    assert words(form.remark) == "No workflow matches"
    type_into(form, form.filter, "order-30")
    assert choices(form)[-1] == "order-30"
    type_into(form, form.workflow_id, "order-3")
    assert "order-3" in words(form.summary)


def test_refresh_lists_what_others_saved(tmp_path: Path) -> None:
    with (
        StateServer(tmp_path / "state.db", port=0) as server,
        InngestStore(base_url=server.url) as mine,
        InngestStore(base_url=server.url) as theirs,
    ):
        form = delete_form(mine)
        theirs.save(FAILED)
        assert choices(form) == []
        press(form, form.refresh)
        assert choices(form) == ["order-7"]


def test_a_server_that_cannot_list_is_no_hindrance() -> None:
    with plain_server() as server, InngestStore(base_url=server.url) as store:
        server.documents["order-8"] = wire.encode(FAILED.replace(workflow_id="order-8"))
        store.save(FAILED)
        form = delete_form(store)
        form.wait()
        assert "This server cannot list its workflows" in words(form.remark)
        assert choices(form) == ["order-7"]
        type_into(form, form.workflow_id, "order-8")
        delete(form, "order-8")
        assert list(server.documents) == ["order-7"]


@pytest.mark.parametrize("workflow_id", ["a\nb", "gpj.exe\u202e", " x ", "x" * 4_096, "<b>&amp;"])
def test_odd_ids_are_confirmed_as_they_are_shown(workflow_id: str, store: WorkflowStore) -> None:
    store.save(FAILED.replace(workflow_id=workflow_id))
    form = delete_form(store)
    choose(form, form.list, workflow_id)
    delete(form, form.confirmation.placeholder)
    assert store.load(workflow_id) is None


def test_two_ids_that_look_alike_in_the_list_are_told_apart() -> None:
    store = MemoryStore()
    store.save(FAILED.replace(workflow_id="a\nb"))
    store.save(FAILED.replace(workflow_id=r"a\nb"))
    form = delete_form(store)
    choose(form, form.list, "a\nb")
    delete(form, r"a\nb")
    assert [state.workflow_id for state in store.list()] == [r"a\nb"]


def test_a_store_for_await_is_refused() -> None:
    store: Any = AsyncInngestStore(base_url="http://127.0.0.1:1")
    with pytest.raises(TypeError, match="InngestStore with the same arguments"):
        delete_form(store)


def test_any_of_several_deletions_can_be_undone(store: WorkflowStore) -> None:
    form = delete_form(store)
    for name in ("a", "b", "c"):
        store.save(FAILED.replace(workflow_id=name))
        type_into(form, form.workflow_id, name)
        delete(form, name)
    assert [value for _, value in form.deleted.options] == ["c", "b", "a"]
    choose(form, form.deleted, "a")
    assert form.undoing.children == (form.deleted, form.undo)
    press(form, form.undo)
    assert store.load("a") is not None
    assert [value for _, value in form.deleted.options] == ["c", "b"]
    press(form, form.undo)
    press(form, form.undo)
    assert {state.workflow_id for state in store.list()} == {"a", "b", "c"}
    assert form.undoing.children == ()


def test_several_deletions_in_place_can_all_be_undone() -> None:
    store = MemoryStore()
    form = DeleteForm(store, choosing=False)
    for name in ("a", "b"):
        store.save(state := FAILED.replace(workflow_id=name))
        form.begin(state)
        delete(form, name)
    form.begin(FAILED.replace(workflow_id="another"))
    choose(form, form.deleted, "a")
    press(form, form.undo)
    assert [state.workflow_id for state in store.list()] == ["a"]


def test_a_deletion_can_be_cancelled() -> None:
    store = MemoryStore()
    store.save(FAILED)
    form = showing(store)
    type_into(form, form.confirmation, "order-7")
    press(form, form.cancel)
    assert words(form.summary) == ""
    assert form.confirmation.value == ""
    press(form, form.delete)
    assert store.load("order-7") == FAILED


def test_blanks_around_a_pasted_id_and_its_confirmation_are_left_out() -> None:
    store = MemoryStore()
    store.save(FAILED)
    form = showing(store, "\torder-7 ")
    assert form.workflow_id.value == "order-7"
    delete(form, " order-7 ")
    assert store.load("order-7") is None
