"""What a notebook keeps of an explorer: readable without a kernel, inert, and without a key."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from explore_driver import choose, press, state_of, type_into
from form_driver import Reading, all_html, every_widget, words
from hostile_strings import HOSTILE_STRINGS

from inngest_nb import HistoryEvent, InngestStore, MemoryStore, StateServer, WorkflowState, explore
from inngest_nb.notebook.explore import Explore

KEY = "planted-key-77aa"


def whole(explorer: Explore) -> str:
    """Return everything that a notebook could keep of an explorer, as text."""
    states = [
        each.get_state() for each in [*every_widget(explorer), explorer.table, explorer.editing]
    ]
    return json.dumps([explorer._repr_mimebundle_(), states], default=str)


def test_a_saved_table_says_what_it_shows() -> None:
    store = MemoryStore()
    for number in range(40):
        store.save(state_of(number))
    explorer = explore(store)
    explorer.wait()
    type_into(explorer, explorer.search.chip("failed"), True)
    bundle = explorer._repr_mimebundle_()
    caption = "1-10 of 10 found in 40 workflows, newest first; status failed; as of "
    reading = Reading(bundle["text/html"])
    assert caption in " ".join(reading.text.split())
    assert "Snapshot. Re-run the cell" in reading.text
    assert reading.shape.count(("tr",)) == 1
    assert sum(tag[0] == "tr" for tag in reading.shape) == 11
    lines = bundle["text/plain"].splitlines()
    assert lines[0] == "Workflows in MemoryStore()"
    assert lines[1].startswith(caption)
    assert lines[3].split()[:2] == ["failed", "order-0001"]
    assert len(lines) == 13


def test_a_saved_table_looks_like_the_one_that_it_was() -> None:
    store = MemoryStore()
    store.save(state_of(1))
    explorer = explore(store)
    explorer.wait()
    html = explorer._repr_mimebundle_()["text/html"]
    assert type(html) is str
    page = ElementTree.fromstring(f"<html>{html}</html>")  # noqa: S314  # our own
    heads, cells = list(page.iter("th")), list(page.iter("td"))
    names = ["status", "workflow", "updated", "took", "events", "error"]
    for row in (heads, cells):
        assert [cell.attrib["class"] for cell in row] == [f"inb-col-{name}" for name in names]
    row = page.find(".//tbody/tr")
    assert row is not None
    assert row.attrib["class"] == "inb-bad"
    marks = [cell.findtext("span/span") for cell in cells]
    assert marks == ["✕", *[None] * 5]


def test_a_saved_table_of_many_says_that_there_are_more_or_how_many() -> None:
    store = MemoryStore()
    for number in range(3_000):
        store.save(state_of(number))
    text = explore(store)._repr_mimebundle_()["text/plain"]
    assert "1-25 of 3,000 workflows" in text or "The newest 25" in text


def test_an_empty_store_says_so() -> None:
    explorer = explore(MemoryStore())
    assert "No workflows" in words(explorer.remark)
    assert "No workflows" in explorer._repr_mimebundle_()["text/plain"]


@pytest.mark.parametrize("hostile", HOSTILE_STRINGS)
def test_a_hostile_workflow_adds_no_tag_anywhere(hostile: str) -> None:
    shapes = []
    for text in ("x" * len(hostile), hostile):
        event = HistoryEvent(type=text, activity_name=text, error=text, result={text: text})
        state = WorkflowState(workflow_id=text, run_id=text, status=text, error=text)
        store = MemoryStore()
        store.save(state.replace(input={text: text}, result=[text], history=[event]))
        explorer = explore(store)
        choose(explorer, text)
        press(explorer, explorer.editing.edit)
        press(explorer, explorer.editing.remove)
        html = all_html(explorer) + explorer._repr_mimebundle_()["text/html"]
        shapes.append(Reading(html).shape)
    assert shapes[0] == shapes[1]


def test_a_name_cannot_turn_its_direction_or_hide() -> None:
    store = MemoryStore()
    store.save(WorkflowState(workflow_id="a\u202eb\nc", status="x\u2066", error="y\u202e"))
    explorer = explore(store)
    choose(explorer, "a\u202eb\nc")
    row = explorer.table.rows[0]
    assert (row["cells"][0], row["cells"][1], row["cells"][5]) == (
        r"x\u2066",
        r"a\u202eb\nc",
        r"y\u202e",
    )
    bundle = explorer._repr_mimebundle_()
    shown = all_html(explorer) + bundle["text/html"] + bundle["text/plain"]
    assert not {"\u202e", "\u2066"} & set(shown)


def test_a_key_is_in_nothing_that_a_notebook_could_keep(tmp_path: Path) -> None:
    with StateServer(tmp_path / "state.db", port=0, event_key=KEY) as server:
        with InngestStore(server.url, event_key=KEY) as store:
            store.save(state_of(1))
            explorer = explore(store)
            choose(explorer, "order-0001")
            press(explorer, explorer.editing.edit)
            press(explorer, explorer.editing.remove)
            assert "order-0001" in whole(explorer)
            assert KEY not in whole(explorer)
        with InngestStore(server.url, event_key=f"{KEY}-wrong") as refused:
            explorer = explore(refused)
            assert "Could not read the store" in words(explorer.trouble)
            assert KEY not in whole(explorer)
