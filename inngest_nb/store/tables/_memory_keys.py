"""Names of requests that were done, in memory: a repeat of one changes nothing."""

from __future__ import annotations

import time

from inngest_nb.store.keys import KEY_SECONDS, MOST_KEYS


class MemoryKeys:
    """What was done under which key. The table guards it."""

    def __init__(self) -> None:
        self._done: dict[bytes, tuple[bytes, float]] = {}

    def remembered(self, key: bytes) -> bytes | None:
        """Return what was done under a key, None if that is not known."""
        request, at = self._done.get(key, (None, 0.0))
        return request if time.monotonic() - at < KEY_SECONDS else None

    def remember(self, key: bytes, request: bytes) -> None:
        """Keep what was done under a key, and forget what is too much."""
        self._done.pop(key, None)  # the newest stand last
        self._done[key] = request, time.monotonic()
        if len(self._done) > MOST_KEYS:
            del self._done[next(iter(self._done))]
