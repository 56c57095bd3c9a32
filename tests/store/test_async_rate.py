"""Many requests of an async store at the same time: bounded, and none fails for waiting."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from canned_server import Answer, CannedServer, Seen

from inngest_nb import AsyncInngestStore, StateServer, WorkflowState
from inngest_nb.errors import StoreConnectionError


class Crowd:
    """A server that holds its answers back until so many requests are there, or it is opened."""

    def __init__(self, wanted: int) -> None:
        self.most = 0
        self._there = 0
        self._wanted = wanted
        self._changed = threading.Condition()

    def answer(self, _: Seen) -> Answer:
        with self._changed:
            self._there += 1
            self.most = max(self.most, self._there)
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self.most >= self._wanted, 30)
            self._there -= 1
        return Answer(404)


async def load_many(store: AsyncInngestStore, count: int) -> None:
    found = await asyncio.gather(*(store.load(str(n)) for n in range(count)))
    assert found == [None] * count


def test_as_many_requests_as_are_useful_are_under_way_and_no_more() -> None:
    crowd = Crowd(wanted=32)

    async def main(url: str) -> None:
        async with AsyncInngestStore(url) as store:
            await load_many(store, 200)

    with CannedServer(crowd.answer) as server:
        asyncio.run(main(server.url))
    assert crowd.most == 32


def test_waiting_for_a_turn_is_not_the_servers_time() -> None:
    """All together they take longer than any of them may."""
    one_by_one = ThreadPoolExecutor(1)  # in the order of their coming, as a lock is not

    def slowly(_: Seen) -> Answer:
        one_by_one.submit(threading.Event().wait, 0.01).result()
        return Answer(404)

    async def main(url: str) -> float:
        async with AsyncInngestStore(url, timeout=5) as store:
            begun = time.monotonic()
            await load_many(store, 600)
            return time.monotonic() - begun

    with one_by_one, CannedServer(slowly) as server:
        assert asyncio.run(main(server.url)) > 5


def test_a_server_that_is_slow_itself_is_still_told() -> None:
    never = threading.Event()

    def silent(_: Seen) -> Answer:
        never.wait(10)
        return Answer(404)

    async def main(url: str) -> None:
        async with AsyncInngestStore(url, timeout=0.2) as store:
            with pytest.raises(StoreConnectionError, match="timed out"):
                await store.load("x")

    with CannedServer(silent) as server:
        try:
            asyncio.run(main(server.url))
        finally:
            never.set()


def test_those_who_wait_for_a_change_keep_nobody_from_making_it(state_server: StateServer) -> None:
    async def main() -> None:
        async with AsyncInngestStore(state_server.url) as store:
            await store.save(WorkflowState(workflow_id="x"))
            state = await store.load("x")
            assert state is not None
            watching = [asyncio.create_task(store.watch("x", state.etag, 25)) for _ in range(150)]
            await asyncio.sleep(0)
            await store.save(state.replace(error="changed"))
            changed = await asyncio.gather(*watching)
            stored = await store.load("x")
            assert stored is not None
            assert set(changed) == {stored.etag}

    begun = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - begun < 20


def test_five_hundred_saves_at_once_all_arrive_and_canceled_ones_block_nobody(
    state_server: StateServer,
) -> None:
    async def main() -> None:
        async with AsyncInngestStore(state_server.url) as store:
            states = [WorkflowState(workflow_id=str(n)) for n in range(512)]
            for _ in range(3):  # each leaves turns taken in the middle of a request
                tasks = [asyncio.create_task(store.save(state)) for state in states[:64]]
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(store.save(state) for state in states))
            assert len(await store.fetch()) == 512

    asyncio.run(main())
