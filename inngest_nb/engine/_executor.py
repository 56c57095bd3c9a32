"""The executor: runs workflows in this process and keeps their state in a store."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from inngest_nb.engine._async_run import AsyncRun
from inngest_nb.engine._engine import Engine
from inngest_nb.engine._functions import arguments, as_json, check_function, is_async, name_of
from inngest_nb.engine._handle import WorkflowHandle
from inngest_nb.engine._hooks import Hooks
from inngest_nb.engine._loop import Clock
from inngest_nb.engine._plain_run import PlainRun
from inngest_nb.engine._policy import Duration, duration_of
from inngest_nb.errors import WorkflowNotFoundError, WorkflowNotHereError, WorkflowNotRunningError
from inngest_nb.state import EventType, HistoryEvent, Signal, WorkflowState, WorkflowStatus
from inngest_nb.store import AsyncInngestStore, MemoryStore, WorkflowStore

_WORKERS = 64


class Executor:
    """Runs workflows and keeps what happens to them in a store.

    Works the same in a script, in a notebook and under a running event loop: all of it happens in
    daemon threads that start with the first run. A run's state is saved at its start, after each
    activity, signal and timer, and at its end, each time before its code goes on. Without a store
    they are kept in memory. The store stays open when the executor is closed.

    The end of the process waits for nothing here. A log line (`inngest_nb.engine`, on stderr if
    logging is not set up) then names the open runs, which stay stored as running.

    `workers` is how many plain activities of async workflows run at a time; `clock` is for tests.
    """

    def __init__(
        self,
        store: WorkflowStore | None = None,
        hooks: Hooks | None = None,
        *,
        clock: Clock | None = None,
        workers: int = _WORKERS,
    ) -> None:
        if isinstance(store, AsyncInngestStore):
            raise TypeError("an executor wants a blocking store, such as InngestStore")
        if workers < 1:
            raise ValueError(f"workers is 1 or more, got {workers}")
        self._engine = Engine(MemoryStore() if store is None else store, hooks, clock, workers)
        weakref.finalize(self, self._engine.abandon).atexit = False

    @property
    def store(self) -> WorkflowStore:
        """Where the states are kept."""
        return self._engine.store

    def execute(
        self,
        fn: Callable[..., Any],
        id: str | None = None,
        input: Any = None,
        timeout: Duration | None = None,
    ) -> WorkflowHandle:
        """Start `fn(ctx, input)`, or `fn(ctx)`, and return a handle at once.

        An `async def` function gets an `AsyncWorkflowContext`, a plain one runs in a thread of its
        own with a `WorkflowContext`. Without an id a new one is made. After `timeout` the run
        fails. An id whose run has ended can be used again: the new run replaces the old state.

        Raises `WorkflowAlreadyRunningError`, and `WorkflowNotHereError` for an id that is stored as
        running by a process that died, or by another one.
        """
        check_function(fn, "a workflow")
        arguments(fn, "workflow", None, given=input)  # says now what does not fit
        given = as_json(input, "the input of the workflow")
        limit = None if timeout is None else duration_of(timeout, "timeout")
        workflow_id = _new_id(fn) if id is None else id
        engine = self._engine
        with engine.claim(workflow_id):
            if id is not None:
                stored = engine.store.load(id)
                if stored is not None and stored.status is WorkflowStatus.RUNNING:
                    raise _not_here(stored)
            kind = AsyncRun if is_async(fn) else PlainRun
            run = kind(engine, fn, workflow_id, given, limit)
            engine.begin(run)
        return WorkflowHandle(run)

    def signal(self, id: str, signal: Signal) -> None:
        """Give a signal to a run, and return once it is saved.

        Raises `WorkflowNotFoundError`, `WorkflowNotRunningError` and `WorkflowNotHereError`.
        """
        if not isinstance(signal, Signal):
            raise TypeError(f"a signal is a Signal(name, payload), got {type(signal).__name__}")
        payload = as_json(signal.payload, f"the payload of signal {signal.name!r}")
        run = self._engine.alive(id)
        if run is not None and run.signal(signal, payload):
            return
        stored = run.state if run is not None else self._stored(id, "signal")
        if stored.status is WorkflowStatus.RUNNING:
            raise _not_here(stored)
        raise WorkflowNotRunningError(
            f"workflow {id!r} cannot take signal {signal.name!r}: it is {stored.status}; "
            "execute it again for a new run",
            status=str(stored.status),
            workflow_id=id,
            run_id=stored.run_id,
        )

    def query(self, id: str, what: str) -> Any:
        """Return the "status" or the "result" of a workflow: of its run here, else as stored.

        The result is None as long as there is none. Raises `WorkflowNotFoundError`.
        """
        if what not in ("status", "result"):
            raise ValueError(f"one can query 'status' or 'result', got {what!r}")
        run = self._engine.alive(id)
        state = run.state if run is not None else self._stored(id, "query")
        return state.status if what == "status" else state.result

    def cancel(self, id: str) -> bool:
        """End a run as canceled and return True once that is saved; False if it had ended.

        A running async activity is canceled. A plain one cannot be: what it returns is dropped. The
        code gets `CancelledError` at its await, a plain function at its next call of the context,
        and cannot go on. A workflow that is stored as running but not alive here is marked canceled
        in the store; a process that runs it after all is not told. Raises `WorkflowNotFoundError`.
        """
        run = self._engine.alive(id)
        if run is not None:
            return run.cancel()
        stored = self._stored(id, "cancel")
        if stored.status is not WorkflowStatus.RUNNING:
            return False
        now = self._engine.clock.now()
        event = HistoryEvent(
            id=max((event.id for event in stored.history), default=0) + 1,
            type=EventType.WORKFLOW_CANCELED,
            timestamp=now,
            error="canceled",
        )
        canceled = stored.replace(
            status=WorkflowStatus.CANCELED,
            error="canceled",
            history=(*stored.history, event),
            updated_at=now,
        )
        self._engine.store.save(canceled)
        return True

    def close(self, timeout: Duration = 0) -> None:
        """Stop, and let go of all threads; again is no error.

        Runs that have not ended within `timeout` are stopped where they are: they stay stored as
        running, and a log line (`inngest_nb.engine`) names them.
        """
        self._engine.close(duration_of(timeout, "timeout"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _stored(self, workflow_id: str, operation: str) -> WorkflowState:
        stored = self._engine.store.load(workflow_id)
        if stored is None:
            raise WorkflowNotFoundError(
                f"cannot {operation} workflow {workflow_id!r}: neither this executor nor its store "
                "knows the id; start it with execute(fn, id=...)",
                workflow_id=workflow_id,
            )
        return stored


def _new_id(fn: Callable[..., Any]) -> str:
    """Make an id that nobody else has, with the function's name for people to see."""
    name = re.sub(r"\W+", "", name_of(fn), flags=re.ASCII)[:60] or "workflow"
    return f"{name}-{uuid4().hex[:16]}"


def _not_here(stored: WorkflowState) -> WorkflowNotHereError:
    name = stored.workflow_id
    return WorkflowNotHereError(
        f"workflow {name!r} is stored as running, but no run of it is alive in this executor: "
        f"another process runs it, or one died in it. Go on with resume(fn, {name!r}), end it with "
        f"cancel({name!r}), or give another id=",
        workflow_id=name,
        run_id=stored.run_id,
    )
