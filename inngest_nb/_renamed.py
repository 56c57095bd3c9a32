"""What had another name in the preview (see CHANGELOG.md): it still works, and warns."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any, ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def warn_renamed(old: str, new: str) -> None:
    """Warn the line outside of this package that uses an old name."""
    level, frame = 1, sys._getframe()  # noqa: SLF001  # a caller may be any number of frames away
    while frame.f_back is not None and (_is_ours(frame) or _is_of_import(frame)):
        frame = frame.f_back
        level += not _is_of_import(frame)  # which `warn` does not count
    text = f"{old} is deprecated and will be removed in the next release; use {new}"
    warnings.warn(text, DeprecationWarning, stacklevel=level)


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "inngest_nb"


def _is_of_import(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return "importlib" in file and "_bootstrap" in file


def renamed(
    **new_names: str,
) -> Callable[[Callable[_Given, _Result]], Callable[_Given, _Result]]:
    """Let a function be called by old keywords, each given with its new name."""

    def decorate(function: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
        @functools.wraps(function)
        def called(*given: Any, **named: Any) -> _Result:
            for old, new in new_names.items():
                if old in named and new not in named:
                    name = function.__name__
                    warn_renamed(f"{name}({old}=…)", f"{name}({new}=…)")
                    named[new] = named.pop(old)
            return function(*given, **named)

        return called

    return decorate


def once_positional(
    *names: str,
) -> Callable[[Callable[_Given, _Result]], Callable[_Given, _Result]]:
    """Let a method that takes one argument be given these keywords by position, too.

    The first of them is an id: with anything else in its place the method refuses them itself.
    """

    def decorate(method: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
        @functools.wraps(method)
        def called(*given: Any, **named: Any) -> _Result:
            if len(given) == 2:
                return method(*given, **named)
            old = dict(zip(names, given[2:], strict=False))
            fits = len(given) <= 2 + len(names) and not old.keys() & named.keys()
            if old and fits and isinstance(given[2], str | None):
                listed = ", ".join(f"{name}=…" for name in old)
                name = method.__name__
                warn_renamed(f"{name}(fn, {', '.join(old)})", f"{name}(fn, {listed})")
                given, named = given[:2], old | named
            return method(*given, **named)

        return called

    return decorate


def still_callable(room: str) -> None:
    """Let a room be called like the function of its name, which stood in its place."""
    sys.modules[room].__class__ = _Room


class _Room(ModuleType):
    def __call__(self, *given: Any, **named: Any) -> Any:
        name = self.__name__.rpartition(".")[2]
        warn_renamed(self.__name__, f"inngest_nb.{name}")
        return getattr(self, name)(*given, **named)
