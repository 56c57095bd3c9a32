"""Makes clients work in a forked process: they open new connections and don't touch the old ones.

Two processes that share a socket would get each other's responses, so that a save could be reported
as done although it never happened.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forked(Protocol):
    """A client that must work in a forked process."""

    def before_fork(self) -> None:
        """Wait until no thread is changing anything."""

    def after_fork_in_parent(self) -> None:
        """Continue in the process that has forked."""

    def after_fork_in_child(self) -> None:
        """Continue in the new process, with new connections."""


_clients: weakref.WeakSet[Forked] = weakref.WeakSet()
_lock = threading.Lock()  # guards _clients
_held: list[Forked] = []
# Connections of the parent process. Closing them here could end them for the parent, too.
_inherited: list[object] = []


def follow(client: Forked) -> None:
    """Prepare a client for forks of the process."""
    with _lock:
        _clients.add(client)


def keep_open(connections: object) -> None:
    """Keep a parent's connections from being garbage-collected, which would close them."""
    _inherited.append(connections)


def _before() -> None:
    _lock.acquire()
    _held.extend(_clients)
    for client in _held:
        client.before_fork()


def _in_parent() -> None:
    while _held:
        _held.pop().after_fork_in_parent()
    _lock.release()


def _in_child() -> None:
    while _held:
        _held.pop().after_fork_in_child()
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
