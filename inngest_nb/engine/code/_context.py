"""The contexts of workflow code, with the same methods for `async def` and plain functions."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from inngest_nb.engine.basics._functions import check_function
from inngest_nb.engine.basics._log import RunLog
from inngest_nb.engine.basics._policy import ONCE, Duration, RetryPolicy, duration_of, limit_of
from inngest_nb.engine.basics._registry import definition_of
from inngest_nb.engine.calls._activity import Activity
from inngest_nb.engine.calls._child import Order
from inngest_nb.engine.code._async_run import AsyncRun
from inngest_nb.engine.code._plain_run import PlainRun
from inngest_nb.engine.run._run import Run
from inngest_nb.state import check_name


class _Context:
    """What both contexts share: values that are the same when the code is replayed."""

    _run: Run

    @property
    def workflow_id(self) -> str:
        """The id under which the workflow is stored."""
        return self._run.workflow_id

    @property
    def run_id(self) -> str:
        """The id of this run; every new run under the same workflow id has its own."""
        return self._run.run_id

    @property
    def log(self) -> RunLog:
        """A standard logger, `inngest_nb.workflow`, that is silent during replay.

        Its records have the attributes `workflow`, `workflow_id`, `run_id` and `activity` (None).
        """
        run = self._run
        whose: dict[str, object] = {"workflow": definition_of(run.fn).name}
        whose |= {"workflow_id": run.workflow_id, "run_id": run.run_id, "activity": None}
        return RunLog(whose, lambda: run.is_replaying)

    def now(self) -> datetime:
        """Return the time of the last event that the code has seen, in UTC; the same in a replay.

        It advances with activities, signals and sleeps, and never goes back.
        """
        self._run.check_code()
        return self._run.now

    def random(self) -> random.Random:
        """Return a random number generator that gives the same numbers in a replay."""
        self._run.check_code()
        return self._run.random

    def uuid(self) -> uuid.UUID:
        """Return a new random UUID, the same in a replay."""
        return uuid.UUID(int=self._run.random.getrandbits(128), version=4)

    def version(self, name: str, latest: int = 1) -> int:
        """Return which version of a changed piece of code this run must use.

            if ctx.version("weigh the parcel"):
                await ctx.execute_activity(weigh, parcel)

        A run that reaches the call for the first time gets `latest`, and keeps that value in every
        replay, even if `latest` has grown since. A run that passed this place before the call was
        added gets 0 and must behave like the old code.
        """
        name = check_name(name, "a version")
        if not isinstance(latest, int) or isinstance(latest, bool):
            raise TypeError(f"latest must be an integer, got {type(latest).__name__}")
        if latest < 1:
            raise ValueError(f"latest must be at least 1, got {latest}")
        self._run.check_code()
        return self._run.version(name, int(latest))


def _check_concurrency(concurrency: int | None) -> int | None:
    if concurrency is not None and concurrency < 1:
        raise ValueError(f"concurrency must be at least 1, or None for no limit; got {concurrency}")
    return concurrency


class AsyncWorkflowContext(_Context):
    """The context of an `async def` workflow.

        async def order(ctx: inb.AsyncWorkflowContext, input):
            await ctx.execute_activity(charge_card, input)
            approval = await ctx.receive_signal("approve", timeout=3600)

    Workflow code must be deterministic, because it is executed again in a replay: side effects
    belong in activities. `asyncio.gather`, task groups, `asyncio.sleep` and `asyncio.timeout` work
    as usual, and their timers are durable. I/O raises `WorkflowCodeError`.
    """

    _run: AsyncRun

    def __init__(self, run: AsyncRun) -> None:
        self._run = run

    def execute_activity(
        self,
        fn: Callable[..., Any],
        input: Any = None,
        *,
        retry: RetryPolicy | None = None,
        timeout: Duration | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Start an activity at once; await the returned coroutine for its result.

        The result is what JSON gives back, converted to the function's return type if that is
        annotated. A plain function runs in a worker thread, an async one on the engine's loop.
        Without `retry`, there is one attempt. `timeout` (a timedelta or seconds) limits each
        attempt: an async function is then canceled; a plain one cannot be, but its result is
        discarded.

        Raises `ActivityError` when the activity has failed and has no retries left.
        """
        limit = limit_of(timeout, "timeout")
        return _result_of(*self._run.begin_activity(fn, input, retry or ONCE, limit))

    def execute_workflow(
        self,
        fn: Callable[..., Any],
        input: Any = None,
        id: str | None = None,
        *,
        timeout: Duration | None = None,
        detached: bool = False,
    ) -> Coroutine[Any, Any, Any]:
        """Start a child workflow at once; await the returned coroutine for its result.

        The child has its own run in the same store. It is started exactly once, even if a process
        dies: a replay of the parent finds it. It is canceled when the call is canceled or the
        parent ends, unless it is `detached`. `timeout` (a timedelta or seconds) limits the child's
        run.

        `id` defaults to one derived from the parent's run and the number of the call. If you pass
        an `id` under which this workflow already runs or has ended with the same input, that run's
        result is used.

        Raises `ChildWorkflowError` if the child failed or was canceled; `Executor.retry` of the
        parent then starts a new child.
        """
        order = Order(fn, id, limit_of(timeout, "timeout"), detached)
        return _result_of(*self._run.begin_child(order, input))

    async def map(
        self,
        fn: Callable[..., Any],
        items: Iterable[Any],
        *,
        concurrency: int | None = None,
        retry: RetryPolicy | None = None,
        timeout: Duration | None = None,  # noqa: ASYNC109  # that of each attempt, and durable
    ) -> list[Any]:
        """Run an activity for each item, at most `concurrency` at a time, and return the results.

        Results are in the order of `items`. If one activity fails and has no retries left, the
        others are canceled and its `ActivityError` is raised.
        """
        waiting = list(items)
        results: list[Any] = [None] * len(waiting)
        numbers = iter(range(len(waiting)))

        async def work() -> None:
            for number in numbers:
                call = self.execute_activity(fn, waiting[number], retry=retry, timeout=timeout)
                results[number] = await call

        count = min(_check_concurrency(concurrency) or len(waiting), len(waiting))
        workers = [asyncio.ensure_future(work()) for _ in range(count)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        return results

    async def receive_signal(self, name: str, timeout: Duration | None = None) -> Any:  # noqa: ASYNC109  # the timeout is durable
        """Wait for a signal and return its payload.

        Each payload is received once, in order; signals that arrived earlier are queued. Concurrent
        calls are served in the order in which they were made. Raises `TimeoutError` after `timeout`
        (a timedelta or seconds).
        """
        name = check_name(name, "a signal")
        mailbox = self._run.mailbox(name)
        if not mailbox.empty():
            return mailbox.get_nowait()
        with self._run.listen(name):
            if timeout is None:
                return await mailbox.get()
            return await self._get_within(mailbox, name, duration_of(timeout, "timeout"))

    @staticmethod
    async def _get_within(mailbox: asyncio.Queue[Any], name: str, limit: timedelta) -> Any:
        seconds = limit.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await mailbox.get()
        except TimeoutError:
            raise TimeoutError(f"no signal {name!r} came within {seconds:g} s") from None

    def signals(self, name: str) -> AsyncIterator[Any]:
        """Iterate over all payloads of a signal, from the first one in the run; never ends.

        Every iterator sees every payload, no matter what other iterators or `receive_signal` get.
        """
        return _AsyncSignals(self._run, check_name(name, "a signal"))

    async def sleep(self, duration: Duration) -> None:
        """Sleep durably for a timedelta or seconds, counted from the last event the code saw."""
        self._run.check_turn()
        await asyncio.sleep(duration_of(duration, "duration").total_seconds())


async def _result_of(activity: Activity | None, result: asyncio.Future[Any]) -> Any:
    try:
        return await result
    finally:
        if activity is not None and result.cancelled():
            activity.drop()


class _AsyncSignals(AsyncIterator[Any]):
    def __init__(self, run: AsyncRun, name: str) -> None:
        self._run = run
        self._name = name
        self._payloads = run.subscribe(name)

    async def __anext__(self) -> Any:
        with self._run.listen(self._name):
            return await self._payloads.get()


class WorkflowContext(_Context):
    """The context of a plain `def` workflow, whose calls block the workflow's own thread.

        def order(ctx: inb.WorkflowContext, input):
            ctx.execute_activity(charge_card, input)
            approval = ctx.receive_signal("approve", timeout=3600)

    Workflow code must be deterministic, because it is executed again in a replay: side effects
    belong in activities. Once the run has ended, for example because it was canceled, every call
    raises an error that is not an `Exception`, so that `except Exception` does not catch it.
    """

    _run: PlainRun

    def __init__(self, run: PlainRun) -> None:
        self._run = run

    def execute_activity(
        self,
        fn: Callable[..., Any],
        input: Any = None,
        *,
        retry: RetryPolicy | None = None,
        timeout: Duration | None = None,
    ) -> Any:
        """Run an activity and return its result.

        The result is what JSON gives back, converted to the function's return type if that is
        annotated. A plain function runs in the workflow's thread, or with a `timeout` in a worker
        thread; an async one runs on the engine's loop. Without `retry`, there is one attempt.
        `timeout` (a timedelta or seconds) limits each attempt: an async function is then canceled;
        a plain one cannot be, but its result is discarded.

        Raises `ActivityError` when the activity has failed and has no retries left.
        """
        limit = limit_of(timeout, "timeout")
        return self._run.activity(fn, input, retry or ONCE, limit)

    def execute_workflow(
        self,
        fn: Callable[..., Any],
        input: Any = None,
        id: str | None = None,
        *,
        timeout: Duration | None = None,
        detached: bool = False,
    ) -> Any:
        """Run a child workflow and return its result.

        The child has its own run in the same store. It is started exactly once, even if a process
        dies: a replay of the parent finds it. It is canceled when the parent ends, unless it is
        `detached`. `timeout` (a timedelta or seconds) limits the child's run.

        `id` defaults to one derived from the parent's run and the number of the call. If you pass
        an `id` under which this workflow already runs or has ended with the same input, that run's
        result is used.

        Raises `ChildWorkflowError` if the child failed or was canceled; `Executor.retry` of the
        parent then starts a new child.
        """
        return self._run.child(Order(fn, id, limit_of(timeout, "timeout"), detached), input)

    def map(
        self,
        fn: Callable[..., Any],
        items: Iterable[Any],
        *,
        concurrency: int | None = None,
        retry: RetryPolicy | None = None,
        timeout: Duration | None = None,
    ) -> list[Any]:
        """Run an activity for each item, at most `concurrency` at a time, and return the results.

        Results are in the order of `items`. Plain functions run in worker threads. If one activity
        fails and has no retries left, the others are canceled and its `ActivityError` is raised.
        """
        check_function(fn, "an activity")
        limit = limit_of(timeout, "timeout")
        most = _check_concurrency(concurrency)
        return self._run.activities(fn, list(items), most, retry or ONCE, limit)

    def receive_signal(self, name: str, timeout: Duration | None = None) -> Any:
        """Wait for a signal and return its payload.

        Each payload is received once, in order; signals that arrived earlier are queued. Raises
        `TimeoutError` after `timeout` (a timedelta or seconds).
        """
        limit = None if timeout is None else duration_of(timeout, "timeout")
        return self._run.receive(check_name(name, "a signal"), limit)

    def signals(self, name: str) -> Iterator[Any]:
        """Iterate over all payloads of a signal, from the first one in the run; never ends.

        Every iterator sees every payload, no matter what other iterators or `receive_signal` get.
        """
        name = check_name(name, "a signal")
        position = 0
        while True:
            yield self._run.payload(name, position)
            position += 1

    def sleep(self, duration: Duration) -> None:
        """Sleep durably for a timedelta or seconds, counted from the last event the code saw."""
        self._run.sleep(duration_of(duration, "duration"))
