"""Operations on a workflow that is stored but does not run in this process."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from inngest_nb import wire
from inngest_nb.engine.basics._owner import describe_owner, is_gone
from inngest_nb.engine.basics._patience import PAUSES, may_pass
from inngest_nb.engine.history._appender import Appender
from inngest_nb.errors import (
    StoreConflictError,
    StoreError,
    WorkflowLeasedError,
    WorkflowNotFoundError,
    WorkflowNotHereError,
)
from inngest_nb.state import UNSET, EventType, HistoryEvent, WorkflowState, WorkflowStatus
from inngest_nb.store import SharedStore, WorkflowStore, Write


def load(store: WorkflowStore, workflow_id: str, operation: str) -> WorkflowState:
    """Return a stored state; raise `WorkflowNotFoundError` if there is none."""
    stored = store.load(workflow_id)
    if stored is None:
        raise WorkflowNotFoundError(
            f"cannot {operation} workflow {workflow_id!r}: neither this executor nor its store "
            "has a workflow with this id; check the id, or start it with execute(fn, id=...)",
            workflow_id=workflow_id,
        )
    return stored


def shared_store(store: WorkflowStore) -> SharedStore | None:
    """Return the store if it supports leases and messages, else None.

    Raises `StoreConnectionError` if that is not known yet and the server does not answer.
    """
    return store if isinstance(store, SharedStore) and store.can_share() else None


def leases(store: WorkflowStore) -> Mapping[str, float]:
    """Return the seconds left of each owner's lease; empty for a store without leases.

    A process of this machine that has ended does not count, even if its lease has not expired.
    """
    shared = shared_store(store)
    held = {} if shared is None else shared.leases()
    return {owner: left for owner, left in held.items() if left > 0 and not is_gone(owner)}


def holder(state: WorkflowState, me: str, leases: Mapping[str, float]) -> str | None:
    """Return which other executor runs a workflow, in words; None if none is known."""
    if state.status is not WorkflowStatus.RUNNING or not state.owner or state.owner == me:
        return None
    left = leases.get(state.owner)
    if left is None:
        return None
    return f"{describe_owner(state.owner)} (its lease expires in {left:.0f} s unless it is renewed)"


def check_free(state: WorkflowState, me: str, leases: Mapping[str, float]) -> None:
    """Raise `WorkflowLeasedError` if another executor is known to run a workflow."""
    who = holder(state, me, leases)
    if who is not None:
        name = state.workflow_id
        raise WorkflowLeasedError(
            f"workflow {name!r} is being run by {who}; wait for it with handle({name!r}), end it "
            f"with cancel({name!r}), or, if that executor is stuck, take it over with "
            f"resume(fn, {name!r}, take_over=True)",
            workflow_id=name,
            run_id=state.run_id,
        )


def take_away(appender: Appender, state: WorkflowState) -> WorkflowState:
    """Take a running workflow from its owner, and return the new stored state.

    With conditional writes, the owner's next write is rejected. Raises `StoreConflictError` if the
    owner has written since the state was loaded.
    """
    if not state.owner or not appender.guards():
        return state
    etag = uuid.uuid4().hex
    document = wire.encode_part([], owner=UNSET)
    write(appender, Write(state.workflow_id, document, whole=False, etag=etag, if_match=state.etag))
    return state.replace(owner=UNSET, etag=etag)


def add(
    store: WorkflowStore,
    appender: Appender,
    state: WorkflowState,
    now: datetime,
    kind: EventType,
    fields: dict[str, Any],
    **head: Any,
) -> None:
    """Append an event to a stored history, and set other fields of the state.

    With conditional writes, raises `StoreConflictError` if another process has written since the
    state was loaded.
    """
    last = max((event.id for event in state.history), default=0)
    mine = uuid.uuid4().hex  # distinguishes this write from another of the same kind and time
    event = HistoryEvent(id=last + 1, type=kind, timestamp=now, message=mine, **fields)
    try:
        write(
            appender,
            Write(
                workflow_id=state.workflow_id,
                document=wire.encode_part([event], updated_at=now, **head),
                whole=False,
                status=str(head.get("status", state.status)),
                updated_us=wire.microseconds(now),
                etag=mine,
                if_match=state.etag,
            ),
        )
    except StoreConflictError:
        # Perhaps it succeeded but the response was lost, and another process has written since.
        stored = store.load(state.workflow_id)
        if stored is None or mine not in [event.message for event in stored.history]:
            raise


def replace(appender: Appender, state: WorkflowState) -> WorkflowState:
    """Save a state over the version it was loaded from, and return the new stored state."""
    document = wire.encode(state)
    etag = uuid.uuid4().hex
    write(
        appender,
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


def write(appender: Appender, write: Write) -> None:
    """Perform a write, and retry it if the store does not answer; writes are idempotent."""

    def attempt() -> None:
        (error,) = appender.append_history([write])
        if error is not None:
            raise error

    patiently(attempt)


def patiently(attempt: Callable[[], None]) -> None:
    """Call an idempotent function, and retry it if the store does not answer."""
    for pause in PAUSES:
        try:
            attempt()
        except StoreError as error:
            if not may_pass(error):
                raise
        else:
            return
        time.sleep(pause)
    attempt()


def not_here(state: WorkflowState) -> WorkflowNotHereError:
    """Return the error for a workflow that is stored as running but does not run here."""
    name = state.workflow_id
    return WorkflowNotHereError(
        f"workflow {name!r} is stored as running but does not run in this executor: another "
        f"process is running it, or one died while running it. Resume it with "
        f"resume(fn, {name!r}), end it with cancel({name!r}), or pass a different id=",
        workflow_id=name,
        run_id=state.run_id,
    )
