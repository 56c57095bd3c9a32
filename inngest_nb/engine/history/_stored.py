"""What can be done to a workflow that is stored, but not alive here."""

from __future__ import annotations

import time
import uuid
from datetime import datetime
from typing import Any

from inngest_nb import wire
from inngest_nb.engine.basics._patience import PAUSES, may_pass
from inngest_nb.engine.history._lease import holder
from inngest_nb.errors import (
    StoreConflictError,
    WorkflowLeasedError,
    WorkflowNotFoundError,
    WorkflowNotHereError,
)
from inngest_nb.state import UNSET, EventType, HistoryEvent, WorkflowState
from inngest_nb.store import AppendingStore, WorkflowStore, Write


def load(store: WorkflowStore, workflow_id: str, operation: str) -> WorkflowState:
    """Return a stored state; raise `WorkflowNotFoundError` if there is none."""
    stored = store.load(workflow_id)
    if stored is None:
        raise WorkflowNotFoundError(
            f"cannot {operation} workflow {workflow_id!r}: neither this executor nor its store "
            "knows the id; start it with execute(fn, id=...)",
            workflow_id=workflow_id,
        )
    return stored


def guards(store: WorkflowStore) -> bool:
    """Tell whether a store writes only over what the writer has read."""
    return isinstance(store, AppendingStore) and store.can_append()


def check_free(state: WorkflowState, me: str, now: datetime) -> None:
    """Raise `WorkflowLeasedError` if another executor is known to run a workflow."""
    who = holder(state, me, now)
    if who is not None:
        name = state.workflow_id
        raise WorkflowLeasedError(
            f"workflow {name!r} is run by {who}; wait for it, end it with cancel({name!r}), or, "
            f"if that one is stuck, go on here with resume(fn, {name!r}, take_over=True)",
            workflow_id=name,
            run_id=state.run_id,
        )


def take_away(store: WorkflowStore, state: WorkflowState) -> WorkflowState:
    """Take a running workflow from whoever runs it, and return it as it is stored then.

    His next write is refused, where the store can tell. Raises `StoreConflictError` if he has
    written since the state was loaded.
    """
    if not state.owner or not isinstance(store, AppendingStore) or not store.can_append():
        return state
    free: dict[str, Any] = {"owner": UNSET, "lease_until": UNSET}
    etag = uuid.uuid4().hex
    document = wire.encode_part([], **free)
    _write(store, Write(state.workflow_id, document, whole=False, etag=etag, if_match=state.etag))
    return state.replace(**free, etag=etag)


def add(
    store: WorkflowStore,
    state: WorkflowState,
    now: datetime,
    kind: EventType,
    fields: dict[str, Any],
    **head: Any,
) -> None:
    """Write one more event behind a stored history, and new values of the state's own fields.

    Raises `StoreConflictError` if somebody else has written since it was loaded, where the store
    can tell.
    """
    last = max((event.id for event in state.history), default=0)
    event = HistoryEvent(id=last + 1, type=kind, timestamp=now, **fields)
    if not isinstance(store, AppendingStore) or not store.can_append():
        history = (*state.history, event)
        store.save(state.replace(history=history, updated_at=now, **head))
        return
    write = Write(
        workflow_id=state.workflow_id,
        document=wire.encode_part([event], updated_at=now, **head),
        whole=False,
        status=str(head.get("status", state.status)),
        updated_us=wire.microseconds(now),
        etag=uuid.uuid4().hex,
        if_match=state.etag,
    )
    try:
        _write(store, write)
    except StoreConflictError:
        # Perhaps it was done, but its answer was lost, and somebody else has written since then.
        stored = store.load(state.workflow_id)
        mine = event.id, event.type, now
        if stored is None or mine not in [(e.id, e.type, e.timestamp) for e in stored.history]:
            raise


def replace(store: WorkflowStore, state: WorkflowState) -> WorkflowState:
    """Save a state over the version that it was loaded as, and return it as it is stored."""
    if not isinstance(store, AppendingStore) or not store.can_append():
        store.save(state)
        return state
    etag = uuid.uuid4().hex
    document = wire.encode(state)
    _write(
        store,
        Write(
            workflow_id=state.workflow_id,
            document=document,
            whole=True,
            status=str(state.status),
            updated_us=wire.microseconds(state.updated_at),
            etag=etag,
            if_match=state.etag,
        ),
    )
    return wire.decode(document, first_saved_at=state.first_saved_at, etag=etag)


def not_here(state: WorkflowState) -> WorkflowNotHereError:
    """Return the error for a workflow that is stored as running, but not alive here."""
    name = state.workflow_id
    return WorkflowNotHereError(
        f"workflow {name!r} is stored as running, but no run of it is alive in this executor: "
        f"another process runs it, or one died in it. Go on with resume(fn, {name!r}), end it with "
        f"cancel({name!r}), or give another id=",
        workflow_id=name,
        run_id=state.run_id,
    )


def _write(store: AppendingStore, write: Write) -> None:
    """Write, and repeat what gets no answer: that does no harm."""
    for pause in (*PAUSES, None):
        (error,) = store.append_history([write])
        if error is None:
            return
        if pause is None or not may_pass(error):
            raise error
        time.sleep(pause)
