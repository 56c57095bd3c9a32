"""Heads of what was saved, made while nobody saves: then searches don't have to."""

from __future__ import annotations

import contextlib
import threading

from inngest_nb.errors import StoreError
from inngest_nb.store.table import StateTable

_QUIET_SECONDS = 1.0
_AT_LEAST = 20  # workflows whose heads are worth a commit


class Indexing:
    """A thread that makes heads once no change has come for a second."""

    def __init__(self, table: StateTable) -> None:
        self._table = table
        self._changed = threading.Event()
        self._closed = False
        self._stop_hearing = table.changes.hear(self._changed.set)
        self._thread = threading.Thread(target=self._run, name="inngest-nb-heads", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, and wait for it."""
        self._closed = True
        self._stop_hearing()
        self._changed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            self._changed.wait()
            self._changed.clear()
            if not self._changed.wait(_QUIET_SECONDS):
                with contextlib.suppress(StoreError):  # a search makes heads, and says what fails
                    while not self._changed.is_set() and self._table.index(_AT_LEAST):
                        pass
