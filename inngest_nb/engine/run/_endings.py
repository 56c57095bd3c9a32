"""The errors with which a run ends if it does not complete."""

from __future__ import annotations

import threading
from typing import Any, Protocol

from inngest_nb.engine.basics._functions import describe
from inngest_nb.engine.history._journal import Journal
from inngest_nb.engine.threads._services import Services
from inngest_nb.errors import (
    EngineError,
    LeaseLostError,
    StoreConflictError,
    WorkflowCanceledError,
    WorkflowNotSavedError,
)
from inngest_nb.state import WorkflowStatus


class Run(Protocol):
    """What these errors need to know about a run."""

    workflow_id: str
    run_id: str
    lock: threading.RLock
    journal: Journal
    engine: Services[Any]


def canceled(workflow_id: str, run_id: str) -> WorkflowCanceledError:
    """Return the error for a run that was canceled."""
    return WorkflowCanceledError(
        f"workflow {workflow_id!r} was canceled", workflow_id=workflow_id, run_id=run_id
    )


def not_saved(run: Run, error: BaseException) -> EngineError:
    """Return the error for a run whose last write failed, with what is known to be saved."""
    if isinstance(error, StoreConflictError):
        return _overtaken(run, error)
    with run.lock:
        saved_events, events = run.journal.saved, list(run.journal.events)
    lost = events[saved_events:]
    saved = f"the first {saved_events} events" if saved_events else "none"
    unsaved = ", ".join(f"{event.id} ({event.type})" for event in lost[:5])
    more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
    failure = WorkflowNotSavedError(
        f"workflow {run.workflow_id!r} was stopped because its state could not be saved: "
        f"{describe(error)}. Events known to be saved: {saved}. Possibly lost: event "
        f"{unsaved}{more}",
        saved_events=saved_events,
        events=len(events),
        workflow_id=run.workflow_id,
        run_id=run.run_id,
    )
    failure.add_note(f"when the store answers again, call resume(fn, {run.workflow_id!r})")
    failure.__cause__ = error
    return failure


def _overtaken(run: Run, error: StoreConflictError) -> EngineError:
    """Return the error for a rejected write, with who has changed the stored state."""
    name = run.workflow_id
    try:
        stored = run.engine.store.load(name)
    except Exception as unread:  # noqa: BLE001  # becomes part of the message
        stored, why = None, f"but the new state could not be read: {describe(unread)}"
    else:
        why = "because it was deleted"
    if stored is not None and stored.run_id != run.run_id:
        why = "by another run with this id"
    elif stored is not None and stored.status is WorkflowStatus.CANCELED:
        return canceled(run.workflow_id, run.run_id)
    elif stored is not None and (stored.owner or "") != run.engine.owner:
        why = "by another executor, which has resumed it"
    elif stored is not None:
        why = f"by a save from outside; to continue from the new state, call resume(fn, {name!r})"
    failure = lost(run, f"its stored state was changed while it ran, {why}")
    failure.__cause__ = error
    return failure


def lost(run: Run, why: str) -> LeaseLostError:
    """Return the error for a run that another process has taken over or changed."""
    return LeaseLostError(
        f"workflow {run.workflow_id!r} was stopped here: {why}",
        workflow_id=run.workflow_id,
        run_id=run.run_id,
    )
