"""What a workflow's code works with: the same names for `async def` and for plain functions."""

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
    """What both kinds of contexts have: answers that are the same when the code runs again."""

    _run: Run

    @property
    def workflow_id(self) -> str:
        """The id under which the workflow is stored."""
        return self._run.workflow_id

    @property
    def run_id(self) -> str:
        """The id of this one run; another run under the same workflow id has another."""
        return self._run.run_id

    @property
    def log(self) -> RunLog:
        """A standard logger, `inngest_nb.workflow`, that is silent while the run is replayed.

        Its records have `workflow`, `workflow_id`, `run_id` and `activity`, which is None.
        """
        run = self._run
        whose: dict[str, object] = {"workflow": definition_of(run.fn).name}
        whose |= {"workflow_id": run.workflow_id, "run_id": run.run_id, "activity": None}
        return RunLog(whose, lambda: run.is_replaying)

    def now(self) -> datetime:
        """Return the time of the last event that the code saw, in UTC.

        It moves on with activities, signals and sleeps, and never back.
        """
        self._run.check_code()
        return self._run.now

    def random(self) -> random.Random:
        """Return a source of random numbers that are the same in a replay."""
        self._run.check_code()
        return self._run.random

    def uuid(self) -> uuid.UUID:
        """Return a new random UUID, the same in a replay."""
        return uuid.UUID(int=self._run.random.getrandbits(128), version=4)

    def version(self, name: str, latest: int = 1) -> int:
        """Return which version of a changed piece of code this run goes by.

        That is `latest` for a run which comes here for the first time, and stays it whenever the
        run is replayed, whatever `latest` is by then. It is 0 for a run that went past here before
        the code asked: it has to do what the code did then.

            if ctx.version("weigh the parcel"):
                await ctx.execute_activity(weigh, parcel)
        """
        name = check_name(name, "a version")
        if not isinstance(latest, int) or isinstance(latest, bool):
            raise TypeError(f"latest is a whole number, got {type(latest).__name__}")
        if latest < 1:
            raise ValueError(f"latest is 1 or more, got {latest}")
        self._run.check_code()
        return self._run.version(name, int(latest))


def _check_concurrency(concurrency: int | None) -> int | None:
    if concurrency is not None and concurrency < 1:
        raise ValueError(f"concurrency is 1 or more, or None for no limit; got {concurrency}")
    return concurrency


class AsyncWorkflowContext(_Context):
    """The context of an `async def` workflow.

    Its code runs again when it is replayed and must then do the same: what it does to the world
    goes into activities. `asyncio.gather`, task groups, `asyncio.sleep` and `asyncio.timeout` work
    as they do elsewhere, and timers among them are part of the history. I/O is refused.
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
        """Begin an activity at once; awaiting gives its result as JSON reads it back.

        A plain function runs in a worker thread, an async one on the engine's loop. Without
        `retry` it is tried once. `timeout` is for each attempt: an async function is canceled, a
        plain one cannot be, but nobody waits for it any more. Raises `ActivityError`.
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
        """Begin another workflow at once; awaiting gives its result as JSON reads it back.

        The child is a run of its own in the same store, with an id made of this run's and the
        number of the call, unless another `id` is given. Whatever process dies, it is started once:
        a parent that runs again finds its child. It is canceled when nobody waits for it any more,
        because the call or the parent has ended, unless it is `detached`. `timeout` is the child's.

        An `id` names one piece of work: if a run of this workflow with this input has it already,
        its result is taken. Raises `ChildWorkflowError` if the child failed or was canceled; a
        retry of the whole run then starts another child.
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
        """Run an activity for each item, at most `concurrency` at a time; results come in order.

        The first one that fails for good ends the others and raises its `ActivityError`.
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
        """Wait for a signal and return its payload; each payload is received once, in order.

        Payloads that came earlier wait here. Several calls at the same time are served in the order
        of the calls. Raises `TimeoutError`.
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
        """Iterate over all payloads of a signal, from the first one of the run, without an end.

        Each iterator sees every payload, whatever others or `receive_signal` take.
        """
        return _AsyncSignals(self._run, check_name(name, "a signal"))

    async def sleep(self, duration: Duration) -> None:
        """Wait; counted from the last event that the code saw."""
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
    """The context of a plain `def` workflow: each call blocks the workflow's own thread.

    Its code runs again when it is replayed and must then do the same: what it does to the world
    goes into activities. Once the run has ended, canceled for example, each call raises an error
    that is no `Exception`.
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
        """Run an activity and return its result as JSON reads it back.

        A plain function runs right here, or with a `timeout` in a worker thread, an async one on
        the engine's loop. Without `retry` it is tried once. `timeout` is for each attempt: an async
        function is canceled, a plain one cannot be, but nobody waits for it any more. Raises
        `ActivityError`.
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
        """Run another workflow and return its result as JSON reads it back.

        The child is a run of its own in the same store, with an id made of this run's and the
        number of the call, unless another `id` is given. Whatever process dies, it is started once:
        a parent that runs again finds its child. It is canceled when nobody waits for it any more,
        because the call or the parent has ended, unless it is `detached`. `timeout` is the child's.

        An `id` names one piece of work: if a run of this workflow with this input has it already,
        its result is taken. Raises `ChildWorkflowError` if the child failed or was canceled; a
        retry of the whole run then starts another child.
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
        """Run an activity for each item, at most `concurrency` at a time; results come in order.

        Plain functions run in worker threads. The first one that fails for good ends the others
        and raises its `ActivityError`.
        """
        check_function(fn, "an activity")
        limit = limit_of(timeout, "timeout")
        most = _check_concurrency(concurrency)
        return self._run.activities(fn, list(items), most, retry or ONCE, limit)

    def receive_signal(self, name: str, timeout: Duration | None = None) -> Any:
        """Wait for a signal and return its payload; each payload is received once, in order.

        Payloads that came earlier wait here. Raises `TimeoutError`.
        """
        limit = None if timeout is None else duration_of(timeout, "timeout")
        return self._run.receive(check_name(name, "a signal"), limit)

    def signals(self, name: str) -> Iterator[Any]:
        """Iterate over all payloads of a signal, from the first one of the run, without an end.

        Each iterator sees every payload, whatever others or `receive_signal` take.
        """
        name = check_name(name, "a signal")
        position = 0
        while True:
            yield self._run.payload(name, position)
            position += 1

    def sleep(self, duration: Duration) -> None:
        """Wait; counted from the last event that the code saw."""
        self._run.sleep(duration_of(duration, "duration"))
