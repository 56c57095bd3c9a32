"""Remembers which runs this notebook's kernel has started; its cells may run them again."""

from __future__ import annotations

import sys

from inngest_nb.state import WorkflowState

_started: set[str] = set()


def note_start(run_id: str) -> None:
    """Remember a new run, if this process is a notebook's kernel."""
    if _in_kernel():
        _started.add(run_id)


def started_in_this_kernel(state: WorkflowState) -> bool:
    """Tell whether a stored run was started in this kernel."""
    return state.run_id in _started


def _in_kernel() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None
