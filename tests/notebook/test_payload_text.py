"""Payloads as text: digit for digit the document's, and the place marked where one is not JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inngest_nb import WorkflowState, wire
from inngest_nb.history import payload_text, pretty

# Many texts that may be typed, and for each the place of its flaw; a form shows one of them.
from inngest_nb.notebook.forms._typed_json import BadJsonError, read_payload

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(VALUES, st.booleans())
def test_a_payload_reads_back_as_the_same_value(value: object, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped)
    assert json.loads(pretty(text)) == value
    assert json.loads(bytes(read_payload(pretty(text)))) == value
    assert pretty(pretty(text)) == pretty(text)


def test_numbers_are_shown_and_written_to_the_last_digit() -> None:
    numbers = '{"a":1.0,"b":12345678901234567890123,"c":[1e3,-0.0,0.10000000000000000001]}'
    assert bytes(read_payload(pretty(numbers))).decode() == numbers


def test_escapes_of_what_can_be_seen_are_shown_as_what_they_stand_for() -> None:
    text = r'"\u003cb\u003e \u00e9 \ud83d\ude00 \\u003c \u202e \u0000 \u0022"'
    assert pretty(text) == r'"<b> é 😀 \\u003c \u202e \u0000 \""'
    assert pretty(pretty(text)) == pretty(text)


def test_what_would_turn_the_text_around_is_shown_as_an_escape() -> None:
    assert pretty('"a\u202eb\u2028"') == r'"a\u202eb\u2028"'


def test_two_texts_of_the_same_json_read_alike_whatever_their_spaces() -> None:
    assert pretty('{"a": [1, 2]}') == pretty('{"a":[1,2]}')
    assert pretty('{"a": 1}') != pretty('{"a": 1.0}')
    assert pretty('"1"') != pretty("1")


def test_null_is_an_empty_text_and_the_other_way_round() -> None:
    assert payload_text(WorkflowState(workflow_id="a"), "input") == ""
    assert bytes(read_payload(" \n")) == b"null"


def test_a_payload_nested_as_deep_as_a_document_may_be_is_shown() -> None:
    deep = "[" * 500 + "]" * 500
    document = f'{{"WorkflowID":"a","Input":{deep}}}'.encode()
    assert payload_text(wire.decode(document), "input") == pretty(deep)
    too_deep_to_indent = "[" * 5_000 + "]" * 5_000
    assert pretty(too_deep_to_indent) == too_deep_to_indent


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ('{"a":1,}', 1, 8, "property name"),
        ('{\n  "a": 1\n  "b": 2}', 3, 3, "',' delimiter"),
        ("nul", 1, 1, "expecting value"),
        ("[1,2] x", 1, 7, "extra data"),
        ('"abc', 1, 1, "unterminated string"),
        ('{"a":', 1, 6, "expecting value"),
        ("{'a':1}", 1, 2, "double quotes"),
        ('{"a": None}', 1, 7, "true, false and null"),
        ('{"a": NaN}', 1, 7, "true, false and null"),
        ('"a\nb"', 1, 3, "line break"),
        ('{"é": 1 x}', 1, 9, "',' delimiter"),
        ('[1,\n 1e400]', 2, 2, "too large"),
        ("9" * 5_000, 1, 1, "too large"),
        (r'{"x": "\ud800"}', 1, 8, "surrogate"),
        (r'["\ud83d\ude00", "\udc00"]', 1, 19, "surrogate"),
        ('["\ud800"]', 1, 3, "surrogate"),
        ("[\n" * 2_000, 1, 1, "nested"),
        ("[" * 550 + "]" * 550, 1, 1, "nested"),
    ],
)  # fmt: skip
def test_bad_json_is_marked_where_it_is(text: str, line: int, column: int, problem: str) -> None:
    with pytest.raises(BadJsonError, match=problem) as caught:
        read_payload(text)
    assert (caught.value.line, caught.value.column) == (line, column)


@given(st.text(alphabet='{}[]",:\\u12e.-ntfx \né', max_size=40))
def test_every_text_is_json_or_has_a_marked_place_in_it(text: str) -> None:
    error = flaw_of(text)
    if error is not None:
        line = text.split("\n")[error.line - 1]
        assert line == error.before + error.after
        assert error.column == len(error.before) + 1


def flaw_of(text: str) -> BadJsonError | None:
    try:
        read_payload(text)
    except BadJsonError as error:
        return error
    return None


def test_a_long_line_is_cut_around_its_flaw() -> None:
    with pytest.raises(BadJsonError) as caught:
        read_payload("[" + "1," * 500 + "x" + ",1" * 500 + "]")
    assert caught.value.column == 1_002
    assert caught.value.before == "…" + "1," * 30
    assert caught.value.after == "x" + ",1" * 29 + ",…"


@pytest.mark.parametrize(
    ("text", "column"), [('{"NaN": NaN}', 9), ('{"a": "1e999", "b": 11e999, "c": 1e999}', 21)]
)
def test_the_place_of_what_cannot_be_read_is_not_one_that_looks_like_it(
    text: str, column: int
) -> None:
    with pytest.raises(BadJsonError) as refused:
        read_payload(text)
    assert refused.value.column == column
