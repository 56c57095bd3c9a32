"""Leases, messages, idempotency keys and numbered changes in this process's memory."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Container
from itertools import islice

from inngest_nb.store.changes import CHANGES_KEPT, Kept, Line
from inngest_nb.store.keys import KEY_SECONDS, MOST_KEYS, message_key
from inngest_nb.store.messages import (
    ANSWER_SECONDS,
    MESSAGE_BYTES_AT_ONCE,
    MESSAGES_AT_ONCE,
    Discard,
    Hold,
    Message,
)


class MemoryKeys:
    """Idempotency keys and the requests done with them. Locked by the table."""

    def __init__(self) -> None:
        self._done: dict[bytes, tuple[bytes, float]] = {}

    def remembered(self, key: bytes) -> bytes | None:
        """Return the digest of the request that was done with a key, None if it is not known."""
        request, at = self._done.get(key, (None, 0.0))
        return request if time.monotonic() - at < KEY_SECONDS else None

    def remember(self, key: bytes, request: bytes) -> None:
        """Store the request that was done with a key, and delete the oldest of too many keys."""
        self._done.pop(key, None)  # so that the newest keys come last
        self._done[key] = request, time.monotonic()
        if len(self._done) > MOST_KEYS:
            del self._done[next(iter(self._done))]


class MemorySharing:
    """Leases of this process's executors, and messages between them. Locked by the table."""

    def __init__(self, keys: MemoryKeys) -> None:
        self._keys = keys
        self._until: dict[str, float] = {}
        self._messages: dict[str, tuple[Message, float]] = {}
        self._last = 0

    def share(self, work: Message | Hold | Discard, stored: Container[str]) -> None:
        """Store a lease or a message, or delete messages. `stored` contains the workflows' ids."""
        if isinstance(work, Hold):
            self._until[work.owner] = time.monotonic() + work.seconds
            self._until = {owner: time.monotonic() + left for owner, left in self.leases().items()}
            self._drop_old(stored)
        elif isinstance(work, Message):
            known = work.id in self._messages
            if not known and self._keys.remembered(message_key(work.id)) is None:
                self._last += 1
                self._messages[work.id] = work._replace(number=self._last), time.monotonic()
        else:
            for message_id in work.ids:
                if self._messages.pop(message_id, None) is not None:
                    # A sender without a response may send it again; it must not be received twice.
                    self._keys.remember(message_key(message_id), b"")

    def drop_messages_of(self, workflow_id: str) -> None:
        """Delete the messages to a deleted workflow."""
        kept = self._messages.items()
        self._messages = {key: sent for key, sent in kept if sent[0].to != workflow_id}

    def leases(self) -> dict[str, float]:
        """Return the seconds left of each lease that has not expired."""
        now = time.monotonic()
        return {owner: until - now for owner, until in self._until.items() if until > now}

    def messages(self, after: int, to: str | None) -> list[Message]:
        """Return messages numbered above `after`, in order."""
        found: list[Message] = []
        size = 0
        for message, _ in self._messages.values():
            if message.number > after and to in (None, message.to):
                found.append(message)
                size += len(message.payload)
                if len(found) == MESSAGES_AT_ONCE or size >= MESSAGE_BYTES_AT_ONCE:
                    break
        return found

    def _drop_old(self, stored: Container[str]) -> None:
        oldest = time.monotonic() - ANSWER_SECONDS
        self._messages = {
            key: (message, sent)
            for key, (message, sent) in self._messages.items()
            if sent >= oldest or message.to in stored
        }


class MemoryFeed:
    """The newest changes, numbered. Locked by the table."""

    def __init__(self) -> None:
        self._feed = secrets.token_hex(8)
        self._lines: deque[Line] = deque(maxlen=CHANGES_KEPT)
        self._last = 0

    def note(self, workflow_id: str, *, deleted: bool) -> None:
        """Give a change its number."""
        self._last += 1
        self._lines.append((self._last, workflow_id, deleted))

    def kept(self) -> Kept:
        """Return which numbers there are."""
        return Kept(self._feed, self._last - len(self._lines) + 1, self._last)

    def after(self, number: int, limit: int) -> list[Line]:
        """Return the changes after a number, in order, at most `limit`."""
        start = number + 1 - self.kept().first
        return [*islice(self._lines, start, start + limit)]
