"""Signals and cancels workflows that don't run in this process: another one runs them, or none."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from inngest_nb.engine.history import _stored
from inngest_nb.engine.run._run import Run
from inngest_nb.engine.threads._mailbox import CANCEL, SIGNAL, TAKEN_OVER, message_to
from inngest_nb.engine.threads._services import Services
from inngest_nb.errors import StoreConflictError, WorkflowNotRunningError
from inngest_nb.state import EventType, Signal, WorkflowState, WorkflowStatus

_ATTEMPTS = 5
_WATCH_SECONDS = 1.0


def send_signal(services: Services[Run], stored: WorkflowState, name: str, payload: Any) -> None:
    """Send a signal to the executor that runs a workflow or will resume it; durable on return."""
    shared = _stored.shared_store(services.store)
    if shared is not None:
        content = {"run_id": stored.run_id, "name": name, "payload": payload}
        message = message_to(stored.workflow_id, SIGNAL, **content)
        _stored.patiently(partial(shared.send, message))
        return
    if not services.appender.guards():
        raise _stored.not_here(stored)
    fields = {"signal_name": name, "signal_payload": payload}
    for _ in range(_ATTEMPTS):
        now = services.clock.now()
        try:
            _stored.add(
                services.store, services.appender, stored, now, EventType.SIGNAL_RECEIVED, fields
            )
        except StoreConflictError:  # another process has written in between: load again
            stored = _stored.load(services.store, stored.workflow_id, "signal")
            if stored.status is not WorkflowStatus.RUNNING:
                raise not_running(stored, Signal(name)) from None
        else:
            return
    raise _stored.not_here(stored)


def cancel(services: Services[Run], workflow_id: str) -> bool:
    """Cancel a workflow wherever it runs; True once that is saved, False if it had ended.

    An executor that runs it gets a message and cancels it; otherwise it is marked in the store.
    """
    shared = _stored.shared_store(services.store)
    told = False
    conflicts = 0
    while True:
        stored = _stored.load(services.store, workflow_id, "cancel")
        if stored.status is not WorkflowStatus.RUNNING:
            return told and stored.status is WorkflowStatus.CANCELED
        if shared is not None and not services.is_free(stored):
            if not told:
                message = message_to(workflow_id, CANCEL, run_id=stored.run_id)
                _stored.patiently(partial(shared.send, message))
                told = True
            shared.watch(workflow_id, stored.etag, _WATCH_SECONDS)
            continue
        try:
            _stored.add(
                services.store,
                services.appender,
                stored,
                services.clock.now(),
                EventType.WORKFLOW_CANCELED,
                {"error": "canceled"},
                status=WorkflowStatus.CANCELED,
                error="canceled",
            )
        except StoreConflictError:
            conflicts += 1
            if conflicts == _ATTEMPTS:
                raise
            time.sleep(0)
        else:
            return True


def take_away(services: Services[Run], state: WorkflowState) -> WorkflowState:
    """Take a workflow from its owner, which may be writing at the same time, and notify it."""
    for _ in range(_ATTEMPTS):
        if state.status is not WorkflowStatus.RUNNING:
            break
        try:
            taken = _stored.take_away(services.appender, state)
        except StoreConflictError:
            state = _stored.load(services.store, state.workflow_id, "resume")
            continue
        shared = _stored.shared_store(services.store)
        if shared is not None and state.owner:
            content = {"run_id": state.run_id, "from": state.owner}
            shared.send(message_to(state.workflow_id, TAKEN_OVER, **content))
        return taken
    return state


def not_running(stored: WorkflowState, signal: Signal) -> WorkflowNotRunningError:
    """Return the error for a signal to a run that has ended."""
    return WorkflowNotRunningError(
        f"workflow {stored.workflow_id!r} cannot receive signal {signal.name!r} because it is "
        f"{stored.status}; execute it again for a new run",
        status=str(stored.status),
        workflow_id=stored.workflow_id,
        run_id=stored.run_id,
    )
