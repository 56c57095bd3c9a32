"""The executor: runs workflows in this process and keeps their state in a store."""

from __future__ import annotations

import contextlib
import logging
import random
import re
import weakref
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import uuid4

from inngest_nb._renamed import once_positional
from inngest_nb.engine._children import ChildRuns, is_orphan
from inngest_nb.engine._handle import WorkflowHandle
from inngest_nb.engine._kernel import note_start, started_in_this_kernel
from inngest_nb.engine._remote import cancel, not_running, send_signal, take_away
from inngest_nb.engine._stored_run import StoredRun, waiting_for
from inngest_nb.engine._supervisor import LeftAlone, Supervisor
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
from inngest_nb.store import AsyncInngestStore, MemoryStore, WorkflowStore, unreadable_in
from inngest_nb.store.ids import check_id

_WORKERS = 64
_LEASE_SECONDS = 60.0
_PATIENCE_SECONDS = 600.0
_GRACE_SECONDS = 1.0
_OTHERS_WERE_QUICKER = (
    WorkflowAlreadyRunningError,
    WorkflowLeasedError,
    WorkflowNotRunningError,
)
_IF_ENDED = ("raise", "return", "replace")

_log = logging.getLogger("inngest_nb.engine")


class Recovery(NamedTuple):
    """What `Executor.recover` did: `handles` of what it resumed, and why it `left` the others."""

    handles: tuple[WorkflowHandle, ...]
    left: dict[str, str]


class Executor:
    """Runs workflows and keeps what happens to them in a store.

    Works the same in a script, in a notebook and under a running event loop: all of it happens in
    daemon threads that start with the first run. A run's state is saved at its start, after each
    activity, signal and timer, and at its end, each time before its code goes on. Without a store
    they are kept in memory. The store stays open when the executor is closed.

    The end of the process waits for nothing here. A log line (`inngest_nb.engine`, on stderr if
    logging is not set up) then names the open runs, which stay stored as running.

    A run belongs to one executor at a time. The executor holds a lease of `lease`, renewed while
    its process lives, and each write of a run builds on the one before: a store that writes
    conditionally (all but a plain server of the contract) refuses those of a holder who was thought
    dead and was only slow.

    A store that is away is waited for: a save that gets no answer is repeated for `store_patience`,
    10 minutes unless given, while the run shows that it waits. With `supervise=True` the executor
    resumes what nobody runs, now and about every `lease`: several such workers share a store, and
    take over from one that dies.

    `workers` is how many plain activities of async workflows run at a time; `workflows` are those
    that `recover` finds by name, all that `@workflow` has registered unless others are given;
    `clock` is for tests.
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
        store_patience: Duration = _PATIENCE_SECONDS,
        supervise: bool = False,
    ) -> None:
        if isinstance(store, AsyncInngestStore):
            raise TypeError("an executor wants a blocking store, such as InngestStore")
        if workers < 1:
            raise ValueError(f"workers is 1 or more, got {workers}")
        held = duration_of(lease, "lease")
        if held.total_seconds() < 1:
            raise ValueError(f"lease is a second or more, got {lease!r}")
        self._workflows = registered if workflows is None else workflows
        store = MemoryStore() if store is None else store
        patience = duration_of(store_patience, "store_patience").total_seconds()
        self._engine: Services[Run] = Services(store, hooks, clock, workers, held, patience)
        self._engine.children = ChildRuns(self._engine)
        self._left_alone = LeftAlone()
        self._supervisor: Supervisor | None = None
        if supervise:
            self._supervisor = Supervisor(self._take_over, held.total_seconds())
        weakref.finalize(self, self._engine.abandon).atexit = False

    @property
    def store(self) -> WorkflowStore:
        """Where the states are kept."""
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

        An `async def` function gets an `AsyncWorkflowContext`, a plain one runs in a thread of its
        own with a `WorkflowContext`. Without an id a new one is made. After `timeout` the run
        fails.

        What happens to an id whose run has ended says `if_ended`: "raise" `WorkflowEndedError`,
        "return" a handle on that run, so that nothing is done twice, or "replace" it by a new run.
        Without it a notebook may replace what its own kernel ran; everywhere else it raises.

        Raises `WorkflowAlreadyRunningError`, and `WorkflowNotHereError` for an id that is stored as
        running by a process that died, or by another one.
        """
        refuse_in_code("starting a run")
        check_function(fn, "a workflow")
        arguments(fn, "workflow", None, given=input)  # says now what does not fit
        given = as_json(input, "the input of the workflow")
        limit = limit_of(timeout, "timeout")
        if if_ended not in (None, *_IF_ENDED):
            raise ValueError(f"if_ended is 'raise', 'return' or 'replace', got {if_ended!r}")
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
                run_id=uuid4().hex,
                status=WorkflowStatus.RUNNING,
                input=given,
                etag=stored.etag if stored else "",
            )
            note_start(state.run_id)
            return WorkflowHandle(self._begin(fn, state, limit))

    def handle(self, id: str) -> WorkflowHandle:
        """Return a handle on a run, alive here or stored, whichever process runs it.

        Raises `WorkflowNotFoundError`.
        """
        run = self._engine.alive(id)
        return WorkflowHandle(run or StoredRun(self._engine, self._load(id, "find")))

    def resume(
        self, fn: Callable[..., Any], workflow_id: str, *, take_over: bool = False
    ) -> WorkflowHandle:
        """Go on with a workflow that is stored as running, and return a handle at once.

        The function runs again from its first line. What its history has is not done again: the
        recorded results, signals and timers answer in the recorded order. After them it goes on
        live: an activity whose process died in it is run again. If its code does not ask for what
        the history says, the handle raises `NonDeterminismError`, and nothing is changed.

        A run that has ended is not run again: its handle has what is stored of it. A function that
        the run's input doesn't fit is refused, with nothing written.

        Raises `WorkflowLeasedError` while another executor is known to run it, unless told to
        `take_over`; that one is then stopped at its next write. A plain server of the contract can
        do neither: there, make sure yourself that nobody else runs it. Raises also
        `WorkflowNotFoundError` and `WorkflowAlreadyRunningError`.
        """
        refuse_in_code("resuming a run")
        check_function(fn, "a workflow")
        self._engine.connect()
        with self._engine.claim(workflow_id):
            state = self._load(workflow_id, "resume")
            if state.status not in (WorkflowStatus.RUNNING, WorkflowStatus.UNSET):
                return WorkflowHandle(StoredRun(self._engine, state))
            check_input(fn, state)
            workflow_types(fn).decode_input(state.input)
            if take_over:
                state = take_away(self._engine, state)
            run = self._go_on(fn, state, _stored.leases(self._engine.store))
        self._attend([workflow_id])
        return WorkflowHandle(run)

    def recover(self) -> Recovery:
        """Resume all workflows of the store that are stored as running and that nobody runs.

        Each is found by the name that its first event keeps, among those registered by `@workflow`.
        Raises `ListingUnsupportedError` where the store cannot list.
        """
        refuse_in_code("resuming runs")
        handles: list[WorkflowHandle] = []
        self._engine.connect()
        leases = _stored.leases(self._engine.store)
        states = self._engine.store.fetch(status=WorkflowStatus.RUNNING)
        left = unreadable_in(states)
        for state in states:
            name = state.workflow_id
            if self._cancels_orphan(state):
                left[name] = f"its parent {state.parent_id!r} has ended, so it was canceled"
                continue
            try:
                fn = self._function_of(state)
                check_input(fn, state)
                with self._engine.claim(name):
                    handles.append(WorkflowHandle(self._go_on(fn, state, leases)))
            except WorkflowAlreadyRunningError:
                continue  # alive in this executor
            except (EngineError, TypeError, ValueError) as error:
                left[name] = str(error)
        self._attend([handle.id for handle in handles])
        return Recovery(tuple(handles), left)

    def retry(self, id: str, fn: Callable[..., Any] | None = None) -> WorkflowHandle:
        """Let a failed run go on from the activity it failed of, and return a handle at once.

        That activity is tried anew, by its whole retry policy; what has completed is not done
        again. A run that failed by its own code goes on where it raised: mend the code first. What
        followed from the failure stays in the history, marked as superseded; signals still count.
        Without `fn` the workflow is found by its name, as `recover` does. Of two retries at once
        the second raises `StoreConflictError`.
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
            return WorkflowHandle(self._go_on(fn, stored, _stored.leases(self._engine.store)))

    def signal(self, id: str, signal: Signal) -> None:
        """Give a signal to a run, and return once it is saved.

        Whichever process runs it takes the signal from the store, each one once and in order; a run
        that is alive nowhere, because its process died, finds it when it is resumed.

        Raises `WorkflowNotFoundError`, `WorkflowNotRunningError` and, for a run that is not alive
        here, on a plain server of the contract `WorkflowNotHereError`.
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
        """Return the "status" or the "result" of a workflow: of its run here, else as stored.

        The result is None as long as there is none. Raises `WorkflowNotFoundError`.
        """
        if what not in ("status", "result"):
            raise ValueError(f"one can query 'status' or 'result', got {what!r}")
        run = self._engine.alive(id)
        state = run.state if run is not None else self._load(id, "query")
        return state.status if what == "status" else state.result

    def waiting_for(self, id: str) -> tuple[str, ...]:
        """Return the names of the signals that a run waits for; none if nobody runs it.

        Of a run in another process that one is asked, for two seconds at most.
        """
        run = self._engine.alive(id)
        return waiting_for(self._engine, id) if run is None else run.waiting_for

    def cancel(self, id: str) -> bool:
        """End a run as canceled and return True once that is saved; False if it had ended.

        A running async activity is canceled. A plain one cannot be: what it returns is dropped.
        The code gets `CancelledError` at its await, a plain function at its next call of the
        context, and cannot go on. An executor that runs it elsewhere is told and ends it; what
        nobody runs is marked canceled in the store. Raises `WorkflowNotFoundError`.
        """
        run = self._engine.alive(id)
        if run is not None:
            return run.cancel()
        return cancel(self._engine, id)

    def close(self, timeout: Duration = 0) -> None:
        """Stop, and let go of all threads; again is no error.

        Runs that have not ended within `timeout` are stopped where they are: they stay stored as
        running, and a log line (`inngest_nb.engine`) names them.
        """
        if self._supervisor is not None:
            self._supervisor.close(_GRACE_SECONDS)
        self._engine.close(duration_of(timeout, "timeout"))

    def __repr__(self) -> str:
        """Name the store by its class only: what another's repr would tell, nobody knows."""
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

    def _attend(self, workflow_ids: Sequence[str]) -> None:
        """Hand over what was sent to runs while nobody ran them."""
        if self._engine.mailbox is not None and workflow_ids:
            self._engine.mailbox.attend(workflow_ids)

    def _take_over(self) -> None:
        """Resume what nobody runs, as far as its code is known here."""
        self._engine.connect()
        shared = _stored.shared_store(self._engine.store)
        if shared is None:
            self.recover()
            return
        leases = shared.leases()
        for owner in filter(is_gone, leases):
            shared.hold_lease(owner, 0)
        ids = [each for each in shared.abandoned() if self._engine.alive(each) is None]
        random.shuffle(ids)  # several workers that look at once don't all begin with the same
        resumed: list[str] = []
        for workflow_id in ids:
            if workflow_id in self._left_alone:
                continue
            try:
                state = self._load(workflow_id, "resume")
            except (WorkflowNotFoundError, StoreDecodeError) as error:
                _log.debug("workflow %r is left alone: %s", workflow_id, error)
                continue
            if self._cancels_orphan(state):
                continue
            try:
                fn = self._function_of(state)
                check_input(fn, state)
                with self._engine.claim(workflow_id):
                    run = self._go_on(fn, state, shared.leases())
            except _OTHERS_WERE_QUICKER:
                continue
            except (EngineError, TypeError, ValueError) as error:
                self._left_alone.note(state, error)
            else:
                self._left_alone.attend(state, run.done)
                resumed.append(workflow_id)
        self._attend(resumed)

    def _cancels_orphan(self, state: WorkflowState) -> bool:
        """Cancel a child that nobody runs, if its parent has ended and could not do so."""
        engine = self._engine
        if engine.alive(state.workflow_id) is not None or not engine.is_free(state):
            return False
        if not is_orphan(engine.store, state):
            return False
        with contextlib.suppress(StoreConflictError):  # then somebody is at it
            cancel(engine, state.workflow_id)
        return True

    def _go_on(
        self, fn: Callable[..., Any], state: WorkflowState, leases: Mapping[str, float]
    ) -> Run:
        """Replay a stored run and go on with it; its id is claimed."""
        name = state.workflow_id
        if state.status is not WorkflowStatus.RUNNING:
            raise WorkflowNotRunningError(
                f"workflow {name!r} cannot be resumed: it is {state.status or 'unset'}; execute it "
                "again for a new run, retry it if it failed, or fork it",
                status=str(state.status),
                workflow_id=name,
                run_id=state.run_id,
            )
        if not state.history or state.history[0].type is not EventType.WORKFLOW_STARTED:
            raise EngineError(
                f"workflow {name!r} cannot be resumed: it was saved without its history; end it "
                f"with cancel({name!r}), then execute it again",
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
        """Return the code of a stored run, by the name and version in its first event."""
        begun = state.history[0] if state.history else None
        name = begun.workflow if begun else UNSET
        fn = self._workflows.find(name, begun.version or None) if begun and name else None
        if fn is None:
            known = ", ".join(map(repr, self._workflows.names())) or "none"
            whose = f"is of workflow {name!r}" if name else "does not say of which workflow it is"
            raise EngineError(
                f"{state.workflow_id!r} {whose}, and registered are: {known}. Register its "
                f"function with @workflow, or give it: resume(fn, {state.workflow_id!r})",
                workflow_id=state.workflow_id,
                run_id=state.run_id,
            )
        return fn


def _ended(stored: WorkflowState) -> WorkflowEndedError:
    """Return the error for an id whose run has ended, when nobody said what to do then."""
    return WorkflowEndedError(
        f"a run of workflow {stored.workflow_id!r} is {stored.status or 'stored'} already; give "
        'if_ended="return" for its handle, if_ended="replace" to run it again in its place, or '
        "another id=",
        status=str(stored.status),
        workflow_id=stored.workflow_id,
        run_id=stored.run_id,
    )


def _new_id(fn: Callable[..., Any]) -> str:
    """Make an id that nobody else has, with the function's name for people to see."""
    name = re.sub(r"\W+", "", name_of(fn), flags=re.ASCII)[:60] or "workflow"
    return f"{name}-{uuid4().hex[:16]}"
