"""What becomes of clients in a forked process: they connect anew, and leave the old sockets alone.

Two processes that write to one socket get each other's answers, and a save may be acknowledged
that nobody did.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forked(Protocol):
    """A client that may find itself in a forked process."""

    def hold(self) -> None:
        """Wait until nothing is half done that the other process would find half done for ever."""

    def let_go(self) -> None:
        """Go on in the process that forked."""

    def begin_anew(self) -> None:
        """Go on in the new process, with connections of its own."""


_clients: weakref.WeakSet[Forked] = weakref.WeakSet()
_lock = threading.Lock()  # of what is above
_held: list[Forked] = []
# Connections of the process before this one. Even closing them could say goodbye in its name.
_inherited: list[object] = []


def follow(client: Forked) -> None:
    """Look after a client whenever the process forks."""
    with _lock:
        _clients.add(client)


def leave_alone(connections: object) -> None:
    """Keep what belongs to another process from being collected, and closed by that."""
    _inherited.append(connections)


def _before() -> None:
    _lock.acquire()
    _held.extend(_clients)
    for client in _held:
        client.hold()


def _in_parent() -> None:
    while _held:
        _held.pop().let_go()
    _lock.release()


def _in_child() -> None:
    while _held:
        _held.pop().begin_anew()
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
