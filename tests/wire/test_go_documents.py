"""Documents as Go writes them come back as they were, edited ones but for the edit."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from conftest import GO_DOCUMENTS

from inngest_nb import wire
from inngest_nb.state import WorkflowState

DOCUMENTS = pytest.mark.parametrize(
    "document", GO_DOCUMENTS, ids=lambda document: json.loads(document)["WorkflowID"]
)


def exactly(document: bytes) -> Any:
    """Read JSON with every digit of its numbers, and keep 1, 1.0 and True apart."""
    return json.loads(document, parse_float=lambda text: ("float", text), parse_int=Decimal)


@DOCUMENTS
def test_an_untouched_state_is_written_byte_for_byte(document: bytes) -> None:
    assert wire.encode(wire.decode(document)) == document


@DOCUMENTS
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("sparse", [False, True])
def test_white_space_and_missing_keys_stay_where_nothing_was_edited(
    document: bytes, indent: int | None, sparse: bool
) -> None:
    whole = json.loads(document)
    if sparse:
        whole = {key: value for key, value in whole.items() if value or key == "WorkflowID"}
        whole["History"] = [
            {k: v for k, v in each.items() if v} for each in whole.get("History", ())
        ]
    text = b" \n" + json.dumps(whole, indent=indent).encode() + b"\n"
    loaded = wire.decode(text)

    for state in (
        loaded,
        loaded.replace(error="edited").replace(error=loaded.error),
        loaded.replace(history=[event.replace() for event in loaded.history]),
    ):
        assert wire.encode(state) == text


@DOCUMENTS
@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("status", "Status", "paused"),
        ("error", "Error", "<new> \x00 error"),
        ("input", "Input", {"new": [1, None, "x"]}),
        ("result", "Result", False),
        ("run_id", "RunID", "another-run"),
    ],
)
def test_an_edit_changes_its_field_only(document: bytes, name: str, key: str, value: Any) -> None:
    edited = wire.encode(wire.decode(document).replace(**{name: value}))

    expected = exactly(document) | {key: exactly(json.dumps(value).encode())}
    assert exactly(edited) == expected


@pytest.mark.parametrize("document", [d for d in GO_DOCUMENTS if wire.decode(d).history])
def test_an_edited_event_changes_alone(document: bytes) -> None:
    state = wire.decode(document)
    *before, last = state.history
    edited = wire.encode(state.replace(history=(*before, last.replace(error="late"))))

    expected = exactly(document)
    expected["History"][-1]["Error"] = "late"
    assert exactly(edited) == expected


@DOCUMENTS
def test_a_rebuilt_state_says_the_same_but_for_what_python_cannot_hold(document: bytes) -> None:
    state = wire.decode(document)
    fields = {name: getattr(state, name) for name in WorkflowState.__struct_fields__[:-2]}

    assert wire.decode(wire.encode(WorkflowState(**fields))) == state


@DOCUMENTS
def test_the_head_of_a_document_is_that_of_its_state(document: bytes) -> None:
    head, state = wire.head(document), wire.decode(document)

    assert (head.workflow_id, head.status) == (state.workflow_id, state.status)
    assert len(head.history or ()) == len(state.history)


def test_an_event_that_is_added_leaves_the_others_as_they_were() -> None:
    document = next(d for d in GO_DOCUMENTS if b'"go-nanos"' in d)
    state = wire.decode(document)
    added = state.history[0].replace(id=4, error="added")

    written = exactly(wire.encode(state.replace(history=(*state.history, added))))["History"]

    assert written[:3] == exactly(document)["History"]
    assert written[3]["Error"] == "added"


def test_an_event_that_is_removed_takes_nothing_with_it() -> None:
    document = next(d for d in GO_DOCUMENTS if b'"go-nanos"' in d)
    state = wire.decode(document)

    written = exactly(wire.encode(state.replace(history=state.history[1:])))["History"]

    assert written == exactly(document)["History"][1:]
