"""explore: find, order and page workflows of every store, look at one, mend it in place."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from explore_driver import NEWEST, ask, choose, ids, press, state_of, type_into
from form_driver import words
from small_servers import plain_server

from inngest_nb import (
    AsyncInngestStore,
    HistoryEvent,
    InngestStore,
    MemoryStore,
    StateServer,
    WorkflowStore,
    frame,
)
from inngest_nb import explore as make_explorer
from inngest_nb.notebook.explore import Explore


@pytest.fixture
def explorer(store: WorkflowStore) -> Explore:
    """An explorer of 60 workflows, two pages and a bit, over every kind of store."""
    for number in range(60):
        store.save(state_of(number))
    made = make_explorer(store)
    made.wait()
    return made


def test_the_first_page_has_the_newest_workflows(explorer: Explore) -> None:
    assert ids(explorer) == [f"order-{number:04d}" for number in range(25)]
    assert "1-25 of 60 workflows, newest first" in words(explorer.remark)
    assert explorer.table.rows[1]["cells"] == [
        "failed",
        "order-0001",
        f"{NEWEST - timedelta(minutes=10):%Y-%m-%d %H:%M:%S} UTC",
        "2 s",
        "1",
        "card declined",
    ]


def test_pages_are_turned_by_their_numbers_and_by_the_arrow_keys(explorer: Explore) -> None:
    ask(explorer, kind="page", number=1)
    assert ids(explorer)[0] == "order-0025"
    assert (explorer.table.page["number"], explorer.table.page["last"]) == (1, 2)
    ask(explorer, kind="step", by=1)
    assert (len(ids(explorer)), explorer.table.chosen) == (10, "order-0050")
    ask(explorer, kind="step", by=1)
    assert explorer.table.chosen == "order-0050", "there is no page after the last"
    ask(explorer, kind="step", by=-1)
    assert explorer.table.chosen == "order-0049"
    ask(explorer, kind="page", number=7)
    assert explorer.table.page["number"] == 2, "a page beyond the last is the last"
    for odd in (-1, None, "1"):
        ask(explorer, kind="page", number=odd)
    assert explorer.table.page["number"] == 0


def test_words_are_searched_in_id_run_status_and_error(explorer: Explore) -> None:
    for text, count in (("0017", 1), ("RUN-5", 11), ("declined  order", 15), ("nothing", 0)):
        type_into(explorer, explorer.search.text, text)
        assert explorer.table.page["total"] == count, text
    assert "No workflow matches" in words(explorer.remark)


def test_words_are_searched_in_the_name_of_the_workflow() -> None:
    store = MemoryStore()
    began = HistoryEvent(id=1, type="workflow_started", workflow="checkout")
    store.save(state_of(1).replace(history=(began,)))
    store.save(state_of(2))
    explorer = make_explorer(store)
    explorer.wait()
    type_into(explorer, explorer.search.text, "CHECKOUT")
    assert ids(explorer) == [state_of(1).workflow_id]


def test_a_filter_begins_again_at_the_first_page(explorer: Explore) -> None:
    ask(explorer, kind="page", number=1)
    type_into(explorer, explorer.search.text, "order")
    assert ids(explorer)[0] == "order-0000"


def test_chips_count_statuses_and_filter_by_them(explorer: Explore) -> None:
    chip = explorer.search.chip
    assert [chip(word).description for word in ("running", "failed", "canceled")] == [
        "◐ running  15",
        "✕ failed  15",
        "⊘ canceled  0",
    ]
    type_into(explorer, chip("failed"), True)
    assert explorer.table.page["total"] == 15
    assert chip("failed").description == "☑ ✕ failed  15"
    type_into(explorer, chip("running"), True)
    assert explorer.table.page["total"] == 30
    type_into(explorer, explorer.search.text, "run-1")
    assert chip("failed").description == "☑ ✕ failed  3"
    assert "of 6 found in 60 workflows" in words(explorer.remark)


def test_a_span_of_time_filters_by_the_update(explorer: Explore, store: WorkflowStore) -> None:
    store.save(state_of(7, updated_at=datetime.now(UTC)))
    press(explorer, explorer.refresh)
    explorer.search.within.set_state({"index": 2})  # the last hour
    assert ids(explorer) == ["order-0007"]


def test_a_heading_sorts_and_turns_the_order_around(explorer: Explore) -> None:
    type_into(explorer, explorer.search.chip("completed"), True)
    ask(explorer, kind="sort", by="took")
    assert ids(explorer)[0] == "order-0059"
    assert "longest first" in words(explorer.remark)
    ask(explorer, kind="sort", by="took")
    assert ids(explorer)[0] == "order-0000"
    ask(explorer, kind="sort", by="no such column")
    assert ids(explorer)[0] == "order-0000"


@pytest.mark.parametrize(
    ("by", "column"),
    [
        ("workflow", "workflow_id"),
        ("error", "error"),
        ("status", "status"),
        ("updated", "updated_at"),
        ("took", "duration"),
        ("events", "events"),
    ],
)
def test_the_order_is_that_of_a_frame(by: str, column: str) -> None:
    store = MemoryStore()
    made = [("b", "failed", 9), ("A", "", 3), ("a", "running", 3), ("B", "Zed", 5)]
    for workflow_id, status, number in made:
        fields = {"workflow_id": workflow_id, "error": workflow_id, "status": status}
        store.save(state_of(number, **fields))
    store.save(state_of(3, workflow_id="none", updated_at=None, created_at=None, error=""))
    explorer = make_explorer(store)
    explorer.wait()
    for _ in range(2):
        ask(explorer, kind="sort", by=by)
        sign = "-" if explorer.table.page["descending"] else ""
        assert ids(explorer) == list(frame(store, sort=sign + column)["workflow_id"])
        assert ids(explorer) == list(explorer.frame["workflow_id"])
    explorer.close()


def test_what_cannot_be_sorted_by_comes_last_both_ways(explorer: Explore) -> None:
    for _ in range(2):
        ask(explorer, kind="sort", by="error")
        assert all(row["cells"][5] == "card declined" for row in explorer.table.rows[:15])
        assert explorer.table.rows[15]["cells"][5] == ""


def test_a_chosen_workflow_shows_history_and_payloads(explorer: Explore) -> None:
    choose(explorer, "order-0005")
    parts = {name: words(area) for name, area in explorer.detail._parts.items()}
    assert "order-0005" in parts["summary"]
    assert "card declined" in parts["summary"]
    assert '{ "amount": 5 }' in parts["payloads"]
    assert parts["steps"].startswith('✓ charge 2 s → { "receipt": 5 }')
    assert "activity_completed charge" in parts["history"]
    assert '{ "receipt": 5 }' in parts["history"]
    assert "2 s" in parts["history"]


def test_only_the_last_events_of_a_long_history_are_shown(store: WorkflowStore) -> None:
    event = state_of(0).history[0]
    store.save(state_of(0, history=[event.replace(id=n, result=n) for n in range(120)]))
    explorer = make_explorer(store)
    choose(explorer, "order-0000")
    history = words(explorer.detail._parts["history"])
    assert "120 events" in history
    assert "The last 50; 70 earlier events not shown here" in history
    assert history.endswith("result 119 2 s")


def test_an_edit_in_place_is_saved_and_shown_in_the_table(explorer: Explore) -> None:
    choose(explorer, "order-0009")
    press(explorer, explorer.editing.edit)
    form = explorer.editing.save_form
    assert form is not None
    type_into(explorer, form.fields.error, "mended")
    press(explorer, form.review)
    press(explorer, form.save)
    assert explorer._store.load("order-0009").error == "mended"
    assert (ids(explorer)[0], explorer.table.rows[0]["cells"][5]) == (
        "order-0009",
        "mended",
    )
    assert "mended" in words(explorer.detail._parts["summary"])


def test_a_deletion_in_place_can_be_undone_even_later(explorer: Explore) -> None:
    before = explorer._store.load("order-0002")
    choose(explorer, "order-0002")
    press(explorer, explorer.editing.remove)
    form = explorer.editing.delete_form
    assert form is not None
    type_into(explorer, form.confirmation, "order-0002")
    press(explorer, form.delete)
    assert explorer._store.load("order-0002") is None
    assert "order-0002" not in ids(explorer)
    assert "Deleted order-0002" in words(form.outcome)
    choose(explorer, "order-0003")
    press(explorer, form.undo)
    assert explorer._store.load("order-0002") == before
    assert "order-0002" in ids(explorer)
    assert explorer.table.chosen == "order-0002"


def test_a_form_keeps_its_edits_while_another_workflow_is_looked_at(explorer: Explore) -> None:
    choose(explorer, "order-0004")
    press(explorer, explorer.editing.edit)
    form = explorer.editing.save_form
    assert form is not None
    type_into(explorer, form.fields.error, "half a sentence")
    choose(explorer, "order-0006")
    assert explorer.editing.save_form is None
    choose(explorer, "order-0004")
    assert explorer.editing.save_form is form
    press(explorer, explorer.editing.close_form)
    assert explorer.editing.edit.description == "Edit (unsaved changes)"
    press(explorer, explorer.editing.edit)
    press(explorer, explorer.editing.discard)
    fresh = explorer.editing.save_form
    assert fresh is not None
    assert fresh.fields.error.value == ""


def test_a_look_brings_news_and_keeps_selection_and_typed_text(explorer: Explore) -> None:
    choose(explorer, "order-0004")
    press(explorer, explorer.editing.edit)
    form = explorer.editing.save_form
    assert form is not None
    type_into(explorer, form.fields.error, "half a sentence")
    type_into(explorer, explorer.search.text, "order")
    later = NEWEST + timedelta(seconds=5)
    explorer._store.save(state_of(4, error="from elsewhere", updated_at=later))
    explorer._store.delete("order-0001")
    ask(explorer, kind="look")
    assert ids(explorer)[:3] == ["order-0004", "order-0000", "order-0002"]
    assert explorer.table.chosen == "order-0004"
    assert "from elsewhere" in words(explorer.detail._parts["summary"])
    assert form.fields.error.value == "half a sentence"
    assert explorer.search.text.value == "order"


def test_a_chosen_workflow_that_is_gone_is_said_to_be_gone(explorer: Explore) -> None:
    choose(explorer, "order-0004")
    explorer._store.delete("order-0004")
    press(explorer, explorer.refresh)
    assert "Workflow order-0004 is no longer in the store" in words(
        explorer.detail._parts["summary"]
    )
    assert explorer.editing.save_form is None


def test_only_a_page_goes_to_the_browser() -> None:
    store = MemoryStore()
    for number in range(2_000):
        store.save(state_of(number, input={"secret": "payload" * 100}))
    explorer = make_explorer(store)
    explorer.wait()
    sent = json.dumps([explorer.table.rows, explorer.table.page])
    assert len(sent) < 8_000
    assert "payload" not in sent
    assert "1-25 of 2,000 workflows" in words(explorer.remark)


def test_words_that_nobody_knows_get_chips_but_not_without_end() -> None:
    store = MemoryStore()
    for number in range(30):
        store.save(state_of(number, status=f"paused-{number}"))
    explorer = make_explorer(store)
    explorer.wait()
    assert len(explorer.search.chips.children) == 4 + 8


def test_a_server_that_cannot_list_is_told_plainly_and_ids_are_looked_up() -> None:
    with (
        plain_server() as server,
        InngestStore(server.url) as other,
        InngestStore(server.url) as own,
    ):
        other.save(state_of(1))
        own.save(state_of(2))
        explorer = make_explorer(own)
        explorer.wait()
        assert ids(explorer) == ["order-0002"]
        assert "This server cannot list workflows" in words(explorer.remark)
        assert explorer.look_up.layout.display == "none"
        type_into(explorer, explorer.search.text, "order-0001")
        assert explorer.look_up.layout.display == ""
        press(explorer, explorer.look_up)
        assert ids(explorer) == ["order-0001"]
        assert "order-0001" in words(explorer.detail._parts["summary"])
        type_into(explorer, explorer.search.text, "order-9")
        press(explorer, explorer.look_up)
        assert "No workflow order-9 in the store" in words(explorer.missing)
        type_into(explorer, explorer.search.text, "")
        assert words(explorer.missing) == "", "nobody looks for it any more"


def test_a_server_that_is_away_is_told_and_found_again(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with StateServer(tmp_path / "state.db", port=0) as server:
        port = server.port
        store = InngestStore(server.url)
        store.save(state_of(1))
    explorer = make_explorer(store)
    assert "Could not read the store" in words(explorer.trouble)
    ask(explorer, kind="look")
    assert "no response from" in words(explorer.trouble)
    with StateServer(tmp_path / "state.db", port=port):
        ask(explorer, kind="look")
        assert ids(explorer) == ["order-0001"]
        assert words(explorer.trouble) == ""
    choose(explorer, "order-0001")
    assert "Could not show the workflow" in words(explorer.detail_trouble)
    store.close()


def test_an_async_store_is_refused_with_a_word_on_what_to_use() -> None:
    with pytest.raises(TypeError, match="a blocking store, such as InngestStore .*got Async"):
        make_explorer(AsyncInngestStore("http://127.0.0.1:1"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (pd.DataFrame(), "explore needs a store, got a DataFrame"),
        (None, "explore needs a store, got None"),
        ("x", "explore needs a store, got a str"),
        (MemoryStore, "got the class MemoryStore: make one"),
        (state_of(1), r"inb\.timeline\(state\) shows one workflow"),
    ],
)
def test_what_is_no_store_is_refused_at_once(given: object, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        make_explorer(given)


def test_the_frame_has_all_that_is_filtered_in_the_order_of_the_table(explorer: Explore) -> None:
    assert len(explorer.frame) == 60
    type_into(explorer, explorer.search.chip("completed"), True)
    type_into(explorer, explorer.search.text, "order")
    ask(explorer, kind="sort", by="took")
    found = explorer.frame
    assert list(found["workflow_id"])[:25] == ids(explorer)
    assert set(found["status"]) == {"completed"}
    assert len(found) == explorer.table.page["total"] == 30
    assert found.attrs["filter"] == {
        "status": ["completed"],
        "text": "order",
        "updated_within": None,
    }
    assert found.attrs["source"] == repr(explorer._store)
    whole = frame(explorer._store.list())
    assert list(found.columns) == list(whole.columns)
    assert list(found.dtypes) == list(whole.dtypes)


def test_selected_is_the_state_that_is_chosen(explorer: Explore) -> None:
    assert explorer.selected is None
    choose(explorer, "order-0005")
    assert explorer.selected == explorer._store.load("order-0005")


def test_an_error_begins_with_what_differs_and_a_duration_so_far_says_so() -> None:
    store = MemoryStore()
    errors = [
        "activity 'charge' failed after 3 attempts: card declined",
        "activity charge: card declined",
        "canceled by Ann",
    ]
    for number, error in enumerate(errors):
        store.save(state_of(number, error=error, status="running"))
    explorer = make_explorer(store)
    rows = explorer.table.rows
    told = ["charge: card declined", "charge: card declined", "canceled by Ann"]
    assert [row["cells"][5] for row in rows] == told
    assert [row["error"] for row in rows] == errors, "whole where the mouse rests"
    assert rows[0]["cells"][3].endswith(" so far")
