"""Properties of workflow and activity functions: names, arguments, JSON payloads, error texts."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from functools import partial
from types import FunctionType, MethodType
from typing import Any, TypeGuard, TypeVar

from inngest_nb import wire
from inngest_nb.errors import ActivityError, PayloadTooLargeError
from inngest_nb.state import Signal, WorkflowState, check_name
from inngest_nb.store import MAX_PAYLOAD_BYTES

# What `as_json` raises for a value that cannot be recorded.
UNWRITABLE = (TypeError, ValueError, PayloadTooLargeError)
_LONGEST_ERROR = 10_000
_NOT_AWAITABLE = {type(None), bool, int, float, str, list, dict}  # the most frequent results
_YIELDS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


_Read = TypeVar("_Read")


def once_for_each(read: Callable[[Callable[..., Any]], _Read]) -> Callable[..., _Read]:
    """Cache what `read` returns for a function or method, as long as that exists."""
    functions: weakref.WeakKeyDictionary[FunctionType, _Read] = weakref.WeakKeyDictionary()
    methods: weakref.WeakKeyDictionary[FunctionType, _Read] = weakref.WeakKeyDictionary()

    @functools.wraps(read)
    def remembered(fn: Callable[..., Any]) -> _Read:
        if type(fn) is FunctionType:
            known, function = functions, fn
        elif type(fn) is MethodType and type(fn.__func__) is FunctionType:
            known, function = methods, fn.__func__  # a bound method is a new object each time
        else:
            return read(fn)
        found = known.get(function)
        if found is None:
            found = known[function] = read(fn)
        return found

    return remembered


def name_of(fn: Callable[..., Any]) -> str:
    """Return a function's name as the history shows it."""
    while isinstance(fn, partial):
        fn = fn.func
    name = getattr(fn, "__name__", None)
    return clean(name if isinstance(name, str) and name else type(fn).__name__)


def is_async(fn: Callable[..., Any]) -> bool:
    """Tell whether `fn` is an `async def` function, or an object that is called like one."""
    if _is_simple(fn):
        return bool(fn.__code__.co_flags & inspect.CO_COROUTINE)
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(
        getattr(fn, "__call__", None)  # noqa: B004  # asks what kind of call, not whether
    )


def check_function(fn: Any, what: str) -> None:
    """Raise `TypeError` for anything that cannot be run as a workflow or an activity."""
    if not callable(fn):
        raise TypeError(f"{what} must be a function, got {type(fn).__name__}")
    if _is_simple(fn) and not fn.__code__.co_flags & _YIELDS:
        return
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise TypeError(
            f"{what} must return a value, but {name_of(fn)!r} is a generator: replace yield with "
            "return"
        )


def refuse_awaitable(result: Any, whose: str) -> None:
    """Raise `TypeError` if a function that is not `async def` has returned an awaitable."""
    if type(result) in _NOT_AWAITABLE or not inspect.isawaitable(result):
        return
    if inspect.iscoroutine(result):
        result.close()
    raise TypeError(f"{whose} returned an awaitable; define it with `async def`")


def _is_simple(fn: Any) -> TypeGuard[FunctionType]:
    """Tell whether `fn` is a function without attributes, so that its code says everything."""
    return type(fn) is FunctionType and not fn.__dict__


def takes_arguments(fn: Callable[..., Any], count: int) -> bool:
    """Tell whether a function can be called with `count` positional arguments."""
    if isinstance(fn, FunctionType) and not hasattr(fn, "__wrapped__"):  # the fast path
        code = fn.__code__
        if not code.co_kwonlyargcount and not code.co_flags & inspect.CO_VARARGS:
            return code.co_argcount - len(fn.__defaults__ or ()) <= count <= code.co_argcount
    try:
        inspect.signature(fn).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # some functions written in C have no signature
        return True
    return True


def wants_context(fn: Callable[..., Any]) -> bool:
    """Tell whether an activity must be called with a context before its input."""
    return takes_arguments(fn, 2) and not takes_arguments(fn, 1)


def arguments(fn: Callable[..., Any], what: str, *before: Any, given: Any) -> tuple[Any, ...]:
    """Return the arguments to call a function with: `before`, then its input.

    An input of None is left out if the function does not need one, so that its default applies.
    Raises `TypeError` if the function cannot be called like that.
    """
    if given is None and takes_arguments(fn, len(before)):
        return before
    if not takes_arguments(fn, len(before) + 1):
        name = f"{what} {name_of(fn)!r}"
        if given is not None and takes_arguments(fn, len(before)):
            raise TypeError(f"{name} takes no input, but one was passed")
        wanted = "a context and an input" if before else "an input"
        raise TypeError(f"{name} cannot be called with {wanted}")
    return (*before, given)


def check_input(fn: Callable[..., Any], state: WorkflowState) -> None:
    """Raise `TypeError` if a function cannot take a stored run's input."""
    arguments(fn, "workflow", None, given=state.input)


def fresh(value: Any) -> Any:
    """Return a deep copy of a JSON value."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    return wire.duplicate(value)


def as_json(value: Any, whose: str) -> Any:
    """Return a value as JSON reads it back, or raise one of `UNWRITABLE` that names it."""
    kind = type(value)
    if (
        value is None
        or kind is bool
        or (kind is int and -(2**63) <= value < 2**63)
        or (kind is str and _is_simple_text(value))
    ):
        return value  # the fast path
    try:
        return wire.json_copy(value, MAX_PAYLOAD_BYTES)
    except PayloadTooLargeError as error:
        raise PayloadTooLargeError(f"{whose} has {error}") from None
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{whose} cannot be written as JSON: {error}") from error
    except Exception as error:  # raised by one of the user's objects
        text = f"{whose} cannot be written as JSON: {describe(error)}"
        raise ValueError(text) from error


def _is_simple_text(text: str) -> bool:
    """Tell whether text is within the limit even if each character is escaped to six."""
    return text.isascii() and len(text) <= MAX_PAYLOAD_BYTES // 6


def signal_payload(signal: Any) -> Any:
    """Return a signal's payload as JSON reads it back; raise if it cannot be recorded."""
    if not isinstance(signal, Signal):
        raise TypeError(f"signal must be a Signal(name, payload), got {type(signal).__name__}")
    name = check_name(signal.name, "a signal")
    return as_json(signal.payload, f"the payload of signal {name!r}")


def clean(text: str) -> str:
    """Return text that can be encoded as UTF-8, shortened to a limit."""
    if type(text) is not str:
        text = str.__str__(text)
    if text.isascii() and len(text) <= _LONGEST_ERROR:
        return text
    if len(text) > _LONGEST_ERROR:
        text = text[:_LONGEST_ERROR] + " …"
    return text.encode("utf-8", "backslashreplace").decode()


def describe(error: BaseException) -> str:
    """Return an error as the history shows it: the name of its class and its text."""
    try:
        return _described(error)
    except BaseException as broken:  # noqa: BLE001  # a user's __str__, or deeply nested groups
        return clean(f"{type(error).__name__}: (its text raised {type(broken).__name__})")


def _described(error: BaseException) -> str:
    if isinstance(error, ActivityError):
        return clean(str(error))
    if isinstance(error, BaseExceptionGroup):
        return clean("; ".join(describe(each) for each in error.exceptions))
    text = str(error)
    kind = type(error).__name__
    return clean(f"{kind}: {text}" if text else kind)


def failed_activity(error: BaseException | None) -> ActivityError | None:
    """Return the `ActivityError` that caused an error, if there is one."""
    todo = [error]
    seen: set[int] = set()  # causes can form a cycle
    while todo:
        error = todo.pop()
        if isinstance(error, ActivityError):
            return error
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        if isinstance(error, BaseExceptionGroup):
            todo += reversed(error.exceptions)
        else:
            todo.append(error.__cause__)
    return None
