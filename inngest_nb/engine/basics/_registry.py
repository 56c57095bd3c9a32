"""Workflow functions by name, so that the code of a stored run can be found."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, overload

from inngest_nb.engine.basics._functions import check_function, clean, name_of, once_for_each
from inngest_nb.state import check_name

# Prefix of this package's own sample workflows; a user's run never resolves to one of them.
SAMPLES = "inngest_nb.samples:"
_Function = TypeVar("_Function", bound=Callable[..., Any])
_MARK = "__inngest_nb_workflow__"


class Definition(NamedTuple):
    """The name and version of a workflow, as the first event of a run records them."""

    name: str
    version: int | None


class Workflows:
    """A registry of workflow functions by name and version."""

    def __init__(self) -> None:
        self._functions: dict[str, dict[int, Callable[..., Any]]] = {}

    def add(self, fn: Callable[..., Any], name: str, version: int) -> None:
        """Register a function.

        A function that is defined again, for example by running its cell again, replaces its old
        definition. Raises `ValueError` if another function has this name and version.
        """
        there = self._functions.get(name, {}).get(version)
        if there is not None and not _is_defined_again(there, fn):
            raise ValueError(
                f"version {version} of workflow {name!r} is already registered for "
                f"{qualified(there)!r}, so {qualified(fn)!r} cannot have it: pass a different name="
            )
        self._functions.setdefault(name, {})[version] = fn

    def find(self, name: str, version: int | None = None) -> Callable[..., Any] | None:
        """Return the function of a version, else of the newest one; None for an unknown name.

        Old histories have names without a module. Such a name is found if exactly one registered
        function is called that; this package's samples don't count.
        """
        versions = self._functions.get(name) or self._named_otherwise(name)
        if not versions:
            return None
        return versions.get(version or 0) or versions[max(versions)]

    def names(self) -> list[str]:
        """Return all registered names, sorted."""
        return sorted(self._functions)

    def _named_otherwise(self, name: str) -> dict[int, Callable[..., Any]] | None:
        known_as = qualified if ":" in name else name_of
        found = [
            versions
            for known, versions in self._functions.items()
            if not known.startswith(SAMPLES)
            and any(known_as(fn) == name for fn in versions.values())
        ]
        return found[0] if len(found) == 1 else None


def qualified(fn: Callable[..., Any]) -> str:
    """Return a function's name with its module, as in `shop.orders:ship`.

    For a script, the module is the name by which it would be imported; in a notebook it is
    `__main__`.
    """
    while isinstance(fn, partial):
        fn = fn.func
    named = fn if hasattr(fn, "__qualname__") else type(fn)
    module = getattr(named, "__module__", None) or "__main__"
    if module in ("__main__", "__mp_main__"):
        main = sys.modules.get(module)
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        module = spec.name if spec else _stem(file) if file else "__main__"
    return clean(f"{module}:{named.__qualname__}")


@lru_cache(maxsize=8)
def _stem(path: str) -> str:
    return Path(path).stem


def _is_defined_again(old: Callable[..., Any], new: Callable[..., Any]) -> bool:
    """Tell whether `new` redefines `old`: a cell was run again, or a module reloaded."""
    if old is new or qualified(old) == qualified(new):
        return True
    # A script that is also imported exists as two modules.
    old_code, new_code = getattr(old, "__code__", None), getattr(new, "__code__", None)
    if old_code is None or new_code is None:
        return False
    places = [(code.co_filename, code.co_qualname) for code in (old_code, new_code)]
    return places[0] == places[1]


# Where `@workflow` registers functions; `Executor(workflows=)` can use another registry.
registered = Workflows()


@overload
def workflow(fn: _Function) -> _Function: ...
@overload
def workflow(*, name: str | None = None, version: int = 1) -> Callable[[_Function], _Function]: ...
def workflow(
    fn: _Function | None = None, *, name: str | None = None, version: int = 1
) -> _Function | Callable[[_Function], _Function]:
    """Register a workflow function by name, so that `Executor.recover` can resume its runs.

        @inb.workflow(name="order", version=2)
        async def order(ctx, input): ...

    Returns the function unchanged. The name and the version are recorded in each run's first event.
    `name` defaults to the function's name with its module, as in `shop.orders:ship`. Several
    versions can be registered under one name: a run is resumed with the version that started it, or
    with the newest if that version is not registered. Raises `ValueError` if another function is
    already registered with the same name and version.
    """

    def register(fn: _Function) -> _Function:
        check_function(fn, "a workflow")
        if not isinstance(version, int) or isinstance(version, bool):
            raise TypeError(f"version must be an integer, got {type(version).__name__}")
        if version < 1:
            raise ValueError(f"version must be at least 1, got {version}")
        known_as = qualified(fn) if name is None else check_name(name, "a workflow")
        registered.add(fn, known_as, version)
        setattr(fn, _MARK, Definition(known_as, version))
        return fn

    return register if fn is None else register(fn)


def definition_of(fn: Callable[..., Any]) -> Definition:
    """Return a function's name and version; the version is None if it is not registered."""
    found: Definition | None = getattr(fn, _MARK, None)
    return found or _unregistered(fn)


@once_for_each
def _unregistered(fn: Callable[..., Any]) -> Definition:
    return Definition(qualified(fn), None)


def is_registered(fn: Callable[..., Any]) -> bool:
    """Tell whether a function is registered with `@workflow`."""
    return hasattr(fn, _MARK)


def registered_names() -> list[str]:
    """Return the names of all workflows registered with `@workflow`, sorted."""
    return registered.names()


def shown_name(fn: Callable[..., Any]) -> str:
    """Return a workflow's display name: the explicit one, else the function's name."""
    name, own = definition_of(fn).name, name_of(fn)
    return own if name in (qualified(fn), f"{SAMPLES}{own}") else name
