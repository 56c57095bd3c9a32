"""Waiting for news of a store, and an explorer that looks when there are any."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from explore_driver import ids, state_of
from small_servers import plain_server

from inngest_nb import InngestStore, MemoryStore, SqliteStore, StateServer, explore
from inngest_nb.errors import StoreConnectionError
from inngest_nb.notebook.page import News

LONG = 20.0


@pytest.fixture(params=["memory", "file", "server"])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, Any]]:
    """Two stores on the same states; in memory, one twice."""
    path = tmp_path / "states.db"
    if request.param == "memory":
        with MemoryStore() as store:
            yield store, store
    elif request.param == "file":
        with SqliteStore(path) as one, SqliteStore(path) as other:
            yield one, other
    else:
        with StateServer(path, port=0) as server, InngestStore(server.url) as one:
            with SqliteStore(path) as other:
                yield one, other


def meanwhile(call: Callable[[], object]) -> Callable[[], object]:
    """Call something in a thread of its own; return what waits for its result."""
    results: SimpleQueue[object] = SimpleQueue()
    threading.Thread(target=lambda: results.put(call()), daemon=True).start()
    return lambda: results.get(timeout=LONG)


def test_a_wait_ends_with_a_change_by_anybody(two: tuple[Any, Any]) -> None:
    one, other = two
    news = News(one)
    assert news.wait(LONG), "at first, nobody knows what has changed before"
    assert news.can_tell
    result = meanwhile(lambda: news.wait(3 * LONG))
    other.save(state_of(1))
    assert result() is True
    for number in range(5):
        other.save(state_of(number))
    assert news.wait(LONG)
    assert not news.wait(0.01), "one wait tells of all of them"
    other.delete(state_of(1).workflow_id)
    assert news.wait(LONG)


def test_another_file_in_its_place_is_news(tmp_path: Path) -> None:
    with StateServer(":memory:", port=0) as server, InngestStore(server.url) as store:
        store.save(state_of(1))
        news = News(store)
        news.wait(LONG)
        server.close()
        with pytest.raises(StoreConnectionError):
            news.wait(LONG)
        with StateServer(":memory:", port=server.port):
            store.save(state_of(1))
            assert news.wait(LONG)
            assert not news.wait(0.01)


def test_a_plain_server_cannot_tell() -> None:
    with plain_server() as server, InngestStore(server.url) as store:
        news = News(store)
        assert news.wait(LONG)
        assert not news.can_tell


def test_an_explorer_looks_again_when_the_store_has_changed(two: tuple[Any, Any]) -> None:
    one, other = two
    other.save(state_of(1))
    explorer = explore(one)
    answers: SimpleQueue[tuple[float, int]] = SimpleQueue()

    def looked(pause: timedelta) -> None:
        answers.put((pause.total_seconds(), other.last_change()))

    explorer.table.looked = looked
    explorer._asked({"kind": "look"})
    pause, _ = answers.get(timeout=LONG)  # of the first wait, which tells nothing yet
    assert 0 < pause <= 2
    explorer._asked({"kind": "look"})
    explorer.wait()
    other.save(state_of(2))
    assert answers.get(timeout=LONG)[1] == 2, "the answer waits for the change"
    explorer.table.looked = lambda pause: None
    explorer.table._handle_custom_msg({"kind": "look"}, [])
    explorer.wait()
    assert ids(explorer) == ["order-0001", "order-0002"]
    explorer.close()


def test_two_looks_that_wait_get_one_answer() -> None:
    before = {*threading.enumerate()}

    def those_that(role: str) -> list[threading.Thread]:
        new = {*threading.enumerate()} - before
        return [thread for thread in new if thread.name.endswith(f"({role})")]

    with MemoryStore() as store:
        explorer = explore(store)
        answers: SimpleQueue[timedelta] = SimpleQueue()
        explorer.table.looked = answers.put
        explorer._asked({"kind": "look"})
        answers.get(timeout=LONG)
        for _ in range(3):
            explorer._asked({"kind": "look"})
            explorer.wait()
        for reader in those_that("run"):  # at its end, each has begun its answer
            reader.join(LONG)
        deadline = time.monotonic() + LONG
        while len(those_that("_answer")) > 1:  # the others leave it to the one that waits
            assert time.monotonic() < deadline
        store.save(state_of(1))
        for last in those_that("_answer"):
            last.join(LONG)
        assert answers.qsize() == 1
        explorer.close()


def test_an_explorer_of_a_plain_server_looks_now_and_then() -> None:
    with plain_server() as server, InngestStore(server.url) as store:
        explorer = explore(store)
        answers: SimpleQueue[timedelta] = SimpleQueue()
        explorer.table.looked = answers.put
        pauses = []
        for _ in range(3):
            explorer._asked({"kind": "look"})
            pauses.append(answers.get(timeout=LONG).total_seconds())
        assert 2 < pauses[0] < pauses[1] < pauses[2] <= 10
        explorer.close()
