"""Paths into payloads: their text, their errors, and what they find, digit for digit."""

from __future__ import annotations

import copy
import json
import sys
import threading
from typing import Any

import pytest
from hostile_strings import HOSTILE_STRINGS
from hypothesis import given
from hypothesis import strategies as st
from plain_rows import pickled

from inngest_nb.errors import StoreDecodeError
from inngest_nb.query import MISSING, Path, value_of

PAYLOAD = b"""{
    "order": 12345678901234567890123,
    "price": 1.10,
    "tiny": 1e-7,
    "big": 1e400,
    "nothing": null,
    "items": [{"price": 5, "tags": ["a", "b"]}, {"sku": "x"}, {"price": null, "tags": []},
              7, {"price": 0.50, "tags": ["c"]}],
    "matrix": [[1, 2], [3], 4, []],
    "a.b": "dotted", "a": {"b": "nested"},
    "unit price": 3, "": {"": "empty"}, "[]": "brackets", "quote\\"s": "q", "\\u00e9": "accent",
    "twice": {"x": 1}, "twice": {"y": 2},
    "in": 1
}"""

FOUND = {
    "input.order": b"12345678901234567890123",
    "input.price": b"1.10",
    "input.tiny": b"1e-7",
    "input.big": b"1e400",
    "input.nothing": b"null",
    "input.nobody": MISSING,
    "input.nothing.below": MISSING,
    "input.price.below": MISSING,
    "input.items.price": MISSING,
    "input.items[0].price": b"5",
    "input.items[-1].price": b"0.50",
    "input.items[5]": MISSING,
    "input.items[-6]": MISSING,
    "input.price[0]": MISSING,
    "input.a[0]": MISSING,
    "input.items[].price": b"[5,null,null,null,0.50]",
    "input.items[].sku": b'[null,"x",null,null,null]',
    "input.items[].tags[]": b'["a","b","c"]',
    "input.items[].tags[0]": b'["a",null,null,null,"c"]',
    "input.matrix[][]": b"[1,2,3]",
    "input.matrix[]": b"[[1, 2],[3],4,[]]",
    "input.order[]": MISSING,
    "input.nobody[]": MISSING,
    "input.a[].b": MISSING,
    'input["a.b"]': b'"dotted"',
    "input.a.b": b'"nested"',
    "input['unit price']": b"3",
    'input[""][""]': b'"empty"',
    'input["[]"]': b'"brackets"',
    "input['quote\"s']": b'"q"',
    'input["quote\\"s"]': b'"q"',
    "input.é": b'"accent"',
    'input["\\u00e9"]': b'"accent"',
    "input.twice.x": MISSING,
    "input.twice.y": b"2",
    "input.in": b"1",
    "input": PAYLOAD,
}


@pytest.mark.parametrize("text", FOUND)
def test_a_path_finds_the_raw_json(text: str) -> None:
    assert Path.parse(text).of(PAYLOAD) == FOUND[text]


def test_nothing_is_in_an_empty_payload() -> None:
    for text in ("input", "input.a", "input[]", "input[0]"):
        assert Path.parse(text).of(b"") is MISSING
    assert Path.parse("input").of(b"null") == b"null"
    assert Path.parse("input.a").of(b"null") is MISSING


SPELLED = {
    " input.order ": "input.order",
    "input [0]": None,
    "input['order']": "input.order",
    'input[ "unit price" ]': 'input["unit price"]',
    "input['it''s']": None,
    r"input['it\'s']": 'input["it\'s"]',
    "input[ ]": "input[]",
    "input[ -1 ]": "input[-1]",
    "input['a\u202eb']": 'input["a\\u202eb"]',
    "input['\U000e0001']": 'input["\\udb40\\udc01"]',
    "input.order-id.$x.@y.5": "input.order-id.$x.@y.5",
    "result": "result",
}


@pytest.mark.parametrize("text", SPELLED)
def test_a_path_has_one_spelling(text: str) -> None:
    spelled = SPELLED[text]
    if spelled is None:
        with pytest.raises(ValueError, match="path: "):
            Path.parse(text)
        return
    assert str(Path.parse(text)) == spelled
    assert str(Path.parse(spelled)) == spelled


REFUSED = {
    "input..x": """\
path: expected a key after '.'
    input..x
          ^""",
    "input.": """\
path: expected a key after '.'
    input.
          ^""",
    "imput.order": """\
path: a path begins with input or result, not 'imput'; did you mean 'input'?
    imput.order
    ^""",
    ".order": """\
path: expected input or result, such as input.order
    .order
    ^""",
    "": "path: expected input or result, such as input.order",
    'input."x"': """\
path: a quoted key stands in brackets, as in input["a key"], without a dot
    input."x"
          ^""",
    "input[x]": """\
path: expected the number of an element, a key in quotes or ] after '['
    input[x]
          ^""",
    "input[1": """\
path: this [ is never closed
    input[1
         ^""",
    "input[1:2]": """\
path: expected ']'
    input[1:2]
           ^""",
    "input[1234567890]": """\
path: expected the number of an element, a key in quotes or ] after '['
    input[1234567890]
          ^""",
    "input[": """\
path: this [ is never closed
    input[
         ^""",
    'input["x': """\
path: this " is never closed
    input["x
          ^""",
    'input["x" y]': """\
path: expected ']'
    input["x" y]
              ^""",
    'input["x"': """\
path: this [ is never closed
    input["x"
         ^""",
    r'input["\x"]': r"""
path: this string has a wrong escape; write \\ for a backslash
    input["\x"]
          ^""".lstrip(),
    r'input["\ud800"]': r"""
path: this string has an unpaired surrogate, which JSON does not allow
    input["\ud800"]
          ^""".lstrip(),
    "input.order id": """\
path: expected the end of the path after 'input.order'
    input.order id
               ^""",
    "a\nb\u202e.c": """\
path: a path begins with input or result, not 'a'
    a
    ^""",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_wrong_path_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(ValueError, match="^path: ") as refused:
        Path.parse(text)
    assert str(refused.value) == REFUSED[text]


def test_other_roots_and_the_name_of_an_argument_can_be_given() -> None:
    roots = ("input", "result", "payload", "error")
    assert str(Path.parse("payload.by", roots=roots)) == "payload.by"
    with pytest.raises(ValueError, match="^redact: ") as refused:
        Path.parse("pay.by", roots=roots, name="redact")
    assert str(refused.value) == (
        "redact: a path begins with input, result, payload or error, not 'pay'; did you "
        "mean 'payload'?\n"
        "    pay.by\n    ^"
    )


@pytest.mark.parametrize("given", [None, 5, b"input.a", ["input.a"]])
def test_a_path_that_is_no_text_is_a_type_error(given: Any) -> None:
    with pytest.raises(TypeError, match=f"^path must be a string, got {type(given).__name__}$"):
        Path.parse(given)


def test_a_path_has_limits() -> None:
    Path.parse("input" + ".a" * 100)
    with pytest.raises(ValueError, match="^path: a path has at most 100 steps\n"):
        Path.parse("input" + ".a" * 101)
    with pytest.raises(ValueError, match="^path must have at most 10,000 characters, got 10,001$"):
        Path.parse("input." + "a" * 9_995)


def refusal(text: str) -> str:
    try:
        Path.parse(text)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("hostile", [*HOSTILE_STRINGS, "a\0b\u202e", "\ud800", "x" * 9_000])
def test_hostile_text_in_an_error_is_short_and_visible(hostile: str) -> None:
    for text in (hostile, f"input[{hostile}", f"input.{hostile}"):
        said = refusal(text)
        assert all(line.isprintable() for line in said.splitlines())
        assert len(said) < 400
    quoted = Path("input", (hostile,))
    assert str(quoted).isprintable()
    if hostile != "\ud800":
        assert Path.parse(str(quoted)) == quoted


def test_paths_are_values() -> None:
    path = Path.parse("input.items[].price")
    assert path.of(b"{}") is MISSING
    for twin in (copy.deepcopy(path), pickled(path), Path.parse(str(path))):
        assert twin == path
        assert hash(twin) == hash(path)
        assert twin.of(b'{"items":[{"price":1}]}') == b"[1]"
    assert path.is_list
    assert not Path.parse("input.items[0].price").is_list


# Bad payloads


@pytest.mark.parametrize("payload", [b'{"a": ', b"tru", b'{"a": 1} x', b"{'a': 1}", b"\xff"])
def test_a_payload_that_is_no_json_is_a_decode_error(payload: bytes) -> None:
    with pytest.raises(StoreDecodeError, match="invalid payload"):
        Path.parse("input.a").of(payload)
    with pytest.raises(StoreDecodeError, match="invalid payload"):
        value_of(payload)


@pytest.mark.parametrize(("opened", "closed"), [(b'{"a":', b"}"), (b"[", b"]")])
@pytest.mark.parametrize("text", ["input.a", "input.a.a", "input.b", "input[]", "input.a[]"])
def test_deep_payloads_are_read_or_refused_but_never_crash(
    opened: bytes, closed: bytes, text: str
) -> None:
    def found(depth: int) -> Any:
        payload = b'{"a":' + opened * depth + b"1" + closed * depth + b"}"
        return value_of(Path.parse(text).of(payload))

    found(480)
    for depth in (5_000, 200_000):
        if text == "input[]":  # the payload is no list: deeper levels are not looked at
            assert found(depth) is None
            continue
        with pytest.raises(StoreDecodeError, match="nested deeper than 500 levels"):
            found(depth)


def test_a_payload_is_read_even_if_the_stack_is_nearly_full() -> None:
    payload = b'{"a":' + b"[" * 400 + b"]" * 400 + b"}"
    path = Path.parse("input.a")
    path.of(payload)

    def deep(left: int) -> Any:
        return deep(left - 1) if left else value_of(path.of(payload))

    read = []
    thread = threading.Thread(target=lambda: read.append(deep(sys.getrecursionlimit() - 250)))
    thread.start()
    thread.join()
    assert len(read) == 1


# Values


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"12345678901234567890123", 12345678901234567890123),
        (b"1.0", 1.0),
        (b"-0", 0),
        (b"1e400", float("inf")),
        (b"[-1e400]", [float("-inf")]),
        (b"null", None),
        (b"", None),
        (MISSING, None),
        (b'"\\u00e9"', "é"),
        (b'{"a": [1, true]}', {"a": [1, True]}),
    ],
)
def test_values_are_pythons(raw: Any, value: Any) -> None:
    found = value_of(raw)
    assert found == value
    assert type(found) is type(value)


def test_a_number_of_thousands_of_digits_is_exact() -> None:
    digits = "7" * 5_000
    assert str(value_of(digits.encode())) == digits


@pytest.mark.parametrize("raw", [b"NaN", b"Infinity", b"[-Infinity]", b'"\\ud800"', b"1 2"])
def test_what_json_does_not_have_is_refused(raw: bytes) -> None:
    with pytest.raises(StoreDecodeError, match="invalid payload"):
        value_of(raw)


# At random

KEYS = st.sampled_from(
    ["a", "b", "a.b", "", "x y", "[]", '"', "'", "\\", "é", "\n", "in", "\U0001f600"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | KEYS
)
PAYLOADS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=15,
)
PATHS = st.builds(
    Path,
    st.sampled_from(["input", "result"]),
    st.lists(KEYS | st.integers(-3, 3) | st.just(...), max_size=4).map(tuple),
)


@given(
    PATHS
    | st.builds(
        Path,
        st.just("input"),
        st.lists(st.text(st.characters(exclude_categories=["Cs"]))).map(tuple),
    )
)
def test_the_text_of_a_path_is_read_back(path: Path) -> None:
    assert Path.parse(str(path)) == path
    assert str(path).isprintable()


@given(PATHS, PAYLOADS, st.randoms(use_true_random=False))
def test_a_path_finds_what_is_in_the_loaded_payload(path: Path, payload: Any, how: Any) -> None:
    found = path.of(written(payload, how).encode())
    wanted = naive(payload, path.steps)
    assert (found is MISSING) == (wanted is MISSING)
    if found is not MISSING:
        # As JSON, in which 1, 1.0 and true differ.
        assert json.dumps(value_of(found), sort_keys=True) == json.dumps(wanted, sort_keys=True)


def naive(value: Any, steps: Any) -> Any:
    """Follow a path through loaded values."""
    for place, step in enumerate(steps):
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return MISSING
            value = value[step]
        elif isinstance(step, int):
            if not isinstance(value, list) or not -len(value) <= step < len(value):
                return MISSING
            value = value[step]
        else:
            if not isinstance(value, list):
                return MISSING
            rest = steps[place + 1 :]
            inner = [naive(one, rest) for one in value]
            if ... in rest:
                return [each for one in inner if one is not MISSING for each in one]
            return [None if one is MISSING else one for one in inner]
    return value


def written(value: Any, how: Any) -> str:
    """Write JSON with spaces, escapes and keys that come twice, the last of which counts."""
    space = how.choice(["", " ", "\n\t"])
    if isinstance(value, list):
        return f"[{space}{','.join(written(one, how) for one in value)}{space}]"
    if isinstance(value, dict):
        entries = [
            f"{space}{written(key, how)}{space}:{space}{written(one, how)}"
            for key, one in value.items()
        ]
        if entries and how.random() < 0.3:
            entries.insert(
                0, f"{written(how.choice([*value]), how)}: {how.choice(['1', '{}', '[[]]'])}"
            )
        return "{" + ",".join(entries) + "}"
    return json.dumps(value, ensure_ascii=how.random() < 0.5)
