"""How an activity function is called; inspected once per function, because calls are frequent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from inngest_nb.engine.basics._functions import (
    arguments,
    check_function,
    is_async,
    name_of,
    once_for_each,
    takes_arguments,
    wants_context,
)
from inngest_nb.engine.basics._typed import Types, types_of


class Shape(NamedTuple):
    """How an activity function is called, and its annotated types."""

    name: str
    is_async: bool
    takes_context: bool
    takes_input: bool
    takes_none: bool  # it can also be called without an input
    types: Types


@once_for_each
def shape_of(fn: Callable[..., Any]) -> Shape:
    """Return the shape of an activity function; raise `TypeError` if it cannot be one."""
    check_function(fn, "an activity")
    context = wants_context(fn)
    return Shape(
        name_of(fn),
        is_async(fn),
        takes_context=context,
        takes_input=takes_arguments(fn, context + 1),
        takes_none=takes_arguments(fn, int(context)),
        types=types_of(fn, int(context)),
    )


def takes(shape: Shape, fn: Callable[..., Any], given: Any) -> bool:
    """Tell whether to call a function with the input; raise `TypeError` if it takes none."""
    if given is None and shape.takes_none:
        return False
    if not shape.takes_input:
        before = (None,) if shape.takes_context else ()
        arguments(fn, "activity", *before, given=given)  # raises
    return True
