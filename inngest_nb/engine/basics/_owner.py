"""Names of executors, which let others on the same machine find out whether one has died."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import uuid
from pathlib import Path

# In a name, when nothing told the process when it had started.
_UNKNOWN = "unknown"


def new_owner() -> str:
    """Return a unique name for an executor, with a hash of its machine and its process id."""
    started = _started(os.getpid()) or _UNKNOWN
    return f"{_machine()}.{os.getpid()}.{started}.{uuid.uuid4().hex[:8]}"


def is_gone(owner: str) -> bool:
    """Tell whether an executor ran in a process of this machine that has ended."""
    machine, pid, started = _parts(owner)
    if machine != _machine() or not pid.isdecimal():
        return False
    found = _started(int(pid))
    return found == "" or (found is not None and started != _UNKNOWN and found != started)


def describe_owner(owner: str) -> str:
    """Return where an executor runs, in words."""
    machine, pid, _ = _parts(owner)
    if machine != _machine() or not pid.isdecimal():
        return "an executor on another machine"
    return "another executor in this process" if int(pid) == os.getpid() else f"process {pid}"


def _parts(owner: str) -> tuple[str, str, str]:
    machine, pid, started, _ = (*owner.split("."), "", "", "", "")[:4]
    return machine, pid, started


@functools.cache
def _machine() -> str:
    """Return a hash that identifies the scope in which process ids are unique.

    On Linux that is the boot and the PID namespace; elsewhere it is the host name and the MAC
    address, which is random in many containers.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        parts = [boot, os.readlink("/proc/self/ns/pid")]
    except OSError:  # not Linux
        parts = [platform.node(), str(uuid.getnode())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _started(pid: int) -> str | None:
    """Return when a process started, "" if it has ended, None if it lives or nothing tells.

    The time tells it from a later process with the same id.
    """
    try:
        state, *others = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state in "ZX" else others[18]  # a zombie has ended, too
    except (FileNotFoundError, ProcessLookupError):  # or it is hidden, or this is not Linux
        pass
    except OSError:  # such as too many open files: that says nothing of the process
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return None
