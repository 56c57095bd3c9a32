"""Histories replayed in fresh processes, where sets, addresses and hashes are others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from inngest_nb import wire
from inngest_nb.engine import check_history
from inngest_nb.errors import EngineError, NonDeterminismError
from inngest_nb.state import WorkflowState

_SECONDS = 600.0


def check_replay(
    fn: Callable[..., Any],
    states: WorkflowState | Iterable[WorkflowState],
    *,
    hash_seeds: Sequence[int] = (1, 2, 3),
) -> None:
    """Replay histories of a workflow, and raise `NonDeterminismError` if its code differs.

    Each is replayed in a fresh process for each of `hash_seeds`, its `PYTHONHASHSEED`: what the
    code takes from the order of a set, from `id()`, the time or the environment is then another.
    The error names the event and the line of code at which they part. Nothing is done again and
    nothing is saved. A function that a fresh process cannot import, such as one of a notebook's
    cell, is checked in this process alone, and a warning says so.
    """
    given = [states] if isinstance(states, WorkflowState) else list(states)
    place = _place_of(fn)
    if place is None:
        name = getattr(fn, "__qualname__", repr(fn))
        warnings.warn(
            f"{name} cannot be imported by a fresh process, so it was checked in this one, where "
            "sets of strings have the order that they had; put it into a module for the full check",
            stacklevel=2,
        )
        for state in given:
            check_history(fn, state)
        return
    documents = [wire.encode(state).decode() for state in given]
    checks = [(seed, _begin(seed)) for seed in hash_seeds]
    found = [
        (seed, each)
        for seed, process in checks
        for each in _differences(process, json.dumps([*place, seed, documents]))
    ]
    if found:
        seed, first = found[0]
        error = NonDeterminismError(**first)
        where = f"found in a fresh process with PYTHONHASHSEED={seed}"
        runs = len({each["run_id"] for _, each in found})
        error.add_note(f"{where}; of {len(given)} histories, {runs} cannot be replayed")
        raise error


def _place_of(fn: Callable[..., Any]) -> tuple[str, str] | None:
    """Return the module and the name by which another process can import a function."""
    module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    found: Any = sys.modules.get(module or "")
    if module in (None, "__main__", "__mp_main__") or not getattr(found, "__file__", None):
        return None
    for part in str(name).split("."):
        found = getattr(found, part, None)
    return (str(module), str(name)) if found is fn else None


def _begin(seed: int) -> subprocess.Popen[str]:
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return subprocess.Popen(
        [sys.executable, "-m", "inngest_nb.testing._fresh_process"],
        env=os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def _differences(process: subprocess.Popen[str], asked: str) -> list[dict[str, Any]]:
    try:
        answer, told = process.communicate(asked, timeout=_SECONDS)
    finally:
        process.kill()
    if process.returncode != 0:
        raise EngineError(f"a fresh process could not replay the histories: {told.strip()[-2000:]}")
    found: list[dict[str, Any]] = json.loads(answer)
    return found
