"""An explorer that is closed leaves nothing: no widget, no thread's answer, no data."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Sequence
from typing import Any

from explore_driver import choose, ids, press, state_of
from open_widgets import open_widgets

from inngest_nb import MemoryStore
from inngest_nb import explore as make_explorer
from inngest_nb.query import Path, Search
from inngest_nb.store import Found


def store_of(count: int) -> MemoryStore:
    store = MemoryStore()
    for number in range(count):
        store.save(state_of(number))
    return store


def test_close_closes_every_widget_and_lets_go_of_the_data() -> None:
    store, before = store_of(60), open_widgets()
    explorer = make_explorer(store)
    choose(explorer, "order-0001")
    assert len(open_widgets() - before) > 30
    explorer.close()
    explorer.close()
    assert open_widgets() - before == set()
    assert explorer._feed.entries() == []
    assert explorer.selected is None


def test_close_closes_the_forms_that_are_open() -> None:
    explorer = make_explorer(store_of(2))
    choose(explorer, "order-0001")
    press(explorer, explorer.editing.edit)
    save_form = explorer.editing.save_form
    assert save_form is not None
    explorer.close()
    assert (save_form.comm, save_form.fields.error.comm, save_form.save.comm) == (None,) * 3


def test_a_form_that_is_closed_leaves_no_widget_of_its_fields() -> None:
    explorer = make_explorer(store_of(2))
    choose(explorer, "order-0001")
    press(explorer, explorer.editing.edit)
    form = explorer.editing.save_form
    assert form is not None
    field = form.fields.error
    press(explorer, explorer.editing.close_form)
    assert explorer.editing.save_form is None
    assert (form.comm, field.comm) == (None, None)


def test_an_explorer_that_nobody_holds_is_freed_once_it_is_closed() -> None:
    explorer = make_explorer(store_of(2))
    explorer.wait()
    explorer.close()
    freed = weakref.ref(explorer)
    del explorer
    gc.collect()
    assert freed() is None


def test_an_explorer_that_its_cell_has_returned_holds_no_part_of_itself_once_it_is_closed() -> None:
    explorer = make_explorer(store_of(2))
    choose(explorer, "order-0001")
    press(explorer, explorer.editing.edit)
    form = explorer.editing.save_form
    assert form is not None
    parts = (explorer.table, explorer.search.text, explorer.detail, form.fields.input, form)
    freed = [weakref.ref(part) for part in parts]
    del parts, form
    explorer.close()
    assert [part() for part in freed] == [None] * len(freed)
    assert explorer.selected is None
    assert list(explorer.frame["workflow_id"]) == ["order-0000", "order-0001"]


class SlowStore(MemoryStore):
    """A store whose whole listing can be held up."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.go_on = threading.Event()
        for number in range(count):
            self.save(state_of(number))

    def find(self, search: Search, fields: Sequence[Path] = ()) -> Found:
        if search.limit == 0:
            assert self.go_on.wait(60)
        return super().find(search, fields)


def test_what_is_still_being_read_when_it_is_closed_is_not_kept() -> None:
    store = SlowStore(60)
    explorer = make_explorer(store)
    explorer.close()
    store.go_on.set()
    explorer.wait()
    assert explorer._feed.entries() == []


def test_counts_that_are_not_known_yet_are_dots_and_not_zero() -> None:
    store = SlowStore(60)
    explorer = make_explorer(store)
    assert ids(explorer) == [f"order-{number:04d}" for number in range(25)]
    assert explorer.search.chip("failed").description == "✕ failed  …"
    assert said(explorer.remark).startswith("The newest 25")
    assert "still being read" in said(explorer.remark)
    explorer.search.text.set_state({"value": "order-0055"})
    assert "No workflow matches among the newest 26" in said(explorer.remark)
    store.go_on.set()
    explorer.wait()
    assert explorer.search.chip("failed").description == "✕ failed  0"
    assert ids(explorer) == ["order-0055"]
    explorer.close()


def said(area: Any) -> str:
    return " ".join(area.markup.striptags().split())
