"""Results that come together and are too much for one request, and those too large for any."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    InngestStore,
    MemoryStore,
    Signal,
    StateServer,
    WorkflowContext,
    WorkflowState,
    Write,
)
from inngest_nb.errors import (
    ActivityError,
    PayloadTooLargeError,
    StoreStatusError,
    WorkflowFailedError,
)
from inngest_nb.store import MAX_ADDED_BYTES, MAX_PAYLOAD_BYTES
from inngest_nb.store.http.calls.appending import MAX_BODY_BYTES

MANY, SIZE = 24, 2**20  # in all more than a server takes in one request


class Fan:
    """Activities whose large results come at the same moment."""

    def __init__(self) -> None:
        self.ran: Counter[int] = Counter()
        self._there = asyncio.Event()

    async def activity(self, number: int) -> str:
        self.ran[number] += 1
        if len(self.ran) == MANY:
            self._there.set()
        await self._there.wait()
        return str(number % 10) * SIZE

    async def workflow(self, ctx: AsyncWorkflowContext) -> list[str]:
        calls = [ctx.execute_activity(self.activity, number) for number in range(MANY)]
        return [result[:3] for result in await asyncio.gather(*calls)]


EXPECTED = [str(number % 10) * 3 for number in range(MANY)]


def test_a_fan_out_of_more_than_a_request_may_carry_is_stored_and_run_once(
    state_server: StateServer,
) -> None:
    fan = Fan()
    with InngestStore(state_server.url) as store, Executor(store) as executor:
        assert executor.execute(fan.workflow, id="w").result(60) == EXPECTED
        stored = store.load("w")
    assert set(fan.ran.values()) == {1}
    assert stored is not None
    assert stored.status == "completed"
    assert [event.id for event in stored.history] == list(range(1, 2 * MANY + 3))


class Watched(MemoryStore):
    """Keeps what a crash after each write would have left."""

    def __init__(self) -> None:
        super().__init__()
        self.left: list[WorkflowState] = []
        self.longest = 0

    def append_history(self, writes: Sequence[Write]) -> list[BaseException | None]:
        outcomes = super().append_history(writes)
        self.longest = max(self.longest, *(len(write.document) for write in writes))
        self.left += [state for write in writes if (state := self.load(write.workflow_id))]
        return outcomes


def test_each_of_the_writes_leaves_a_history_up_to_some_event_of_a_run_that_goes_on() -> None:
    fan = Fan()
    with Watched() as store:
        with Executor(store) as executor:
            executor.execute(fan.workflow, id="w").result(60)
        *before, last = store.left
        assert len(before) > MANY * SIZE // MAX_ADDED_BYTES
        assert store.longest <= MAX_ADDED_BYTES
        for state in before:
            assert state.history == last.history[: len(state.history)]
            assert (state.status, state.result) == ("running", None)
            assert state.updated_at == state.history[-1].timestamp
        assert (last.status, last.result) == ("completed", EXPECTED)

        # A process that died in the middle: another goes on with what is there.
        cut = next(state for state in before if len(state.history) > MANY + 2)
        known = sum(event.type == "activity_completed" for event in cut.history)
        again = Fan()
        again._there.set()
        with MemoryStore() as survived:
            survived.save(cut.replace(etag="", owner="", lease_until=None))
            with Executor(survived) as executor:
                assert executor.resume(again.workflow, "w").result(60) == EXPECTED
        assert 0 < known < MANY
        assert sum(again.ran.values()) == MANY - known


def test_a_run_that_is_canceled_amid_its_large_results_ends_as_canceled() -> None:
    fan = Fan()

    class CanceledMeanwhile(Watched):
        def append_history(self, writes: Sequence[Write]) -> list[BaseException | None]:
            outcomes = super().append_history(writes)
            if len(self.left) == 3 and not canceled:
                canceled.append(True)
                waiting.append(asyncio.run_coroutine_threadsafe(cancel(), loop))
            return outcomes

    async def cancel() -> None:
        await asyncio.to_thread(executor.cancel, "w")

    canceled: list[bool] = []
    waiting: list[Any] = []
    loop = asyncio.new_event_loop()

    async def main(handle: Any) -> None:
        with pytest.raises(Exception, match="canceled"):
            await handle
        for each in waiting:
            await asyncio.wrap_future(each)

    with CanceledMeanwhile() as store, Executor(store) as executor:
        loop.run_until_complete(main(executor.execute(fan.workflow, id="w")))
        stored = store.load("w")
        assert stored is not None
        assert (stored.status, stored.history[-1].type) == ("canceled", "workflow_canceled")
    loop.close()


@pytest.mark.parametrize("kind", [str, list, dict])
def test_a_result_that_is_too_large_fails_its_activity_and_not_the_run(
    executor: Executor, kind: type
) -> None:
    def gives(size: int) -> Any:
        text = "é" * (size // 2)
        return {str: text, list: [text], dict: {"text": text}}[kind]

    async def workflow(ctx: AsyncWorkflowContext) -> str:
        assert len(str(await ctx.execute_activity(gives, 1000))) >= 500
        with pytest.raises(ActivityError) as failure:
            await ctx.execute_activity(gives, MAX_PAYLOAD_BYTES)
        return failure.value.error

    error = executor.execute(workflow).result(60)
    assert error.startswith("PayloadTooLargeError: the result of activity 'gives' has ")
    assert "store large data elsewhere" in error


def test_texts_are_measured_as_they_are_written(executor: Executor) -> None:
    def gives(number: int) -> str:
        return "\x00" * number

    async def workflow(ctx: AsyncWorkflowContext) -> int:
        with pytest.raises(ActivityError, match="PayloadTooLargeError"):
            await ctx.execute_activity(gives, MAX_PAYLOAD_BYTES // 4)
        return len(await ctx.execute_activity(lambda: "x" * (MAX_PAYLOAD_BYTES - 2)))

    assert executor.execute(workflow).result(60) == MAX_PAYLOAD_BYTES - 2


def test_what_else_is_too_large_is_refused_with_words(executor: Executor) -> None:
    large = ["x" * MAX_PAYLOAD_BYTES]

    async def asks(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(len, large)

    async def returns(ctx: AsyncWorkflowContext) -> list[str]:
        return large

    def returns_plainly(ctx: WorkflowContext) -> list[str]:
        return large

    async def takes(ctx: AsyncWorkflowContext, given: list[str]) -> None:
        """It is never begun."""

    async def waits(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.receive_signal("go")

    with pytest.raises(PayloadTooLargeError, match="input of the workflow has 7,340,036 bytes"):
        executor.execute(takes, input=large)
    for workflow, words in (
        (asks, "the input of activity 'len' has"),
        (returns, "the workflow's result has"),
        (returns_plainly, "the workflow's result has"),
    ):
        with pytest.raises(WorkflowFailedError, match=f"PayloadTooLargeError: {words}"):
            executor.execute(workflow).result(60)
    handle = executor.execute(waits)
    with pytest.raises(PayloadTooLargeError, match="payload of signal 'go' has"):
        executor.signal(handle.id, Signal("go", large))
    executor.signal(handle.id, Signal("go", 1))
    assert handle.result(60) == 1


def test_the_largest_input_and_result_go_through_a_server(state_server: StateServer) -> None:
    largest = "x" * (MAX_PAYLOAD_BYTES - 2)

    async def echo(ctx: AsyncWorkflowContext, text: str) -> str:
        await ctx.execute_activity(len, text)
        return text

    with InngestStore(state_server.url) as store, Executor(store) as executor:
        assert executor.execute(echo, id="w", input=largest).result(60) == largest
        stored = store.load("w")
        assert stored is not None
        assert (stored.status, stored.result) == ("completed", largest)


def test_a_write_that_is_too_large_is_told_before_it_is_sent(state_server: StateServer) -> None:
    with InngestStore(state_server.url) as store:
        long = b'{"WorkflowID":"x","Input":"%s"}' % (b"y" * MAX_BODY_BYTES)
        outcomes = store.append_history(
            [Write("a", b'{"WorkflowID":"a"}', True), Write("x", long, True)]
        )
        assert outcomes[0] is None
        assert isinstance(outcomes[1], PayloadTooLargeError)
        assert "nothing was sent" in str(outcomes[1])
        with pytest.raises(StoreStatusError, match="413") as refused:
            store.save(WorkflowState(workflow_id="x", input="y" * MAX_BODY_BYTES))
        assert "at most 16,777,216 bytes" in str(refused.value.__notes__)
        assert [state.workflow_id for state in store.fetch()] == ["a"]
