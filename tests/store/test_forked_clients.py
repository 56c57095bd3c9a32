"""Clients over HTTP in forked processes: no socket of the process before is shared with it."""

from __future__ import annotations

import asyncio
import sys
import threading

import httpx
import pytest
from forking import in_a_child

from inngest_nb import AsyncInngestStore, InngestStore, StateServer, WorkflowState

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork"),
    # Python 3.12 warns of forks where there are threads, and the server here is one.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]


def test_children_that_work_at_once_get_their_own_answers_and_save_what_is_acknowledged(
    state_server: StateServer,
) -> None:
    with InngestStore(state_server.url) as store:
        for number in range(7):
            store.save(WorkflowState(workflow_id=f"there {number}"))  # and its connection is open

        def work(number: int) -> str:
            for each in range(20):
                store.save(WorkflowState(workflow_id=f"{number} {each}"))
                found = store.load(f"there {number}")
                if found is None or found.workflow_id != f"there {number}":
                    return f"another's answer: {found}"
                if store.load("nobody") is not None:
                    return "a state of nobody's"
            return "well"

        children = [in_a_child(lambda number=number: work(number)) for number in range(6)]
        assert work(6) == "well"
        assert [child() for child in children] == ["well"] * 6
        saved = {state.workflow_id for state in store.fetch()}
    assert saved >= {f"{number} {each}" for number in range(7) for each in range(20)}


def test_a_child_ends_without_ending_its_parents_connection(state_server: StateServer) -> None:
    with InngestStore(state_server.url) as store:
        store.save(WorkflowState(workflow_id="x"))

        def close() -> str:
            store.close()
            return "closed"

        assert in_a_child(close)() == "closed"
        assert store.load("x") is not None


def test_a_child_goes_on_with_what_was_at_hand(state_server: StateServer) -> None:
    with InngestStore(state_server.url) as store:
        store.save(WorkflowState(workflow_id="x"))
        stop = threading.Event()

        def keep_busy() -> None:
            while not stop.is_set():
                store.list()

        threads = [threading.Thread(target=keep_busy) for _ in range(2)]
        for thread in threads:
            thread.start()

        def listed() -> str:
            store.save(WorkflowState(workflow_id="y"))
            return " ".join(sorted(state.workflow_id for state in store.list()))

        try:
            assert [in_a_child(listed)() for _ in range(10)] == ["x y"] * 10
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert [state.workflow_id for state in store.list()] == ["x"]


def test_a_client_that_was_handed_over_stays_with_its_process(state_server: StateServer) -> None:
    with httpx.Client() as client, InngestStore(state_server.url, client=client) as store:
        store.save(WorkflowState(workflow_id="x"))

        def save() -> str:
            store.save(WorkflowState(workflow_id="y"))
            return "saved"

        said = in_a_child(save)()
        assert said.startswith("StoreError: inngest/save: nothing was sent")
        assert "belongs to the process from which this one was forked" in said
        assert "create a new store in this process" in said
        assert store.load("x") is not None
        assert store.load("y") is None


def test_a_store_that_was_closed_stays_closed_in_a_child(state_server: StateServer) -> None:
    store = InngestStore(state_server.url)
    store.close()
    said = in_a_child(lambda: str(store.load("x")))()
    assert "this store was closed; create a new one" in said


def test_an_async_store_connects_anew_in_a_child_and_on_its_loop(
    state_server: StateServer,
) -> None:
    store = AsyncInngestStore(state_server.url)
    loop = asyncio.new_event_loop()

    async def save_some(prefix: str) -> str:
        states = [WorkflowState(workflow_id=f"{prefix} {n}") for n in range(40)]
        await asyncio.gather(*(store.save(state) for state in states))
        found = [await store.load(state.workflow_id) for state in states]
        return "well" if found == states else f"another's answer: {found}"

    assert loop.run_until_complete(save_some("first")) == "well"
    children = [in_a_child(lambda n=n: asyncio.run(save_some(f"child {n}"))) for n in range(3)]
    assert loop.run_until_complete(save_some("parent")) == "well"
    assert [child() for child in children] == ["well"] * 3
    assert len(loop.run_until_complete(store.fetch())) == 200
    loop.run_until_complete(store.aclose())
    loop.close()
