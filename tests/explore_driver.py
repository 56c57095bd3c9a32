"""An explorer used as a page uses it: by the messages of its table, its fields and its buttons."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from inngest_nb import AppendingStore, HistoryEvent, WorkflowState
from inngest_nb.store.rows import write_of

# A day old, so that only what a test saves itself was updated within the last hour,
# however long after this import the test may begin.
NEWEST = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
STATUSES = ("completed", "failed", "running", "completed")


def state_of(number: int, **fields: Any) -> WorkflowState:
    """Make the n-th newest workflow."""
    updated = NEWEST - timedelta(minutes=10 * number)
    status = STATUSES[number % 4]
    event = HistoryEvent(
        id=1,
        type="activity_completed",
        activity_name="charge",
        timestamp=updated,
        result={"receipt": number},
        duration=timedelta(seconds=2),
    )
    made = WorkflowState(
        workflow_id=f"order-{number:04d}",
        run_id=f"run-{number}",
        status=status,
        input={"amount": number},
        error="card declined" if status == "failed" else "",
        history=[event],
        created_at=updated - timedelta(seconds=number + 1),
        updated_at=updated,
    )
    return made.replace(**fields)


def save_all(store: AppendingStore, states: Iterable[WorkflowState]) -> None:
    """Save many states in one commit."""
    assert not any(store.append_history([write_of(state) for state in states]))


def ids(explorer: Any) -> list[str]:
    """Return the ids of the rows that are shown."""
    return [row["id"] for row in explorer.table.rows]


def ask(explorer: Any, **content: Any) -> None:
    """Send what the table in the page sends, and wait for what comes of it."""
    explorer.table._handle_custom_msg(content, [])
    explorer.wait()


def choose(explorer: Any, workflow_id: str) -> None:
    """Choose a row."""
    explorer.table.set_state({"chosen": workflow_id})
    explorer.wait()


def press(explorer: Any, button: Any) -> None:
    """Click a button of the explorer or of a form in it."""
    button._handle_button_msg(button, {"event": "click"}, [])
    explorer.wait()


def type_into(explorer: Any, field: Any, text: Any) -> None:
    """Leave a value in a field."""
    field.set_state({"value": text})
    explorer.wait()
