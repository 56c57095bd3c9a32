"""Child workflows: starts each one once, finds it again in a replay, and cancels it."""

from __future__ import annotations

import logging
import time
from functools import partial

from inngest_nb.engine._remote import cancel
from inngest_nb.engine._stored_run import wait_for_change
from inngest_nb.engine.basics._functions import describe
from inngest_nb.engine.basics._patience import may_pass
from inngest_nb.engine.basics._registry import definition_of
from inngest_nb.engine.calls._child import Child
from inngest_nb.engine.code._new_run import new_run
from inngest_nb.engine.history import _stored
from inngest_nb.engine.run._run import Run
from inngest_nb.engine.threads._services import Services
from inngest_nb.errors import (
    EngineError,
    ExecutorClosedError,
    LeaseLostError,
    StoreConflictError,
    WorkflowAlreadyRunningError,
    WorkflowCanceledError,
    WorkflowFailedError,
    WorkflowLeasedError,
)
from inngest_nb.state import EventType, WorkflowState, WorkflowStatus
from inngest_nb.store import WorkflowStore

_LOOK_SECONDS = 0.3
_WATCH_SECONDS = 2.0  # between looks at a child that another process runs

_CONTENTION = (WorkflowAlreadyRunningError, StoreConflictError)  # another thread or process won

_log = logging.getLogger("inngest_nb.engine")


class ChildRuns:
    """Starts child workflows and finds existing ones. Blocking work happens in worker threads."""

    def __init__(self, engine: Services[Run]) -> None:
        self._engine = engine

    def begin(self, child: Child) -> None:
        """Start a child's run, or find it, and report how it ended; returns at once."""
        # With the context variables of the calling code, like its activities.
        self._engine.threads.submit(partial(child.variables.copy().run, self._begin, child))

    def cancel(self, child: Child) -> None:
        """Cancel a child's run, in whichever process it runs; returns at once."""
        self._engine.threads.submit(partial(self._cancel, child))

    def _begin(self, child: Child) -> None:
        first = True
        while child.is_wanted or (first and child.order.detached):
            first = False
            try:
                if self._attaches(child):
                    break
            except ExecutorClosedError:
                return
            except BaseException as error:  # noqa: BLE001  # reported to the parent's run
                if not may_pass(error):
                    self._give_up(child, error)
                    return
                time.sleep(_LOOK_SECONDS)
        if child.canceled:  # in the meantime
            self._cancel(child)

    def _attaches(self, child: Child) -> bool:
        """Start a child's run or find it; False, after a pause, if another process was faster."""
        try:
            self._attach(child)
        except _CONTENTION:
            time.sleep(_LOOK_SECONDS)
        except WorkflowLeasedError:
            stored = self._engine.store.load(child.child_id())
            if stored is not None and not _has_ended(stored):
                # Only briefly: its process may die.
                wait_for_change(self._engine, stored, _WATCH_SECONDS)
        else:
            return True
        return False

    def _attach(self, child: Child) -> None:
        engine, child_id = self._engine, child.child_id()
        run = engine.alive(child_id)
        if run is None:
            with engine.claim(child_id):
                stored = engine.store.load(child_id)
                if stored is not None and not _is_of(child, stored):
                    child.end(None, _taken(stored))
                    return
                if stored is not None and _has_ended(stored) and not _is_undone(child, stored):
                    _tell(child, stored)
                    return
                run = self._start(child, stored)
        elif not _is_of(child, run.state):
            child.end(None, _taken(run.state))
            return
        run.add_waiter(partial(self._over, child, run))

    def _start(self, child: Child, stored: WorkflowState | None) -> Run:
        """Start a new run, or resume a stored one; its id is already claimed."""
        engine, fn = self._engine, child.order.fn
        if stored is not None and not _has_ended(stored):
            _stored.check_free(stored, engine.owner, _stored.leases(engine.store))
            run = new_run(engine, fn, stored)
            with child.inside():
                engine.begin(run)
            if engine.mailbox is not None:
                engine.mailbox.deliver_pending([stored.workflow_id])
            return run
        state = WorkflowState(
            workflow_id=child.child_id(),
            run_id=child.run_id,
            status=WorkflowStatus.RUNNING,
            input=child.given,
            parent_id=child.parent.workflow_id,
            etag=stored.etag if stored else "",
        )
        run = new_run(engine, fn, state)
        with child.inside():
            engine.begin(run, child.order.timeout)
        return run

    def _over(self, child: Child, run: Run) -> None:
        """Handle the end of a child's run in this process; called from any thread."""
        error = run.failure
        if error is None or isinstance(error, WorkflowFailedError | WorkflowCanceledError):
            _tell(child, run.state)
        elif isinstance(error, LeaseLostError):
            self.begin(child)  # another executor continues it
        elif not isinstance(error, ExecutorClosedError):
            self._engine.loop.post(partial(self._give_up, child, error))

    def _give_up(self, child: Child, error: BaseException) -> None:
        """Stop the parent where it is: this process cannot find out how its child ends."""
        parent = child.parent
        failure = EngineError(
            f"workflow {parent.workflow_id!r} was stopped because its child workflow "
            f"{child.child_id()!r} cannot continue: {describe(error)}. It is still stored as "
            f"running; once the child can run, resume it with resume(fn, {parent.workflow_id!r})",
            workflow_id=parent.workflow_id,
            run_id=parent.run_id,
        )
        failure.__cause__ = error
        parent.suspend(failure)

    def _cancel(self, child: Child) -> None:
        while True:
            try:
                self._cancel_wherever_it_is(child)
            except ExecutorClosedError:
                return
            except BaseException as error:  # noqa: BLE001  # logged: no caller waits for it
                if may_pass(error) or isinstance(error, _CONTENTION):
                    time.sleep(_LOOK_SECONDS)
                    continue
                _log.warning(
                    "child workflow %r of workflow %r could not be canceled: %s",
                    child.child_id(),
                    child.parent.workflow_id,
                    describe(error),
                )
            return

    def _cancel_wherever_it_is(self, child: Child) -> None:
        engine, child_id = self._engine, child.child_id()
        run = engine.alive(child_id)
        if run is not None:
            if run.run_id == child.run_id:
                run.cancel()
            return
        with engine.claim(child_id):  # refused once the executor is closed
            stored = engine.store.load(child_id)
            if stored is not None and stored.run_id == child.run_id and not _has_ended(stored):
                cancel(engine, child_id)


def is_orphan(store: WorkflowStore, state: WorkflowState) -> bool:
    """Tell whether a run's parent has ended but its process died before it canceled the run."""
    parent = store.load(state.parent_id) if state.parent_id else None
    if parent is None or not _has_ended(parent):
        return False
    begins = [event for event in parent.history if event.type is EventType.ACTIVITY_STARTED]
    calls = [event for event in begins if event.child == state.workflow_id]
    return bool(calls) and calls[-1].detached is not True


def _is_of(child: Child, found: WorkflowState) -> bool:
    """Tell whether a run belongs to a call, or, with an explicit id, does the same work."""
    if found.run_id == child.run_id:
        return True
    begun = found.history[0] if found.history else None
    name = begun.workflow if begun else None
    return (
        child.order.id is not None
        and name == definition_of(child.order.fn).name
        and found.input == child.given
    )


def _is_undone(child: Child, stored: WorkflowState) -> bool:
    """Tell whether a run is the failed child that led to the retry of its parent."""
    failed = stored.status is not WorkflowStatus.COMPLETED
    return failed and child.attempt > 1 and stored.run_id != child.run_id


def _has_ended(state: WorkflowState) -> bool:
    return state.status is not WorkflowStatus.RUNNING


def _tell(child: Child, state: WorkflowState) -> None:
    if state.status is WorkflowStatus.COMPLETED:
        child.end(state.result, None)
    elif state.status is WorkflowStatus.CANCELED:
        child.end(None, "it was canceled")
    else:
        child.end(None, state.error or f"it is {state.status or 'without a status'}")


def _taken(found: WorkflowState) -> str:
    return (
        f"its id {found.workflow_id!r} belongs to another workflow, or to one with another input; "
        "pass a different id="
    )
