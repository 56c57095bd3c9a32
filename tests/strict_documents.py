"""The contract's shape of a document, checked key by key."""

from __future__ import annotations

import json
import re
from typing import Any

_STATE = {
    "WorkflowID": str,
    "RunID": str,
    "Status": str,
    "Input": object,
    "Result": object,
    "Error": str,
    "History": list,
    "CreatedAt": str,
    "UpdatedAt": str,
}
_EVENT = {
    "ID": int,
    "Type": str,
    "Timestamp": str,
    "ActivityName": str,
    "Input": object,
    "Result": object,
    "Error": str,
    "SignalName": str,
    "SignalPayload": object,
    "Duration": int,
}
_OF_STATES = {
    "Owner": str,
    "Fence": int,
    "LeaseUntil": str,
    "ForkedFrom": dict,
    "ParentID": str,
    "Waits": dict,
}
_OF_EVENTS = {
    "Seq": int,
    "Attempt": int,
    "RetryAt": str,
    "Versions": dict,
    "Superseded": bool,
    "Message": str,
    "Timeout": int,
    "Workflow": str,
    "Version": int,
    "Seed": str,
    "Child": str,
    "Detached": bool,
    "ErrorType": str,
    "Details": object,
    "Trace": str,
}
_STATUSES = {"running", "completed", "failed", "canceled"}
_TYPES = {
    *("workflow_started", "workflow_completed", "workflow_failed", "workflow_canceled"),
    *("activity_started", "activity_completed", "activity_failed"),
    *("signal_received", "timer_fired"),
}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def check_document(body: bytes) -> dict[str, Any]:
    """Return a document of a run of ours, or fail on whatever the contract does not have."""
    document: dict[str, Any] = json.loads(body)
    _check(document, _STATE, _OF_STATES)
    assert document["Status"] in _STATUSES
    assert document["RunID"]
    assert _TIME.fullmatch(document["CreatedAt"])
    assert _TIME.fullmatch(document["UpdatedAt"])
    events = document["History"]
    for event in events:
        _check(event, _EVENT, _OF_EVENTS)
        assert event["Type"] in _TYPES
        assert _TIME.fullmatch(event["Timestamp"])
        assert event["Duration"] >= 0
    assert [event["ID"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["Type"] == "workflow_started"
    assert document["CreatedAt"] == events[0]["Timestamp"]
    valid = [event for event in events[1:] if not event.get("Superseded")]
    ends = [event["Type"] for event in valid if event["Type"].startswith("workflow_")]
    running = document["Status"] == "running"
    assert ends == ([] if running else ["workflow_" + document["Status"]])
    assert running or events[-1]["Type"] == ends[0]
    return document


def _check(part: dict[str, Any], keys: dict[str, type], more: dict[str, type]) -> None:
    assert keys.keys() <= part.keys() <= keys.keys() | more.keys()
    for key, value in part.items():
        kind = (keys | more)[key]
        assert isinstance(value, kind), key
        assert kind is not int or type(value) is int, key
