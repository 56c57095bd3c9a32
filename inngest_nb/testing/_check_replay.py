"""Replays histories in fresh processes, where hashes, addresses and the order of sets differ."""

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

        def test_old_runs_can_be_replayed():
            inb.testing.check_replay(order, store.list())

    Every history is replayed in one fresh process for each `PYTHONHASHSEED` of `hash_seeds`. This
    finds code that depends on the order of a set, on `id()`, on the time or on the environment. The
    error names the event and the line of code at which they differ. No activity is executed and
    nothing is saved.

    A function that a fresh process cannot import, for example one defined in a notebook cell, is
    checked in this process only, with a warning. Raises `EngineError` if a process cannot replay
    the histories at all.
    """
    given = [states] if isinstance(states, WorkflowState) else list(states)
    place = _place_of(fn)
    if place is None:
        name = getattr(fn, "__qualname__", repr(fn))
        warnings.warn(
            f"{name} cannot be imported by a fresh process, so it was checked in this process "
            "only, where sets keep their order; move it to a module for the full check",
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
        error.add_note(f"{where}; {runs} of {len(given)} histories cannot be replayed")
        raise error


def _place_of(fn: Callable[..., Any]) -> tuple[str, str] | None:
    """Return the module and the name by which another process can import a function, if any."""
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
