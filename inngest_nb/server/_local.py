"""A state server and its client in one line."""

from __future__ import annotations

import os
import secrets
import weakref
from pathlib import Path

from inngest_nb.server._server import StateServer
from inngest_nb.store import InngestStore

__all__ = ["local"]

_AT_HAND = 1000


def local(
    path: str | os.PathLike[str] = ".inngest-nb/state.db", *, event_key: str | None = None
) -> InngestStore:
    """Start an embedded state server on a file and return a client that ends it on `close`.

    It listens on a free port of this machine with a fresh random key, unless `event_key` sets
    one, so that other users of the machine cannot read it. `list()` begins with the newest 1,000
    workflows. Many kernels may have the same file open.
    """
    key = secrets.token_urlsafe(32) if event_key is None else event_key
    server = StateServer(path, port=0, event_key=key).start()
    store = _LocalStore(server, key)
    try:
        store.refresh(limit=_AT_HAND)
    except BaseException:
        store.close()
        raise
    return store


class _LocalStore(InngestStore):
    """A client that owns its server."""

    def __init__(self, server: StateServer, event_key: str) -> None:
        super().__init__(server.url, event_key)
        self._server = server
        # Forgotten without a close, it must end quietly; at exit the daemon thread just goes.
        weakref.finalize(self, server.stop_soon).atexit = False

    def __repr__(self) -> str:
        # A notebook shows it, and is sent to others: nobody needs the way to the folder.
        path, here = self._server.path, Path.cwd()
        shown = path.relative_to(here) if path.is_relative_to(here) else path
        return f"local({str(shown)!r})"

    def close(self) -> None:
        """Close the connections and end the server; again is no error."""
        super().close()
        self._server.close()
