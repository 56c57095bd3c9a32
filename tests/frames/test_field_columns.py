"""A payload field as a column: its dtype comes from the values, and nothing is lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inngest_nb.errors import StoreDecodeError
from inngest_nb.frames.basics._fields import field_column
from inngest_nb.query import MISSING, Path

DTYPES = [
    ([b"1", b"-2", None], "Int64", [1, -2, pd.NA]),
    ([b"9223372036854775807", b"-9223372036854775808"], "Int64", [2**63 - 1, -(2**63)]),
    ([b"9223372036854775808", b"1"], "object", [2**63, 1]),
    ([b"12345678901234567890123", MISSING], "object", [12345678901234567890123, None]),
    ([b"1.5", b"null", b"-0.0"], "float64", [1.5, np.nan, -0.0]),
    ([b"1", b"2.5"], "float64", [1.0, 2.5]),
    ([b"1.0"], "float64", [1.0]),
    ([b"9007199254740993", b"0.5"], "object", [2**53 + 1, 0.5]),
    ([b"9007199254740992", b"0.5"], "float64", [2.0**53, 0.5]),
    ([b"1" + b"0" * 400, b"0.5"], "object", [10**400, 0.5]),
    ([b"1e400", b"1"], "float64", [np.inf, 1.0]),
    ([b"true", b"", b"false"], "boolean", [True, pd.NA, False]),
    ([b"true", b"1"], "object", [True, 1]),
    ([b'"a"', b'""', b"null"], "str", ["a", "", np.nan]),
    ([b'"a"', b"1", None], "object", ["a", 1, None]),
    ([b"[1]", b"{}", b"null"], "object", [[1], {}, None]),
    ([b"[1]", b"[2]"], "object", [[1], [2]]),
    ([None, b"null", b"", MISSING], "object", [None] * 4),
    ([], "object", []),
    (
        [b'"2026-11-01T10:00:00Z"', None, b'"2026-11-01T10:00:00.123456+02:00"'],
        "datetime64[us, UTC]",
        [
            datetime(2026, 11, 1, 10, tzinfo=UTC),
            pd.NaT,
            datetime(2026, 11, 1, 8, 0, 0, 123456, tzinfo=UTC),
        ],
    ),
    ([b'"0001-01-01T00:00:00Z"'], "datetime64[us, UTC]", [datetime(1, 1, 1, tzinfo=UTC)]),
    ([b'"2026-11-01T10:00:00Z"', b'"soon"'], "str", ["2026-11-01T10:00:00Z", "soon"]),
    ([b'"2026-11-01T10:00:00"'], "str", ["2026-11-01T10:00:00"]),
    ([b'"2026-11-01"', None], "str", ["2026-11-01", np.nan]),
]


@pytest.mark.parametrize(("raws", "dtype", "values"), DTYPES)
def test_the_dtype_is_found_from_the_values(raws: Any, dtype: str, values: list[Any]) -> None:
    column = field_column("input.a", raws)
    assert str(column.dtype) == dtype
    assert column.name == "input.a"
    for found, wanted in zip(column, values, strict=True):
        if wanted is pd.NA or wanted is pd.NaT or wanted is None:
            assert found is wanted
        else:
            assert repr(found) == repr(wanted) or found == wanted


def test_lists_of_a_path_can_be_exploded() -> None:
    path = Path.parse("input.items[].price")
    payloads = [b'{"items":[{"price":5},{}]}', b"null", b'{"items":[]}', b'{"items":[{"price":7}]}']
    column = field_column(str(path), [path.of(payload) for payload in payloads])
    assert list(column) == [[5, None], None, [], [7]]
    assert column.explode().fillna(0).to_list() == [5, 0, 0, 0, 7]
    assert column.explode().index.to_list() == [0, 0, 1, 2, 3]


@pytest.mark.parametrize(
    "wrong", [b"tru", b"1, 2", b'"\\ud800"', b"NaN", b"[" * 5_000 + b"]" * 5_000]
)
def test_what_cannot_be_read_is_an_error(wrong: bytes) -> None:
    for raws in ([wrong], [b"1", wrong, None]):
        with pytest.raises(StoreDecodeError, match="invalid payload"):
            field_column("input.a", raws)


def test_a_deep_value_is_read() -> None:
    column = field_column("input.a", [b"[" * 490 + b"]" * 490])
    assert str(column.dtype) == "object"


KINDS = [
    st.booleans(),
    st.integers(-3, 3),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["2026-11-01T10:00:00Z", "2026-11-01T12:00:00+02:00"]),
    st.sampled_from(["", "a"]),
    st.lists(st.integers(0, 2), max_size=2),
]


@given(st.lists(st.sampled_from(KINDS), max_size=2), st.data())
def test_a_column_has_the_values_of_loaded_payloads(kinds: list[Any], data: Any) -> None:
    values = data.draw(st.lists(st.one_of(st.none(), *kinds), max_size=8))
    column = field_column("x", [json.dumps(value).encode() for value in values])
    assert str(column.dtype) == naive_dtype([value for value in values if value is not None])
    for found, value in zip(column, values, strict=True):
        if value is None:
            assert found is None or pd.isna(found)
        elif str(column.dtype) == "datetime64[us, UTC]":
            assert found == datetime.fromisoformat(value)
        else:
            assert found == value
            assert isinstance(found, bool | np.bool_) == isinstance(value, bool)
    if str(column.dtype) == "object":
        assert [type(found) for found in column] == [type(value) for value in values]


def naive_dtype(there: list[Any]) -> str:
    if there and all(isinstance(one, str) for one in there):
        return "datetime64[us, UTC]" if all(one[:2] == "20" for one in there) else "str"
    if there and all(isinstance(one, bool) for one in there):
        return "boolean"
    if not there or any(isinstance(one, str | bool | list) for one in there):
        return "object"
    whole = [one for one in there if isinstance(one, int)]
    if len(whole) == len(there):
        return "Int64" if all(-(2**63) <= one < 2**63 for one in whole) else "object"
    return "float64" if all(int(float(one)) == one for one in whole) else "object"
