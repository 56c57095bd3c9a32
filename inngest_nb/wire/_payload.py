"""The door for payloads: values become JSON that reads back as they were, or are refused.

What the encoder would drop or change without a word is refused with its place in the value: NaN
and infinity (it writes null), keys that are the same in JSON, halves of surrogate pairs.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, NoReturn

import msgspec
from msgspec import UNSET, Struct
from msgspec.json import Encoder
from msgspec.structs import fields as fields_of

from inngest_nb.errors import PayloadTooLargeError
from inngest_nb.wire._depth import MAX_DEPTH, flat, is_deeper


def _dump(value: Any) -> Any:
    """Give a pydantic model as JSON values; nothing else is known that the encoder does not."""
    if hasattr(type(value), "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")


_json = Encoder(enc_hook=_dump).encode
_read = msgspec.json.Decoder().decode
_NO_NUMBER = "NaN and infinity are not JSON; use None"
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
# A float of MessagePack that is no number.
_PACKED_NAN = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")
_SHOWN = 60  # characters of either end of a long place


def encode_json(value: Any) -> bytes:
    """Write one JSON value, as payloads are written.

    Raises `TypeError` or `ValueError` for what JSON cannot hold, or would not give back, with the
    place in the value, as in `$.items[3].price`.
    """
    return _written(value)[0]


def json_copy(value: Any, max_bytes: int = 0) -> Any:
    """Return a value as JSON reads it back. Raises what `encode_json` does.

    With `max_bytes` it raises `PayloadTooLargeError` for one that is longer as JSON.
    """
    text, copy = _written(value)
    if max_bytes and len(text) > max_bytes:
        raise PayloadTooLargeError(
            f"{len(text):,} bytes as JSON, and at most {max_bytes:,} can be kept; keep large data "
            "elsewhere, in a file or a bucket, and its address here"
        )
    return copy


def duplicate(value: Any) -> Any:
    """Return a copy of a value that was read from JSON."""
    return flat(_read, flat(_json, value))


def flaw(value: Any) -> str:
    """Say what in a value JSON cannot hold, and where, "" if nothing is found."""
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
        again = flat(_json, read)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    except msgspec.DecodeError as error:
        raise ValueError(f"it would not be read back: {error}") from error
    except (TypeError, ValueError) as error:
        _refuse(value, error)
    # Shorter, when keys were the same; the others are how what is no number may look.
    if (
        len(again) != len(text)
        or (b"null" in text and _may_hold_nan(value))
        or b'nan":' in text
        or b'inf":' in text
        or b"NaN" in text
        or b"Infinity" in text
    ) and (problem := flaw(value)):
        raise ValueError(problem)
    return text, read


def _may_hold_nan(value: Any) -> bool:
    """Tell values with a float that is no number; of others seldom one."""
    try:
        return _PACKED_NAN.search(flat(msgspec.msgpack.encode, value)) is not None
    except (TypeError, ValueError, OverflowError, RecursionError):  # not all can be packed
        return True


def _refuse(value: Any, error: TypeError | ValueError) -> NoReturn:
    kind = TypeError if isinstance(error, TypeError) else ValueError
    raise kind(flaw(value) or str(error)) from error


def _problem(value: Any) -> str:
    """Say what is wrong with a value itself, whatever it holds."""
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
        return f"half of a surrogate pair, {text[error.start]!r}, is not JSON"
    return ""


def _children(value: Any) -> Iterator[tuple[Any, str]]:
    """Yield what a value holds, each with the step to it; raise if it cannot be written at all."""
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
            raise ValueError(f"a key is {key!r}: {problem}")
        (text,) = _read(_json({key: 0}))
        if text in known:
            raise ValueError(f"the keys {known[text]!r} and {key!r} are the same in JSON")
        known[text] = key
        yield item, _step(text)


def _step(key: str) -> str:
    return f".{key}" if key.isidentifier() else f"[{_short(key)!r}]"


def _short(text: str) -> str:
    """Leave out the middle of a long key or place."""
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]}…{text[-_SHOWN:]}"
