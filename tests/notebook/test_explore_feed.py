"""How an explorer keeps up with a store: it reads what is new, and now and then all."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from explore_driver import NEWEST, state_of

from inngest_nb import MemoryStore

# What each look asks of a store goes by the time since the last ones, which no page can set.
from inngest_nb.notebook.explore._catalog import Query
from inngest_nb.notebook.explore._feed import Feed
from inngest_nb.query import Path, Search
from inngest_nb.store import Found, Head, Row, States


class WatchedStore(MemoryStore):
    """A store that notes how much was asked of it, and can be held up in a full read."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.documents_of: list[str] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        for number in range(count):
            self.save(state_of(number))

    def find(self, search: Search, fields: Sequence[Path] = ()) -> Found:
        self.asked.append(search.limit)
        found = super().find(search, fields)
        if search.limit == 0:
            self.begun.set()
            assert self.go_on.wait(60)
        return found

    def fetch(self, status: str | None = None, limit: int = 0) -> States:
        raise AssertionError("a document was read")

    def documents(self, ids: Sequence[str]) -> Iterator[Row]:
        self.documents_of.extend(ids)
        return super().documents(ids)


def ready(count: int) -> tuple[WatchedStore, Feed]:
    store = WatchedStore(count)
    feed = Feed(store)
    feed.begin()
    feed.read_all()
    feed._next_whole = float("inf")
    store.asked.clear()
    return store, feed


def known(feed: Feed) -> set[str]:
    return {entry.head.workflow_id for entry in feed.entries()}


def known_with(feed: Feed, error: str) -> list[str]:
    heads = [entry.head for entry in feed.entries()]
    return [head.workflow_id for head in heads if error in head.error]


def test_a_look_at_a_large_store_reads_the_newest_only() -> None:
    store, feed = ready(1_500)
    store.save(state_of(700, updated_at=NEWEST + timedelta(seconds=1), error="new"))
    feed.look()
    assert store.asked == [100]
    assert known_with(feed, "new") == ["order-0700"]
    assert len(known(feed)) == 1_500


def test_a_look_reaches_further_until_it_meets_what_is_known() -> None:
    store, feed = ready(1_500)
    for number in range(300):
        store.save(state_of(number, workflow_id=f"new-{number}", updated_at=NEWEST + timedelta(1)))
    feed.look()
    assert store.asked == [100, 1_000]
    assert len(known(feed)) == 1_800


def test_a_look_reads_all_again_only_after_changes() -> None:
    store, feed = ready(1_500)
    feed.look()
    feed._next_whole = 0
    feed.look()
    assert store.asked == [100, 100]
    store.delete("order-1400")
    feed.look()
    assert store.asked == [100, 100, 100, 0]
    assert "order-1400" not in known(feed)


def test_a_look_finds_what_was_edited_without_a_new_time() -> None:
    store, feed = ready(1_500)
    store.save(state_of(1, error="edited without a new time"))
    store.delete("order-0002")
    feed.look()
    assert known_with(feed, "edited") == ["order-0001"]
    assert "order-0002" not in known(feed)


def test_a_look_that_fails_is_made_again() -> None:
    store, feed = ready(200)
    feed.look()
    store.save(state_of(700, workflow_id="new", updated_at=NEWEST + timedelta(1)))
    del store.asked  # so that it cannot be read
    with pytest.raises(AttributeError):
        feed.look()
    store.asked = []
    feed.look()
    assert "new" in known(feed)


def test_a_look_notices_deletions_as_far_as_it_reads() -> None:
    store, feed = ready(1_500)
    store.delete("order-0003")
    store.delete("order-1400")
    feed.look()
    assert "order-0003" not in known(feed)
    assert "order-1400" in known(feed)
    feed._next_whole = 0
    feed.look()
    assert "order-1400" not in known(feed)


def test_what_is_saved_here_during_a_read_is_not_lost_to_the_older_answer() -> None:
    store, feed = ready(200)
    store.begun.clear()
    store.go_on.clear()
    reading = threading.Thread(target=feed.read_all)
    reading.start()
    assert store.begun.wait(60)
    feed.put(state_of(999, workflow_id="saved meanwhile"))
    feed.drop("order-0000")
    store.go_on.set()
    reading.join()
    assert "saved meanwhile" in known(feed)
    assert "order-0000" not in known(feed)


def test_what_is_kept_of_a_workflow_has_no_payload() -> None:
    _, feed = ready(1)
    assert "receipt" not in repr(feed.entries())
    assert "amount" not in repr(feed.entries())


def test_only_what_a_query_finds_is_read_as_documents() -> None:
    store, feed = ready(200)
    assert store.documents_of == []
    read = feed.states(Query(text="order-001", sort="workflow", descending=False))
    wanted = [f"order-{number:04d}" for number in range(10, 20)]
    assert [state.workflow_id for state in read] == store.documents_of == wanted


def test_what_cannot_be_read_is_no_entry_until_it_can() -> None:
    store, feed = ready(200)
    flawed = Head(1, "order-0003", updated_us=Head.of(state_of(3)).updated_us, flaw="cut off")
    feed._take([*store.heads(limit=3), flawed], whole=False)
    assert feed.unreadable == {"order-0003": "cut off"}
    assert "order-0003" not in known(feed)
    store.save(state_of(3))
    feed.look()
    assert feed.unreadable == {}
    assert "order-0003" in known(feed)
