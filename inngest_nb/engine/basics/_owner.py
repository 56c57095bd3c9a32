"""Names of executors, which let others on the same machine find out whether one has died."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import uuid
from pathlib import Path


def new_owner() -> str:
    """Return a unique name for an executor, with a hash of its machine and its process id."""
    return f"{_machine()}.{os.getpid()}.{_started(os.getpid())}.{uuid.uuid4().hex[:8]}"


def is_gone(owner: str) -> bool:
    """Tell whether an executor ran in a process of this machine that has ended."""
    machine, pid, started = _parts(owner)
    return machine == _machine() and pid.isdecimal() and _started(int(pid)) != started


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


def _started(pid: int) -> str:
    """Return when a process started, "" if it has ended: its id may have been reused."""
    try:
        state, *others = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state in "ZX" else others[18]  # a zombie has ended, too
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
