"""A handle on a run: its state now, and its result when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Generator
from typing import Any

from inngest_nb.engine._stored_run import StoredRun
from inngest_nb.engine.basics._functions import fresh
from inngest_nb.engine.basics._policy import Duration, duration_of
from inngest_nb.engine.basics._typed import workflow_types
from inngest_nb.engine.code._turn_loop import TurnLoop, refusal, running_loop
from inngest_nb.engine.run._run import Run
from inngest_nb.engine.threads._workers import waiting
from inngest_nb.errors import EngineError
from inngest_nb.state import WorkflowState, WorkflowStatus


class WorkflowHandle:
    """A handle on a run. `await handle` works on any event loop and returns what `result()` does.

        handle = executor.execute(order, input={"amount": 42})
        result = await handle

    Neither a timeout nor canceling the task that awaits the handle cancels the run.
    """

    def __init__(self, run: Run | StoredRun) -> None:
        self._run = run

    def __repr__(self) -> str:
        return f"WorkflowHandle({self.id!r}, status={str(self.status)!r})"

    @property
    def id(self) -> str:
        """The workflow id, under which the state is stored."""
        return self._run.workflow_id

    @property
    def run_id(self) -> str:
        """The id of this run; every new run under the same workflow id has its own."""
        return self._run.run_id

    @property
    def status(self) -> WorkflowStatus:
        """The status now; of a run that was stopped before its end, the one that is stored.

        That is "running", or "" if nothing of it could be saved.
        """
        return self._run.status

    @property
    def state(self) -> WorkflowState:
        """The state now, including events that are about to be saved."""
        return self._run.state

    @property
    def store_trouble(self) -> str:
        """Why the run is waiting for its store to accept a save; "" if it is not."""
        return self._run.trouble

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The names of the signals that the workflow is waiting for now."""
        return self._run.waiting_for

    def result(self, timeout: Duration | None = None) -> Any:
        """Wait for the run to end and return its result.

        The result is what JSON gives back, converted to the return type of the workflow function if
        that is annotated. `timeout` is a timedelta or a number of seconds; after it, `TimeoutError`
        is raised and the run continues.

        Raises `WorkflowFailedError` with the cause chained, or `WorkflowCanceledError`. A run that
        was stopped before its end raises `WorkflowNotSavedError`, `LeaseLostError`,
        `NonDeterminismError` (after a resume), `WorkflowBlockedError` or `ExecutorClosedError`.
        """
        self._check_place()
        seconds = None if timeout is None else duration_of(timeout, "timeout").total_seconds()
        run = self._run
        if isinstance(run, StoredRun):
            with waiting():
                return run.result(seconds)
        if not run.is_over:
            with waiting():
                run.wait(seconds)
        if not run.is_over:
            raise TimeoutError(
                f"workflow {self.id!r} has not ended after {seconds:g} s and is still running"
            )
        return _value(run)

    def __await__(self) -> Generator[Any, None, Any]:
        loop = asyncio.get_running_loop()
        run = self._run
        if isinstance(loop, TurnLoop):
            raise refusal("waiting for another run")
        if isinstance(run, StoredRun):
            return (yield from run.wait())
        if not run.is_over:
            run.engine.check_process()
        ended = loop.create_future()

        def wake() -> None:
            if not ended.done():
                ended.set_result(None)

        def over() -> None:
            with contextlib.suppress(RuntimeError):  # that loop is closed
                loop.call_soon_threadsafe(wake)

        run.add_waiter(over)
        try:
            yield from ended.__await__()
        finally:  # also when the awaiting task is canceled
            run.remove_waiter(over)
        return _value(run)

    def _check_place(self) -> None:
        if isinstance(self._run, Run) and self._run.is_over:
            return
        self._run.engine.check_process()
        if not self._run.engine.loop.is_current():
            return
        if isinstance(running_loop(), TurnLoop):
            raise refusal("waiting for another run")
        raise EngineError(
            "result() would block the engine's event loop; in an async activity, use "
            "`await handle`",
            workflow_id=self.id,
            run_id=self.run_id,
        )


def _value(run: Run) -> Any:
    """Return the result of a run that is over, converted to the annotated return type.

    Errors are raised as copies, because a traceback grows each time an error is raised.
    """
    if run.failure is not None:
        raise copy.copy(run.failure)
    return workflow_types(run.fn).decode_result(fresh(run.result))
