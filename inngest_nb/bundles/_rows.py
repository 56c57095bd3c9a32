"""A state as a search looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from inngest_nb import wire
from inngest_nb.history import activities_of, document_parts, times_of
from inngest_nb.state import WorkflowState


class StateRow:
    """The columns and payloads of a state, which are found when the first is asked for."""

    def __init__(self, state: WorkflowState, now: datetime) -> None:
        self.state, self._now = state, now

    def column(self, name: str) -> Any:
        """Return the value of a column; None or "" if it is not set."""
        return self._columns[name]

    def payload(self, name: str) -> bytes:
        """Return the raw JSON of `input` or `result`, digit for digit."""
        return self._parts.get(name.title(), "").encode()

    @cached_property
    def _columns(self) -> Mapping[str, Any]:
        state, times = self.state, times_of(self.state)
        activities = activities_of(state.history)
        return {
            "workflow_id": state.workflow_id,
            "run_id": state.run_id,
            "status": str(state.status),
            "created_at": times.began,
            "updated_at": state.updated_at,
            "ended_at": times.ended,
            "duration": times.took(self._now),
            "events": len(state.history),
            "activities": len(activities),
            "retries": sum(activity.attempts - 1 for activity in activities),
            "error": state.error,
            "parent_id": state.parent_id or None,
        }

    @cached_property
    def _parts(self) -> Mapping[str, str]:
        return document_parts(wire.encode(self.state))
