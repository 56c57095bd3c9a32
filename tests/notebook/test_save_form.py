"""The form that mends a workflow: load, edit, review, save, on every kind of store."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from form_driver import choose, click, press, type_into, words

from inngest_nb import (
    AsyncInngestStore,
    HistoryEvent,
    MemoryStore,
    WorkflowState,
    WorkflowStore,
    save_form,
    wire,
)
from inngest_nb.history import document_parts
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


def loaded(store: WorkflowStore, workflow_id: str = "order-7") -> SaveForm:
    form = save_form(store)
    form.wait()
    type_into(form, form.workflow_id, workflow_id)
    return form


def edit(form: SaveForm, **texts: str) -> None:
    for name, text in texts.items():
        field = getattr(form.fields, name)
        if name == "status":
            choose(form, field, text)
        else:
            type_into(form, field, text)


def save(form: SaveForm, **texts: str) -> None:
    edit(form, **texts)
    press(form, form.review)
    press(form, form.save)


def parts_of(store: WorkflowStore, workflow_id: str = "order-7") -> dict[str, str]:
    state = store.load(workflow_id)
    assert state is not None
    return document_parts(wire.encode(state))


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {key for key in before | after if before.get(key) != after.get(key)}


def test_a_typed_id_fills_the_fields(store: WorkflowStore) -> None:
    store.save(STUCK.replace(error="line\nbreak"))
    form = loaded(store)
    assert form.fields.status.value == "running"
    assert form.fields.input.value == '{\n  "order": 7\n}'
    assert form.fields.result.value == ""
    assert form.fields.error.value == "line\nbreak"
    assert "run-1" in words(form.summary)
    assert "1 event" in words(form.summary)


def test_the_store_s_ids_are_offered(store: WorkflowStore) -> None:
    store.save(STUCK)
    form = save_form(store)
    form.wait()
    assert form.workflow_id.options == ("order-7",)


def test_nothing_is_written_before_the_review_has_its_yes(store: WorkflowStore) -> None:
    store.save(STUCK)
    form = loaded(store)
    edit(form, status="failed", error="gave up")
    press(form, form.review)
    assert "running → failed" in words(form.question)
    assert "not set → gave up" in words(form.question)
    assert "input" not in words(form.question)
    assert store.load("order-7") == STUCK
    press(form, form.cancel)
    press(form, form.save)
    assert store.load("order-7") == STUCK


def test_saving_writes_the_edited_fields_and_the_time(store: WorkflowStore) -> None:
    store.save(STUCK)
    form = loaded(store)
    before = datetime.now(UTC)
    save(form, status="failed", error="gave up")
    saved = store.load("order-7")
    assert saved is not None
    assert saved.updated_at is not None
    assert before <= saved.updated_at <= datetime.now(UTC)
    assert saved == STUCK.replace(status="failed", error="gave up", updated_at=saved.updated_at)
    assert "Saved order-7" in words(form.question)


@pytest.mark.parametrize("store", ["memory", "state server"], indirect=True)
def test_every_go_document_keeps_what_was_not_edited(
    go_documents: list[bytes], store: WorkflowStore
) -> None:
    for document in go_documents:
        state = wire.decode(document)
        store.save(state)
        form = loaded(store, state.workflow_id)
        save(form, status="canceled" if state.status != "canceled" else "failed")
        after = parts_of(store, state.workflow_id)
        assert changed(document_parts(document), after) == {"Status", "UpdatedAt"}, document


def test_an_edited_payload_keeps_the_digits_beside_the_edit(store: WorkflowStore) -> None:
    document = (
        b'{"WorkflowID":"order-7","Input":{"a":1.0,"b":12345678901234567890123,"c":1e3,"d":1}}'
    )
    store.save(wire.decode(document))
    form = loaded(store)
    text = form.fields.input.value
    save(form, input=text.replace('"d": 1', '"d": 2.50'))
    assert parts_of(store)["Input"] == '{"a":1.0,"b":12345678901234567890123,"c":1e3,"d":2.50}'


def test_an_unknown_key_and_nanoseconds_survive(store: WorkflowStore) -> None:
    document = (
        b'{"WorkflowID":"order-7","X-Team":{"n":1.0},"CreatedAt":"2025-07-14T09:08:07.123456789Z"}'
    )
    store.save(wire.decode(document))
    save(loaded(store), error="seen")
    parts = parts_of(store)
    assert parts["X-Team"] == '{"n":1.0}'
    assert parts["CreatedAt"] == '"2025-07-14T09:08:07.123456789Z"'


def test_spaces_alone_are_no_change() -> None:
    store = MemoryStore()
    store.save(STUCK)
    form = loaded(store)
    edit(form, input='{"order":7}', result=" ")
    press(form, form.review)
    assert "Nothing to save" in words(form.question)
    assert form.choices.children == ()


def test_a_payload_of_which_only_the_spaces_were_edited_stays_as_the_document_has_it() -> None:
    store = MemoryStore()
    store.save(wire.decode(b'{"WorkflowID":"order-7","Input":{"a":  1.0,"b":"\\u003c"}}'))
    form = loaded(store)
    save(form, input='{"a":1.0,\n"b":"<"}', error="seen")
    assert parts_of(store)["Input"] == r'{"a":  1.0,"b":"\u003c"}'


def test_a_browser_s_line_breaks_are_no_change() -> None:
    store = MemoryStore()
    store.save(STUCK.replace(error="a\r\nb\rc"))
    form = loaded(store)
    edit(form, error="a\nb\nc")
    press(form, form.review)
    assert "Nothing to save" in words(form.question)


def test_an_unknown_status_is_kept_and_offered() -> None:
    store = MemoryStore()
    store.save(STUCK.replace(status="paused"))
    form = loaded(store)
    assert form.fields.status.value == "paused"
    save(form, error="seen")
    assert parts_of(store)["Status"] == '"paused"'
    choose(form, form.fields.status, "canceled")
    assert "paused" in [value for _, value in form.fields.status.options]


@pytest.mark.parametrize("name", ["input", "result"])
def test_bad_json_is_marked_and_not_saved(name: str) -> None:
    store = MemoryStore()
    store.save(STUCK)
    form = loaded(store)
    edit(form, **{name: '{\n  "order": 7\n  "item": 1}'})
    (marked,) = [words(area) for area in form.fields.areas() if area.markup]
    assert f"{name.title()} is not valid JSON: " in marked
    assert "line 3, column 3" in marked
    assert '"item": 1} ^' in marked
    press(form, form.review)
    assert f"{name.title()} is not valid JSON (see the mark)" in words(form.trouble)
    edit(form, **{name: '{"order": 8}'})
    assert [words(area) for area in form.fields.areas()] == ["", ""]
    press(form, form.review)
    assert [area.layout.display for area in form.fields.areas()] == ["none", "none"]


def test_a_new_workflow_gets_both_times(store: WorkflowStore) -> None:
    form = loaded(store, "new/id ?")
    assert "saving creates it" in words(form.summary)
    before = datetime.now(UTC)
    save(form, status="running", input='{"n": 1.0}')
    state = store.load("new/id ?")
    assert state is not None
    assert state.created_at is not None
    assert before <= state.created_at <= datetime.now(UTC)
    assert state.updated_at == state.created_at
    assert parts_of(store, "new/id ?")["Input"] == '{"n":1.0}'
    assert "new/id ?" in form.workflow_id.options


def test_what_was_typed_before_the_id_belongs_to_the_new_workflow() -> None:
    form = save_form(store := MemoryStore())
    edit(form, status="running", error="typed first")
    form.workflow_id.value = "order-8"
    press(form, form.load)
    save(form)
    state = store.load("order-8")
    assert state is not None
    assert state.error == "typed first"


def test_an_edit_withdraws_the_review() -> None:
    store = MemoryStore()
    store.save(STUCK)
    form = loaded(store)
    edit(form, status="failed")
    press(form, form.review)
    edit(form, error="one thing more")
    press(form, form.save)
    assert store.load("order-7") == STUCK
    assert "review the changes again" in words(form.question)


def test_an_edit_while_the_changes_are_collected_withdraws_the_review() -> None:
    form = loaded(store := MemoryStore())
    edit(form, result="[1,")
    edit(form, result="[1]")
    (_, flaw) = form.fields.areas()  # whose room is taken away once it is known what was edited

    def edit_meanwhile(_: object) -> None:
        form.fields.error.set_state({"value": "one thing more"})

    flaw.layout.observe(edit_meanwhile, "display")
    press(form, form.review)
    assert "review the changes again" in words(form.question)
    assert form.choices.children == ()
    press(form, form.save)
    assert store.load("order-7") is None


def test_another_id_is_not_saved_under_before_it_is_loaded() -> None:
    store = MemoryStore()
    store.save(STUCK)
    form = loaded(store)
    edit(form, status="failed")
    type_into(form, form.workflow_id, "order-8")
    press(form, form.review)
    said = "the form holds 'order-7', but the id field says 'order-8': load 'order-8', or change"
    assert f"{said} the id back to 'order-7'" in words(form.trouble)
    assert form.choices.children == ()
    type_into(form, form.workflow_id, "")
    press(form, form.review)
    assert "but the id field is empty: enter 'order-7' again" in words(form.trouble)
    assert form.choices.children == ()


def test_a_review_that_is_asked_for_while_an_id_is_loaded_comes_after_it() -> None:
    asked, answered = threading.Event(), threading.Event()

    class Slow(MemoryStore):
        def load(self, workflow_id: str) -> WorkflowState | None:
            asked.set()
            assert answered.wait(30)
            return super().load(workflow_id)

    form = save_form(Slow())
    form.workflow_id.set_state({"value": "order-7"})
    assert asked.wait(30)
    form.fields.error.set_state({"value": "typed meanwhile"})
    click(form.review)
    answered.set()
    form.wait()
    assert "Create order-7?" in words(form.question)


@pytest.mark.parametrize("keep", [True, False])
def test_edits_are_not_lost_to_another_workflow_unasked(keep: bool) -> None:
    store = MemoryStore()
    store.save(STUCK)
    store.save(STUCK.replace(workflow_id="order-8", status="failed", input=8))
    form = loaded(store)
    edit(form, error="typed")
    type_into(form, form.workflow_id, "order-8")
    assert form.fields.input.value == '{\n  "order": 7\n}'
    press(form, form.load)
    assert "Apply your unsaved edits to order-8?" in words(form.question)
    press(form, form.reapply if keep else form.discard)
    assert form.fields.input.value == "8"
    assert form.fields.status.value == "failed"
    assert form.fields.error.value == ("typed" if keep else "")


@pytest.mark.parametrize("workflow_id", ["a\nb", "gpj.exe\u202e", "  ", "x" * 4_096, "<b>&amp;"])
def test_odd_ids_can_be_loaded_and_saved(workflow_id: str, store: WorkflowStore) -> None:
    store.save(STUCK.replace(workflow_id=workflow_id))
    form = save_form(store)
    form.wait()
    type_into(form, form.workflow_id, form.workflow_id.options[0])
    save(form, error="mended")
    state = store.load(workflow_id)
    assert state is not None
    assert state.error == "mended"


@pytest.mark.parametrize(
    ("workflow_id", "words_"),
    [
        ("", "choose or type a workflow id first"),
        (".", "is not a valid workflow id"),
        ("x" * 4_097, "4,096"),
    ],
)
def test_an_id_that_no_store_can_keep_is_refused_with_words(workflow_id: str, words_: str) -> None:
    form = save_form(MemoryStore())
    form.workflow_id.value = workflow_id
    press(form, form.load)
    assert words_ in words(form.load_trouble)


def test_a_store_for_await_is_refused() -> None:
    store: Any = AsyncInngestStore(base_url="http://127.0.0.1:1")
    with pytest.raises(TypeError, match="InngestStore with the same arguments"):
        save_form(store)


def test_a_listener_that_raises_is_told_apart_from_the_save() -> None:
    store = MemoryStore()
    store.save(STUCK)
    form = loaded(store)
    told: list[str] = []

    def broken(workflow_id: str, state: WorkflowState | None) -> None:
        raise LookupError("no such row")

    form.on_write(broken)
    form.on_write(lambda workflow_id, state: told.append(workflow_id))
    save(form, error="gave up")
    assert "✓ Saved order-7" in words(form.question)
    assert words(form.trouble) == ""
    said = words(form._repr_mimebundle_()["text/html"])
    assert "broken raised LookupError no such row What the form did is not affected" in said
    assert isinstance(form.last_error, LookupError)
    assert told == ["order-7"]


def test_blanks_around_a_pasted_id_are_left_out() -> None:
    store = MemoryStore()
    store.save(STUCK)
    store.save(STUCK.replace(workflow_id=" order-8"))
    form = loaded(store, "  order-7\t")
    assert form.workflow_id.value == "order-7"
    assert "run-1" in words(form.summary)
    type_into(form, form.workflow_id, " order-8")
    assert form.workflow_id.value == " order-8"
    type_into(form, form.workflow_id, " order-9 ")
    assert "The store has no workflow order-9;" in words(form.summary)


def test_a_workflow_can_be_given_by_its_id() -> None:
    store = MemoryStore()
    store.save(STUCK)
    form = save_form(store, "order-7")
    form.wait()
    assert form.workflow_id.value == "order-7"
    assert form.fields.status.value == "running"
    assert form.workflow_id.options == ("order-7",)


def test_ids_that_are_not_offered_are_said_to_be_missing() -> None:
    store = MemoryStore()
    for n in range(301):
        store.save(STUCK.replace(workflow_id=f"order-{n}"))
    form = save_form(store)
    form.wait()
    assert len(form.workflow_id.options) == 300
    assert "Only the newest 300 workflows are offered; type the id of any other." in words(
        form.remark
    )
