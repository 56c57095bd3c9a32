"""Leases, messages and the names of requests that were done, in this process's memory."""

from __future__ import annotations

import time
from collections.abc import Container

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


class MemorySharing:
    """What executors of this process say to each other. The table guards it."""

    def __init__(self, keys: MemoryKeys) -> None:
        self._keys = keys
        self._until: dict[str, float] = {}
        self._messages: dict[str, tuple[Message, float]] = {}
        self._last = 0

    def share(self, work: Message | Hold | Discard, stored: Container[str]) -> None:
        """Keep a lease or a message, or forget messages. `stored` has the workflows' ids."""
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
                    # Sent again because an answer was lost, it must not come a second time.
                    self._keys.remember(message_key(message_id), b"")

    def drop_messages_of(self, workflow_id: str) -> None:
        """Forget what was sent to a workflow that is deleted."""
        kept = self._messages.items()
        self._messages = {key: sent for key, sent in kept if sent[0].to != workflow_id}

    def leases(self) -> dict[str, float]:
        """Return the seconds left of each lease that has not ended."""
        now = time.monotonic()
        return {owner: until - now for owner, until in self._until.items() if until > now}

    def messages(self, after: int, to: str | None) -> list[Message]:
        """Return messages with higher numbers, in order."""
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
