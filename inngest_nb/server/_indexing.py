"""Heads of what was saved, made while nobody saves: then searches don't have to."""

from __future__ import annotations

import contextlib
import threading
import time

from inngest_nb.errors import StoreError
from inngest_nb.store.table import StateTable

_QUIET_SECONDS = 1.0
_AT_LEAST = 20  # workflows whose heads are worth a commit


class Indexing:
    """A thread that makes heads once no change has come for a second."""

    def __init__(self, table: StateTable) -> None:
        self._table = table
        self._changed = threading.Event()
        self._changed_at = 0.0
        self._closing = threading.Event()
        self._stop_hearing = table.changes.hear(self._hear)
        self._thread = threading.Thread(target=self._run, name="inngest-nb-heads", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, and wait for it."""
        self._stop_hearing()
        self._closing.set()
        self._changed.set()
        self._thread.join()

    def _hear(self) -> None:
        self._changed_at = time.monotonic()
        if not self._changed.is_set():
            self._changed.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._changed.wait()
            # Not woken by each change: a thread that wakes up holds up the one that answers.
            while (quiet := time.monotonic() - self._changed_at) < _QUIET_SECONDS:
                if self._closing.wait(_QUIET_SECONDS - quiet):
                    return
            self._changed.clear()
            with contextlib.suppress(StoreError):  # a search makes heads, and says what fails
                while not self._is_disturbed() and self._table.index(_AT_LEAST):
                    pass

    def _is_disturbed(self) -> bool:
        return self._changed.is_set() or self._closing.is_set()
