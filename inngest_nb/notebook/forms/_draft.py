"""A state that is being edited: what it is a change of, and what saving it would change."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from msgspec import UNSET

from inngest_nb import wire
from inngest_nb.history import document_parts
from inngest_nb.notebook.page import Change, changes
from inngest_nb.state import DOCUMENT_FIELDS, WorkflowState, wire_name

__all__ = ["Draft", "Review", "difference"]


class Review(NamedTuple):
    """A new state, the state of the store that it replaces (None: none), and what that changes."""

    state: WorkflowState
    over: WorkflowState | None
    changes: list[Change]

    def stamped(self) -> WorkflowState:
        """Give the state as it is saved now: with the time, for a new one also as its beginning."""
        now = datetime.now(UTC)
        state = self.state.replace(updated_at=now)
        if self.over is None and state.created_at is None:
            state = state.replace(created_at=now)
        return _settled(state)


class Draft(NamedTuple):
    """Where edits start from.

    `seen` is what the store had when it was last shown, None for a new workflow. Edits go into
    `root`, and so do `carried` ones, which no field of a form shows.
    """

    seen: WorkflowState | None
    root: WorkflowState
    carried: dict[str, Any]

    @classmethod
    def begin(cls, workflow_id: str, seen: WorkflowState | None = None) -> Self:
        """Start from what the store has."""
        return cls(seen, seen or WorkflowState(workflow_id=workflow_id), {})

    @classmethod
    def of_given(cls, given: WorkflowState) -> Self:
        """Start from a state that was passed in: a change of the document that it came from."""
        document = b"" if given.origin is UNSET else bytes(given.origin)
        origin = wire.decode(document) if document else None
        if origin is None or origin.workflow_id != given.workflow_id:  # made, or a copy
            origin, document = None, wire.encode(WorkflowState(workflow_id=given.workflow_id))
        return cls(origin, given, _changed(document, given))

    @property
    def base(self) -> WorkflowState:
        """The state that edits are counted from."""
        return self.seen or WorkflowState(workflow_id=self.root.workflow_id)

    def without(self, fields: Collection[str]) -> Self:
        """Leave to a form what its fields show."""
        kept = {name: value for name, value in self.carried.items() if name not in fields}
        return self._replace(carried=kept)

    def onto(self, stored: WorkflowState | None) -> Self:
        """Move to what the store has now, with the carried changes."""
        return self._replace(seen=stored, root=stored or self.root)

    def review(self, edits: dict[str, Any]) -> Review:
        """Say what saving would change. A payload among the edits may be raw JSON."""
        state = _settled(self.root.replace(**self.carried | edits))
        found = difference(self.seen, state)
        return Review(state, self.seen, [each for each in found if each.field != "updated at"])


def difference(before: WorkflowState | None, after: WorkflowState | None) -> list[Change]:
    """Compare the documents of two states, where None is no document."""
    one, other = (None if state is None else wire.encode(state) for state in (before, after))
    return changes(one, other)


def _changed(document: bytes, given: WorkflowState) -> dict[str, Any]:
    """Give the fields in which a state differs from the document it came from."""
    old = document_parts(document)
    new = document_parts(wire.encode(given))
    names = (name for name in DOCUMENT_FIELDS if name != "updated_at")
    return {
        name: getattr(given, name)
        for name in names
        if old.get(wire_name(name)) != new.get(wire_name(name))
    }


def _settled(state: WorkflowState) -> WorkflowState:
    """Write a state and read it back, so that raw JSON becomes a value with its digits kept."""
    return wire.decode(wire.encode(state), first_saved_at=state.first_saved_at)
