"""What a client over HTTP has at hand: its own saves, and what a refresh brought."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from inngest_nb.store._table import Row, order


class Cache:
    """Rows by id. Safe to use from many threads."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._touched: dict[str, int] = {}
        self._clock = 0
        self._lock = threading.Lock()

    def put(self, row: Row) -> None:
        """Remember a row; what is known of its first save stays known."""
        with self._lock:
            self._touch(row.workflow_id)
            before = self._rows.get(row.workflow_id)
            if before and row.first_saved_us is None:
                row = row._replace(first_saved_us=before.first_saved_us)
            self._rows[row.workflow_id] = row

    def forget(self, workflow_id: str) -> None:
        """Drop a row, if it is there."""
        with self._lock:
            self._touch(workflow_id)
            self._rows.pop(workflow_id, None)

    def now(self) -> int:
        """Tell the moment at which a refresh begins, for `fill`."""
        with self._lock:
            return self._clock

    def fill(self, rows: Sequence[Row], since: int, *, replace: bool) -> None:
        """Take in what a refresh brought, but for ids saved or deleted since it began."""
        with self._lock:
            newer = {key for key, moment in self._touched.items() if moment > since}
            fresh = {row.workflow_id: row for row in rows if row.workflow_id not in newer}
            kept = self._rows
            if replace:
                kept = {key: row for key, row in kept.items() if key in newer}
                self._touched = {key: self._touched[key] for key in newer}
            self._rows = kept | fresh

    def rows(self, status: str | None, limit: int) -> list[Row]:
        """Return rows, newest update first and then by id, at most `limit` (0: all)."""
        with self._lock:
            rows = list(self._rows.values())
        rows = sorted((row for row in rows if status is None or row.status == status), key=order)
        return rows[:limit] if limit else rows

    def _touch(self, workflow_id: str) -> None:
        self._clock += 1
        self._touched[workflow_id] = self._clock
