"""The error for a state that has changed in the store since it was loaded."""

from __future__ import annotations

from msgspec import UNSET

from inngest_nb import wire
from inngest_nb.errors import StoreConflictError
from inngest_nb.state import DOCUMENT_FIELDS, WorkflowState


def overtaken(
    state: WorkflowState, stored: WorkflowState | None, target: str | None = None
) -> StoreConflictError:
    """Return the error for a loaded state that differs from what the store has now."""
    name = state.workflow_id
    if stored is None:
        words = (
            "is not in the store: it was deleted, or this state was loaded from another store. "
            "To save it anyway, use save(state, force=True)"
        )
    else:
        words = (
            f"has changed in the store since this state was loaded ({_changes(state, stored)}). "
            "Load it again and reapply your change, or overwrite it with save(state, force=True)"
        )
    return StoreConflictError(
        f"inngest/save: {name!r} {words}", operation="save", workflow_id=name, target=target
    )


def _changes(state: WorkflowState, stored: WorkflowState) -> str:
    """Describe in one line what has changed between the loaded and the stored state."""
    if state.origin is UNSET:
        return f"now {_facts(stored)}"
    loaded = wire.decode(bytes(state.origin))
    if loaded.run_id != stored.run_id:
        return f"it is now another run, {stored.run_id!r}: {_facts(stored)}"
    lines = [
        f"status {_word(loaded)} → {_word(stored)}" if loaded.status != stored.status else "",
        f"{len(loaded.history)} → {_events(stored)}" if loaded.history != stored.history else "",
    ]
    told = {"status", "history", "updated_at"}
    others = [
        field.replace("_", " ")
        for field in DOCUMENT_FIELDS
        if field not in told and getattr(loaded, field) != getattr(stored, field)
    ]
    lines.append(f"different {', '.join(others)}" if others else "")
    if loaded.updated_at != stored.updated_at:
        lines.append(f"updated {_time(loaded)} → {_time(stored)}")
    return ", ".join(filter(None, lines)) or "its contents are the same again"


def _facts(state: WorkflowState) -> str:
    return f"{_word(state)}, {_events(state)}, updated {_time(state)}"


def _word(state: WorkflowState) -> str:
    return str(state.status) or "(none)"


def _events(state: WorkflowState) -> str:
    count = len(state.history)
    return f"{count} event{'' if count == 1 else 's'}"


def _time(state: WorkflowState) -> str:
    return state.updated_at.isoformat(" ", "milliseconds") if state.updated_at else "never"
