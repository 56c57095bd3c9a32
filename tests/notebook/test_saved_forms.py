"""What a notebook keeps of a form: readable without a kernel, inert, and without a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from form_driver import Reading, all_html, every_widget, press, type_into, words
from hostile_strings import HOSTILE_STRINGS
from nbclient import NotebookClient

from inngest_nb import (
    InngestStore,
    MemoryStore,
    StateServer,
    WorkflowState,
    WorkflowStore,
    delete_form,
    save_form,
    signal_form,
)

KEY = "planted-key-5f0c"
WIDGET = "application/vnd.jupyter.widget-view+json"

CELLS = [
    """
import os
import inngest_nb as inb

store = inb.InngestStore(base_url=os.environ["SERVER"], event_key=os.environ["KEY"])
store.save(inb.WorkflowState(workflow_id="order-7", status="running", error="<b>stuck</b>"))
saving, deleting = inb.save_form(store), inb.delete_form(store)
saving.workflow_id.value = "order-7"
saving.wait()
saving
""",
    """
saving.fields.status.value = "failed"
for button in (saving.review, saving.save):
    button.click()
    saving.wait()
saving
""",
    """
deleting.list.value = "order-7"
deleting.wait()
deleting
""",
    """
wrong = inb.InngestStore(base_url=os.environ["SERVER"], event_key=os.environ["KEY"] + "-wrong")
inb.save_form(wrong)
""",
]

Make = Callable[[WorkflowStore], Any]


def filled_save_form(store: WorkflowStore) -> Any:
    form = save_form(store)
    form.wait()
    type_into(form, form.workflow_id, form.workflow_id.options[0])
    type_into(form, form.fields.result, '{"<b>": ')
    press(form, form.review)
    return form


def filled_delete_form(store: WorkflowStore) -> Any:
    form = delete_form(store)
    form.wait()
    form.list.index = 0
    form.wait()
    type_into(form, form.confirmation, "<b>")
    press(form, form.delete)
    return form


def filled_signal_form(store: WorkflowStore) -> Any:
    form = signal_form(store)
    type_into(form, form.workflow_id, store.list()[0].workflow_id)
    type_into(form, form.name, "<b>")
    type_into(form, form.payload.text, '{"<b>": ')
    press(form, form.send)
    return form


each_form = pytest.mark.parametrize(
    "make", [filled_save_form, filled_delete_form, filled_signal_form]
)


def test_an_executed_notebook_reads_without_a_kernel_and_holds_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("KEY", KEY)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    with StateServer(tmp_path / "state.db", port=0, event_key=KEY) as server:
        monkeypatch.setenv("SERVER", server.url)
        NotebookClient(notebook, kernel_name="python3", store_widget_state=True).execute()
    bundles = [cell.outputs[0].data for cell in notebook.cells]
    assert all(set(bundle) == {WIDGET, "text/html", "text/plain"} for bundle in bundles)
    loaded, saved, chosen, refused = (words(bundle["text/html"]) for bundle in bundles)
    assert "<b>stuck</b>" in loaded
    assert "running → failed" in saved
    assert "Error <b>stuck</b>" in chosen
    assert "status 401" in refused
    assert "Status: failed" in bundles[1]["text/plain"]
    assert KEY not in nbformat.writes(notebook)


@each_form
@pytest.mark.parametrize("hostile", HOSTILE_STRINGS)
def test_a_hostile_workflow_adds_no_tag_to_what_is_shown_or_saved(make: Make, hostile: str) -> None:
    def shapes(text: str) -> list[Any]:
        store = MemoryStore()
        store.save(
            WorkflowState(
                workflow_id=text, run_id=text, status=text, error=text, input={text: text}
            )
        )
        form = make(store)
        htmls = [all_html(form), form._repr_mimebundle_()["text/html"]]
        assert all(text[:30] in Reading(html).text for html in htmls)
        return [Reading(html).shape for html in htmls]

    assert shapes(hostile) == shapes("x" * len(hostile))


@each_form
def test_a_key_is_in_no_widget_and_in_no_output(make: Make, tmp_path: Path) -> None:
    with (
        StateServer(tmp_path / "state.db", port=0, event_key=KEY) as server,
        InngestStore(base_url=server.url, event_key=KEY) as store,
    ):
        store.save(WorkflowState(workflow_id="order-7"))
        form = make(store)
        shown = [each.get_state() for each in every_widget(form)]
        shown += [each.layout.get_state() for each in every_widget(form)]
        shown.append(form._repr_mimebundle_())
        assert KEY not in json.dumps(shown, default=str) + repr(form)


@each_form
def test_every_field_has_a_label(make: Make) -> None:
    store = MemoryStore()
    store.save(WorkflowState(workflow_id="order-7"))
    fields = [each for each in every_widget(make(store)) if "value" in each.keys]
    unnamed = [each for each in fields if not each.description and "inb" not in each._dom_classes]
    assert unnamed == []


@each_form
def test_every_button_and_field_has_a_hook_for_style_and_tests(make: Make) -> None:
    store = MemoryStore()
    store.save(WorkflowState(workflow_id="order-7"))
    controls = [each for each in every_widget(make(store)) if "description" in each.keys]
    hooks = [[name for name in each._dom_classes if name.startswith("inb-")] for each in controls]
    assert all(hooks)


def test_a_long_payload_is_cut_in_the_saved_notebook_and_says_so() -> None:
    store = MemoryStore()
    store.save(WorkflowState(workflow_id="order-7", input="x" * 5_000))
    form = save_form(store)
    form.wait()
    type_into(form, form.workflow_id, "order-7")
    assert "… 3,002 more characters" in words(form._repr_mimebundle_()["text/html"])
