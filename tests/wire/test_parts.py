"""Partial documents: what they hold, and what they leave alone when they are joined to a whole."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from inngest_nb import HistoryEvent, WorkflowState, wire
from inngest_nb.errors import StoreDecodeError
from inngest_nb.state import ForkOrigin, Waits

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

payloads = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
events = st.builds(
    HistoryEvent,
    id=st.integers(0, 2**40),
    type=st.sampled_from(["activity_completed", "timer_fired", "made_up"]),
    timestamp=st.none()
    | st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)),
    activity_name=st.text(),
    input=payloads,
    result=payloads,
    error=st.text(),
    duration=st.timedeltas(timedelta(0), timedelta(days=9000)),
    seq=st.just(UNSET) | st.integers(0, 99),
    retry_at=st.just(UNSET) | st.just(NOON),
    superseded=st.just(UNSET) | st.booleans(),
)


@given(st.lists(events, max_size=4), st.lists(st.lists(events, max_size=3), max_size=4))
def test_a_document_and_its_parts_are_the_whole(
    first: list[HistoryEvent], later: list[list[HistoryEvent]]
) -> None:
    base = WorkflowState(workflow_id="x", input={"a": None}, history=tuple(first))
    parts = [wire.encode_part(some, updated_at=NOON) for some in later]
    whole = wire.splice(wire.encode(base), parts)
    expected = base.replace(history=tuple(first) + tuple(event for some in later for event in some))
    if later:
        expected = expected.replace(updated_at=NOON)
    assert wire.decode(whole) == expected
    assert whole == wire.encode(expected)


def test_all_that_was_there_stays_byte_for_byte(go_documents: list[bytes]) -> None:
    event = HistoryEvent(id=77, type="timer_fired", timestamp=NOON)  # type: ignore[arg-type]
    (written,) = json.loads(wire.encode_part([event]))["History"]
    for document in go_documents:
        assert wire.splice(document, []) == document
        assert wire.splice(document, [wire.encode_part([])]) == document
        spliced = wire.splice(document, [wire.encode_part([event])])
        before, _, tail = document.partition(b'"History":')
        end = tail.index(b',"CreatedAt":')
        history, rest = tail[:end], tail[end:]
        one = json.dumps(written, separators=(",", ":")).encode()
        inside = b"" if history in (b"null", b"[]") else history[1:-1] + b","
        assert spliced == before + b'"History":[' + inside + one + b"]" + rest


def test_unknown_keys_spaces_and_long_numbers_are_kept() -> None:
    document = b'{ "WorkflowID" : "x", "Mine":{ "a" : 1.0 }, "Input":123456789012345678901234, "History" : [ {"ID":1, "Mine":[ 1 ]} ] }'
    part = b'{"History":[ {"ID":2,"Theirs":1.50} ],"Status":"failed","New":[ ]}'
    assert wire.splice(document, [part, part]) == (
        b'{"WorkflowID":"x","Mine":{ "a" : 1.0 },"Input":123456789012345678901234,'
        b'"History":[{"ID":1, "Mine":[ 1 ]},{"ID":2,"Theirs":1.50},{"ID":2,"Theirs":1.50}],'
        b'"Status":"failed","New":[ ]}'
    )


def test_the_last_of_several_values_counts_and_null_is_a_value_of_the_contracts_keys() -> None:
    document = wire.encode(WorkflowState(workflow_id="x", result=[1], error="one"))
    parts = [wire.encode_part([], error=f"{n}", result=None) for n in range(3)]
    state = wire.decode(wire.splice(document, parts))
    assert (state.error, state.result, state.history) == ("2", None, ())


def test_our_own_fields_can_be_set_and_removed() -> None:
    fields: dict[str, Any] = {
        "owner": "me",
        "fence": 3,
        "lease_until": NOON,
        "forked_from": ForkOrigin(workflow_id="y", run_id="r", event_id=3),
        "parent_id": "z",
        "waits": Waits(at=3, signals=("approve",), until=NOON),
    }
    document = wire.encode(WorkflowState(workflow_id="x"))
    put = wire.encode_part([], **fields)
    gone = wire.encode_part([], **dict.fromkeys(fields, UNSET))
    state = wire.decode(wire.splice(document, [put]))
    assert {name: getattr(state, name) for name in fields} == fields
    assert wire.splice(document, [put, gone]) == document
    assert wire.decode(wire.splice(document, [put, gone, put])) == state
    assert wire.splice(document, [gone]) == document


@pytest.mark.parametrize("bad", [math.nan, [1, {"a": math.inf}], {"x": -math.inf, "y": None}])
def test_what_json_cannot_hold_is_refused_with_the_fields_name(bad: object) -> None:
    for given_ in ({"result": bad}, {"input": bad}, {"signal_payload": bad}):
        with pytest.raises(ValueError, match=f"{next(iter(given_))} .*NaN"):
            wire.encode_part([HistoryEvent(), HistoryEvent(**given_)])
    with pytest.raises(ValueError, match="result .*NaN"):
        wire.encode_part([], result=bad)
    with pytest.raises(TypeError, match="input"):
        wire.encode_part([HistoryEvent(input=object())])


def test_only_a_documents_fields_can_be_written() -> None:
    for name in ("history", "etag", "first_saved_at", "origin", "nonsense"):
        with pytest.raises(TypeError, match=name):
            wire.encode_part([], **{name: ()})
    with pytest.raises(ValueError, match="status cannot be removed"):
        wire.encode_part([], status=UNSET)


@pytest.mark.parametrize(
    ("part", "place"),
    [
        (b"[]", "$"),
        (b'{"History":{}}', "$.History"),
        (b'{"History":[1]}', "$.History[0]"),
        (b'{"History":[{"Timestamp":"soon"}]}', "$.History[0].Timestamp"),
        (b'{"Status":null}', "$.Status"),
        (b'{"Owner":5}', "$.Owner"),
        (b'{"Waits":{"Signals":[5]}}', "$.Waits.Signals[0]"),
        (b'{"Waits":{"Until":"2026-01-01T00:00:00"}}', "$.Waits.Until"),
        (b'{"UpdatedAt":"2026-01-01T00:00:00"}', "$.UpdatedAt"),
        (b'{"Error":"\xff"}', "$"),
        (b'{"Result":', "$"),
    ],
)
def test_what_would_make_a_document_unreadable_is_refused_with_its_place(
    part: bytes, place: str
) -> None:
    with pytest.raises(StoreDecodeError) as refused:
        wire.part_head(part)
    assert refused.value.place in (place, "")
    assert place in str(refused.value)


def test_a_part_that_is_let_in_leaves_a_document_that_can_be_read(
    go_documents: list[bytes],
) -> None:
    part = b'{"History":null,"Owner":null,"Fence":null,"LeaseUntil":null,"ForkedFrom":null,"ParentID":null,"Waits":null,"CreatedAt":null,"UpdatedAt":null}'
    wire.part_head(part)
    for document in go_documents:
        assert wire.decode(wire.splice(document, [part])).updated_at is None
