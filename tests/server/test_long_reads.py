"""Large runs and long lists: they are read where nobody else waits for that."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from started_threads import left_since, threads

from inngest_nb import HistoryEvent, InngestStore, StateServer, WorkflowState, Write, wire

# The server makes its table itself; only its app can be given one whose reads last.
from inngest_nb.server._app import App
from inngest_nb.server._guard import Guard
from inngest_nb.store.rows import Row
from inngest_nb.store.tables import MemoryTable, SqliteTable, StateTable
from inngest_nb.store.writes import checked


class LongReads(MemoryTable):
    """A table whose reads of whole documents last until they are let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = threading.Semaphore(0), threading.Event()

    def get(self, workflow_id: str, max_bytes: int = 0) -> Row | None:
        if not max_bytes:
            self._wait()
        return super().get(workflow_id, max_bytes)

    def page(self, *args: Any, **kwargs: Any) -> list[Row]:
        self._wait()
        return super().page(*args, **kwargs)

    def _wait(self) -> None:
        self.begun.release()
        assert self.go_on.wait(20)


def put(table: StateTable, workflow_id: str, size: int) -> bytes:
    document = json.dumps({"WorkflowID": workflow_id, "Input": "x" * size}).encode()
    assert list(table.apply([checked(Write(workflow_id, document, True))])) == [None]
    return document


def test_a_small_run_is_given_while_a_large_one_and_a_list_are_read() -> None:
    table = LongReads()
    large, small = put(table, "large", 2**20), put(table, "small", 100)

    async def main() -> None:
        transport = httpx.ASGITransport(App(table, Guard("127.0.0.1", None)))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            paths = ("/v1/workflows/large", "/v1/workflows")
            long = [asyncio.create_task(client.get(path)) for path in paths]
            for _ in long:
                assert await asyncio.to_thread(table.begun.acquire, timeout=60)
            assert (await client.get("/v1/workflows/small")).content == small
            assert not any(task.done() for task in long)
            table.go_on.set()
            given, listed = await asyncio.gather(*long)
            assert given.content == large
            assert len(listed.json()["workflows"]) == 2

    asyncio.run(main())


def test_leases_and_messages_are_given_while_all_threads_read_lists() -> None:
    table = LongReads()

    async def main() -> None:
        loop, app = asyncio.get_running_loop(), App(table, Guard("127.0.0.1", None))
        transport = httpx.ASGITransport(app)
        loop.set_default_executor(ThreadPoolExecutor(2))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            lists = [asyncio.create_task(client.get("/v1/workflows")) for _ in range(3)]
            with ThreadPoolExecutor(1) as waiting:
                for _ in range(2):
                    assert await loop.run_in_executor(
                        waiting, partial(table.begun.acquire, True, 60)
                    )
            try:
                for path in ("/v1/leases", "/v1/messages?wait=0", "/v1/changes", "/v1/abandoned"):
                    given = await asyncio.wait_for(client.get(path), 20)
                    assert given.status_code == 200
                assert not any(task.done() for task in lists)
            finally:
                table.go_on.set()
                await asyncio.gather(*lists)
        app.close()

    before = threads()
    asyncio.run(main())
    assert not left_since(before)


def test_a_large_run_that_is_known_is_not_read_again() -> None:
    table = LongReads()
    put(table, "large", 2**20)
    row = table.get("large", 1)
    assert row is not None

    async def main() -> None:
        transport = httpx.ASGITransport(App(table, Guard("127.0.0.1", None)))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            headers = {"If-None-Match": f'"{row.etag}"'}
            assert (await client.get("/v1/workflows/large", headers=headers)).status_code == 304

    asyncio.run(main())


def test_a_run_grows_large_part_by_part_and_is_given_whole(state_server: StateServer) -> None:
    with InngestStore(state_server.url) as store:
        store.save(WorkflowState(workflow_id="x"))
        for number in range(1, 7):
            event = HistoryEvent(id=number, result="y" * 40_000)
            (error,) = store.append_history([Write("x", wire.encode_part([event]), False)])
            assert error is None
            state = store.load("x")
            assert state is not None
            assert [each.id for each in state.history] == list(range(1, number + 1))
            assert store.fetch() == [state]


@pytest.fixture(params=["memory", "sqlite"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateTable]:
    made = MemoryTable() if request.param == "memory" else SqliteTable(tmp_path / "s.db")
    yield made
    made.close()


def test_a_row_comes_without_a_document_that_is_longer_than_asked(table: StateTable) -> None:
    document = put(table, "x", 100)
    for most, expected in ((len(document), document), (len(document) - 1, b""), (0, document)):
        row = table.get("x", most)
        assert row is not None
        assert (row.workflow_id, row.document) == ("x", expected)
    part = wire.encode_part([HistoryEvent(id=1)])
    assert list(table.apply([checked(Write("x", part, False))])) == [None]
    whole, short = table.get("x"), table.get("x", len(document) + len(part) - 1)
    assert whole is not None
    assert short is not None
    assert (short.document, short.etag) == (b"", whole.etag)
    assert table.get("x", len(document) + len(part)) == whole
    assert table.get("nobody", 1) is None


def test_a_server_that_has_read_long_leaves_no_thread(tmp_path: Path) -> None:
    before = threads()
    with StateServer(tmp_path / "s.db", port=0) as server, InngestStore(server.url) as store:
        store.save(WorkflowState(workflow_id="x", input="y" * 2**20))
        assert store.load("x") is not None
        assert store.refresh() == 1
    assert left_since(before) == []
