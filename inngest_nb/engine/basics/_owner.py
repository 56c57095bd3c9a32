"""Names for executors, from which others on the same machine can tell whether one is gone."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import uuid
from pathlib import Path


def new_owner() -> str:
    """Return a name for an executor that tells machine and process, without naming the machine."""
    return f"{_machine()}.{os.getpid()}.{_started(os.getpid())}.{uuid.uuid4().hex[:8]}"


def is_gone(owner: str) -> bool:
    """Tell whether an executor was in a process of this machine that has ended."""
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
    """Return a word for what process ids are unique in; one cannot tell the machine from it.

    On Linux that is this boot and the namespace of process ids. The network card's number, which
    stands in elsewhere, is a random one in many containers.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        parts = [boot, os.readlink("/proc/self/ns/pid")]
    except OSError:  # not Linux
        parts = [platform.node(), str(uuid.getnode())]
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
