"""What the send form says."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from inngest_nb.api import Event, Function, Run, Trigger
from inngest_nb.notebook.page import notice
from inngest_nb.words import duration_text, short, time_text

__all__ = [
    "NOT_AN_OBJECT",
    "NO_NAME",
    "SAME_ID",
    "UNSEEN",
    "left_alone",
    "receipt",
    "row_of",
    "starts",
    "taken_from",
    "waiting",
]

NO_NAME = "choose or type the name of the event first"
NOT_AN_OBJECT = 'the data must be an object such as {"order_id": "A1"}'
UNSEEN = "the data changed as you clicked: look at it, then click Send again"
SAME_ID = "click Send again: the event keeps its id, so its functions start only once"


def starts(name: str, triggers: Sequence[tuple[Function, Trigger]]) -> str:
    """Say which functions an event starts."""
    if not name:
        return ""
    if not triggers:
        return "This event triggers no function on the server."
    return f"Starts {', '.join(_started(*each) for each in triggers)}."


def _started(function: Function, trigger: Trigger) -> str:
    condition = f" if {short(trigger.condition, 80)}" if trigger.condition else ""
    return f"{short(function.app, 40)}/{short(function.function_id, 40)}{condition}"


def taken_from(event: Event | None) -> str:
    """Say where the data comes from."""
    if event is None:
        return "No event of this name has been sent yet."
    return f"Begins with the data of the last one, received {time_text(event.received_at)}."


def receipt(name: str, event_id: str) -> Markup:
    """Say that an event was sent."""
    return notice("done", f'Event "{short(name)}" sent', f"It has the event_id {event_id}")


def waiting(expected: int) -> str:
    """Say that no run is there yet."""
    return "No run yet." if expected else "No run; none is expected."


def left_alone(event_id: str) -> str:
    """Say that nobody looks any more."""
    return f'No longer updated. See api.event_runs("{event_id}").'


def row_of(run: Run) -> dict[str, str]:
    """Return what is shown of a run."""
    took = None if run.ended_at is None else run.took(run.ended_at)
    return {
        "status": run.status,
        "name": f"{run.app}/{run.function}",
        "took": "" if took is None else duration_text(took),
        "run_id": run.run_id,
        "error": str(run.error or ""),
    }
