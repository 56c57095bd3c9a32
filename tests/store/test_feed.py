"""The feed: a store numbers its changes, and who follows it is told each once, in order.

Where two stores are needed, they are on the same states, as two processes have them.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from appended_parts import done, part, whole
from blocking_store import Blocking
from small_servers import plain_server

from inngest_nb import (
    AsyncInngestStore,
    InngestStore,
    MemoryStore,
    SqliteStore,
    StateServer,
    WorkflowState,
)
from inngest_nb.errors import StoreConnectionError, StoreError
from inngest_nb.store import Changed, FeedStore
from inngest_nb.store.tables import _memory_sharing
from inngest_nb.store.tables.sqlite import writer

# Longer than anything here should take.
LONG = 20.0


def state(workflow_id: str, **fields: Any) -> WorkflowState:
    return WorkflowState(workflow_id=workflow_id, status="running", **fields)


def told(changed: Changed) -> list[tuple[int, str, bool]]:
    return [(one.number, one.workflow_id, one.deleted) for one in changed.changes]


def test_each_change_has_a_number_in_the_order_of_the_changes(appending_store: Any) -> None:
    store = appending_store
    assert isinstance(store, FeedStore | Blocking)
    assert store.can_follow()
    assert store.last_change() == 0
    assert store.changes()[:2] == ([], 0)

    store.save(state("a"))
    store.save(state("b/ä"))
    done(store, whole("c"), part("c", [1])._replace(status="failed"))
    store.delete("a")
    store.delete("never there")
    store.save(state("a"))

    expected = [
        *((1, "a", False), (2, "b/ä", False), (3, "c", False)),
        *((4, "c", False), (5, "a", True), (6, "a", False)),
    ]
    changed = store.changes()
    assert told(changed) == expected
    assert (changed.last, changed.reset) == (6, False)
    assert told(store.changes(4)) == expected[4:]
    assert store.last_change() == 6


def test_the_changes_of_parts_are_told_after_the_parts_are_gone(appending_store: Any) -> None:
    store = appending_store
    done(store, whole("a"), whole("b"), part("a", [1]), part("b", [1]), part("a", [2]))
    done(store, whole("a"))
    store.delete("b")
    assert store.last_change() == 7
    done(store, whole("a"), part("a", [1]))
    store.delete("a")
    names = [("a", False), ("b", False), ("a", False), ("b", False), ("a", False)]
    names += [("a", False), ("b", True), ("a", False), ("a", False), ("a", True)]
    assert told(store.changes()) == [(number, *name) for number, name in enumerate(names, 1)]


def test_a_failed_write_and_a_repeated_one_are_no_changes(appending_store: Any) -> None:
    store = appending_store
    first = whole("a")._replace(etag="e1")
    done(store, first)
    done(store, first)
    (error,) = store.append_history([part("a", [1], "e3", "other")])
    assert error is not None
    assert told(store.changes()) == [(1, "a", False)]


def test_changes_come_in_portions_that_fit_together(appending_store: Any) -> None:
    store = appending_store
    for number in range(7):
        store.save(state(str(number)))
    seen, after = [], 0
    while (changed := store.changes(after, limit=3)).changes:
        assert len(changed.changes) <= 3
        seen += told(changed)
        after = changed.last
    assert seen == [(number + 1, str(number), False) for number in range(7)]


def test_documents_are_those_of_now(appending_store: Any) -> None:
    store = appending_store
    store.save(state("a", input=1))
    store.save(state("gone"))
    store.save(state("a", input=2))
    store.delete("gone")
    changes = store.changes(documents=True).changes
    assert [one.state and one.state.input for one in changes] == [2, None, 2, None]
    assert changes[0].state == store.load("a")
    assert [one.state for one in store.changes().changes] == [None] * 4


def test_heads_are_those_of_now(appending_store: Any) -> None:
    store = appending_store
    for status in ("failed", "completed"):
        store.save(WorkflowState(workflow_id="order-1", run_id="r", status=status, error="no"))
    store.save(state("gone"))
    store.delete("gone")
    changes = store.changes(heads=True).changes
    (head,) = store.heads()
    assert [one.head for one in changes] == [head, head, None, None]
    assert (head.workflow, head.status, head.error) == ("order", "completed", "no")
    assert [one.state for one in changes] == [None] * 4
    both = store.changes(heads=True, documents=True).changes[0]
    assert both.head == head
    assert both.state == store.load("order-1")


def test_documents_come_up_to_a_size(appending_store: Any) -> None:
    store = appending_store
    for number in range(4):
        store.save(state(str(number), input="x" * 3_000_000))
    store.save(state("0", input="x" * 3_000_000))  # its document came along already
    first = store.changes(documents=True)
    assert [one.workflow_id for one in first.changes] == ["0", "1", "2"]
    rest = store.changes(first.last, documents=True)
    assert [one.workflow_id for one in rest.changes] == ["3", "0"]
    assert all(one.state for one in (*first.changes, *rest.changes))


def test_one_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    path = tmp_path / "states.db"
    with SqliteStore(path) as store:
        for name in ("a", "b"):
            store.save(state(name))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("INSERT OR REPLACE INTO checked_documents VALUES (1, 'broken', NULL)")
    with StateServer(path, port=0) as server, InngestStore(server.url) as client:
        with SqliteStore(path) as store:
            for each in (store, client):
                changed = each.changes(documents=True)
                assert [one.state and one.state.workflow_id for one in changed.changes] == [
                    None,
                    "b",
                ]
                assert {*changed.unreadable} == {"a"}
                heads = each.changes(heads=True)
                assert [bool(one.head.flaw) for one in heads.changes] == [True, False]
                assert heads.unreadable == changed.unreadable


def test_none_tells_the_newest_number_at_once(appending_store: Any) -> None:
    appending_store.save(state("a"))
    changed = appending_store.changes(None, wait=LONG)
    assert changed[:2] == ([], 1)
    assert not changed.reset


@pytest.mark.parametrize("after", [-1, 2**63, "1", True, 1.5])
def test_a_number_that_is_none_is_refused(appending_store: Any, after: Any) -> None:
    with pytest.raises(ValueError, match="after must be the number of a change"):
        appending_store.changes(after)
    with pytest.raises(ValueError, match="limit"):
        appending_store.changes(limit=-1)


# Waiting


@contextlib.contextmanager
def memory(folder: Path) -> Iterator[tuple[Any, Any]]:
    with MemoryStore() as store:
        yield store, store


@contextlib.contextmanager
def sqlite(folder: Path) -> Iterator[tuple[Any, Any]]:
    with SqliteStore(folder / "states.db") as one, SqliteStore(folder / "states.db") as other:
        yield one, other


@contextlib.contextmanager
def http(folder: Path) -> Iterator[tuple[Any, Any]]:
    with (
        StateServer(folder / "states.db", port=0, event_key="key") as server,
        InngestStore(server.url, "key") as one,
        InngestStore(server.url, "key") as other,
    ):
        yield one, other


@contextlib.contextmanager
def http_async(folder: Path) -> Iterator[tuple[Any, Any]]:
    with StateServer(folder / "states.db", port=0) as server, InngestStore(server.url) as other:
        store: Any = Blocking(AsyncInngestStore(server.url))
        with contextlib.closing(store):
            yield store, other


@contextlib.contextmanager
def http_beside_the_file(folder: Path) -> Iterator[tuple[Any, Any]]:
    path = folder / "states.db"
    with StateServer(path, port=0) as server, InngestStore(server.url) as one:
        with SqliteStore(path) as other:
            yield one, other


@pytest.fixture(
    params=[memory, sqlite, http, http_async, http_beside_the_file],
    ids=lambda make: make.__name__,
)
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, Any]]:
    with request.param(tmp_path) as made:
        yield made


def meanwhile(call: Callable[[], Changed]) -> Callable[[], Changed]:
    """Call something in a thread of its own; return what waits for its result."""
    results: list[Changed] = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()

    def result() -> Changed:
        thread.join(LONG)
        (found,) = results
        return found

    return result


def test_a_wait_ends_with_the_next_change_whoever_makes_it(two: tuple[Any, Any]) -> None:
    one, other = two
    other.save(state("a"))
    result = meanwhile(lambda: one.changes(1, wait=3 * LONG))
    other.save(state("b"))
    assert told(result()) == [(2, "b", False)]
    result = meanwhile(lambda: one.changes(2, wait=3 * LONG))
    other.delete("a")
    assert told(result()) == [(3, "a", True)]


def test_a_wait_for_nothing_ends_and_keeps_the_number(two: tuple[Any, Any]) -> None:
    one, other = two
    other.save(state("a"))
    assert one.changes(1, wait=0.05)[:2] == ([], 1)


# Feeds that end


def test_numbers_that_are_no_longer_kept_are_a_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_memory_sharing, "CHANGES_KEPT", 10)
    monkeypatch.setattr(writer, "CHANGES_KEPT", 10)
    monkeypatch.setattr(writer, "_WORKS_BETWEEN", 1)
    with MemoryStore() as in_memory, SqliteStore(tmp_path / "states.db") as in_file:
        for store in (in_memory, in_file):
            for number in range(25):
                store.save(state(str(number)))
            assert store.changes(0) == ([], 25, store.changes(None).feed, True, {})
            for number in range(25):
                done(store, part("0", [number]))
                assert store.changes(15 + number, wait=LONG).reset
                changed = store.changes(16 + number)
                assert [one.number for one in changed.changes] == [*range(17 + number, 27 + number)]
                assert not changed.reset
    with contextlib.closing(sqlite3.connect(tmp_path / "states.db")) as database:
        (kept,) = database.execute("SELECT count(*) FROM other_changes").fetchone()
    assert kept < 10


def test_the_numbers_of_another_file_are_a_reset(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "one.db") as one, SqliteStore(tmp_path / "other.db") as other:
        for store in (one, other):
            store.save(state("a"))
            store.save(state("b"))
        feed = one.changes(None).feed
        assert told(one.changes(1, feed=feed)) == [(2, "b", False)]
        changed = other.changes(1, feed=feed, wait=LONG)
        assert (changed.changes, changed.last, changed.reset) == ([], 2, True)
        assert changed.feed not in ("", feed)


def test_a_backup_that_was_put_back_is_a_reset(tmp_path: Path) -> None:
    path = tmp_path / "states.db"
    with SqliteStore(path) as store:
        store.save(state("a"))
    shutil.copy(path, tmp_path / "backup.db")
    with SqliteStore(path) as store:
        store.save(state("b"))
        known = store.changes(None)
    shutil.copy(tmp_path / "backup.db", path)
    with SqliteStore(path) as store:
        changed = store.changes(known.last, feed=known.feed, wait=LONG)
        assert (changed.reset, changed.last) == (True, 1)


def test_a_server_in_memory_that_starts_again_is_another_feed() -> None:
    with StateServer(":memory:", port=0) as server, InngestStore(server.url) as store:
        store.save(state("a"))
        known = store.changes(None)
        server.close()
        with StateServer(":memory:", port=server.port):
            store.save(state("b"))
            changed = store.changes(known.last, feed=known.feed, wait=LONG)
            assert (changed.reset, changed.last) == (True, 1)


def test_the_numbers_go_on_when_a_file_is_opened_again(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "states.db") as store:
        store.save(state("a"))
        store.delete("a")
        feed = store.changes(None).feed
    with SqliteStore(tmp_path / "states.db") as store:
        store.save(state("b"))
        assert told(store.changes(feed=feed)) == [(1, "a", False), (2, "a", True), (3, "b", False)]


# Servers that can't


def test_a_plain_server_does_not_number_its_changes() -> None:
    with plain_server() as server, InngestStore(server.url) as store:
        assert not store.can_follow()
        with pytest.raises(StoreError, match="does not number its changes") as caught:
            store.changes()
        assert "inb.watch(store)" in caught.value.__notes__[0]


def test_what_may_pass_is_told_from_what_does_not(tmp_path: Path) -> None:
    with StateServer(tmp_path / "states.db", port=0) as server:
        store = InngestStore(server.url)
        store.last_change()
    with pytest.raises(StoreConnectionError) as away:
        store.last_change()
    assert away.value.is_temporary
    store.close()
    with pytest.raises(StoreConnectionError) as closed:
        store.last_change()
    assert not closed.value.is_temporary
