"""A table of documents in this process's memory."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence

from inngest_nb import wire
from inngest_nb.query import Path, Search
from inngest_nb.store.changes import Changes, Told, tell
from inngest_nb.store.keys import reused
from inngest_nb.store.messages import Discard, Hold, Message
from inngest_nb.store.rows import Number, Position, Row, order, within
from inngest_nb.store.searching import Found, FoundHere, Slice
from inngest_nb.store.table import Done
from inngest_nb.store.tables._memory_heads import MemoryHeads
from inngest_nb.store.tables._memory_sharing import MemoryFeed, MemoryKeys, MemorySharing
from inngest_nb.store.writes import Deletion, Keyed, Outcome, Work, conflict, is_done


class MemoryTable:
    """Rows in a dict. Thread-safe."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._parts: dict[str, list[bytes]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._keys = MemoryKeys()
        self._sharing = MemorySharing(self._keys)
        self._feed = MemoryFeed()
        self._owners: dict[str, str] = {}
        self._heads = MemoryHeads(self._rows, self._read)
        self.changes, self.mail = Changes(), Changes()

    def apply(self, works: Sequence[Work]) -> list[Outcome]:
        """Perform works in one batch; they are as durable as the process."""
        with self._lock:
            outcomes = [self._apply(work) for work in works]
        self.changes.tell()
        if any(type(work) is Message for work in works):
            self.mail.tell()
        return outcomes

    def apply_soon(self, works: Sequence[Work], done: Done) -> None:
        """Perform works right away, because there is nothing to wait for."""
        done(self.apply(works))

    def get(self, workflow_id: str, max_bytes: int = 0) -> Row | None:
        """Return the row of an id; a document longer than `max_bytes` (0: no limit) is left out."""
        with self._lock:
            row = self._rows.get(workflow_id)
            parts = list(self._parts.get(workflow_id, ()))
        if row and max_bytes and len(row.document) + sum(map(len, parts)) > max_bytes:
            return row._replace(document=b"")
        return _whole(row, parts) if row else None

    def page(
        self,
        status: str | None = None,
        limit: int = 0,
        after: Position | Number | None = None,
        max_bytes: int = 0,
    ) -> list[Row]:
        """Return rows in order, after `after`, at most `limit` (0 means all)."""
        with self._lock:
            rows = [row for row in self._rows.values() if status is None or row.status == status]
            if isinstance(after, Number):  # the dict's own order
                rows = [row for row in rows if row.number > after]
            else:
                rows.sort(key=order)
                if after is not None:
                    start = -after.updated_us, after.workflow_id
                    rows = [row for row in rows if order(row) > start]
            rows = rows[:limit] if limit else rows
            taken = [(row, self._parts_of(row)) for row in rows]
        return within((_whole(row, parts) for row, parts in taken), max_bytes)

    def find(self, search: Search, paths: Sequence[Path] = ()) -> Found:
        """Search the workflows by their heads, and look up paths in their payloads."""
        with self._lock:
            return self._heads.find(search, paths)._replace(change=self._feed.kept().last)

    def index(self, at_least: int) -> bool:
        """Return False: heads are made when somebody searches."""
        return False

    def find_in(self, part: Slice, search: Search, paths: Sequence[Path] = ()) -> FoundHere:
        """Search a part of the workflows."""
        with self._lock:
            return self._heads.find_in(part, search, paths)

    def documents(self, ids: Sequence[str], max_bytes: int = 0) -> list[Row]:
        """Return the rows of some workflows in their order, without those that are gone."""
        with self._lock:
            rows = [self._read(row) for each in ids if (row := self._rows.get(each))]
        return within(rows, max_bytes)

    def etag(self, workflow_id: str) -> str | None:
        """Return the stored etag, None if nothing is stored."""
        with self._lock:
            row = self._rows.get(workflow_id)
        return row.etag if row else None

    def changed(
        self,
        after: int | None,
        limit: int = 0,
        *,
        feed: str = "",
        documents: bool = False,
        max_bytes: int = 0,
    ) -> Told:
        """Return the changes numbered above `after`, in order, at most `limit`."""
        with self._lock:
            present = self._present if documents else None
            lines = self._feed.after
            return tell(self._feed.kept(), after, feed, lines, limit, present, max_bytes)

    def leases(self) -> dict[str, float]:
        """Return the seconds left of each lease that has not expired."""
        with self._lock:
            return self._sharing.leases()

    def messages(self, after: int, to: str | None) -> list[Message]:
        """Return messages numbered above `after`, in order."""
        with self._lock:
            return self._sharing.messages(after, to)

    def abandoned(self, limit: int) -> list[str]:
        """Return the workflows that are stored as running but that no executor is running."""
        with self._lock:
            held = self._sharing.leases()
            rows = [
                (row.updated_us, key)
                for key, row in self._rows.items()
                if row.status == "running" and self._owners.get(key) not in held
            ]
        ids = [key for _, key in sorted(rows)]
        return ids[:limit] if limit else ids

    def close(self) -> None:
        """Wake everyone who waits for changes."""
        self.changes.close()
        self.mail.close()

    def request_under(self, key: bytes) -> bytes | None:
        """Return the digest of the request that was done with a key, None if it is not known."""
        with self._lock:
            return self._keys.remembered(key)

    def _present(self, workflow_id: str) -> Row | None:
        row = self._rows.get(workflow_id)
        return self._read(row) if row else None

    def _read(self, row: Row) -> Row:
        return _whole(row, self._parts.get(row.workflow_id, ()))

    def _parts_of(self, row: Row) -> list[bytes]:
        return list(self._parts.get(row.workflow_id, ()))

    def _apply_once(self, keyed: Keyed) -> Outcome:
        """Perform a work with an idempotency key, unless it was done before."""
        done = self._keys.remembered(keyed.key)
        if done is not None:
            return None if done == keyed.request else reused(keyed.work)
        if (error := self._apply(keyed.work)) is None:
            self._keys.remember(keyed.key, keyed.request)
        return error

    def _apply(self, work: Work) -> Outcome:
        if isinstance(work, Message | Hold | Discard):
            self._sharing.share(work, self._rows)
            return None
        if isinstance(work, Keyed):
            return self._apply_once(work)
        key = work.workflow_id
        before = self._rows.get(key)
        etag = before.etag if before else None
        if is_done(work, etag):
            if isinstance(work, Deletion) or before is None:
                return None
            last = self._parts.get(key, [before.document])[-1]
            return None if last == work.document else reused(work)
        if (error := conflict(work, etag)) is not None:
            return error
        if isinstance(work, Deletion):
            del self._rows[key]
            self._parts.pop(key, None)
            self._owners.pop(key, None)
            self._sharing.drop_messages_of(key)
            self._feed.note(key, deleted=True)
            return None
        first_us = before.first_saved_us if before else time.time_ns() // 1000
        status, updated_us, document = work.status, work.updated_us, work.document
        if not work.whole:
            assert before is not None  # noqa: S101  # else it would be a conflict
            self._parts.setdefault(key, []).append(work.document)
            status = before.status if status is None else status
            updated_us = before.updated_us if updated_us is None else updated_us
            document = before.document
        else:
            self._parts.pop(key, None)
        if work.whole or work.owner is not None:
            self._owners[key] = work.owner or ""
        number = before.number if before else next(self._numbers)
        entries = key, status or "", updated_us or 0, first_us, document, work.etag
        self._rows[key] = Row(*entries, number)
        self._feed.note(key, deleted=False)
        return None


def _whole(row: Row, parts: Sequence[bytes]) -> Row:
    return row._replace(document=wire.splice(row.document, parts)) if parts else row
