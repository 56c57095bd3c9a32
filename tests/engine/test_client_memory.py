"""What an executor's client over HTTP keeps of the runs it wrote: nothing that grows."""

from __future__ import annotations

import gc
import tracemalloc

from inngest_nb import AsyncWorkflowContext, Executor, InngestStore, StateServer

RUNS, BYTES = 80, 20_000


async def gives_much(ctx: AsyncWorkflowContext) -> int:
    return len(await ctx.execute_activity(much)) + len(await ctx.execute_activity(much))


def much() -> str:
    return "x" * BYTES


def execute_many(executor: Executor) -> None:
    handles = [executor.execute(gives_much) for _ in range(RUNS)]
    assert {handle.result(60) for handle in handles} == {2 * BYTES}


def held() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_finished_runs_are_not_kept_by_the_client(state_server: StateServer) -> None:
    with InngestStore(state_server.url) as store, Executor(store) as executor:
        execute_many(executor)  # whatever is made once is made
        tracemalloc.start()
        try:
            before = held()
            for _ in range(6):
                execute_many(executor)
            grown = held() - before
        finally:
            tracemalloc.stop()
        assert (
            grown < 4 * RUNS * BYTES
        )  # each round has two results a run, and the last may be here
        assert store.list() == []
        assert store.refresh() == len(store.list()) == 7 * RUNS


def test_what_was_at_hand_follows_the_run_that_goes_on_with_it(state_server: StateServer) -> None:
    with InngestStore(state_server.url) as store:
        with Executor(store) as executor:
            handle = executor.execute(gives_much, id="x")
            handle.result(60)
            store.refresh()
            executor.execute(gives_much, id="y").result(60)
        assert [state.workflow_id for state in store.list()] == ["x"]
        (state,) = store.list()
        assert (state.status, state.result) == ("completed", 2 * BYTES)
