"""The events of a run: which are saved, and which the code has seen."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from inngest_nb import wire
from inngest_nb.state import (
    UNSET,
    EventType,
    ForkOrigin,
    HistoryEvent,
    UnsetType,
    Waits,
    WorkflowState,
    WorkflowStatus,
)
from inngest_nb.store import MAX_ADDED_BYTES, SoundWrite, Write

_Waiting = TypeVar("_Waiting", bound=tuple[Any, HistoryEvent])


class Journal:
    """A run's growing history, and what each write takes from it to the store.

    Not thread-safe; the run locks it. Each write names the version that it creates, so that it can
    be repeated if its response was lost, and the version that it builds on, so that it fails if
    another process has written in between.
    """

    def __init__(self, state: WorkflowState, owner: str) -> None:
        self.events: list[HistoryEvent] = list(state.history)
        self.saved = len(self.events)
        self.seen = 0
        self.retries = 0  # of the whole run, up to the events seen
        self.owned = False
        self.time: datetime | None = None
        self._state = state
        self._stored = bool(self.events)
        self._owner = owner
        self._last_id = max((event.id for event in self.events), default=0)
        self._offset = self._last_id - len(self.events)
        self._etag = state.etag
        self._nonce = os.urandom(6).hex()
        self._writes = 0
        self._most = 0  # events in the next write, after one was too large; 0 means all
        self._pending: tuple[Write, int] | None = None
        # What the run waits for: as it is known, as it is stored, and as the next write stores it.
        self._waits = self._stored_waits = self._sent_waits = state.waits

    @property
    def forked_from(self) -> ForkOrigin | None:
        """The origin of the first events, if the run is a fork."""
        return self._state.forked_from or None

    def add(self, kind: EventType, now: datetime, fields: dict[str, Any]) -> HistoryEvent:
        """Append an event with the time `now`."""
        self._last_id += 1
        event = HistoryEvent(id=self._last_id, type=kind, timestamp=now, **fields)
        self.events.append(event)
        return event

    def note(self, waits: tuple[Sequence[str], datetime | None] | None) -> None:
        """Note which signals, and until when, the run waits for after its last event.

        None means neither.
        """
        self._waits = UNSET
        if waits is not None:
            signals, until = waits
            self._waits = Waits(
                at=self._last_id, signals=tuple(signals), until=UNSET if until is None else until
            )

    def keep(self, events: Sequence[tuple[EventType, datetime, dict[str, Any]]]) -> None:
        """Append events that somebody else keeps: nothing of them is left to be saved."""
        for kind, when, fields in events:
            self.add(kind, when, fields)
        self.saved = len(self.events)

    def next(self, passing_over: EventType | None = None) -> HistoryEvent | None:
        """Return the next saved event that the code has not seen, skipping events of one type."""
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

    @property
    def has_news(self) -> bool:
        """Tell whether there are saved events that the code has not seen."""
        unseen = self.events[self.seen : self.saved]
        return any(event.type is not EventType.ACTIVITY_STARTED for event in unseen)

    def is_saved(self, event: HistoryEvent) -> bool:
        """Tell whether an event that this journal added is durable."""
        return event.id - self._offset <= self.saved

    def parted(self, waiting: list[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
        """Split what waits for events to be saved: what can continue now, and what still waits."""
        if not waiting:
            return waiting, []
        last = self.saved + self._offset
        free = [each for each in waiting if each[1].id <= last]
        return free, [each for each in waiting if each[1].id > last]

    def state(self, count: int | None = None, **outcome: Any) -> WorkflowState:
        """Return the state after all events, or after `count`, with a status and a result."""
        events = self.events[:count]
        first, last = (events[0], events[-1]) if events else (None, None)
        return self._state.replace(
            history=tuple(events),
            created_at=self._state.created_at or (first and first.timestamp),
            updated_at=last and last.timestamp,
            etag=self._etag,
            owner=self._owner,
            fence=self._fence,
            waits=UNSET if count is not None else self._current(self._waits),
            **outcome,
        )

    # Writing to a store

    def write(self, status: WorkflowStatus, outcome: dict[str, Any]) -> Write:
        """Return the next write; the same one again if it has not been confirmed."""
        if self._pending is None:
            self._pending = self._next_write(status, outcome)
        return self._pending[0]

    def written(self) -> int:
        """Note that the last write succeeded, and return how many events are saved."""
        if self._pending is None:
            return self.saved
        write, self.saved = self._pending
        self._stored_waits = self._sent_waits
        self._etag, self._stored, self.owned, self._pending = write.etag, True, True, None
        return self.saved

    @property
    def is_stored(self) -> bool:
        """Tell whether the store has all that a write would bring."""
        return (
            self.owned
            and self._pending is None
            and self.saved == len(self.events)
            and self._current(self._waits) == self._current(self._stored_waits)
        )

    def is_behind(self, wanted: int) -> bool:
        """Tell whether fewer than `wanted` events are saved.

        Events that were added while a write was being repeated are not in that write.
        """
        return self.saved < wanted

    def take_in(self, stored: WorkflowState) -> bool:
        """Add the events that others appended since the history was read; False if it was edited.

        Until the run is claimed, others may append to its history, but not change what was read.
        """
        mine = [(event.id, event.type, event.timestamp) for event in self.events[: self.saved]]
        theirs = [(event.id, event.type, event.timestamp) for event in stored.history]
        same_run = stored.run_id == self._state.run_id and theirs[: len(mine)] == mine
        if self.owned or len(self.events) > self.saved or not same_run:
            return False
        self.events[self.saved :] = stored.history[self.saved :]
        self.saved = len(self.events)
        self._last_id = max((event.id for event in self.events), default=0)
        self._offset = self._last_id - len(self.events)
        self._state, self._etag, self._pending = stored, stored.etag, None
        self._waits = self._stored_waits = self._sent_waits = stored.waits
        return True

    @property
    def _fence(self) -> int:
        return (self._state.fence or 0) + 1

    def _waits_after(self, new: list[HistoryEvent], status: WorkflowStatus) -> Waits | UnsetType:
        """Return the waits in the document once all events are stored.

        Those of an earlier event say nothing any more, so they are removed only with the end.
        """
        waits = self._current(self._waits)
        if waits is UNSET and new and status is WorkflowStatus.RUNNING:
            return self._stored_waits
        return waits

    def _current(self, waits: Waits | UnsetType) -> Waits | UnsetType:
        """Return what a run waits for if nothing has happened since."""
        return waits if waits is not UNSET and waits.at == self._last_id else UNSET

    def _next_write(self, status: WorkflowStatus, outcome: dict[str, Any]) -> tuple[Write, int]:
        """Return the next write, and how many events are saved after it.

        Events that are too large for one write are split into several. Each of them leaves a valid
        history of a running workflow; only the last one records the end.
        """
        whole, count = not self._stored, len(self.events)
        if whole:
            document = wire.encode(self.state(status=status, **outcome))
            if len(document) > MAX_ADDED_BYTES and count > 1:
                count, document = 1, wire.encode(self.state(1))
        else:
            count, document = self._part(self.events[self.saved :], status, outcome)
        if count < len(self.events):
            status = WorkflowStatus.RUNNING
        self._writes += 1
        write = SoundWrite(
            workflow_id=self._state.workflow_id,
            document=document,
            whole=whole,
            status=str(status),
            updated_us=wire.microseconds(self.events[count - 1].timestamp),
            etag=f"{self._nonce}{self._writes:x}",
            if_match=self._etag,
            owner=None if self.owned else self._owner,
        )
        return write, count

    def _part(
        self, new: list[HistoryEvent], status: WorkflowStatus, outcome: dict[str, Any]
    ) -> tuple[int, bytes]:
        """Return how many events are saved after the write, and a document with those that fit."""
        taken = new[: self._most] if self._most else new
        while True:
            is_last = len(taken) == len(new)
            head: dict[str, Any] = {"updated_at": (taken or self.events)[-1].timestamp}
            if not self.owned:
                head |= {"owner": self._owner, "fence": self._fence}
            if is_last and status is not WorkflowStatus.RUNNING:
                head |= {"status": status, **outcome}
            self._sent_waits = self._waits_after(new, status) if is_last else self._stored_waits
            if self._sent_waits != self._stored_waits:
                head["waits"] = self._sent_waits
            document = wire.encode_part(taken, sound=True, **head)
            if len(document) <= MAX_ADDED_BYTES or len(taken) < 2:
                self._most = 0 if is_last else 2 * len(taken)
                return self.saved + len(taken), document
            fitting = len(taken) * MAX_ADDED_BYTES // len(document)
            taken = taken[: max(1, min(fitting, len(taken) // 2))]
