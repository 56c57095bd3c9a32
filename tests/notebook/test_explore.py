"""explore: find, order and page workflows of every store, look at one, mend it in place."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from explore_driver import NEWEST, ask, choose, ids, press, state_of, type_into
from form_driver import words
from small_servers import plain_server

from inngest_nb import AsyncInngestStore, InngestStore, MemoryStore, StateServer, WorkflowStore
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
    assert "1-25 of 60 workflows, by time of update, newest first" in words(explorer.remark)
    assert explorer.table.page["rows"][1]["cells"] == [
        "failed",
        "order-0001",
        f"{NEWEST - timedelta(minutes=10):%Y-%m-%d %H:%M:%S}",
        "2 s",
        "1",
        "card declined",
    ]


def test_pages_are_turned_by_buttons_and_by_the_table(explorer: Explore) -> None:
    assert explorer.previous.disabled
    press(explorer, explorer.next)
    assert ids(explorer)[0] == "order-0025"
    ask(explorer, kind="step", by=1)
    assert explorer.next.disabled
    assert (len(ids(explorer)), explorer.table.chosen) == (10, "order-0050")
    ask(explorer, kind="step", by=1)
    assert explorer.table.chosen == "order-0050", "there is no page after the last"
    ask(explorer, kind="step", by=-1)
    assert explorer.table.chosen == "order-0049"


def test_words_are_searched_in_id_run_status_and_error(explorer: Explore) -> None:
    for text, count in (("0017", 1), ("RUN-5", 11), ("declined  order", 15), ("nothing", 0)):
        type_into(explorer, explorer.search.text, text)
        assert explorer.table.page["total"] == count, text
    assert "None of 60 workflows found" in words(explorer.remark)


def test_a_filter_begins_again_at_the_first_page(explorer: Explore) -> None:
    press(explorer, explorer.next)
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
    assert "of 6 found of 60 workflows" in words(explorer.remark)


def test_a_span_of_time_filters_by_the_update(explorer: Explore, store: WorkflowStore) -> None:
    store.save(state_of(7, updated_at=datetime.now(UTC)))
    press(explorer, explorer.refresh)
    explorer.search.within.set_state({"index": 2})  # the last hour
    assert ids(explorer) == ["order-0007"]


def test_a_heading_sorts_and_turns_the_order_around(explorer: Explore) -> None:
    type_into(explorer, explorer.search.chip("completed"), True)
    ask(explorer, kind="sort", by="took")
    assert ids(explorer)[0] == "order-0059"
    assert "by duration, longest first" in words(explorer.remark)
    ask(explorer, kind="sort", by="took")
    assert ids(explorer)[0] == "order-0000"
    ask(explorer, kind="sort", by="no such column")
    assert ids(explorer)[0] == "order-0000"


def test_what_cannot_be_sorted_by_comes_last_both_ways(explorer: Explore) -> None:
    for _ in range(2):
        ask(explorer, kind="sort", by="error")
        assert all(row["cells"][5] == "card declined" for row in explorer.table.page["rows"][:15])
        assert explorer.table.page["rows"][15]["cells"][5] == ""


def test_a_chosen_workflow_shows_history_and_payloads(explorer: Explore) -> None:
    choose(explorer, "order-0005")
    parts = {name: words(area) for name, area in explorer.detail._parts.items()}
    assert "order-0005" in parts["summary"]
    assert "card declined" in parts["summary"]
    assert '{ "amount": 5 }' in parts["payloads"]
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
    press(explorer, explorer.mending.edit)
    form = explorer.mending.save_form
    assert form is not None
    type_into(explorer, form.fields.error, "mended")
    press(explorer, form.review)
    press(explorer, form.save)
    assert explorer._store.load("order-0009").error == "mended"
    assert (ids(explorer)[0], explorer.table.page["rows"][0]["cells"][5]) == (
        "order-0009",
        "mended",
    )
    assert "mended" in words(explorer.detail._parts["summary"])


def test_a_deletion_in_place_can_be_undone_even_later(explorer: Explore) -> None:
    before = explorer._store.load("order-0002")
    choose(explorer, "order-0002")
    press(explorer, explorer.mending.remove)
    form = explorer.mending.delete_form
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
    press(explorer, explorer.mending.edit)
    form = explorer.mending.save_form
    assert form is not None
    type_into(explorer, form.fields.error, "half a sentence")
    choose(explorer, "order-0006")
    assert explorer.mending.save_form is None
    choose(explorer, "order-0004")
    assert explorer.mending.save_form is form
    press(explorer, explorer.mending.close_form)
    assert explorer.mending.edit.description == "Edit (has unsaved changes)"
    press(explorer, explorer.mending.edit)
    press(explorer, explorer.mending.start_over)
    fresh = explorer.mending.save_form
    assert fresh is not None
    assert fresh.fields.error.value == ""


def test_a_look_brings_news_and_keeps_selection_and_typed_text(explorer: Explore) -> None:
    choose(explorer, "order-0004")
    press(explorer, explorer.mending.edit)
    form = explorer.mending.save_form
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
    assert "has no workflow order-0004 any more" in words(explorer.detail._parts["summary"])
    assert explorer.mending.save_form is None


def test_only_a_page_goes_to_the_browser() -> None:
    store = MemoryStore()
    for number in range(2_000):
        store.save(state_of(number, input={"secret": "payload" * 100}))
    explorer = make_explorer(store)
    explorer.wait()
    sent = json.dumps(explorer.table.page)
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
        assert "This server cannot list what it keeps" in words(explorer.remark)
        assert explorer.look_up.layout.display == "none"
        type_into(explorer, explorer.search.text, "order-0001")
        assert explorer.look_up.layout.display == ""
        press(explorer, explorer.look_up)
        assert ids(explorer) == ["order-0001"]
        assert "order-0001" in words(explorer.detail._parts["summary"])
        type_into(explorer, explorer.search.text, "order-9")
        press(explorer, explorer.look_up)
        assert "The store has no workflow order-9" in words(explorer.trouble)


def test_a_server_that_is_away_is_told_and_found_again(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with StateServer(tmp_path / "state.db", port=0) as server:
        port = server.port
        store = InngestStore(server.url)
        store.save(state_of(1))
    explorer = make_explorer(store)
    assert "Could not read the store" in words(explorer.trouble)
    ask(explorer, kind="look")
    assert "no answer from" in words(explorer.trouble)
    with StateServer(tmp_path / "state.db", port=port):
        ask(explorer, kind="look")
        assert ids(explorer) == ["order-0001"]
        assert words(explorer.trouble) == ""
    choose(explorer, "order-0001")
    assert "Could not show the workflow" in words(explorer.detail_trouble)
    store.close()


def test_an_async_store_is_refused_with_a_word_on_what_to_use() -> None:
    with pytest.raises(TypeError, match="plain twin, such as InngestStore"):
        make_explorer(AsyncInngestStore("http://127.0.0.1:1"))
