"""The events of a run: how many of them the store has, and how many the code has seen."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from inngest_nb import wire
from inngest_nb.state import EventType, ForkOrigin, HistoryEvent, WorkflowState, WorkflowStatus
from inngest_nb.store import MAX_ADDED_BYTES, SoundWrite, Write

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
        self._most = 0  # events of the next write, once one was too much; 0 is all
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

    def state(self, count: int | None = None, **outcome: Any) -> WorkflowState:
        """Return the whole state, or that of so many events, with the given status and result."""
        lease: dict[str, Any] = {"owner": self._holder, "fence": self._fence}
        if self._lease_until is not None:
            lease["lease_until"] = self._lease_until
        events = self.events[:count]
        first, last = (events[0], events[-1]) if events else (None, None)
        return self._state.replace(
            history=tuple(events),
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
            self._pending = self._next_write(now, status, outcome)
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

    def _next_write(
        self, now: datetime, status: WorkflowStatus, outcome: dict[str, Any]
    ) -> tuple[Write, int, bool]:
        """Return what to write, how many events are saved then, and whether the lease ends.

        What comes together and is too much for one write goes into several. Each makes a history
        up to a certain event, of a run that goes on; only the last one says how it ended.
        """
        new = self.events[self.saved :]
        # A renewal writes all of a history that is not long, so that renewals don't pile up.
        renewal = self.owned and not new and not self._long
        document = None
        if not self._stored or renewal:
            self._lease_until = now if self._released else now + self._lease
            document = wire.encode(self.state(status=status, **outcome))
            self._long = len(document) > _LONG_BYTES
            if renewal and self._long:
                document = None
        whole, count, released = document is not None, len(self.events), self._released
        if document is None:
            count, document = self._part(new, now, status, outcome, renewed=renewal)
        elif len(document) > MAX_ADDED_BYTES and not self._stored and count > 1:
            count, document = 1, wire.encode(self.state(1))
        if count < len(self.events):
            status, released = WorkflowStatus.RUNNING, False
        self._writes += 1
        write = (Write if whole else SoundWrite)(
            workflow_id=self._state.workflow_id,
            document=document,
            whole=whole,
            status=str(status),
            updated_us=wire.microseconds(self.events[count - 1].timestamp),
            etag=f"{self._nonce}{self._writes:x}",
            if_match=self._etag,
        )
        return write, count, released

    def _part(
        self,
        new: list[HistoryEvent],
        now: datetime,
        status: WorkflowStatus,
        outcome: dict[str, Any],
        *,
        renewed: bool,
    ) -> tuple[int, bytes]:
        """Return a partial document with new events, as many as fit, and how many it makes."""
        renewed = renewed or not self.owned or self._released or self.lease_is_short(now)
        taken = new[: self._most] if self._most else new
        while True:
            is_last = len(taken) == len(new)
            head: dict[str, Any] = {"updated_at": (taken or self.events)[-1].timestamp}
            released = self._released and is_last
            if renewed:
                head["lease_until"] = self._lease_until = now if released else now + self._lease
            if not self.owned or released:
                head |= {"owner": "" if released else self._owner, "fence": self._fence}
            if is_last and status is not WorkflowStatus.RUNNING:
                head |= {"status": status, **outcome}
            document = wire.encode_part(taken, sound=True, **head)
            if len(document) <= MAX_ADDED_BYTES or len(taken) < 2:
                self._most = 0 if is_last else 2 * len(taken)
                return self.saved + len(taken), document
            fitting = len(taken) * MAX_ADDED_BYTES // len(document)
            taken = taken[: max(1, min(fitting, len(taken) // 2))]
