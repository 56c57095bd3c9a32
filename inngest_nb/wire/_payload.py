"""Encodes payloads as JSON that reads back unchanged, or rejects them.

What the encoder would silently drop or change is rejected with its path in the value: NaN and
infinity (which it writes as null), keys that are the same in JSON, and unpaired surrogates.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from operator import eq
from typing import Any, NoReturn

import msgspec
from msgspec import UNSET, Struct
from msgspec.json import Encoder
from msgspec.structs import fields as fields_of

from inngest_nb.errors import PayloadTooLargeError
from inngest_nb.wire._depth import MAX_DEPTH, flat, is_deeper


def _dump(value: Any) -> Any:
    """Return a pydantic model as JSON values; anything else is unsupported."""
    if hasattr(type(value), "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")


_json = Encoder(enc_hook=_dump).encode
_read = msgspec.json.Decoder().decode
_NO_NUMBER = "NaN and infinity are not valid JSON; use None"
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
# NaN or infinity as a MessagePack float.
_PACKED_NAN = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")
_SHOWN = 60  # characters shown of each end of a long path


def encode_json(value: Any) -> bytes:
    """Encode one value as JSON, like a payload.

    Raises `TypeError` or `ValueError` for anything that JSON cannot represent or would change, with
    the path in the value, as in `$.items[3].price`.
    """
    return _written(value)[0]


def json_copy(value: Any, max_bytes: int = 0) -> Any:
    """Return a value as JSON reads it back. Raises the same errors as `encode_json`.

    With `max_bytes`, also raises `PayloadTooLargeError` if the JSON is longer.
    """
    text, copy = _written(value)
    if max_bytes and len(text) > max_bytes:
        raise PayloadTooLargeError(
            f"{len(text):,} bytes as JSON, more than the limit of {max_bytes:,}; store large data "
            "elsewhere, in a file or a bucket, and keep only its address here"
        )
    return copy


def duplicate(value: Any) -> Any:
    """Return a deep copy of a JSON value."""
    return flat(_read, flat(_json, value))


def json_error(value: Any) -> str:
    """Describe what in a value cannot be written as JSON, and where; "" if nothing is found."""
    todo = [(value, "$", 0)]
    while todo:
        found, place, depth = todo.pop()
        if depth > MAX_DEPTH:
            return f"{_TOO_DEEP}, at {_short(place)}"
        children: list[tuple[Any, str]] = []
        try:
            problem = _problem(found)
            if not problem:
                for child, step in _children(found):
                    children.append((child, place + step))
        except (TypeError, ValueError) as error:
            problem = str(error)
        if problem:
            return f"{problem}, at {_short(place)}"
        todo += ((child, where, depth + 1) for child, where in reversed(children))
    return ""


def _written(value: Any) -> tuple[bytes, Any]:
    kind = type(value)
    if (
        value is None
        or kind is bool
        or (kind is int and -(2**63) <= value < 2**63)
        or (kind is float and math.isfinite(value))
    ):
        return _json(value), value
    try:
        text = flat(_json, value)
        if kind is str:
            return text, value
        if is_deeper(text, MAX_DEPTH):
            raise ValueError(_TOO_DEEP)
        read = flat(_read, text)
        if b"null" not in text and _equal(read, value):  # a null may have been NaN
            return text, read
        again = flat(_json, read)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    except msgspec.DecodeError as error:
        raise ValueError(f"it could not be read back: {error}") from error
    except (TypeError, ValueError) as error:
        _refuse(value, error)
    # Shorter if keys were the same; the others may be NaN or infinity.
    if (
        len(again) != len(text)
        or (b"null" in text and _may_hold_nan(value))
        or b'nan":' in text
        or b'inf":' in text
        or b"NaN" in text
        or b"Infinity" in text
    ) and (problem := json_error(value)):
        raise ValueError(problem)
    return text, read


def _equal(read: Any, value: Any) -> bool:
    """Tell whether a value equals what is read back: then nothing was dropped or changed."""
    try:
        return flat(eq, read, value) is True
    except Exception:  # noqa: BLE001  # an object's own `__eq__` may raise anything
        return False


def _may_hold_nan(value: Any) -> bool:
    """Tell whether a value may contain NaN or infinity; rarely True for other values."""
    try:
        return _PACKED_NAN.search(flat(msgspec.msgpack.encode, value)) is not None
    except (TypeError, ValueError, OverflowError, RecursionError):  # it cannot be packed
        return True


def _refuse(value: Any, error: TypeError | ValueError) -> NoReturn:
    kind = TypeError if isinstance(error, TypeError) else ValueError
    raise kind(json_error(value) or str(error)) from error


def _problem(value: Any) -> str:
    """Describe what is wrong with a value itself, not with its contents."""
    if isinstance(value, Enum):
        return _problem(value.value)
    if isinstance(value, str):
        return _unpaired(value)
    if isinstance(value, float) and not math.isfinite(value):
        return _NO_NUMBER
    if isinstance(value, Decimal) and not value.is_finite():
        return _NO_NUMBER
    return ""


def _unpaired(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"{text[error.start]!r} is an unpaired surrogate, which JSON does not allow"
    return ""


def _children(value: Any) -> Iterator[tuple[Any, str]]:
    """Yield the contents of a value, each with its path step; raise if it cannot be encoded."""
    if isinstance(value, Enum):
        yield value.value, ""
    elif isinstance(value, Mapping):
        yield from _entries(value)
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((item, f"[{number}]") for number, item in enumerate(value))
    elif isinstance(value, Struct):
        as_list = value.__struct_config__.array_like
        for number, field in enumerate(fields_of(value)):
            if (held := getattr(value, field.name)) is not UNSET:
                yield held, f"[{number}]" if as_list else _step(field.encode_name)
    elif dataclasses.is_dataclass(value):
        for one in dataclasses.fields(value):
            if (held := getattr(value, one.name, UNSET)) is not UNSET:
                yield held, _step(one.name)
    elif hasattr(type(value), "__attrs_attrs__"):
        for one in type(value).__attrs_attrs__:
            if (held := getattr(value, one.name, UNSET)) is not UNSET:
                yield held, _step(one.name)
    elif hasattr(type(value), "model_dump"):
        yield value.model_dump(), ""
    else:
        _json(value)


def _entries(value: Mapping[Any, Any]) -> Iterator[tuple[Any, str]]:
    known: dict[str, Any] = {}
    for key, item in value.items():
        if problem := _problem(key):
            raise ValueError(f"invalid key {key!r}: {problem}")
        (text,) = _read(_json({key: 0}))
        if text in known:
            raise ValueError(f"the keys {known[text]!r} and {key!r} are the same in JSON")
        known[text] = key
        yield item, _step(text)


def _step(key: str) -> str:
    return f".{key}" if key.isidentifier() else f"[{_short(key)!r}]"


def _short(text: str) -> str:
    """Shorten the middle of a long key or path."""
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]}…{text[-_SHOWN:]}"
