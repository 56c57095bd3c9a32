"""The cache of an HTTP client: what it has saved, and what `refresh` has fetched.

Writes of an executor are not added, or the client would end up keeping every run that it ever had.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from inngest_nb import wire
from inngest_nb.store.rows import Row, order
from inngest_nb.store.writes import Write

_FORK_LOCK_SECONDS = 5.0


class Cache:
    """Rows by id. Thread-safe."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._parts: dict[str, list[bytes]] = {}
        self._touched: dict[str, int] = {}
        self._clock = 0
        self._held = False
        self._lock = threading.Lock()

    def put(self, row: Row) -> None:
        """Store a row, and keep the known time of its first save."""
        with self._lock:
            self._touch(row.workflow_id)
            before = self._rows.get(row.workflow_id)
            if before and row.first_saved_us is None:
                row = row._replace(first_saved_us=before.first_saved_us)
            self._rows[row.workflow_id] = row
            self._parts.pop(row.workflow_id, None)

    def update(self, write: Write) -> None:
        """Apply a write to a cached workflow, if it is whole or builds on the cached version.

        Other workflows are not added.
        """
        with self._lock:
            key = write.workflow_id
            row = self._rows.get(key)
            if row is None:
                return
            self._touch(key)
            if write.whole:
                status, updated_us = write.status or "", write.updated_us or 0
                entries = key, status, updated_us, row.first_saved_us, write.document, write.etag
                self._rows[key] = Row(*entries)
                self._parts.pop(key, None)
                return
            if row.etag != write.if_match:
                return
            self._parts.setdefault(key, []).append(write.document)
            status = row.status if write.status is None else write.status
            updated_us = row.updated_us if write.updated_us is None else write.updated_us
            self._rows[key] = row._replace(status=status, updated_us=updated_us, etag=write.etag)

    def forget(self, workflow_id: str) -> None:
        """Drop a row, if it is there."""
        with self._lock:
            self._touch(workflow_id)
            self._rows.pop(workflow_id, None)
            self._parts.pop(workflow_id, None)

    def now(self) -> int:
        """Return a logical time, to pass to `fill` as the start of a refresh."""
        with self._lock:
            return self._clock

    def fill(self, rows: Sequence[Row], since: int, *, replace: bool) -> None:
        """Store the rows of a refresh, except for ids saved or deleted since it started."""
        with self._lock:
            newer = {key for key, moment in self._touched.items() if moment > since}
            fresh = {row.workflow_id: row for row in rows if row.workflow_id not in newer}
            kept = self._rows
            if replace:
                kept = {key: row for key, row in kept.items() if key in newer}
                self._touched = {key: self._touched[key] for key in newer}
            self._rows = kept | fresh
            self._parts = {
                key: parts
                for key, parts in self._parts.items()
                if key in self._rows and key not in fresh
            }

    def rows(self, status: str | None, limit: int) -> list[Row]:
        """Return rows, newest update first and then by id, at most `limit` (0: all)."""
        with self._lock:
            rows = [row for row in self._rows.values() if status is None or row.status == status]
            rows.sort(key=order)
            return [self._whole(row) for row in (rows[:limit] if limit else rows)]

    # When the process forks

    def before_fork(self) -> None:
        """Lock the cache; with a timeout, because a signal handler may fork during a change."""
        self._held = self._lock.acquire(timeout=_FORK_LOCK_SECONDS)

    def after_fork_in_parent(self) -> None:
        """Unlock the cache."""
        if self._held:
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Replace the lock, which no thread of the new process can release."""
        self._lock = threading.Lock()

    def _whole(self, row: Row) -> Row:
        """Merge a row with what has been appended to it since."""
        parts = self._parts.pop(row.workflow_id, None)
        if parts is None:
            return row
        whole = row._replace(document=wire.splice(row.document, parts))
        self._rows[row.workflow_id] = whole
        return whole

    def _touch(self, workflow_id: str) -> None:
        self._clock += 1
        self._touched[workflow_id] = self._clock
