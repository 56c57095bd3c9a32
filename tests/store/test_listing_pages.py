"""Listings of many pages, while the workflows in them are updated, saved and deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from inngest_nb import InngestStore, StateServer, WorkflowState, wire
from inngest_nb.store.rows import Row
from inngest_nb.store.tables import MemoryTable, SqliteTable, StateTable
from inngest_nb.store.writes import Deletion, Write, checked

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def state(number: int, minutes: float, status: str = "running") -> WorkflowState:
    return WorkflowState(
        workflow_id=f"w{number:04}",
        status=status,  # type: ignore[arg-type]
        updated_at=NOON + timedelta(minutes=minutes),
    )


def fill(server: StateServer, count: int) -> None:
    """Save many, the highest number as the newest update."""
    with InngestStore(server.url) as store:
        outcomes = store.append_history(
            [
                Write(one.workflow_id, wire.encode(one), True)
                for one in (state(number, number) for number in range(count))
            ]
        )
    assert set(outcomes) == {None}


@contextmanager
def reader(server: StateServer, between: Callable[[int], None]) -> Iterator[InngestStore]:
    """A store with a client of the user's that does something after each page of a listing."""
    pages = 0

    def heard(response: httpx.Response) -> None:
        nonlocal pages
        if response.request.url.path == "/v1/workflows":
            pages += 1
            between(pages)

    with httpx.Client(event_hooks={"response": [heard]}) as client:
        with InngestStore(server.url, client=client) as store:
            yield store


def ids(states: list[WorkflowState]) -> list[str]:
    return [one.workflow_id for one in states]


def test_a_refresh_misses_and_drops_none_that_is_updated_between_its_pages(
    state_server: StateServer,
) -> None:
    fill(state_server, 1200)

    with InngestStore(state_server.url) as writer:

        def update_some(page: int) -> None:
            if page in (4, 5):  # the oldest become the newest, while the second refresh lists
                for number in range(40 * (page - 4), 40 * (page - 3)):
                    writer.save(state(number, 2000 + page))

        with reader(state_server, update_some) as store:
            assert store.refresh() == 1200
            assert store.refresh() == 1200
            assert len(set(ids(store.list()))) == 1200
            assert ids(store.fetch())[:80] == [
                f"w{number:04}" for number in (*range(40, 80), *range(40))
            ]


def test_a_refresh_drops_what_was_deleted_and_nothing_else(state_server: StateServer) -> None:
    fill(state_server, 600)

    with InngestStore(state_server.url) as writer:

        def delete_and_add(page: int) -> None:
            if page == 3:
                writer.delete("w0000")  # listed already
                writer.delete("w0599")  # not listed yet
                writer.save(state(9999, 0))

        with reader(state_server, delete_and_add) as store:
            assert store.refresh() == 600
            assert store.refresh() == 600
            assert "w0599" not in ids(store.list())
            assert "w9999" in ids(store.list())
            assert store.refresh() == 599
            assert sorted(ids(store.list())) == sorted(ids(writer.fetch()))


@pytest.mark.parametrize("moved", [60, 130])
def test_the_newest_are_the_newest_whatever_moved_between_pages(
    state_server: StateServer, moved: int
) -> None:
    fill(state_server, 1300)

    with InngestStore(state_server.url) as writer:

        def update_some(page: int) -> None:
            if page == 1:
                for number in range(600, 600 + moved):  # of the second page
                    writer.save(state(number, 5000 + number))

        with reader(state_server, update_some) as store:
            newest = store.fetch(limit=800)
        assert newest == writer.fetch()[:800]
        assert len(newest) == len(set(ids(newest))) == 800


def test_a_filtered_listing_misses_none_that_keeps_its_status(state_server: StateServer) -> None:
    fill(state_server, 1100)
    with InngestStore(state_server.url) as writer:

        def end_one_and_update_others(page: int) -> None:
            if page == 1:
                writer.save(state(1099, 5000, "failed"))
                for number in range(30):
                    writer.save(state(number, 5000))

        with reader(state_server, end_one_and_update_others) as store:
            assert len(store.fetch("running")) == 1099


@pytest.fixture(params=["memory", "sqlite"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateTable]:
    made = MemoryTable() if request.param == "memory" else SqliteTable(tmp_path / "s.db")
    yield made
    made.close()


def put(table: StateTable, workflow_id: str, updated_us: int) -> None:
    document = b'{"WorkflowID":"%s"}' % workflow_id.encode()
    write = checked(Write(workflow_id, document, True, "running", updated_us))
    assert table.apply([write]) == [None]


def test_behind_a_number_rows_come_in_the_order_of_their_first_saves(table: StateTable) -> None:
    for place, workflow_id in enumerate("cabd"):
        put(table, workflow_id, place)
    put(table, "c", 99)  # an update moves nothing

    def names(rows: list[Row]) -> str:
        return "".join(row.workflow_id for row in rows)

    assert names(table.page(after=0)) == "cabd"
    first = table.page(limit=2, after=0)
    assert names(first) == "ca"
    assert names(table.page(limit=2, after=first[-1].number)) == "bd"
    assert names(table.page("failed", after=0)) == ""
    assert names(table.page(max_bytes=20, after=0)) == "ca"
    assert names(table.page()) == "cdba"
    table.apply([Deletion("a")])
    put(table, "a", 5)
    assert names(table.page(after=0)) == "cbda"
