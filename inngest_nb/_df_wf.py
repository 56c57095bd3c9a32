"""Registers `df.wf` on DataFrames once pandas and this package are imported, in either order.

This package does not import pandas, which would take longer than everything else. If pandas is not
imported yet, an import hook waits for it, because pandas has no entry points for accessors.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


def register_when_pandas_is_there() -> None:
    """Register `df.wf` now or when pandas is imported; it loads its code on first use."""
    if "pandas" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _Waiting())


class _Waiting:
    """An import hook that finds pandas as usual, and registers the accessor after its import."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "pandas":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_register(module: ModuleType) -> None:
                run(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                    _register()

            spec.loader.exec_module = run_and_register  # type: ignore[method-assign]
        return spec


def _register() -> None:
    pandas = sys.modules["pandas"]
    if not hasattr(pandas.DataFrame, "wf"):  # else this package was reloaded
        pandas.api.extensions.register_dataframe_accessor("wf")(_accessor)


def _accessor(rows: Any) -> Any:
    return import_module("inngest_nb.frames").WorkflowAccessor(rows)
