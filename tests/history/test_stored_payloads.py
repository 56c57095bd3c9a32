"""Payloads of many states as JSON texts: those of the document, unless they were changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inngest_nb import HistoryEvent, WorkflowState, wire
from inngest_nb.history import document_parts, event_texts, state_texts

PAYLOADS = ("input", "result", "signal_payload")
NUMBERS = ["1e3", "1.0", "-0.0", "0.10000000000000000001", "123456789012345678901234567890", "1"]


def _object(texts: list[str]) -> str:
    members = ", ".join(f'"k{number}" : {text}' for number, text in enumerate(texts))
    return f"{{ {members} }}"


# Texts that a document may have, also with spaces and escapes that nobody would write again.
TEXTS = st.recursive(
    st.sampled_from([*NUMBERS, "null", "true", r'"\u003cb\u003e \u00e9"', '""', "[ ]", "{ }"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda texts: f"[ {' , '.join(texts)} ]")
        | st.lists(inner, max_size=3).map(_object)
    ),
    max_leaves=6,
)
EVENTS = st.lists(st.fixed_dictionaries(dict.fromkeys(PAYLOADS, TEXTS)), max_size=4)


def stored(payload: str, events: list[dict[str, str]]) -> WorkflowState:
    written = ",".join(
        f'{{"ID": {number}, "Input": {event["input"]}, "Result": {event["result"]}, '
        f'"SignalPayload": {event["signal_payload"]}}}'
        for number, event in enumerate(events, 1)
    )
    return wire.decode(
        f'{{"WorkflowID": "w", "Input": {payload}, "History": [{written}]}}'.encode()
    )


def or_none(text: str) -> str | None:
    return None if text == "null" else text


@given(TEXTS, EVENTS)
def test_what_was_loaded_is_given_as_it_stands(payload: str, events: list[dict[str, str]]) -> None:
    state = stored(payload, events)
    assert state_texts(state, ["input", "result"]) == [or_none(payload), None]
    expected = [[or_none(event[name]) for name in PAYLOADS] for event in events]
    assert event_texts(state, PAYLOADS) == expected
    assert event_texts(state, ["result"]) == [row[1:2] for row in expected]


@given(TEXTS, EVENTS, st.data())
def test_what_was_changed_is_given_as_its_document_would_be_written(
    payload: str, events: list[dict[str, str]], data: Any
) -> None:
    state = stored(payload, events)
    added = HistoryEvent(id=9, input=[2**70, 1.0])
    history = [*data.draw(st.permutations(state.history)), added]
    history = history[data.draw(st.integers(0, 1)) :]
    edited = state.replace(input=data.draw(st.sampled_from([None, 1, True, 1.0, state.input])))
    edited = edited.replace(history=tuple(history))
    parts = document_parts(wire.encode(edited))
    for found, text in zip(
        [state_texts(edited, ["input"]), *event_texts(edited, PAYLOADS)],
        [[parts["Input"]], *written_events(parts["History"])],
        strict=True,
    ):
        assert [repr(json.loads(one or "null")) for one in found] == [
            repr(json.loads(one)) for one in text
        ]


def written_events(text: str) -> list[list[str]]:
    keys = ("Input", "Result", "SignalPayload")
    return [[json.dumps(event.get(key)) for key in keys] for event in json.loads(text)]


def test_a_number_that_became_another_kind_is_not_taken_for_the_old_one() -> None:
    state = stored("1.0", [])
    assert state_texts(state.replace(input=1), ["input"]) == ["1"]
    assert state_texts(state.replace(input=True), ["input"]) == ["true"]
    assert state_texts(state.replace(input=1.0), ["input"]) == ["1.0"]


def test_what_json_cannot_represent_is_refused_where_it_is_asked_for() -> None:
    event = HistoryEvent(id=1, input=object(), result=2)
    state = WorkflowState(workflow_id="w", input=3, result=float("nan"), history=(event,))
    assert state_texts(state, ["input"]) == ["3"]
    assert event_texts(state, ["result"]) == [["2"]]
    with pytest.raises(ValueError, match="NaN"):
        state_texts(state, ["result"])
    with pytest.raises(TypeError, match="object"):
        event_texts(state, ["input"])


def test_a_deep_payload_is_read_on_a_full_stack() -> None:
    deep = "[" * wire.MAX_DEPTH + "]" * wire.MAX_DEPTH
    state = stored(deep, [dict.fromkeys(PAYLOADS, deep)])

    def below(levels: int) -> list[str | None]:
        if levels:
            return below(levels - 1)
        return state_texts(state, ["input"]) + event_texts(state, ["input"])[0]

    assert below(700) == [deep, deep]
