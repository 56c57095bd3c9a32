"""Cuts and edits histories: to fork a new run from a point in another one, or to retry a run."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from inngest_nb.engine.basics._functions import as_json
from inngest_nb.errors import EngineError
from inngest_nb.state import (
    UNSET,
    EventType,
    ForkOrigin,
    HistoryEvent,
    WorkflowState,
    WorkflowStatus,
)

_ENDS = (
    EventType.WORKFLOW_COMPLETED,
    EventType.WORKFLOW_FAILED,
    EventType.WORKFLOW_CANCELED,
)
_ANSWERS = (EventType.ACTIVITY_COMPLETED, EventType.ACTIVITY_FAILED)
_AS_IT_WAS: Any = object()


def fork(
    state: WorkflowState,
    at: int | None = None,
    *,
    input: Any = _AS_IT_WAS,
    result_of: Mapping[str | int, Any] | None = None,
    id: str | None = None,
) -> WorkflowState:
    """Return a new workflow that starts with the history of `state`, up to event `at`.

        forked = inb.fork(state, result_of={"check_stock": {"in_stock": True}})
        store.save(forked)
        executor.resume(order, forked.workflow_id)

    Resuming it continues after that event: what is recorded is not executed again. `result_of`
    replaces the results of activities, given by name or by the id of the event with the result; an
    activity that had failed then counts as completed. `at` defaults to the last of these events, or
    else to the end of the history. `input` replaces the input of the workflow: the code must then
    call the same activities, but may pass them other inputs. `id` defaults to a new id. The new
    state's `forked_from` names its origin.

    Raises `ValueError` if there is no history, no such event or no such activity.
    """
    events = [e for e in state.history if e.superseded is not True and e.type not in _ENDS]
    if not events or events[0].type is not EventType.WORKFLOW_STARTED:
        raise ValueError(f"workflow {state.workflow_id!r} cannot be forked: it has no history")
    edits = {
        _answer(events, key, state): as_json(result, f"the result of {key!r}")
        for key, result in (result_of or {}).items()
    }
    changes = list(edits) if input is _AS_IT_WAS else [events[0].id]
    if state.forked_from and state.forked_from.changed:
        changes.append(state.forked_from.changed)
    last = at if at is not None else max(edits, default=events[-1].id)
    ids = [event.id for event in events]
    if last not in ids:
        raise ValueError(
            f"workflow {state.workflow_id!r} cannot be forked at event {last}: it has no such event"
        )
    if late := [event_id for event_id in edits if event_id not in ids[: ids.index(last) + 1]]:
        raise ValueError(
            f"the result to replace, in event {late[0]}, comes after event {last}, the last event "
            "of the fork"
        )
    kept = [_edited(event, edits) for event in events[: ids.index(last) + 1]]
    now = datetime.now(UTC)
    begun = kept[0].replace(seed=kept[0].seed or state.run_id)
    if input is not _AS_IT_WAS:
        begun = begun.replace(input=as_json(input, "the input of the workflow"))
    if begun.timeout and kept[-1].timestamp:
        begun = begun.replace(timeout=begun.timeout + (now - kept[-1].timestamp))
    return state.replace(
        workflow_id=id or f"{state.workflow_id}-fork-{uuid.uuid4().hex[:8]}",
        run_id=uuid.uuid4().hex,
        status=WorkflowStatus.RUNNING,
        input=begun.input,
        result=None,
        error="",
        history=(begun, *kept[1:]),
        updated_at=now,
        owner=UNSET,
        fence=UNSET,
        lease_until=UNSET,
        waits=UNSET,
        forked_from=ForkOrigin(
            workflow_id=state.workflow_id,
            run_id=state.run_id,
            event_id=last,
            changed=min(changes) if changes and min(changes) < last else UNSET,
        ),
        first_saved_at=None,
        etag="",
    )


def retried(state: WorkflowState, now: datetime) -> WorkflowState:
    """Return the state from which a failed run is retried: its failed activity starts over.

    Events that followed from the failure stay in the history, marked as superseded. Signals still
    count, and so do the results of other calls that were made before the failure.
    """
    if state.status is not WorkflowStatus.FAILED:
        is_ = f"is {state.status}, not failed" if state.status else "has no status"
        raise EngineError(
            f"workflow {state.workflow_id!r} cannot be retried because it {is_}; execute it again, "
            "or fork it",
            workflow_id=state.workflow_id,
            run_id=state.run_id,
        )
    events = list(state.history)
    if not events or events[0].type is not EventType.WORKFLOW_STARTED:
        raise EngineError(
            f"workflow {state.workflow_id!r} cannot be retried because it was saved without its "
            "history; execute it again",
            workflow_id=state.workflow_id,
            run_id=state.run_id,
        )
    failure = _failure_at(events)
    if failure is not None:
        events[failure] = events[failure].replace(retry_at=now)
    after = len(events) if failure is None else failure + 1
    asked = max((event.seq or 0 for event in events[:after]), default=0)
    for place, event in enumerate(events):
        if event.type in _ENDS or (place >= after and not _counts(event, asked)):
            events[place] = event.replace(superseded=True)
    if events[0].timeout and events[0].timestamp:
        events[0] = events[0].replace(timeout=events[0].timeout + (now - events[0].timestamp))
    return state.replace(
        status=WorkflowStatus.RUNNING,
        result=None,
        error="",
        history=tuple(events),
        updated_at=now,
        owner=UNSET,  # no executor is running it now
        lease_until=UNSET,
    )


def _counts(event: HistoryEvent, asked: int) -> bool:
    """Tell whether an event after the failure is independent of it, and so is kept."""
    if event.type is EventType.ACTIVITY_FAILED and event.retry_at is UNSET:
        return False  # this activity is retried as well, or was canceled because of the failure
    return event.type is EventType.SIGNAL_RECEIVED or 0 < (event.seq or 0) <= asked


def _answer(events: list[HistoryEvent], key: str | int, state: WorkflowState) -> int:
    """Return the id of the event with an activity's result."""
    found = [e for e in events if e.type in _ANSWERS and key in (e.id, e.activity_name)]
    found = [e for e in found if e.retry_at is UNSET]
    if len(found) == 1:
        return found[0].id
    ids = ", ".join(str(event.id) for event in found)
    raise ValueError(
        f"workflow {state.workflow_id!r} has {len(found)} results of {key!r}; pass the id of one "
        f"of their events instead: {ids}"
        if found
        else f"workflow {state.workflow_id!r} has no result of {key!r}; pass an activity's name, "
        "or the id of the event in which it completed or failed"
    )


def _edited(event: HistoryEvent, edits: Mapping[int, Any]) -> HistoryEvent:
    if event.id not in edits:
        return event
    return event.replace(type=EventType.ACTIVITY_COMPLETED, result=edits[event.id], error="")


def _failure_at(events: list[HistoryEvent]) -> int | None:
    """Return the index of the activity failure that failed the run, None for another cause."""
    says_seq = events[0].workflow is not UNSET  # recorded by an engine that names the failed call
    ended = next((e for e in reversed(events) if e.type is EventType.WORKFLOW_FAILED), events[-1])
    for place in reversed(range(len(events))):
        event = events[place]
        if event.type is not EventType.ACTIVITY_FAILED or event.superseded is True:
            continue
        if ended.seq == event.seq if says_seq else event.retry_at is UNSET:
            return place
    return None
