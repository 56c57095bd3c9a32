"""Workflows by name, so that a stored run finds its code again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, overload

from inngest_nb.engine.basics._functions import check_function, clean, name_of
from inngest_nb.state import check_name

# How the names of this package's own workflows begin: a user's run is never one of them.
SAMPLES = "inngest_nb.samples:"
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
        """Register a function.

        One that is defined again, in its notebook for example, replaces what it was. Raises
        `ValueError` if another function has this name and version.
        """
        there = self._functions.get(name, {}).get(version)
        if there is not None and not _is_defined_again(there, fn):
            raise ValueError(
                f"version {version} of workflow {name!r} is {qualified(there)!r}, so it cannot be "
                f"{qualified(fn)!r} as well: give one of them another name="
            )
        self._functions.setdefault(name, {})[version] = fn

    def find(self, name: str, version: int | None = None) -> Callable[..., Any] | None:
        """Return the function of that version, else that of the newest, None for no such name.

        Old histories have names without a module. Such a name is that of the only function which
        is called so, and never that of one of this package's samples.
        """
        versions = self._functions.get(name) or self._named_otherwise(name)
        if not versions:
            return None
        return versions.get(version or 0) or versions[max(versions)]

    def names(self) -> list[str]:
        """Return the names, sorted."""
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
    """Return a function's name with that of its module, as in `shop.orders:ship`.

    A script's module has the name by which others would import it; a notebook's is `__main__`.
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
    """Tell whether a function is another one's later self: a cell run again, a module reloaded."""
    if old is new or qualified(old) == qualified(new):
        return True
    # A script that somebody imports as well has two modules.
    old_code, new_code = getattr(old, "__code__", None), getattr(new, "__code__", None)
    if old_code is None or new_code is None:
        return False
    places = [(code.co_filename, code.co_qualname) for code in (old_code, new_code)]
    return places[0] == places[1]


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

    The name and the version are kept in each run's first event. Unless another one is given, it is
    the function's own with its module, as in `shop.orders:ship`. Several versions can be registered
    under one name: a run goes on with the one that began it, and with the newest if that is gone.
    Another function of the same name and version is refused. The function itself comes back
    unchanged.
    """

    def register(fn: _Function) -> _Function:
        check_function(fn, "a workflow")
        if not isinstance(version, int) or isinstance(version, bool):
            raise TypeError(f"version is a whole number, got {type(version).__name__}")
        if version < 1:
            raise ValueError(f"version is 1 or more, got {version}")
        known_as = qualified(fn) if name is None else check_name(name, "a workflow")
        registered.add(fn, known_as, version)
        setattr(fn, _MARK, Definition(known_as, version))
        return fn

    return register if fn is None else register(fn)


def definition_of(fn: Callable[..., Any]) -> Definition:
    """Return how a function was registered; an unregistered one has no version."""
    found: Definition | None = getattr(fn, _MARK, None)
    return found or Definition(qualified(fn), None)


def is_registered(fn: Callable[..., Any]) -> bool:
    """Tell whether `@workflow` has registered a function."""
    return hasattr(fn, _MARK)


def registered_names() -> list[str]:
    """Return the names of all workflows that `@workflow` has registered, sorted."""
    return registered.names()


def shown_name(fn: Callable[..., Any]) -> str:
    """Return a workflow's name for people: the one it was given, else the function's own."""
    name, own = definition_of(fn).name, name_of(fn)
    return own if name in (qualified(fn), f"{SAMPLES}{own}") else name
