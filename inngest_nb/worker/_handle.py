"""A handle on a run on Inngest's engine, similar to an executor's handle."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Any

from inngest_nb.api import InngestAPI, Run, RunStore
from inngest_nb.engine.basics import (
    Duration,
    arguments,
    as_json,
    duration_of,
    limit_of,
    name_of,
    signal_payload,
    workflow_types,
)
from inngest_nb.errors import (
    InngestConnectionError,
    InngestUnavailableError,
    WorkflowCanceledError,
    WorkflowFailedError,
)
from inngest_nb.history import END_STATUS, OPEN
from inngest_nb.state import EventType, HistoryEvent, Signal, WorkflowState, WorkflowStatus
from inngest_nb.store import WorkflowStore
from inngest_nb.store.ids import check_id
from inngest_nb.worker._mirror import save_copy
from inngest_nb.worker.steps import SIGNAL, sealed

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_AWAY = (InngestConnectionError, InngestUnavailableError)
# What the server says of workers that it called, and of those that were connected.
_LOST = ("Unable to reach SDK", "connect_worker_stopped_responding")


def start_run(
    api: InngestAPI,
    app_id: str,
    fn: Callable[..., Any],
    given: Any,
    workflow_id: str | None,
    timeout: Duration | None,
) -> tuple[str, str]:
    """Start a run of a workflow function, and return its workflow_id and its run_id."""
    arguments(fn, "workflow", None, given=given)  # raises early if the input does not fit
    given = as_json(given, "the input of the workflow")
    workflow_types(fn).decode_input(given)
    limit = limit_of(timeout, "timeout")
    name = name_of(fn)
    own = uuid.uuid4().hex if workflow_id is None else check_id(workflow_id)
    data = {"workflow_id": own} | sealed("input", given)
    if limit is not None:
        data["timeout"] = limit.total_seconds()
    return own, api.invoke(app_id, name, data, idempotency_key=workflow_id)


class InngestHandle:
    """A handle on a run that Inngest's engine runs; made by `InngestWorker.start`.

        handle = worker.start(order, input={"amount": 42})
        result = await handle

    It asks the server, so it also works while no worker is there. Neither a timeout nor canceling
    the task that awaits the handle cancels the run. In a cell it is shown as a timeline.
    """

    def __init__(
        self,
        api: InngestAPI,
        fn: Callable[..., Any],
        workflow_id: str,
        run_id: str,
        store: WorkflowStore | None = None,
    ) -> None:
        self._api = api
        self._fn = fn
        self._store = store  # where the worker keeps copies
        self.id = workflow_id
        self.run_id = run_id

    def __repr__(self) -> str:
        return f"InngestHandle({self.id!r}, run_id={self.run_id!r})"

    @property
    def status(self) -> WorkflowStatus:
        """The status now, as the server says."""
        return WorkflowStatus(self._api.run(self.run_id, output=False).status)

    @property
    def state(self) -> WorkflowState:
        """The state now: the copy in the worker's store, else what the server shows of the run."""
        copy = None if self._store is None else self._store.load(self.id)
        if copy is not None and copy.run_id == self.run_id:
            return self._with_unseen_end(copy) if copy.status in OPEN else copy
        shown = RunStore(self._api).load(self.run_id)
        if shown is None:
            return WorkflowState(workflow_id=self.id, run_id=self.run_id)
        return shown.replace(workflow_id=self.id)

    def result(self, timeout: Duration | None = None) -> Any:
        """Wait for the run to end and return its result.

        The result is what JSON gives back, converted to the return type of the workflow function if
        that is annotated. `timeout` is a timedelta or a number of seconds; after it, `TimeoutError`
        is raised and the run continues.

        Raises `WorkflowFailedError` or `WorkflowCanceledError`. If the server is offline, waits
        until it is back.
        """
        seconds = None if timeout is None else duration_of(timeout, "timeout").total_seconds()
        deadline = None if seconds is None else time.monotonic() + seconds
        pause = _FIRST_PAUSE
        while (run := self._ended()) is None:
            left = pause if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(
                    f"workflow {self.id!r} has not ended after {seconds:g} s and is still running"
                )
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        return self._value(run)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._wait().__await__()

    async def _wait(self) -> Any:
        pause = _FIRST_PAUSE
        while (run := await asyncio.to_thread(self._ended)) is None:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        return self._value(run)

    def signal(self, signal: Signal) -> None:
        """Send the workflow a signal, which it receives once.

        The server keeps it until the workflow waits for it. A signal to a run that has ended is
        lost without an error.
        """
        payload = signal_payload(signal)
        data = {"workflow_id": self.id, "signal_id": uuid.uuid4().hex}
        self._api.send(SIGNAL + signal.name, data | sealed("payload", payload))

    def cancel(self) -> bool:
        """Cancel the run; False if it had ended.

        Its code is not called again, so calls to `ctx` in a `finally` block are not executed. A
        step in progress ends, and its result is discarded.
        """
        if self._ended() is not None:
            return False
        self._api.cancel(self.run_id)
        if self._store is not None:
            state = self.state
            if state.status is WorkflowStatus.RUNNING:  # the server says it a moment later
                state = _with_end(state, EventType.WORKFLOW_CANCELED, "canceled", None)
            if state.status is WorkflowStatus.CANCELED:
                save_copy(self._store, state)
        return True

    def _with_unseen_end(self, copy: WorkflowState) -> WorkflowState:
        """Return a copy with an end that no worker saw: a cancellation, or lost workers."""
        run = self._ended()
        if run is None or run.status == "completed":  # that is saved at this moment
            return copy
        if run.status == "canceled":
            return _with_end(copy, EventType.WORKFLOW_CANCELED, "canceled", run.ended_at)
        return _with_end(copy, EventType.WORKFLOW_FAILED, _reason(run), run.ended_at)

    def _ended(self) -> Run | None:
        """Return the run with its result if it has ended."""
        try:
            # Without the result: the server keeps that of a run that has not ended for 3 seconds.
            if not self._api.run(self.run_id, output=False).is_over:
                return None
            return self._api.run(self.run_id)
        except _AWAY:
            return None  # it is asked again

    def _value(self, run: Run) -> Any:
        if run.status == "completed":
            return workflow_types(self._fn).decode_result(run.output)
        where = {"workflow_id": self.id, "run_id": self.run_id}
        if run.status == "canceled":
            raise WorkflowCanceledError(f"workflow {self.id!r} was canceled", **where)
        raise WorkflowFailedError(f"workflow {self.id!r} failed: {_reason(run)}", **where)


def _with_end(
    state: WorkflowState, kind: EventType, error: str, when: datetime | None
) -> WorkflowState:
    """Return a state with the event that ended its run."""
    when = when or datetime.now(UTC)
    last = max((event.id for event in state.history), default=0)
    end = HistoryEvent(id=last + 1, type=kind, timestamp=when, error=error)
    return state.replace(
        status=END_STATUS[kind], error=error, history=(*state.history, end), updated_at=when
    )


def _reason(run: Run) -> str:
    """Return why a run has failed: what its code raised, or what the server says without it."""
    error = run.error
    if error is None:
        return run.inngest_status
    said = f"{error.name} {error.code} {error.message}"
    if not any(words in said for words in _LOST):
        return error.message
    return (
        f"a step's worker was lost in every attempt ({error.message}); serve_on_inngest makes "
        "`retries` + 1 attempts"
    )
