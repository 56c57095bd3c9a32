"""What a workflow's code works with: the same names for `async def` and for plain functions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from inngest_nb.engine._functions import check_function
from inngest_nb.engine._policy import ONCE, Duration, RetryPolicy, duration_of

if TYPE_CHECKING:
    from inngest_nb.engine._async_run import AsyncRun
    from inngest_nb.engine._plain_run import PlainRun


class AsyncWorkflowContext:
    """The context of an `async def` workflow.

    Its code runs again when it is replayed and must then do the same: what it does to the world
    goes into activities. `asyncio.gather`, task groups, `asyncio.sleep` and `asyncio.timeout` work
    as they do elsewhere, and timers among them are part of the history. I/O is refused.
    """

    def __init__(self, run: AsyncRun) -> None:
        self._run = run

    @property
    def workflow_id(self) -> str:
        """The id under which the workflow is stored."""
        return self._run.workflow_id

    @property
    def run_id(self) -> str:
        """The id of this one run; another run under the same workflow id has another."""
        return self._run.run_id

    def execute_activity(
        self,
        fn: Callable[..., Any],
        input: Any = None,
        *,
        retry: RetryPolicy | None = None,
        timeout: Duration | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Begin an activity at once; awaiting gives its result as JSON reads it back.

        A plain function runs in a worker thread, an async one on the engine's loop. Without
        `retry` it is tried once. `timeout` is for each attempt: an async function is canceled, a
        plain one cannot be, but nobody waits for it any more. Raises `ActivityError`.
        """
        check_function(fn, "an activity")
        limit = None if timeout is None else duration_of(timeout, "timeout")
        return _result_of(self._run.begin_activity(fn, input, retry or ONCE, limit))

    async def receive_signal(self, name: str, timeout: Duration | None = None) -> Any:  # noqa: ASYNC109  # the timeout is durable
        """Wait for a signal and return its payload; each payload is received once, in order.

        Payloads that came earlier wait here. Several calls at the same time are served in the order
        of the calls. Raises `TimeoutError`.
        """
        mailbox = self._run.mailbox(name)
        if not mailbox.empty() or timeout is None:
            return await mailbox.get()
        seconds = duration_of(timeout, "timeout").total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await mailbox.get()
        except TimeoutError:
            raise TimeoutError(f"no signal {name!r} came within {seconds:g} s") from None

    def signals(self, name: str) -> AsyncIterator[Any]:
        """Iterate over all payloads of a signal, from the first one of the run, without an end.

        Each iterator sees every payload, whatever others or `receive_signal` take.
        """
        return _AsyncSignals(self._run.subscribe(name))

    async def sleep(self, duration: Duration) -> None:
        """Wait; counted from the last event that the code saw."""
        self._run.check_turn()
        await asyncio.sleep(duration_of(duration, "duration").total_seconds())


async def _result_of(future: asyncio.Future[Any]) -> Any:
    return await future


class _AsyncSignals(AsyncIterator[Any]):
    def __init__(self, payloads: asyncio.Queue[Any]) -> None:
        self._payloads = payloads

    async def __anext__(self) -> Any:
        return await self._payloads.get()


class WorkflowContext:
    """The context of a plain `def` workflow: each call blocks the workflow's own thread.

    Its code runs again when it is replayed and must then do the same: what it does to the world
    goes into activities. Once the run has ended, canceled for example, each call raises an error
    that is no `Exception`.
    """

    def __init__(self, run: PlainRun) -> None:
        self._run = run

    @property
    def workflow_id(self) -> str:
        """The id under which the workflow is stored."""
        return self._run.workflow_id

    @property
    def run_id(self) -> str:
        """The id of this one run; another run under the same workflow id has another."""
        return self._run.run_id

    def execute_activity(
        self,
        fn: Callable[..., Any],
        input: Any = None,
        *,
        retry: RetryPolicy | None = None,
        timeout: Duration | None = None,
    ) -> Any:
        """Run an activity and return its result as JSON reads it back.

        A plain function runs right here, or with a `timeout` in a worker thread, an async one on
        the engine's loop. Without `retry` it is tried once. `timeout` is for each attempt: an async
        function is canceled, a plain one cannot be, but nobody waits for it any more. Raises
        `ActivityError`.
        """
        check_function(fn, "an activity")
        limit = None if timeout is None else duration_of(timeout, "timeout")
        return self._run.activity(fn, input, retry or ONCE, limit)

    def receive_signal(self, name: str, timeout: Duration | None = None) -> Any:
        """Wait for a signal and return its payload; each payload is received once, in order.

        Payloads that came earlier wait here. Raises `TimeoutError`.
        """
        limit = None if timeout is None else duration_of(timeout, "timeout")
        return self._run.receive(name, limit)

    def signals(self, name: str) -> Iterator[Any]:
        """Iterate over all payloads of a signal, from the first one of the run, without an end.

        Each iterator sees every payload, whatever others or `receive_signal` take.
        """
        position = 0
        while True:
            yield self._run.payload(name, position)
            position += 1

    def sleep(self, duration: Duration) -> None:
        """Wait; counted from the last event that the code saw."""
        self._run.sleep(duration_of(duration, "duration"))
