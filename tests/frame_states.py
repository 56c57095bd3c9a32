"""States for the tests of frames: the Go ones, and short ways to write one."""

from datetime import UTC, datetime, timedelta
from typing import Any

from conftest import GO_DOCUMENTS

from inngest_nb import EventType, HistoryEvent, WorkflowState, wire

NOON = datetime(2025, 7, 14, 12, 0, tzinfo=UTC)


def go_states() -> list[WorkflowState]:
    return [wire.decode(document) for document in GO_DOCUMENTS]


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def state(workflow_id: str = "order-1", status: str = "completed", **fields: Any) -> WorkflowState:
    return WorkflowState(workflow_id=workflow_id, run_id="r", status=status, **fields)


def history(*events: tuple[Any, ...]) -> tuple[HistoryEvent, ...]:
    """Write events as (type, activity, seconds after noon, more fields)."""
    return tuple(
        HistoryEvent(
            id=number,
            type=EventType(kind),
            activity_name=activity,
            timestamp=after(seconds),
            **(more[0] if more else {}),
        )
        for number, (kind, activity, seconds, *more) in enumerate(events, 1)
    )
