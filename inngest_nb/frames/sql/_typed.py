"""The result of a query as a DataFrame whose dtypes follow from the types of its columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from inngest_nb import wire
from inngest_nb.errors import StoreDecodeError
from inngest_nb.frames.basics import _columns as columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

_WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
_HUGE = ("HUGEINT", "UHUGEINT", "UBIGINT")  # what sums are


def typed(answer: DuckDBPyRelation) -> pd.DataFrame:
    """Run a query and return its rows; an empty answer has the same dtypes.

    Whole numbers are Int64, truth values boolean, text str, times datetime64[us] (in UTC where they
    have a zone), intervals timedelta64[us], JSON Python values, and everything else objects.
    """
    kinds = [str(kind) for kind in answer.types]
    if set(kinds) & {*_HUGE}:
        # By place: two columns may have one name. What 64 bits cannot hold is an error.
        places = zip(range(1, len(kinds) + 1), kinds, answer.columns, strict=True)
        answer = answer.project(", ".join(_in_64_bits(*each) for each in places))
        kinds = [str(kind) for kind in answer.types]
    found = answer.fetchnumpy()
    return pd.DataFrame(
        {name: _column(found[name], kind) for name, kind in zip(found, kinds, strict=True)}
    )


def _in_64_bits(place: int, kind: str, name: str) -> str:
    called = '"' + name.replace('"', '""') + '"'
    return f"#{place}::BIGINT AS {called}" if kind in _HUGE else f"#{place} AS {called}"


def _column(values: Any, kind: str) -> Any:
    data, missing = np.ma.getdata(values), np.ma.getmaskarray(values)
    if kind in _WHOLE:
        whole = data.astype(np.int64)
        return pd.arrays.IntegerArray(whole, missing)
    if kind == "BOOLEAN":
        return pd.arrays.BooleanArray(data.astype(bool), missing)
    if kind in ("FLOAT", "DOUBLE") or kind.startswith("DECIMAL"):
        return np.where(missing, np.nan, data.astype(np.float64))
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        moments = data.astype("datetime64[us]")
        moments[missing] = np.datetime64("NaT")
        if kind == "TIMESTAMP WITH TIME ZONE":
            return columns.times(moments.view(np.int64))
        return pd.DatetimeIndex(moments)
    if kind == "INTERVAL":
        spans = data.astype("timedelta64[us]")
        spans[missing] = np.timedelta64("NaT")
        return spans
    if kind == "VARCHAR" or kind.startswith("ENUM"):
        return pd.array(_objects(data, missing), dtype="str")
    if kind == "JSON":
        return columns.payloads(_value(text) for text in _objects(data, missing))
    if kind == "JSON[]":
        return columns.payloads(
            None if texts is None else [_value(text) for text in texts]
            for texts in _objects(data, missing)
        )
    return columns.payloads(iter(_objects(data, missing)))


def _objects(data: Any, missing: Any) -> list[Any]:
    return [None if gone else value for value, gone in zip(data, missing, strict=True)]


def _value(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return wire.decode_json(text)
    except StoreDecodeError:  # nested deeper than payloads of ours may be
        return wire.flat(json.loads, text)
