"""What the signal form says."""

from __future__ import annotations

from markupsafe import Markup

from inngest_nb.notebook.page import notice
from inngest_nb.state import EventType, WorkflowState, WorkflowStatus
from inngest_nb.words import short, time_text

__all__ = ["HINT", "NOT_WAITING", "not_waiting", "receipt", "sent", "takes_no_signals"]

HINT = 'Approve and Reject add "approved": true or false to the payload. Send sends it unchanged.'
NOT_WAITING = "Not waiting for a signal. Signals sent now are queued."
_ENDED = {
    WorkflowStatus.COMPLETED: "This run has completed and takes no more signals",
    WorkflowStatus.FAILED: "This run has failed and takes no more signals",
    WorkflowStatus.CANCELED: "This run was canceled and takes no more signals",
}


def takes_no_signals(status: WorkflowStatus) -> str:
    """Say why a run that is not running takes no signals."""
    if status in _ENDED:
        return _ENDED[status]
    why = f"is {short(status, 40)}" if status else "has no status"
    return f"This run {why}; only a running one takes signals"


def not_waiting(name: str) -> str:
    """Say that a run does not wait for a signal."""
    return f"The run is not waiting for {_quoted(name)}."


def sent(name: str) -> str:
    """Say that a signal was sent."""
    return f"Signal {_quoted(name)} sent"


def _quoted(name: str) -> str:
    return f'"{short(name)}"'


def receipt(name: str, state: WorkflowState, *, awaited: bool) -> Markup:
    """Say where a signal is in the history that was just read."""
    queued = "The signal is queued until the run asks for it."
    lines = [] if awaited else [f"{not_waiting(name)} {queued}"]
    for event in reversed(state.history):
        if event.type is EventType.SIGNAL_RECEIVED and event.signal_name == name:
            lines.insert(0, f"Saved as event {event.id}, {time_text(event.timestamp)}")
            break
    else:
        lines.insert(0, "Saved in the store for the process that runs the workflow")
    return notice("done", sent(name), *lines)
