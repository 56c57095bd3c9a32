"""The events of a run: how many of them the store has, and how many the code has seen."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from inngest_nb import wire
from inngest_nb.state import EventType, ForkOrigin, HistoryEvent, WorkflowState, WorkflowStatus
from inngest_nb.store import SoundWrite, Write

# What a renewal of the lease writes again at most; a server's requests have a limit too.
_LONG_BYTES = 2**20


class Journal:
    """A run's history as it grows, and what of it each write takes to the store.

    Not safe from several threads by itself: the run guards it. Each write names the version that it
    makes, so that repeating one whose answer was lost does no harm, and the version it builds on,
    so that it fails if somebody else has written meanwhile.
    """

    def __init__(self, state: WorkflowState, owner: str, lease: timedelta) -> None:
        self.events: list[HistoryEvent] = list(state.history)
        self.saved = len(self.events)
        self.seen = 0
        self.retries = 0  # of the whole run, as far as it was seen
        self.owned = False
        self.time: datetime | None = None
        self._state = state
        self._stored = bool(self.events)
        self._owner = owner
        self._lease = lease
        self._short = lease * 2 / 3
        self._lease_until: datetime | None = None
        self._released = False
        self._long = False
        self._last_id = max((event.id for event in self.events), default=0)
        self._offset = self._last_id - len(self.events)
        self._etag = state.etag
        self._nonce = uuid.uuid4().hex[:12]
        self._writes = 0
        self._pending: tuple[Write, int, bool] | None = None
        self._let_go = False

    @property
    def forked_from(self) -> ForkOrigin | None:
        """Where the first events come from, if the run is a fork."""
        return self._state.forked_from or None

    def add(self, kind: EventType, now: datetime, fields: dict[str, Any]) -> HistoryEvent:
        """Append an event that happens now."""
        self._last_id += 1
        event = HistoryEvent(id=self._last_id, type=kind, timestamp=now, **fields)
        self.events.append(event)
        return event

    def next(self, passing_over: EventType | None = None) -> HistoryEvent | None:
        """Return the next saved event that the code has not seen, and that is of another kind."""
        while self.seen < self.saved:
            event = self.events[self.seen]
            self.seen += 1
            if event.superseded is True:
                self.retries += event.type is EventType.WORKFLOW_FAILED
                continue
            time = event.timestamp
            if time is not None and (self.time is None or time > self.time):
                self.time = time
            if event.type is not passing_over:
                return event
        return None

    def is_saved(self, event: HistoryEvent) -> bool:
        """Tell whether an event that this journal added is durable."""
        return event.id - self._offset <= self.saved

    def state(self, **outcome: Any) -> WorkflowState:
        """Return the whole state, with the given status, result and error."""
        lease: dict[str, Any] = {"owner": self._holder, "fence": self._fence}
        if self._lease_until is not None:
            lease["lease_until"] = self._lease_until
        first, last = (self.events[0], self.events[-1]) if self.events else (None, None)
        return self._state.replace(
            history=tuple(self.events),
            created_at=self._state.created_at or (first and first.timestamp),
            updated_at=last and last.timestamp,
            etag=self._etag,
            **lease,
            **outcome,
        )

    # Writing to a store that can append

    def write(self, now: datetime, status: WorkflowStatus, outcome: dict[str, Any]) -> Write:
        """Return what to write next; one without an answer comes again as it was."""
        if self._pending is None:
            write = self._next_write(now, status, outcome)
            self._pending = write, len(self.events), self._released
        return self._pending[0]

    def written(self) -> int:
        """Note that the last write succeeded, and return how many events it had."""
        if self._pending is None:
            return self.saved
        write, self.saved, self._let_go = self._pending
        self._etag, self._stored, self.owned, self._pending = write.etag, True, True, None
        return self.saved

    def is_behind(self, wanted: int) -> bool:
        """Tell whether something is still to be written, if so many events are to be saved.

        What came up while a write was repeated is not in that write.
        """
        return self.saved < wanted or self._released != self._let_go

    def release(self) -> bool:
        """Let the lease end with the next write; tell whether there has to be one for that.

        What is being written now, and has a lease, is followed by another write.
        """
        self._released = True
        return self.owned and self._lease_until is not None

    def lease_is_short(self, now: datetime) -> bool:
        """Tell whether it is time to renew the lease."""
        return self._lease_until is not None and self._lease_until < now + self._short

    @property
    def _holder(self) -> str:
        # Nobody, once released: another machine's clock may be behind the lease's end.
        return "" if self._released else self._owner

    @property
    def _fence(self) -> int:
        return (self._state.fence or 0) + 1

    def _next_write(self, now: datetime, status: WorkflowStatus, outcome: dict[str, Any]) -> Write:
        new = self.events[self.saved :]
        last = self.events[-1].timestamp
        # A renewal writes all of a history that is not long, so that renewals don't pile up.
        renewal = self.owned and not new and not self._long
        whole = not self._stored or renewal
        renewed = whole or not self.owned or self._released or self.lease_is_short(now)
        if renewed:
            self._lease_until = now if self._released else now + self._lease
        if whole:
            document = wire.encode(self.state(status=status, **outcome))
            self._long = len(document) > _LONG_BYTES
            whole = not (renewal and self._long)
        if not whole:
            head: dict[str, Any] = {"updated_at": last}
            if renewed:
                head["lease_until"] = self._lease_until
            if not self.owned or self._released:
                head |= {"owner": self._holder, "fence": self._fence}
            if status is not WorkflowStatus.RUNNING:
                head |= {"status": status, **outcome}
            document = wire.encode_part(new, sound=True, **head)
        self._writes += 1
        return (Write if whole else SoundWrite)(
            workflow_id=self._state.workflow_id,
            document=document,
            whole=whole,
            status=str(status),
            updated_us=wire.microseconds(last),
            etag=f"{self._nonce}{self._writes:x}",
            if_match=self._etag,
        )
