"""What cannot be read or written is refused, with the place and the reason."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from inngest_nb import wire
from inngest_nb.errors import StoreDecodeError
from inngest_nb.state import (
    DOCUMENT_FIELDS,
    HistoryEvent,
    WorkflowState,
    WorkflowStatus,
    wire_name,
)


@pytest.mark.parametrize(
    ("document", "place", "words"),
    [
        (b'{"WorkflowID":"x","Error":5}', "$.Error", "Expected `str`, got `int`"),
        (b'{"WorkflowID":"x","History":[{},{"Timestamp":"now"}]}', "$.History[1].Timestamp", "RFC3339"),
        (b'{"WorkflowID":"x","History":[{"Duration":"1s"}]}', "$.History[0].Duration", "Expected `int`"),
        (b'{"WorkflowID":"x","UpdatedAt":"2025-07-14T14:38:07"}', "$.UpdatedAt", "timezone"),
        (b'{"Status":"running"}', "$", "WorkflowID"),
        (b'["WorkflowID"]', "$", "Expected `object`"),
        (b"", "$", "empty"),
        (b'{"WorkflowID":"x"', "$", "truncated"),
        (b'{"WorkflowID":"x","Error":"\\ud800"}', "$", "surrogate"),
        (b'\xef\xbb\xbf{"WorkflowID":"x"}', "$", "byte order mark"),
        (b'{"WorkflowID":"\xff"}', "$", "UTF-8"),
        (b'{"WorkflowID":"x"} and more', "$", "trailing"),
        (b'{"WorkflowID":"x","Input":' + b"[" * 9999 + b"]" * 9999 + b"}", "$", "nested deeper"),
    ],
)  # fmt: skip
def test_a_document_is_refused_with_its_place(document: bytes, place: str, words: str) -> None:
    with pytest.raises(StoreDecodeError, match=words) as refusal:
        wire.decode(document)

    assert refusal.value.place == place
    with pytest.raises(StoreDecodeError) as same:
        wire.head(document)
    assert same.value.place == place


def endless() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("payload", "kind", "words"),
    [
        (float("nan"), ValueError, "input .* NaN"),
        ([1, {"a": float("-inf")}], ValueError, "input .* NaN"),
        ({"x": object()}, TypeError, "input .* object"),
        ("\ud800", ValueError, "input .* surrogate"),
        (endless(), ValueError, "input .* nested"),
    ],
)
@pytest.mark.parametrize("loaded", [False, True])
def test_a_payload_that_json_cannot_hold_is_refused(
    payload: Any, kind: type[Exception], words: str, loaded: bool
) -> None:
    state = WorkflowState(workflow_id="x")
    state = wire.decode(wire.encode(state)) if loaded else state

    with pytest.raises(kind, match=words):
        wire.encode(state.replace(input=payload))


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("error", 5, r"\$.Error"),
        ("workflow_id", 5, r"\$.WorkflowID"),
        ("history", (HistoryEvent(id=2, activity_name=5),), r"\$.History\[0\].ActivityName"),  # type: ignore[arg-type]
    ],
)
def test_a_field_of_the_wrong_type_is_refused_before_it_is_sent(
    field: str, value: Any, place: str, loaded: bool
) -> None:
    state = WorkflowState(workflow_id="x", history=(HistoryEvent(id=1),))
    state = wire.decode(wire.encode(state)) if loaded else state
    with pytest.raises(TypeError, match=place):
        wire.encode(state.replace(**{field: value}))


def test_a_time_without_a_zone_is_refused_at_the_door() -> None:
    with pytest.raises(ValueError, match="updated_at must be timezone-aware"):
        WorkflowState(workflow_id="x", updated_at=datetime(2026, 1, 1))


def test_words_that_nobody_knows_are_kept() -> None:
    state = wire.decode(b'{"WorkflowID":"x","Status":"paused"}')

    assert state.status == "paused"
    assert isinstance(state.status, WorkflowStatus)


def test_values_given_as_users_give_them_are_taken() -> None:
    event = HistoryEvent(type="activity_started", duration=1.5)  # type: ignore[arg-type]
    state = WorkflowState(workflow_id="x", status="failed", history=[event])  # type: ignore[arg-type]

    assert state.status is WorkflowStatus.FAILED
    assert state.history[0].duration == timedelta(seconds=1.5)


AWKWARD = {
    "a number out of range": b"1e400",
    "one inside": b'[{"a":-1e400}]',
    "4,400 digits": b"7" * 4_400,
    "501 levels": b"[" * 501 + b"]" * 501,
    "null": b"null",
    "an object": b"{}",
    "true": b"true",
    "text": b'"x"',
    "half of a pair": b'"\\ud800"',
    "the smallest integer": b"-9223372036854775808",
    "an integer too large for Go": b"9223372036854775808",
    "a fraction": b"1.5",
    "no zone": b'"2026-01-02T03:04:05"',
    "a time before all time": b'"0001-01-01T00:00:00+05:00"',
    "a time after all time": b'"9999-12-31T23:59:59-05:00"',
}
STATE_KEYS = [
    *map(wire_name, DOCUMENT_FIELDS),
    *(f"\u2063{name}" for name in ("first_saved_at", "etag", "origin")),
]
EVENT_KEYS = [*map(wire_name, HistoryEvent.__struct_fields__)]


@pytest.mark.parametrize("value", AWKWARD.values(), ids=AWKWARD)
def test_what_a_stores_door_takes_can_be_read_back_whatever_the_key(value: bytes) -> None:
    fields = [b'"%s":%s' % (key.encode(), value) for key in STATE_KEYS if key != "WorkflowID"]
    fields += [b'"History":[{"%s":%s}]' % (key.encode(), value) for key in EVENT_KEYS]
    for each in fields:
        whole, part = b'{"WorkflowID":"x",%s}' % each, b"{%s}" % each
        if taken(wire.head, whole, payloads=True):
            wire.decode(whole)
        if taken(wire.part_head, part):
            wire.decode(wire.splice(b'{"WorkflowID":"x"}', [part]))


def taken(door: Any, document: bytes, **how: Any) -> bool:
    try:
        door(document, **how)
    except StoreDecodeError:
        return False
    return True
