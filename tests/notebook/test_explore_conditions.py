"""The filter of an explorer takes conditions, which the store itself searches by."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from explore_driver import NEWEST, ask, choose, ids, press, state_of, type_into
from form_driver import Reading, words
from hostile_strings import HOSTILE_STRINGS
from story_server import StoryServer

from inngest_nb import (
    HistoryEvent,
    InngestAPI,
    InngestStore,
    MemoryStore,
    StateServer,
    WorkflowStore,
    explore,
)
from inngest_nb.notebook.explore import Explore
from inngest_nb.query import Path as FieldPath
from inngest_nb.query import Search
from inngest_nb.state import WorkflowStatus
from inngest_nb.store import Found, Row, States


@pytest.fixture
def explorer(store: WorkflowStore) -> Explore:
    """An explorer of 60 workflows over every kind of store."""
    for number in range(60):
        store.save(state_of(number))
    made = explore(store)
    made.wait()
    return made


def filter_by(explorer: Explore, text: str) -> None:
    type_into(explorer, explorer.search.text, text)


def test_a_condition_on_payloads_finds_workflows(explorer: Explore) -> None:
    filter_by(explorer, "where: input.amount >= 57 or input.amount = 3")
    assert ids(explorer) == ["order-0003", "order-0057", "order-0058", "order-0059"]
    assert "1-4 of 4 found in 60 workflows" in words(explorer.remark)
    assert explorer.search.chip("failed").description == "✕ failed  1"
    filter_by(explorer, "")
    assert explorer.table.page["total"] == 60


def test_a_condition_goes_with_the_other_filters_and_the_order(explorer: Explore) -> None:
    filter_by(explorer, 'WHERE: error contains "declined" and input.amount < 20')
    type_into(explorer, explorer.search.chip("failed"), True)
    ask(explorer, kind="sort", by="took")
    assert ids(explorer) == [f"order-{number:04d}" for number in (17, 13, 9, 5, 1)]
    found = explorer.frame
    assert list(found["workflow_id"]) == ids(explorer)
    assert found.attrs["filter"]["where"] == 'error contains "declined" and input.amount < 20'
    type_into(explorer, explorer.search.chip("failed"), False)
    ask(explorer, kind="page", number=0)
    assert explorer.table.page["total"] == 5


def test_a_wrong_condition_is_shown_with_its_place_and_changes_nothing_else(
    explorer: Explore,
) -> None:
    filter_by(explorer, "where: input.amount < 3")
    filter_by(explorer, "where: input.amount < < 3")
    shown = explorer.misread.markup
    lines = str(shown.unescape()).splitlines()
    place = next(number for number, line in enumerate(lines) if "input.amount < < 3" in line)
    assert lines[place].removeprefix("<pre>")[lines[place + 1].index("^") :] == "< 3"
    assert ids(explorer) == ["order-0000", "order-0001", "order-0002"]
    said = explorer._repr_mimebundle_()["text/plain"].splitlines()[1]
    assert "3 found in 60 workflows, newest first; where input.amount < 3; as of " in said
    assert "Could not search" not in words(explorer.misread)
    filter_by(explorer, "where: input.amount < 2")
    assert words(explorer.misread) == ""
    assert ids(explorer) == ["order-0000", "order-0001"]


def test_a_condition_that_is_not_typed_yet_filters_nothing(explorer: Explore) -> None:
    filter_by(explorer, "where: input.amount < 3")
    filter_by(explorer, " Where: ")
    assert explorer.table.page["total"] == 60
    assert words(explorer.misread) == ""


def test_the_store_searches_again_when_something_has_changed(explorer: Explore) -> None:
    filter_by(explorer, "where: input.amount >= 58")
    later = NEWEST + timedelta(seconds=5)
    explorer._store.save(state_of(70, updated_at=later))
    explorer._store.save(state_of(58, input={"amount": 1}, updated_at=later))
    ask(explorer, kind="look")
    assert ids(explorer) == ["order-0070", "order-0059"]
    assert words(explorer.trouble) == ""


def test_a_server_that_cannot_search_is_told_of(explorer: Explore, store: WorkflowStore) -> None:
    is_plain = "cannot list workflows" in words(explorer.remark)
    filter_by(explorer, "where: input.amount = 7")
    assert ("the condition was checked here" in words(explorer.remark)) == is_plain
    filter_by(explorer, "order-0007")
    assert "the condition was checked here" not in words(explorer.remark)
    assert ids(explorer) == ["order-0007"]


def test_words_are_searched_in_the_step(explorer: Explore) -> None:
    event = HistoryEvent(id=1, type="activity_started", activity_name="ship_parcel")
    explorer._store.save(state_of(4, history=(event,)))
    press(explorer, explorer.refresh)
    filter_by(explorer, "Ship_P")
    assert ids(explorer) == ["order-0004"]


def test_runs_of_an_inngest_server_have_no_conditions() -> None:
    with StoryServer() as server, InngestAPI(server.url) as api:
        explorer = explore(api)
        explorer.wait()
        before = ids(explorer)
        filter_by(explorer, "where: input.amount = 7")
        assert "cannot be searched by a condition" in words(explorer.misread)
        assert ids(explorer) == before
        explorer.close()


@pytest.mark.parametrize("hostile", HOSTILE_STRINGS)
def test_a_hostile_condition_adds_no_tag(hostile: str) -> None:
    store = MemoryStore()
    store.save(state_of(1))
    explorer = explore(store)
    shapes = []
    for text in ("x" * len(hostile), hostile):
        filter_by(explorer, f"where: status = ~{text}")
        shapes.append(Reading(explorer.misread.markup).shape)
    assert shapes[0] == shapes[1] != []
    explorer.close()


class Counting(MemoryStore):
    """A store that counts what it is asked for beside heads."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def fetch(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> States:
        self.read.append("fetch")
        return super().fetch(status, limit)

    def list(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> States:
        self.read.append("list")
        return super().list(status, limit)

    def documents(self, ids: Sequence[str]) -> Iterator[Row]:
        self.read.append("documents")
        return super().documents(ids)

    def find(self, search: Search, fields: Sequence[FieldPath] = ()) -> Found:
        assert not fields
        return super().find(search, fields)


def test_nothing_but_heads_is_read_to_show_filter_sort_and_page() -> None:
    store = Counting()
    for number in range(200):
        store.save(state_of(number))
    explorer = explore(store)
    explorer.wait()
    for text in ("order", "where: input.amount > 20", ""):
        filter_by(explorer, text)
    type_into(explorer, explorer.search.chip("completed"), True)
    ask(explorer, kind="sort", by="took")
    ask(explorer, kind="page", number=1)
    ask(explorer, kind="look")
    press(explorer, explorer.refresh)
    assert explorer.table.page["total"] == 100
    assert store.read == []
    choose(explorer, "order-0000")
    assert store.read == []
    assert len(explorer.frame) == 100
    assert store.read == ["documents"]
    explorer.close()


class Slow(MemoryStore):
    """A store that searches by a condition only once it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_search = threading.Event()

    def find(self, search: Search, fields: Sequence[FieldPath] = ()) -> Found:
        assert not search.where or self.may_search.wait(60)
        return super().find(search, fields)


def test_an_answer_that_comes_when_something_else_is_asked_for_is_not_shown() -> None:
    store = Slow()
    for number in range(20):
        store.save(state_of(number))
    explorer = explore(store)
    explorer.wait()
    explorer.search.text.set_state({"value": "where: input.amount > 15"})
    explorer.search.text.set_state({"value": "order"})
    store.may_search.set()
    explorer.wait()
    assert explorer.table.page["total"] == 20
    filter_by(explorer, "where: input.amount > 15")
    assert explorer.table.page["total"] == 4
    explorer.close()


def test_what_other_clients_saved_is_found_at_the_server(tmp_path: Path) -> None:
    with (
        StateServer(tmp_path / "state.db", port=0) as server,
        InngestStore(server.url) as other,
        InngestStore(server.url) as own,
    ):
        for number in range(40):
            other.save(state_of(number))
        explorer = explore(own)
        filter_by(explorer, "where: result is missing and input.amount > 37")
        assert ids(explorer) == ["order-0038", "order-0039"]
        assert own.list() == []
        explorer.close()
