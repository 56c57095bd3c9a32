"""Values of payloads as a column, whose dtype is found from the values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
import numpy as np
import pandas as pd
from msgspec import Meta

from inngest_nb import wire
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.query import MISSING, Missing, value_of

Raw = bytes | Missing | None

_values_of = msgspec.json.Decoder(list[Any]).decode
_times_of = msgspec.json.Decoder(list[Annotated[datetime, Meta(tz=True)] | None]).decode


def field_column(name: str, raws: Sequence[Raw]) -> pd.Series[Any]:
    """Return a column of the values in raw JSON; null, None and `MISSING` are missing.

    Its dtype is that which holds all values without loss: Int64, float64 (also for whole numbers
    among floats), boolean, str, or datetime64[us, UTC] where every text is an ISO 8601 time with a
    zone. It is object for lists, objects, values of several types, whole numbers beyond 64 bits
    or, among floats, such as a float can't hold, and where everything is missing; there a missing
    value is None. Raises `StoreDecodeError` for what can't be read as JSON.
    """
    return pd.Series(_array(raws), name=name)


def _array(raws: Sequence[Raw]) -> Any:
    whole = b"[%s]" % b",".join([bytes(raw) if raw else b"null" for raw in raws])
    values = _read(_values_of, whole)
    if values is None or len(values) != len(raws):  # one is no JSON, or no number for msgspec
        values = [value_of(raw or MISSING) for raw in raws]
    kinds = {*map(type, values)} - {type(None)}
    if kinds == {str}:
        times = _read(_times_of, whole)
        return _texts(values) if times is None else columns.times(columns.microseconds(times))
    make = _MAKERS.get(frozenset(kinds), _objects)
    try:
        return make(values)
    except OverflowError:  # a whole number is too large
        return _objects(values)


def _read(decode: Callable[[bytes], list[Any]], whole: bytes) -> list[Any] | None:
    try:
        return wire.flat(decode, whole)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _texts(values: list[Any]) -> Any:
    return pd.array(np.array(values, dtype=object), dtype="str")


def _whole_numbers(values: list[Any]) -> Any:
    if None not in values:
        return pd.array(np.array(values, dtype=np.int64), dtype="Int64")
    counts = np.array([0 if value is None else value for value in values], dtype=np.int64)
    return pd.arrays.IntegerArray(counts, _missing(values))


def _floats(values: list[Any]) -> Any:
    return np.array(values, dtype=np.float64)  # None is NaN there


def _numbers(values: list[Any]) -> Any:
    exact = all(value == float(value) for value in values if type(value) is int)
    return _floats(values) if exact else _objects(values)


def _booleans(values: list[Any]) -> Any:
    flags = np.array([value is True for value in values])
    return pd.arrays.BooleanArray(flags, _missing(values))


def _objects(values: list[Any]) -> Any:
    return np.fromiter(values, dtype=object, count=len(values))


def _missing(values: list[Any]) -> Any:
    return np.array([value is None for value in values])


_MAKERS: dict[frozenset[type], Callable[[list[Any]], Any]] = {
    frozenset({int}): _whole_numbers,
    frozenset({float}): _floats,
    frozenset({int, float}): _numbers,
    frozenset({bool}): _booleans,
}
