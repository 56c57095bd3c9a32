"""Converts payloads to the types that functions are annotated with: JSON to an `Order`."""

from __future__ import annotations

import dataclasses
import datetime as dates
import decimal
import enum
import inspect
import types
import typing
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec

from inngest_nb.engine.basics._functions import name_of, once_for_each
from inngest_nb.errors import PayloadTypeError

_VALUES = (
    *(dates.date, dates.time, dates.timedelta),
    *(decimal.Decimal, uuid.UUID, enum.Enum, msgspec.Struct),
)
_AS_THEY_ARE = (str, int, float, bool, type(None), dict, list, tuple, set, frozenset, bytes)


class Types(NamedTuple):
    """The types to decode a function's input and result to; None leaves them as plain JSON."""

    function: str = ""
    parameter: str = ""
    input: Any = None
    result: Any = None

    def decode_input(self, given: Any) -> Any:
        """Return an input as the type of the function's parameter.

        Raises `PayloadTypeError`, which says what does not fit, and where.
        """
        if given is None or self.input is None:
            return given
        what = f"the input of {self.function!r} does not match its parameter {self.parameter!r}"
        return _convert(given, self.input, what)

    def decode_result(self, result: Any) -> Any:
        """Return a result as the function's annotated return type.

        Raises `PayloadTypeError`, which says what does not fit, and where.
        """
        if self.result is None:
            return result
        what = f"the result of {self.function!r} does not match its return annotation"
        return _convert(result, self.result, what)


UNTYPED = Types()


def types_of(fn: Callable[..., Any], place: int) -> Types:
    """Read the types of a function whose input is the parameter at this position."""
    try:
        parameters = [
            each.name
            for each in inspect.signature(fn).parameters.values()
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]
        hints = _hints_of(fn)
    except Exception:  # noqa: BLE001  # unresolvable annotations, or no signature
        return UNTYPED
    name = parameters[place] if place < len(parameters) else ""
    wanted = _wanted(hints.get(name)), _wanted(hints.get("return"))
    return Types(name_of(fn), name, *wanted)


@once_for_each
def workflow_types(fn: Callable[..., Any]) -> Types:
    """Return the types of a workflow function, whose input comes after the context."""
    return types_of(fn, 1)


def _hints_of(fn: Callable[..., Any]) -> dict[str, Any]:
    while isinstance(fn, partial):
        fn = fn.func
    function = fn if inspect.isroutine(fn) else getattr(fn, "__call__", fn)  # noqa: B004
    return typing.get_type_hints(function, include_extras=True)


def _convert(value: Any, wanted: Any, what: str) -> Any:
    try:
        return msgspec.convert(value, wanted, str_keys=True, dec_hook=_validate)
    except (ValueError, TypeError) as error:
        shown = getattr(wanted, "__name__", None) or str(wanted)
        raise PayloadTypeError(f"{what}, {shown}: {error}") from error


def _validate(kind: Any, value: Any) -> Any:
    """Let pydantic create its own models."""
    return kind.model_validate(value)


def _wanted(hint: Any) -> Any:
    """Return a type that needs decoding, None if the JSON value already has it."""
    kinds = set(_kinds(hint, 0))
    return hint if True in kinds and None not in kinds else None


def _kinds(hint: Any, depth: int) -> typing.Iterator[bool | None]:
    """Yield for each part of a type: True if it needs decoding, None if it cannot be decoded."""
    if depth > 20:
        yield None
        return
    parts = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin is typing.Literal or hint in (Any, object, None) or isinstance(hint, typing.TypeVar):
        yield False
    elif origin is typing.Annotated:
        yield from _kinds(parts[0], depth + 1)
    elif origin in (typing.Union, types.UnionType) or origin in _AS_THEY_ARE:
        for part in parts:
            if part is not Ellipsis:
                yield from _kinds(part, depth + 1)
    elif isinstance(hint, typing.NewType):
        yield from _kinds(hint.__supertype__, depth + 1)
    elif hint in _AS_THEY_ARE:
        yield False
    elif typing.is_typeddict(hint):
        for part in typing.get_type_hints(hint).values():
            yield from _kinds(part, depth + 1)
    else:
        kind = origin or hint
        yield True if isinstance(kind, type) and _is_decoded(kind) else None


def _is_decoded(kind: type) -> bool:
    return (
        issubclass(kind, _VALUES)
        or dataclasses.is_dataclass(kind)
        or hasattr(kind, "model_validate")  # pydantic's
    )
