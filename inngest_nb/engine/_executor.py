"""The executor: runs workflows in this process and saves their state in a store."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import re
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, NamedTuple, Self

from inngest_nb import wire
from inngest_nb._renamed import once_positional
from inngest_nb.engine._children import ChildRuns, is_orphan
from inngest_nb.engine._handle import WorkflowHandle
from inngest_nb.engine._kernel import note_start, started_in_this_kernel
from inngest_nb.engine._remote import cancel, not_running, send_signal, take_away
from inngest_nb.engine._stored_run import StoredRun, waiting_for
from inngest_nb.engine._supervisor import NotResumed, Supervisor
from inngest_nb.engine.basics._functions import (
    arguments,
    as_json,
    check_function,
    check_input,
    name_of,
    signal_payload,
)
from inngest_nb.engine.basics._owner import is_gone
from inngest_nb.engine.basics._policy import Duration, duration_of, limit_of
from inngest_nb.engine.basics._registry import Workflows, registered
from inngest_nb.engine.basics._typed import workflow_types
from inngest_nb.engine.code._new_run import new_run, refuse_in_code
from inngest_nb.engine.history import _stored
from inngest_nb.engine.history._fork import retried
from inngest_nb.engine.run._run import Run
from inngest_nb.engine.threads._hooks import Hooks
from inngest_nb.engine.threads._loop import Clock
from inngest_nb.engine.threads._services import Services
from inngest_nb.errors import (
    EngineError,
    StoreConflictError,
    StoreDecodeError,
    WorkflowAlreadyRunningError,
    WorkflowEndedError,
    WorkflowLeasedError,
    WorkflowNotFoundError,
    WorkflowNotRunningError,
)
from inngest_nb.state import UNSET, EventType, Signal, WorkflowState, WorkflowStatus
from inngest_nb.store import MemoryStore, WorkflowStore, is_async, unreadable_in
from inngest_nb.store.ids import check_id

_NOT_ENDED = (WorkflowStatus.RUNNING, WorkflowStatus.UNSET)
_WORKERS = 64
_LEASE_SECONDS = 60.0
_STORE_PATIENCE = 600.0  # seconds
_GRACE_SECONDS = 1.0
_ALREADY_HANDLED = (  # another executor, or another thread of this one, got there first
    WorkflowAlreadyRunningError,
    WorkflowLeasedError,
    WorkflowNotRunningError,
)
_IF_ENDED = ("raise", "return", "replace")

_log = logging.getLogger("inngest_nb.engine")


class Recovery(NamedTuple):
    """The result of `Executor.recover`.

    `handles` are the runs that it resumed; `left` maps the ids of the others to the reason why they
    were not resumed.
    """

    handles: tuple[WorkflowHandle, ...]
    left: dict[str, str]


class Executor:
    """Runs workflows and saves their progress in a store, so that they survive a crash.

        executor = Executor(SqliteStore("workflows.db"))
        handle = executor.execute(order, id="order-1", input={"amount": 42})
        handle.result()

    It works the same in a script, in a notebook and under a running event loop: everything happens
    in daemon threads, which start with the first run. A run's state is saved when it starts, after
    each activity, signal and timer, and when it ends, always before its code continues. Without a
    store, states are kept in memory. Closing the executor leaves the store open.

    The process does not wait for open runs when it exits. A log record (`inngest_nb.engine`, on
    stderr if logging is not configured) names them, and they stay stored as running.

    A run belongs to one executor at a time. The executor holds a lease (`lease`: a timedelta or
    seconds) and renews it as long as its process lives. Every write of a run builds on the one
    before, so a store with conditional writes, which is every store but a plain contract server,
    rejects the writes of an executor that was thought dead and was only slow.

    If the store does not answer, saves are retried for `store_patience` (10 minutes by default),
    and `WorkflowHandle.store_trouble` says why the run waits. With `supervise=True` the executor
    also resumes workflows that no executor is running: at once, then about once per `lease`.
    Several such executors can share a store and take over from one that dies.

    `workers` limits how many plain activities of async workflows run at the same time. `workflows`
    is where `recover` looks up workflows by name; by default that is everything registered with
    `@workflow`. `clock` is for tests.
    """

    def __init__(
        self,
        store: WorkflowStore | None = None,
        hooks: Hooks | None = None,
        *,
        clock: Clock | None = None,
        workers: int = _WORKERS,
        lease: Duration = _LEASE_SECONDS,
        workflows: Workflows | None = None,
        store_patience: Duration = _STORE_PATIENCE,
        supervise: bool = False,
    ) -> None:
        if is_async(store):
            kind = type(store).__name__
            raise TypeError(f"an executor needs a blocking store such as InngestStore, got {kind}")
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        held = duration_of(lease, "lease")
        if held.total_seconds() < 1:
            raise ValueError(f"lease must be at least 1 second, got {lease!r}")
        self._workflows = registered if workflows is None else workflows
        store = MemoryStore() if store is None else store
        patience = duration_of(store_patience, "store_patience").total_seconds()
        self._engine: Services[Run] = Services(store, hooks, clock, workers, held, patience)
        self._engine.children = ChildRuns(self._engine)
        self._not_resumed = NotResumed()
        self._supervisor: Supervisor | None = None
        if supervise:
            self._supervisor = Supervisor(self._take_over, held.total_seconds())
        weakref.finalize(self, self._engine.abandon).atexit = False

    @property
    def store(self) -> WorkflowStore:
        """The store that keeps the states."""
        return self._engine.store

    @once_positional("id", "input", "timeout")
    def execute(
        self,
        fn: Callable[..., Any],
        *,
        id: str | None = None,
        input: Any = None,
        timeout: Duration | None = None,
        if_ended: str | None = None,
    ) -> WorkflowHandle:
        """Start `fn(ctx, input)`, or `fn(ctx)`, and return a handle at once.

        An `async def` function gets an `AsyncWorkflowContext`; a plain function runs in its own
        thread and gets a `WorkflowContext`. `id` defaults to a new unique id. `timeout` (a
        timedelta or seconds) limits the whole run: it then fails.

        `if_ended` says what to do if the run stored under this id has ended: "raise" a
        `WorkflowEndedError`, "return" its handle, so that no work is done twice, or "replace" it
        with a new run. By default, a notebook replaces runs that its own kernel started; everything
        else raises.

        Raises `WorkflowAlreadyRunningError` if this executor is running the workflow, and
        `WorkflowNotHereError` if it is stored as running by another process or one that died.
        """
        refuse_in_code("starting a run")
        check_function(fn, "a workflow")
        arguments(fn, "workflow", None, given=input)  # raises early if the input does not fit
        given = as_json(input, "the input of the workflow")
        limit = limit_of(timeout, "timeout")
        if if_ended not in (None, *_IF_ENDED):
            raise ValueError(f"if_ended must be 'raise', 'return' or 'replace', got {if_ended!r}")
        workflow_id = _new_id(fn) if id is None else check_id(id)
        engine = self._engine
        engine.connect()
        with engine.claim(workflow_id):
            stored = None if id is None else engine.store.load(id)
            if stored is not None and stored.status is WorkflowStatus.RUNNING:
                raise _stored.not_here(stored)
            if stored is not None and stored.status is not WorkflowStatus.UNSET:
                if if_ended == "return":
                    return self.handle(workflow_id)
                if if_ended != "replace" and (if_ended or not started_in_this_kernel(stored)):
                    raise _ended(stored)
            state = WorkflowState(
                workflow_id=workflow_id,
                run_id=os.urandom(16).hex(),
                status=WorkflowStatus.RUNNING,
                input=given,
                etag=stored.etag if stored else "",
            )
            note_start(state.run_id)
            return WorkflowHandle(self._begin(fn, state, limit))

    def handle(self, id: str) -> WorkflowHandle:
        """Return a handle on a workflow, whether it runs here, in another process or has ended.

        Raises `WorkflowNotFoundError`.
        """
        run = self._engine.alive(id)
        return WorkflowHandle(run or StoredRun(self._engine, self._load(id, "find")))

    def resume(
        self, fn: Callable[..., Any], workflow_id: str, *, take_over: bool = False
    ) -> WorkflowHandle:
        """Resume a workflow that is stored as running, and return a handle at once.

        The function runs again from its first line, and the recorded results, signals and timers
        are replayed in their order: nothing in the history is executed again. After that the run
        continues live. An activity that was interrupted when its process died is executed again. If
        the code no longer matches the history, the handle raises `NonDeterminismError`, and nothing
        is changed.

        A workflow that has ended is not run again; its handle returns the stored result.

        Raises `WorkflowLeasedError` while another executor is running the workflow; with
        `take_over=True` that executor is stopped at its next write instead. A plain contract server
        can do neither: make sure yourself that no other process runs the workflow. Also raises
        `WorkflowNotFoundError`, `WorkflowAlreadyRunningError`, and `PayloadTypeError` or
        `TypeError` if the stored input does not fit the function.
        """
        refuse_in_code("resuming a run")
        check_function(fn, "a workflow")
        self._engine.connect()
        with self._engine.claim(workflow_id):
            state = self._load(workflow_id, "resume")
            if state.status in _NOT_ENDED:
                check_input(fn, state)
                workflow_types(fn).decode_input(state.input)
                if take_over:
                    state = take_away(self._engine, state)
            if state.status not in _NOT_ENDED:  # perhaps only before it could be taken away
                return WorkflowHandle(StoredRun(self._engine, state))
            run = self._resume_stored(fn, state, _stored.leases(self._engine.store))
        self._deliver_pending([workflow_id])
        return WorkflowHandle(run)

    def recover(self) -> Recovery:
        """Resume all workflows that are stored as running but that no executor is running.

        Their functions are looked up by the name in their first event, among those registered with
        `@workflow`. Raises `ListingUnsupportedError` if the store cannot list.
        """
        refuse_in_code("resuming runs")
        self._engine.connect()
        states = self._engine.store.fetch(status=WorkflowStatus.RUNNING)
        # After the states: whose lease begins in between has none of these.
        leases = _stored.leases(self._engine.store)
        left = unreadable_in(states)
        with wire.uncollected():
            handles = self._resume_each(states, leases, left)
        self._deliver_pending([handle.id for handle in handles])
        return Recovery(tuple(handles), left)

    def retry(self, id: str, fn: Callable[..., Any] | None = None) -> WorkflowHandle:
        """Retry a failed workflow from the activity that failed, and return a handle at once.

        The activity starts over with its full retry policy; activities that have completed are not
        executed again. If the workflow code itself raised, the run continues from there, so fix the
        code first. Events that followed from the failure stay in the history, marked as superseded;
        signals still count. Without `fn`, the function is looked up by name, as in `recover`.

        Raises `EngineError` if the workflow has not failed, and `StoreConflictError` if it is being
        retried elsewhere at the same time.
        """
        refuse_in_code("retrying a run")
        self._engine.connect()
        with self._engine.claim(id):
            stored = self._load(id, "retry")
            state = retried(stored, self._engine.clock.now())
            fn = self._function_of(state) if fn is None else fn
            check_function(fn, "a workflow")
            check_input(fn, state)
            workflow_types(fn).decode_input(state.input)
            stored = _stored.replace(self._engine.appender, state)
            return WorkflowHandle(
                self._resume_stored(fn, stored, _stored.leases(self._engine.store))
            )

    def signal(self, id: str, signal: Signal) -> None:
        """Send a signal to a running workflow; returns once the signal is saved.

        The workflow may run in any process: it receives each signal once, in order. If no process
        is running it, it receives the signal when it is resumed.

        Raises `WorkflowNotFoundError`, `WorkflowNotRunningError` if it has ended, and, on a plain
        contract server, `WorkflowNotHereError` if it does not run in this executor.
        """
        payload = signal_payload(signal)
        run = self._engine.alive(id)
        if run is not None and run.signal(signal, payload):
            return
        stored = run.state if run is not None else self._load(id, "signal")
        if stored.status is not WorkflowStatus.RUNNING:
            raise not_running(stored, signal)
        if run is not None:
            raise _stored.not_here(stored)
        send_signal(self._engine, stored, signal.name, payload)

    def query(self, id: str, what: str) -> Any:
        """Return the "status" or the "result" of a workflow.

        The result is None until the workflow completes. Raises `WorkflowNotFoundError`.
        """
        if what not in ("status", "result"):
            raise ValueError(f"query must be 'status' or 'result', got {what!r}")
        run = self._engine.alive(id)
        state = run.state if run is not None else self._load(id, "query")
        return state.status if what == "status" else state.result

    def waiting_for(self, id: str) -> tuple[str, ...]:
        """Return the names of the signals that a workflow is waiting for.

        If it runs in another process, that process is asked, for up to two seconds. The tuple is
        empty if it does not answer or if no process is running the workflow.
        """
        run = self._engine.alive(id)
        return waiting_for(self._engine, id) if run is None else run.waiting_for

    def cancel(self, id: str) -> bool:
        """Cancel a workflow; returns True once that is saved, False if it had already ended.

        Async activities are canceled. A plain activity cannot be interrupted; its result is
        discarded. Async workflow code gets `CancelledError` where it awaits; a plain workflow is
        stopped at its next call of the context. If another process runs the workflow, that process
        cancels it; if none does, it is marked as canceled in the store. Raises
        `WorkflowNotFoundError`.
        """
        run = self._engine.alive(id)
        if run is not None:
            return run.cancel()
        return cancel(self._engine, id)

    def close(self, timeout: Duration = 0) -> None:
        """Stop the executor and its threads. Calling it again does nothing.

        Runs that have not ended within `timeout` (a timedelta or seconds) are stopped where they
        are: they stay stored as running, and a log record (`inngest_nb.engine`) names them.
        """
        if self._supervisor is not None:
            self._supervisor.close(_GRACE_SECONDS)
        self._engine.close(duration_of(timeout, "timeout"))

    def __repr__(self) -> str:
        """Name the store by its class only: its own repr might contain secrets."""
        return f"Executor({type(self._engine.store).__name__})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _load(self, workflow_id: str, operation: str) -> WorkflowState:
        return _stored.load(self._engine.store, workflow_id, operation)

    def _deliver_pending(self, workflow_ids: Sequence[str]) -> None:
        """Deliver the messages that were sent to runs while no executor was running them."""
        if self._engine.mailbox is not None and workflow_ids:
            self._engine.mailbox.deliver_pending(workflow_ids)

    def _take_over(self) -> None:
        """Resume the workflows that no executor is running and whose code is registered here."""
        self._engine.connect()
        shared = _stored.shared_store(self._engine.store)
        if shared is None:
            self.recover()
            return
        leases = shared.leases()
        for owner in filter(is_gone, leases):
            shared.hold_lease(owner, 0)
        ids = [each for each in shared.abandoned() if self._engine.alive(each) is None]
        random.shuffle(ids)  # so that several executors don't all start with the same workflow
        resumed: list[str] = []
        for workflow_id in ids:
            if workflow_id in self._not_resumed:
                continue
            try:
                state = self._load(workflow_id, "resume")
            except (WorkflowNotFoundError, StoreDecodeError) as error:
                _log.debug("workflow %r is not resumed: %s", workflow_id, error)
                continue
            if self._cancels_orphan(state):
                continue
            try:
                fn = self._function_of(state)
                check_input(fn, state)
                with self._engine.claim(workflow_id):
                    run = self._resume_stored(fn, state, _stored.leases(shared))
            except _ALREADY_HANDLED:
                continue
            except (EngineError, TypeError, ValueError) as error:
                self._not_resumed.note(state, error)
            else:
                self._not_resumed.watch(state, run)
                resumed.append(workflow_id)
        self._deliver_pending(resumed)

    def _cancels_orphan(self, state: WorkflowState) -> bool:
        """Cancel a child that no executor is running, if its parent ended without doing so."""
        if not state.parent_id:  # most have none, and the rest asks the store
            return False
        engine = self._engine
        if engine.alive(state.workflow_id) is not None or not engine.is_free(state):
            return False
        if not is_orphan(engine.store, state):
            return False
        with contextlib.suppress(StoreConflictError):  # another process was faster
            cancel(engine, state.workflow_id)
        return True

    def _resume_each(
        self, states: Iterable[WorkflowState], leases: Mapping[str, float], left: dict[str, str]
    ) -> list[WorkflowHandle]:
        """Resume stored runs; note in `left` why each other one is not resumed."""
        handles: list[WorkflowHandle] = []
        for state in states:
            name = state.workflow_id
            if self._cancels_orphan(state):
                left[name] = f"canceled, because its parent {state.parent_id!r} has ended"
                continue
            try:
                fn = self._function_of(state)
                check_input(fn, state)
                with self._engine.claim(name):
                    handles.append(WorkflowHandle(self._resume_stored(fn, state, leases)))
            except WorkflowAlreadyRunningError:
                continue  # already running in this executor
            except (EngineError, TypeError, ValueError) as error:
                left[name] = str(error)
        return handles

    def _resume_stored(
        self, fn: Callable[..., Any], state: WorkflowState, leases: Mapping[str, float]
    ) -> Run:
        """Replay a stored run and continue it; its id is already claimed."""
        name = state.workflow_id
        if state.status is not WorkflowStatus.RUNNING:
            is_ = f"is {state.status}" if state.status else "has no status"
            raise WorkflowNotRunningError(
                f"workflow {name!r} cannot be resumed because it {is_}; call execute() for a new "
                "run, retry() if it failed, or fork()",
                status=str(state.status),
                workflow_id=name,
                run_id=state.run_id,
            )
        if not state.history or state.history[0].type is not EventType.WORKFLOW_STARTED:
            raise EngineError(
                f"workflow {name!r} cannot be resumed because it was saved without its history; "
                f"end it with cancel({name!r}), then execute it again",
                workflow_id=name,
                run_id=state.run_id,
            )
        _stored.check_free(state, self._engine.owner, leases)
        return self._begin(fn, state)

    def _begin(
        self, fn: Callable[..., Any], state: WorkflowState, timeout: timedelta | None = None
    ) -> Run:
        if state.history:
            self._engine.appender.keep(state)
        run = new_run(self._engine, fn, state)
        self._engine.begin(run, timeout)
        return run

    def _function_of(self, state: WorkflowState) -> Callable[..., Any]:
        """Return the function of a stored run, by the name and version in its first event."""
        begun = state.history[0] if state.history else None
        name = begun.workflow if begun else UNSET
        fn = self._workflows.find(name, begun.version or None) if begun and name else None
        if fn is None:
            known = ", ".join(map(repr, self._workflows.names())) or "none"
            whose = f"is a run of {name!r}" if name else "does not name its function"
            raise EngineError(
                f"workflow {state.workflow_id!r} {whose}; registered workflows: {known}. "
                f"Register its function with @workflow, or pass it: "
                f"resume(fn, {state.workflow_id!r})",
                workflow_id=state.workflow_id,
                run_id=state.run_id,
            )
        return fn


def _ended(stored: WorkflowState) -> WorkflowEndedError:
    """Return the error for an id whose run has ended."""
    return WorkflowEndedError(
        f"workflow {stored.workflow_id!r} is already {stored.status or 'stored'}; pass "
        'if_ended="return" to get its handle, if_ended="replace" to replace it with a new run, or '
        "a different id=",
        status=str(stored.status),
        workflow_id=stored.workflow_id,
        run_id=stored.run_id,
    )


def _new_id(fn: Callable[..., Any]) -> str:
    """Return a unique id that starts with the function's name."""
    name = re.sub(r"\W+", "", name_of(fn), flags=re.ASCII)[:60] or "workflow"
    return f"{name}-{os.urandom(8).hex()}"
