"""Workflows by name, so that a stored run finds its code again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, overload

from inngest_nb.engine.basics._functions import check_function, name_of
from inngest_nb.state import check_name

_Function = TypeVar("_Function", bound=Callable[..., Any])
_MARK = "__inngest_nb_workflow__"


class Definition(NamedTuple):
    """The name and version that the first event of a run keeps of its code."""

    name: str
    version: int | None


class Workflows:
    """Functions by the name and version of their workflow."""

    def __init__(self) -> None:
        self._functions: dict[str, dict[int, Callable[..., Any]]] = {}

    def add(self, fn: Callable[..., Any], name: str, version: int) -> None:
        """Register a function; one that was there under this name and version is replaced."""
        self._functions.setdefault(name, {})[version] = fn

    def find(self, name: str, version: int | None = None) -> Callable[..., Any] | None:
        """Return the function of that version, else that of the newest, None for no such name."""
        versions = self._functions.get(name)
        if not versions:
            return None
        return versions.get(version or 0) or versions[max(versions)]

    def names(self) -> list[str]:
        """Return the names, sorted."""
        return sorted(self._functions)


# A decorator has nowhere else to put what it registers; an executor can be given another one.
registered = Workflows()


@overload
def workflow(fn: _Function) -> _Function: ...
@overload
def workflow(*, name: str | None = None, version: int = 1) -> Callable[[_Function], _Function]: ...
def workflow(
    fn: _Function | None = None, *, name: str | None = None, version: int = 1
) -> _Function | Callable[[_Function], _Function]:
    """Register a workflow's function by name, so that `Executor.recover` can resume its runs.

    The name, the function's own unless another is given, and the version are kept in each run's
    first event. Several versions can be registered: a run goes on with the one that began it, and
    with the newest if that is gone. The function itself comes back unchanged.
    """

    def register(fn: _Function) -> _Function:
        check_function(fn, "a workflow")
        if not isinstance(version, int) or isinstance(version, bool):
            raise TypeError(f"version is a whole number, got {type(version).__name__}")
        if version < 1:
            raise ValueError(f"version is 1 or more, got {version}")
        known_as = name_of(fn) if name is None else check_name(name, "a workflow")
        setattr(fn, _MARK, Definition(known_as, version))
        registered.add(fn, known_as, version)
        return fn

    return register if fn is None else register(fn)


def definition_of(fn: Callable[..., Any]) -> Definition:
    """Return how a function was registered; an unregistered one has its name and no version."""
    found: Definition | None = getattr(fn, _MARK, None)
    return found or Definition(name_of(fn), None)


def is_registered(fn: Callable[..., Any]) -> bool:
    """Tell whether `@workflow` has registered a function."""
    return hasattr(fn, _MARK)


def registered_names() -> list[str]:
    """Return the names of all workflows that `@workflow` has registered, sorted."""
    return registered.names()
