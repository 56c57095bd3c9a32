"""Heads: stores list their workflows without reading a document."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
from appended_parts import done, part, whole
from long_runs import counted, save_long_runs
from small_servers import plain_server, reply, scripted_server

from inngest_nb import InngestStore, MemoryStore, SqliteStore, StateServer, WorkflowState
from inngest_nb.errors import ListingUnsupportedError, StoreDecodeError, StoreError
from inngest_nb.server import _searching
from inngest_nb.store import Head, SearchableStore
from inngest_nb.store.http.calls import searching

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def state(workflow_id: str, minutes: float = 0, status: str = "running") -> WorkflowState:
    return WorkflowState(
        workflow_id=workflow_id,
        run_id="r",
        status=status,  # type: ignore[arg-type]
        error="e",
        updated_at=NOON + timedelta(minutes=minutes),
    )


def ids(heads: Any) -> list[str]:
    return [head.workflow_id for head in heads]


def of(states: Iterable[WorkflowState]) -> list[Head]:
    return [Head.of(each) for each in states]


def unnumbered(heads: Iterable[Head]) -> list[Head]:
    return [head._replace(number=0) for head in heads]


def test_heads_say_what_the_states_say(listing_store: Any) -> None:
    for minutes in range(6):
        listing_store.save(state(str(minutes), minutes, "failed" if minutes % 2 else "paused"))
    listing_store.save(WorkflowState(workflow_id="never"))

    heads = listing_store.heads()
    assert ids(heads) == [*"543210", "never"]
    assert unnumbered(heads) == of(listing_store.fetch())
    assert all(head.etag and head.first_saved_us for head in heads)
    assert heads[-1].updated_at is None
    assert ids(listing_store.heads("failed", 2)) == ["5", "3"]
    assert ids(listing_store.heads(limit=1)) == ["5"]
    assert list(listing_store.heads("completed")) == []
    with pytest.raises(ValueError, match="limit"):
        listing_store.heads(limit=-1)
    with pytest.raises(TypeError, match="status"):
        listing_store.heads(7)


def test_heads_follow_what_is_appended(listing_store: Any) -> None:
    done(listing_store, whole("x", status="running"))
    (before,) = listing_store.heads()
    done(listing_store, part("x", [1], status="failed", updated_at=NOON))
    (after,) = listing_store.heads()
    assert (after.status, after.updated_at) == ("failed", NOON)
    assert after.etag != before.etag
    assert unnumbered(listing_store.heads()) == of(listing_store.fetch())


def test_heads_forget_what_is_deleted_and_know_what_comes_again(listing_store: Any) -> None:
    for workflow_id in "abc":
        listing_store.save(state(workflow_id))
    assert sorted(ids(listing_store.heads())) == ["a", "b", "c"]
    listing_store.delete("c")
    listing_store.delete("a")
    listing_store.save(state("d", status="failed"))
    listing_store.save(state("a", status="failed"))
    assert sorted(ids(listing_store.heads())) == ["a", "b", "d"]
    assert sorted(ids(listing_store.heads("failed"))) == ["a", "d"]


def test_more_heads_than_a_page_come_whole_and_in_order(
    listing_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "HEADS_A_PAGE", 10)
    monkeypatch.setattr(_searching, "HEADS_A_PAGE", 10)
    for number in range(22):
        listing_store.save(state(f"{number:04}", number // 3))
    newest_first = ids(listing_store.fetch())
    assert ids(listing_store.heads()) == newest_first
    assert ids(listing_store.heads(limit=15)) == newest_first[:15]


def test_times_at_the_ends_of_the_calendar_spoil_no_listing(listing_store: Any) -> None:
    last = datetime.max.replace(microsecond=0, tzinfo=timezone(timedelta(hours=-12)))
    listing_store.save(WorkflowState(workflow_id="last", updated_at=last))
    listing_store.save(state("x"))
    ends = [head.updated_at for head in listing_store.heads()]
    assert ends == [datetime.max.replace(tzinfo=UTC), NOON]


@contextlib.contextmanager
def in_the_file(path: Path) -> Iterator[SearchableStore]:
    with SqliteStore(path) as store:
        yield store


@contextlib.contextmanager
def over_http(path: Path) -> Iterator[SearchableStore]:
    with StateServer(path, port=0) as server, InngestStore(server.url) as store:
        yield store


each_way = pytest.mark.parametrize("opened", [in_the_file, over_http])


def change(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)


def kept(store: SqliteStore) -> list[Head]:
    """Return the heads, which the file keeps from now on."""
    assert store._table.index(at_least=1)
    assert not store._table.index(at_least=1)
    return list(store.heads())


@each_way
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE checked_documents SET body = 'lorem'",
        "UPDATE checked_documents SET checksum = 1",
        "DELETE FROM checked_documents",
        "UPDATE numbered_parts SET body = x'00'",
    ],
)
def test_damaged_documents_are_listed_like_any_other(
    tmp_path: Path, opened: Callable[[Path], Any], damage: str
) -> None:
    path = tmp_path / "s.db"
    with SqliteStore(path) as filling:
        done(filling, whole("a", status="running", updated_at=NOON), whole("b"))
        done(filling, part("a", [1]), part("b", [1]))
        sound = kept(filling)
    change(path, damage)
    with opened(path) as store:
        with pytest.raises(StoreDecodeError):
            store.load("a")
        assert list(store.heads()) == sound
        assert ids(store.heads("running")) == ["a"]
        assert store.fetch() == []


@each_way
def test_no_document_is_read_for_heads(tmp_path: Path, opened: Callable[[Path], Any]) -> None:
    path = tmp_path / "s.db"
    with SqliteStore(path) as filling:
        done(filling, whole("a", status="running", updated_at=NOON), whole("b"))
        done(filling, part("a", [1]))
        sound = kept(filling)
    for view in ("documents", "parts"):  # which know of what is taken away
        change(path, f"DROP VIEW {view}")
    change(path, "DROP TABLE checked_documents")
    change(path, "ALTER TABLE numbered_parts RENAME COLUMN body TO elsewhere")
    with opened(path) as store:
        assert store.heads() == sound
        assert store.heads(limit=1) == sound[:1]
        with pytest.raises(StoreError, match="no such table"):
            store.fetch()


@each_way
def test_a_row_that_makes_no_sense_takes_no_other_with_it(
    tmp_path: Path, opened: Callable[[Path], Any]
) -> None:
    path = tmp_path / "s.db"
    with SqliteStore(path) as filling:
        for workflow_id in ("a", "bad", "c"):
            filling.save(state(workflow_id))
    change(path, "UPDATE workflows SET status = CAST(x'ff' AS TEXT) WHERE workflow_id = 'bad'")
    with opened(path) as store:
        assert sorted(ids(store.heads())) == ["a", "bad", "c"]
    change(path, "UPDATE workflows SET updated_us = 'noon', status = 'x' WHERE workflow_id = 'bad'")
    with opened(path) as store:
        assert sorted(ids(store.heads())) == ["a", "bad", "c"]


def test_heads_of_long_runs_are_small_on_their_way(state_server: StateServer) -> None:
    with counted(state_server.url) as (store, traffic):
        save_long_runs(store, 50, 2_000)
        traffic.received = 0
        assert len(store.heads()) == 50
        assert 50 < traffic.received < 50 * 500
        traffic.received = 0
        assert len(store.fetch(limit=2)) == 2
        assert traffic.received > 2 * 2_000 * 50


def test_a_server_that_knows_no_search_gives_documents_for_heads(state_server: StateServer) -> None:
    def as_to_an_older_one(request: httpx.Request) -> None:
        request.url = request.url.copy_with(path=request.url.path.replace("search", "none"))

    with (
        httpx.Client(event_hooks={"request": [as_to_an_older_one]}) as client,
        InngestStore(state_server.url, client=client) as store,
    ):
        for number in range(5):
            store.save(state(str(number), number))
        assert ids(store.heads()) == [*"43210"]
        assert unnumbered(store.heads(limit=2)) == of(store.fetch(limit=2))
        change(Path(state_server.path), "UPDATE documents SET body = 'lorem' WHERE number = 5")
        assert ids(store.heads()) == [*"43210"]
        assert "JSON is malformed" in store.heads()[0].flaw


def test_where_nothing_can_be_listed_heads_say_so() -> None:
    with plain_server() as server, InngestStore(server.url) as store:
        store.save(state("x"))
        with pytest.raises(ListingUnsupportedError):
            store.heads()


def columns(**others: Any) -> dict[str, Any]:
    return {name: [value] for name, value in Head(1, "a")._asdict().items()} | others


def test_columns_that_are_not_known_yet_are_passed_over() -> None:
    page = {"heads": columns(colour=["red"]), "total": 1, "more": {}}
    with scripted_server(reply(200, json.dumps(page).encode())) as server:
        with InngestStore(server.url) as store:
            assert store.heads(limit=1) == [Head(1, "a")]


@pytest.mark.parametrize("other", [{"etag": []}, {"status": None}, {"updated_us": [1.5]}])
def test_columns_that_do_not_fit_are_no_search(other: dict[str, Any]) -> None:
    page = {"heads": columns(**other), "total": 1}
    with scripted_server(reply(200, json.dumps(page).encode(), Connection="close")) as server:
        with InngestStore(server.url) as store, pytest.raises(ListingUnsupportedError):
            store.heads(limit=1)


def test_our_stores_search() -> None:
    with InngestStore("http://127.0.0.1:1") as client:
        assert isinstance(client, SearchableStore)
    assert isinstance(MemoryStore(), SearchableStore)
