"""Any state, any unknown key, any JSON: what goes in comes out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from inngest_nb import wire
from inngest_nb.errors import StoreDecodeError
from inngest_nb.state import (
    EventType,
    HistoryEvent,
    Waits,
    WorkflowState,
    WorkflowStatus,
    wire_name,
)

text = st.text(st.characters(exclude_categories=["Cs"]))
payload = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
zones = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
times = st.none() | st.datetimes(timezones=zones | st.just(UTC))
ours = st.just(UNSET) | st.integers(0, 2**63 - 1)
events = st.builds(
    HistoryEvent,
    id=st.integers(0, 2**63 - 1),
    type=st.sampled_from(EventType) | text.map(EventType),
    timestamp=times,
    activity_name=text,
    input=payload,
    result=payload,
    error=text,
    signal_name=text,
    signal_payload=payload,
    duration=st.timedeltas(timedelta(days=-100_000), timedelta(days=100_000)),
    seq=ours,
    attempt=ours,
    timeout=st.just(UNSET) | st.timedeltas(timedelta(), timedelta(days=100_000)),
)
waits = st.builds(
    Waits,
    at=st.integers(0, 2**63 - 1),
    signals=st.lists(text, max_size=3).map(tuple),
    until=st.just(UNSET) | times,
)
states = st.builds(
    WorkflowState,
    workflow_id=text,
    run_id=text,
    status=st.sampled_from(WorkflowStatus) | text.map(WorkflowStatus),
    input=payload,
    result=payload,
    error=text,
    history=st.lists(events, max_size=4),
    created_at=times,
    updated_at=times,
    waits=st.just(UNSET) | waits,
)
unknown = st.dictionaries(text.map(lambda key: "x" + key), payload, max_size=3)


@given(states)
def test_a_state_survives_its_document(state: WorkflowState) -> None:
    assert wire.decode(wire.encode(state)) == state


@given(states, unknown, unknown, payload)
def test_unknown_keys_survive_an_edit(
    state: WorkflowState, extra: dict[str, Any], in_event: dict[str, Any], new: Any
) -> None:
    document = json.loads(wire.encode(state)) | extra
    document["History"] = [event | in_event for event in document["History"]]
    loaded = wire.decode(json.dumps(document).encode())

    edited = wire.encode(loaded.replace(input=new, error="new", history=loaded.history[:2]))

    assert json.loads(edited) == document | {
        "Input": json.loads(json.dumps(new)),
        "Error": "new",
        "History": document["History"][:2],
    }


@given(st.binary(max_size=200) | text.map(str.encode))
def test_what_is_no_document_is_refused_with_words(body: bytes) -> None:
    with pytest.raises(StoreDecodeError, match="invalid document"):
        wire.decode(body)
    with pytest.raises(StoreDecodeError, match="invalid document"):
        wire.head(body)


@pytest.mark.parametrize("values", [(1, 1.0), (1.0, True), (True, 1), (0, False), (None, False)])
def test_an_edit_between_equal_values_is_still_an_edit(values: tuple[Any, Any]) -> None:
    before, after = values
    loaded = wire.decode(wire.encode(WorkflowState(workflow_id="x", input=[before])))

    edited = wire.encode(loaded.replace(input=[after]))

    assert json.dumps(json.loads(edited)["Input"]) == json.dumps([after])


def test_a_payload_that_was_changed_in_place_is_saved_too() -> None:
    loaded = wire.decode(wire.encode(WorkflowState(workflow_id="x", input={"tags": ["a"]})))
    loaded.input["tags"].append("b")

    assert json.loads(wire.encode(loaded))["Input"] == {"tags": ["a", "b"]}


def test_nanoseconds_and_zones_of_untouched_times_stay() -> None:
    document = (
        b'{"WorkflowID":"x","CreatedAt":"2025-07-14T14:38:07.000000007+05:30",'
        b'"UpdatedAt":"2025-07-14T09:08:07.123456789Z"}'
    )
    now = datetime(2026, 1, 2, tzinfo=UTC)

    edited = json.loads(wire.encode(wire.decode(document).replace(updated_at=now)))

    assert edited["CreatedAt"] == "2025-07-14T14:38:07.000000007+05:30"
    assert edited["UpdatedAt"] == "2026-01-02T00:00:00Z"


def test_the_last_nanosecond_of_all_time_can_be_read() -> None:
    document = b'{"WorkflowID":"x","UpdatedAt":"9999-12-31T23:59:59.999999999Z"}'

    state = wire.decode(document)

    assert state.updated_at == datetime.max.replace(tzinfo=UTC)
    assert wire.encode(state) == document
    assert b"999999999Z" in wire.encode(state.replace(error="x"))


def test_our_own_keys_are_written_only_where_they_are_set() -> None:
    first = HistoryEvent(id=1)
    second = HistoryEvent(id=2, seq=3, attempt=1, timeout=timedelta(seconds=2))
    loaded = wire.decode(wire.encode(WorkflowState(workflow_id="x", history=(first, second))))
    assert loaded.history == (first, second)

    written = json.loads(wire.encode(loaded))["History"]
    assert {"Seq", "Attempt", "Timeout"} & written[0].keys() == set()
    assert (written[1]["Seq"], written[1]["Attempt"], written[1]["Timeout"]) == (3, 1, 2 * 10**9)

    swapped = (loaded.history[0].replace(seq=1), loaded.history[1].replace(seq=UNSET))
    written = json.loads(wire.encode(loaded.replace(history=swapped)))["History"]
    assert ("Seq" in written[0], "Seq" in written[1], "Attempt" in written[1]) == (
        True,
        False,
        True,
    )


def test_our_own_keys_are_not_keys_of_go_in_another_case() -> None:
    for kind in (HistoryEvent, WorkflowState):
        names = [wire_name(name).lower() for name in kind.__struct_fields__]
        assert len(set(names)) == len(names)


def test_what_a_run_waits_for_survives_an_edit_of_another_field() -> None:
    stored = b'{"At":3,"Signals":["approve"],"Until":"2026-01-01T00:00:00.123456789Z","Mine":[ 1 ]}'
    loaded = wire.decode(b'{"WorkflowID":"x","Waits":%s,"History":null}' % stored)
    assert isinstance(loaded.waits, Waits)
    assert (loaded.waits.at, loaded.waits.signals) == (3, ("approve",))
    assert b'"Waits":' + stored in wire.encode(loaded.replace(error="x"))
    assert b"Waits" not in wire.encode(loaded.replace(waits=UNSET))
    with pytest.raises(ValueError, match="until must be timezone-aware"):
        Waits(until=datetime(2026, 1, 1))  # what it refuses


@pytest.mark.parametrize(
    "waits", [b"null", b"[]", b'{"At":"1"}', b'{"Signals":null}', b'{"Until":"soon"}']
)
def test_the_head_refuses_of_waits_what_reading_refuses(waits: bytes) -> None:
    for read in (wire.decode, wire.head):
        with pytest.raises(StoreDecodeError, match="Waits"):
            read(b'{"WorkflowID":"x","Waits":%s}' % waits)


@pytest.mark.parametrize("key", ["Seq", "Attempt", "Timeout"])
def test_the_head_refuses_of_our_keys_what_reading_refuses(key: str) -> None:
    document = b'{"WorkflowID":"x","History":[{"ID":1,"%s":"one"}]}' % key.encode()
    for read in (wire.decode, wire.head):
        with pytest.raises(StoreDecodeError, match=rf"History\[0\].{key}|{key}"):
            read(document)
