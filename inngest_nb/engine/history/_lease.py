"""Who runs a workflow, and how sure of it he may be.

A lease alone stops nobody who was only slow. What stops him is that each write of a run builds on
the one before it: after somebody else has taken over, the store refuses his next one.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import uuid
from datetime import datetime
from pathlib import Path

from inngest_nb.state import UNSET, WorkflowState, WorkflowStatus


def new_owner() -> str:
    """Return a name for an executor that tells machine and process, without naming the machine."""
    return f"{_machine()}.{os.getpid()}.{_started(os.getpid())}.{uuid.uuid4().hex[:8]}"


def holder(state: WorkflowState, me: str, now: datetime) -> str | None:
    """Return who else runs a workflow, in words, or None if nobody is known to.

    A process of this machine that is gone holds nothing, whatever its lease says.
    """
    if state.status is not WorkflowStatus.RUNNING or not state.owner or state.owner == me:
        return None
    if state.lease_until is UNSET or state.lease_until is None or state.lease_until <= now:
        return None
    machine, pid, started, _ = (*state.owner.split("."), "", "", "", "")[:4]
    until = f"until {state.lease_until:%H:%M:%S} UTC, unless it renews that"
    if machine != _machine() or not pid.isdecimal():
        return f"an executor on another machine ({until})"
    if int(pid) == os.getpid() and started == _started(os.getpid()):
        return f"another executor in this process ({until})"
    return f"process {pid} ({until})" if _started(int(pid)) == started else None


@functools.cache
def _machine() -> str:
    """Return a word for what process ids are unique in; one cannot tell the machine from it."""
    parts = [platform.node(), str(uuid.getnode())]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(os.readlink(path) if path.endswith("pid") else Path(path).read_text())
        except OSError:  # not Linux
            parts.append("")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _started(pid: int) -> str:
    """Return a word for when a process began, "" if it is gone: its id may be another's by now."""
    try:
        state, *others = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state in "ZX" else others[18]  # dead, but its parent has not looked yet
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "alive"
