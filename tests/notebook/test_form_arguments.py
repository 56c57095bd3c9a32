"""What the forms are given: refused in the cell with words, and shown at once on a slow store."""

from __future__ import annotations

import threading
from typing import Any

import pandas as pd
import pytest
from form_driver import all_html, words

import inngest_nb as inb
from inngest_nb import MemoryStore, WorkflowState

FAILED = WorkflowState(workflow_id="order-7", status="failed")

each_form = pytest.mark.parametrize("make", [inb.save_form, inb.delete_form, inb.signal_form])


@each_form
@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (None, "NoneType"),
        (pd.DataFrame(), "DataFrame"),
        ("order-1", "str"),
        (FAILED, "WorkflowState"),
        (MemoryStore, "the class MemoryStore"),
    ],
)
def test_what_is_no_store_is_refused_at_once(make: Any, given: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=rf"a store is needed here, such as .* not {kind}$"):
        make(given)


@each_form
@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (7, "int"),
        (pd.DataFrame({"run_id": ["r"], "id": ["order-7"]}), "DataFrame"),
        (WorkflowState, "StructMeta"),
        (MemoryStore(), "MemoryStore"),
    ],
)
def test_what_is_no_workflow_is_refused_at_once(make: Any, given: Any, kind: str) -> None:
    words = f"by its id, its state or its run, not by .* type {kind}"
    with pytest.raises(TypeError, match=words):
        make(MemoryStore(), given)


@each_form
def test_a_workflow_is_given_by_its_id_its_state_and_its_run(make: Any) -> None:
    store = MemoryStore()
    live = inb.run(inb.samples.order, {"speed": 1_000}, id="order-1", store=store)
    for given in ("order-1", live.state, live, live.handle, inb.Executor(store).handle("order-1")):
        form = make(store, given)
        form.wait()
        assert form.workflow_id.value == "order-1"
        form.close()


@each_form
def test_a_form_appears_at_once_on_a_slow_store_and_fills(make: Any) -> None:
    answer = threading.Event()

    class Slow(MemoryStore):
        def heads(self, *args: Any, **kwargs: Any) -> Any:
            assert answer.wait(30)
            return super().heads(*args, **kwargs)

    store = Slow()
    store.save(FAILED.replace(status="running"))
    form = make(store)  # in less than the thirty seconds that the store takes
    assert "Trying to list the workflows …" in words(all_html(form))
    assert form.workflow_id.options == ()
    answer.set()
    form.wait()
    assert form.workflow_id.options == ("order-7",)
    assert "Trying" not in words(all_html(form))


def test_what_is_typed_while_a_given_state_is_still_loaded_stays() -> None:
    answer = threading.Event()

    class Slow(MemoryStore):
        def load(self, workflow_id: str) -> WorkflowState | None:
            assert answer.wait(30)
            return super().load(workflow_id)

    store = Slow()
    store.save(FAILED.replace(error="stored"))
    form = inb.save_form(store, FAILED)
    assert form.fields.status.value == "failed"
    form.fields.error.set_state({"value": "typed"})
    answer.set()
    form.wait()
    assert form.fields.error.value == "typed"


def test_a_workflow_to_delete_can_be_given_by_its_state() -> None:
    store = MemoryStore()
    store.save(FAILED)
    form = inb.delete_form(store, FAILED)
    form.wait()
    assert "failed" in words(form.summary)
    assert form.list.value == "order-7"
