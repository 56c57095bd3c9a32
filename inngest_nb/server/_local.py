"""`local`: an embedded state server and its client in one call."""

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
    """Start an embedded state server on a file, and return a client; its `close` stops the server.

        store = inb.local()

    The server listens on a free port of this machine. Unless you pass an `event_key`, it uses a new
    random key, so that other users of the machine cannot access it. The client's `list()` starts
    with the newest 1,000 workflows. Several kernels can use the same file.

    Raises `ServerStartError` if the server cannot listen, and `StoreFileError` if the file cannot
    be used.
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
    """A client that owns its server, and closes it."""

    def __init__(self, server: StateServer, event_key: str) -> None:
        super().__init__(server.url, event_key)
        self._server = server
        # On garbage collection the server stops quietly; at exit its daemon thread just ends.
        weakref.finalize(self, server.stop_soon).atexit = False

    def __repr__(self) -> str:
        # Relative, because notebooks are shared and the path of the folder is private.
        path, here = self._server.path, Path.cwd()
        shown = path.relative_to(here) if path.is_relative_to(here) else path
        return f"local({str(shown)!r})"

    def close(self) -> None:
        """Close the connections and stop the server. Calling it again does nothing."""
        super().close()
        self._server.close()
