"""Finds what is at a path of a raw JSON payload, level by level, without reading the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import Enum
from types import EllipsisType
from typing import Any, Final, Literal, NoReturn

import msgspec
from msgspec import Raw

from inngest_nb import wire
from inngest_nb.errors import StoreDecodeError


class _Nothing(Enum):
    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> Literal[False]:
        return False


MISSING: Final = _Nothing.MISSING
Missing = Literal[_Nothing.MISSING]

Find = Callable[[bytes], bytes | Missing]

_NULL = b"null"
_entries_of = msgspec.json.Decoder(dict[str, Raw]).decode
_items_of = msgspec.json.Decoder(list[Raw]).decode
_value_of = msgspec.json.Decoder().decode


def finder(steps: Sequence[str | int | EllipsisType]) -> Find:
    """Return a function that finds the raw JSON at the end of these steps."""

    def find(payload: bytes) -> bytes | Missing:
        try:
            return _at(payload, steps)
        except msgspec.ValidationError:
            return MISSING  # there is no object or no list on the way
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _slowly(payload, steps)

    return find


def _at(payload: bytes | Raw, steps: Sequence[str | int | EllipsisType]) -> bytes | Missing:
    if not payload:
        return MISSING
    for place, step in enumerate(steps):
        if isinstance(step, str):
            found = _entries_of(payload).get(step)
            if found is None:
                return MISSING
            payload = found
        elif isinstance(step, int):
            items = _items_of(payload)
            if not -len(items) <= step < len(items):
                return MISSING
            payload = items[step]
        else:
            return _of_each(_items_of(payload), steps[place + 1 :])
    return bytes(payload)


def _of_each(items: Sequence[Raw], steps: Sequence[str | int | EllipsisType]) -> bytes:
    """Return a list of what each element has; lists within are joined."""
    found = []
    for item in items:
        try:
            one = _at(item, steps)
        except msgspec.ValidationError:
            one = MISSING
        if ... not in steps:
            found.append(_NULL if one is MISSING else one)
        elif one is not MISSING and (inner := one[1:-1]):
            found.append(inner)
    return b"[%s]" % b",".join(found)


def _slowly(payload: bytes, steps: Sequence[str | int | EllipsisType]) -> bytes | Missing:
    """Try once more with an empty stack, and say what is wrong with the payload."""
    try:
        return wire.flat(_at, payload, steps)
    except msgspec.ValidationError:
        return MISSING
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _refuse(error)


def value_of(raw: bytes | Missing) -> Any:
    """Return the Python value of raw JSON: whole numbers exactly, whatever their size.

    Others are floats, infinite where JSON has a larger number. `MISSING` and null are None. Raises
    `StoreDecodeError` for what is no JSON.
    """
    if raw is MISSING or not raw:
        return None
    try:
        return _value_of(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # it may be only a number that is too large for msgspec
    try:
        value = wire.flat(_with_any_number, str(raw, "utf-8"))
        wire.flat(_text_of, value).encode()  # refuses surrogates
    except (ValueError, RecursionError) as error:
        _refuse(error)
    return value


def _refuse(error: Exception) -> NoReturn:
    text = str(error)
    if isinstance(error, RecursionError):
        text = f"it is nested deeper than {wire.MAX_DEPTH} levels"
    elif isinstance(error, UnicodeError):
        text = "it contains invalid UTF-8 or an unpaired surrogate"
    raise StoreDecodeError(f"invalid payload: {text}", place="$") from error


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is not valid JSON")


def _whole(digits: str) -> int | Decimal:
    # Python refuses to read a longer text as an int.
    return int(digits) if len(digits) <= 4_000 else Decimal(digits)


_with_any_number = json.JSONDecoder(parse_int=_whole, parse_constant=_no_number).decode
_text_of = json.JSONEncoder(default=str, ensure_ascii=False).encode
