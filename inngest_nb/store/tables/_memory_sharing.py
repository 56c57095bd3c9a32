"""Leases and messages in this process's memory."""

from __future__ import annotations

import time

from inngest_nb.store.messages import Discard, Hold, Message


class MemorySharing:
    """What executors of this process say to each other. The table guards it."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._messages: dict[str, Message] = {}
        self._last = 0

    def share(self, work: Message | Hold | Discard) -> None:
        """Keep a lease or a message, or forget messages."""
        if isinstance(work, Hold):
            self._until[work.owner] = time.monotonic() + work.seconds
            self._until = {owner: time.monotonic() + left for owner, left in self.leases().items()}
        elif isinstance(work, Message):
            if work.id not in self._messages:
                self._last += 1
                self._messages[work.id] = work._replace(number=self._last)
        else:
            for message_id in work.ids:
                self._messages.pop(message_id, None)

    def drop_messages_of(self, workflow_id: str) -> None:
        """Forget what was sent to a workflow that is deleted."""
        self._messages = {k: m for k, m in self._messages.items() if m.to != workflow_id}

    def leases(self) -> dict[str, float]:
        """Return the seconds left of each lease that has not ended."""
        now = time.monotonic()
        return {owner: until - now for owner, until in self._until.items() if until > now}

    def messages(self, after: int, to: str | None) -> list[Message]:
        """Return messages with higher numbers, in order."""
        return [m for m in self._messages.values() if m.number > after and to in (None, m.to)]
