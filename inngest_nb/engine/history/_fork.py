"""Histories cut and edited: another run from the middle of one, or the same one again."""

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
    """Return a new run whose history is that of another one, up to and with the event `at`.

    Save it, then `Executor.resume(fn, forked.workflow_id)` goes on from there: what is recorded is
    not done again. `result_of` gives activities other results, by their name or the id of the event
    that has the result; a failed one has then completed. Without `at` the history is cut at the
    last of these, else at its end. `input` is another input for the workflow's code, which then
    has to ask for the same activities, but may give them other inputs. `forked_from` of the new run
    says where it comes from.

    Raises `ValueError` for an event or an activity that is not there.
    """
    events = [e for e in state.history if e.superseded is not True and e.type not in _ENDS]
    if not events or events[0].type is not EventType.WORKFLOW_STARTED:
        raise ValueError(f"workflow {state.workflow_id!r} has no history that could be forked")
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
        raise ValueError(f"workflow {state.workflow_id!r} has no event {last} to fork at")
    if late := [event_id for event_id in edits if event_id not in ids[: ids.index(last) + 1]]:
        raise ValueError(f"the result in event {late[0]} comes after event {last}, the last one")
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
    """Return a failed run as it goes on: its failed activity is to be tried again.

    What followed from that failure stays in the history, marked as superseded. Signals still count,
    and so does what other calls, made before it, have completed since.
    """
    if state.status is not WorkflowStatus.FAILED:
        raise EngineError(
            f"workflow {state.workflow_id!r} is {state.status or 'unset'}, and only a failed one "
            "can be retried; execute it again, or fork it",
            workflow_id=state.workflow_id,
            run_id=state.run_id,
        )
    events = list(state.history)
    if not events or events[0].type is not EventType.WORKFLOW_STARTED:
        raise EngineError(
            f"workflow {state.workflow_id!r} was saved without its history, so it cannot go on; "
            "execute it again",
            workflow_id=state.workflow_id,
            run_id=state.run_id,
        )
    culprit = _culprit(events)
    if culprit is not None:
        events[culprit] = events[culprit].replace(retry_at=now)
    after = len(events) if culprit is None else culprit + 1
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
        owner=UNSET,  # nobody runs it now, whoever it was that failed
        lease_until=UNSET,
    )


def _counts(event: HistoryEvent, asked: int) -> bool:
    """Tell whether an event after the failure happened whatever followed from that."""
    if event.type is EventType.ACTIVITY_FAILED and event.retry_at is UNSET:
        return False  # to be tried again as well, or given up because of the failure
    return event.type is EventType.SIGNAL_RECEIVED or 0 < (event.seq or 0) <= asked


def _answer(events: list[HistoryEvent], key: str | int, state: WorkflowState) -> int:
    """Return the id of the event that has an activity's result."""
    found = [e for e in events if e.type in _ANSWERS and key in (e.id, e.activity_name)]
    found = [e for e in found if e.retry_at is UNSET]
    if len(found) == 1:
        return found[0].id
    ids = ", ".join(str(event.id) for event in found)
    raise ValueError(
        f"workflow {state.workflow_id!r} has {len(found)} results of {key!r}: name one by the id "
        f"of its event ({ids})"
        if found
        else f"workflow {state.workflow_id!r} has no result of {key!r}: give an activity's name, "
        "or the id of the event in which one completed or failed"
    )


def _edited(event: HistoryEvent, edits: Mapping[int, Any]) -> HistoryEvent:
    if event.id not in edits:
        return event
    return event.replace(type=EventType.ACTIVITY_COMPLETED, result=edits[event.id], error="")


def _culprit(events: list[HistoryEvent]) -> int | None:
    """Return the place of the activity's failure that the run failed of, None if of another one."""
    told = events[0].workflow is not UNSET  # by an engine that says which call a run failed of
    ended = next((e for e in reversed(events) if e.type is EventType.WORKFLOW_FAILED), events[-1])
    for place in reversed(range(len(events))):
        event = events[place]
        if event.type is not EventType.ACTIVITY_FAILED or event.superseded is True:
            continue
        if ended.seq == event.seq if told else event.retry_at is UNSET:
            return place
    return None
