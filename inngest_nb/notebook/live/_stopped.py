"""Why a run stopped before its end, what is stored of it, and how to resume it."""

from __future__ import annotations

from inngest_nb.engine import WorkflowHandle
from inngest_nb.errors import EngineError, StoreConnectionError, WorkflowNotSavedError
from inngest_nb.history import registered_name
from inngest_nb.state import WorkflowState

__all__ = ["has_stopped", "resume_text", "stopped_text"]


def has_stopped(handle: WorkflowHandle) -> bool:
    """Tell whether a run is over here, by its end or before it."""
    try:
        handle.result(0)
    except TimeoutError:
        return False
    except EngineError:
        pass
    return True


def stopped_text(state: WorkflowState, failure: EngineError) -> str:
    """Say why a run stopped here although it has not ended."""
    if not isinstance(failure, WorkflowNotSavedError):
        return f"Stopped here: {failure}"
    cause = failure.__cause__
    silent = isinstance(cause, StoreConnectionError | OSError)
    what = "the store did not answer" if silent else "the store did not save it"
    why = f" ({cause})" if cause is not None else ""
    if not failure.saved_events:
        return f"Stopped here: {what}{why}. Nothing is stored: run it again when the store answers."
    return f"Stopped here: {what}{why}. Stored as running. {resume_text(state)}"


def resume_text(state: WorkflowState) -> str:
    """Say how to resume a run that is stored as running."""
    name = registered_name(state) or "fn"
    return f"Resume with inb.resume({name}, {state.workflow_id!r}, store=store)."
