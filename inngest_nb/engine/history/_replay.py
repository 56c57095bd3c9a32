"""What history says of the calls that a workflow's code makes when it runs again."""

from __future__ import annotations

import asyncio
import contextlib
import linecache
import os
import sys
from typing import NamedTuple

from inngest_nb.errors import NonDeterminismError
from inngest_nb.state import UNSET, EventType, HistoryEvent, WorkflowState

# Between the code's own line and here lie frames of these.
_BETWEEN = (
    os.path.dirname(os.path.dirname(__file__)) + os.sep,  # the engine
    os.path.dirname(asyncio.__file__) + os.sep,
    contextlib.__file__,
)
_ENDS = (EventType.ACTIVITY_COMPLETED, EventType.ACTIVITY_FAILED)


class Call(NamedTuple):
    """Something the code asked its context for, and where.

    `seq` counts the calls that history answers by number, activities and timers; the others, such
    as waiting for a signal, have 0.
    """

    seq: int
    kind: str
    name: str
    file: str
    line: int

    @property
    def text(self) -> str:
        """The line of code, if its source can be read."""
        return linecache.getline(self.file, self.line).strip()

    @property
    def place(self) -> str:
        """Where the line is, for people: a notebook's cells have files that nobody knows."""
        folder, file = os.path.split(self.file)
        in_cell = os.path.basename(folder).startswith("ipykernel_")
        return f"line {self.line} of a cell" if in_cell else f"{file}:{self.line}"

    def __str__(self) -> str:
        what = f"{self.kind} {self.name!r}" if self.name else f"a {self.kind}"
        return f"{what} ({self.place})"


class Past:
    """The recorded part of a run, while its code runs through it again.

    All that code and history have to agree on is compared here. A history without `seq`, such as a
    Go program writes, is matched by the names and the order of the calls.
    """

    def __init__(self, state: WorkflowState) -> None:
        self.calls: list[Call] = []
        self.marks: list[tuple[HistoryEvent, int]] = []  # events seen, and how many calls before
        self.versions: dict[str, int] = {}
        self.last_seq = 0
        self.length = 0  # of the history, up to the last event that counts
        self._state = state
        self._asked: dict[int, Call] = {}
        self._started: set[int] = set()
        self._ended: set[int] = set()
        for place, event in enumerate(state.history, 1):
            if event.superseded is not True:
                self.length = place
                self.last_seq = max(self.last_seq, event.seq or 0)
                self.versions.update(event.versions or {})

    def see(self, event: HistoryEvent) -> None:
        """Note that the code is shown an event now."""
        self.marks.append((event, len(self.calls)))

    def note(self, seq: int, kind: str, name: str) -> None:
        """Keep in mind what the code asks for, and which of its lines does."""
        frame = sys._getframe(1)  # noqa: SLF001  # the only way to the caller's line that is quick
        while frame.f_back is not None and frame.f_code.co_filename.startswith(_BETWEEN):
            frame = frame.f_back
        call = Call(seq, kind, name, frame.f_code.co_filename, frame.f_lineno)
        self.calls.append(call)
        if seq:
            self._asked[seq] = call

    def match(self, event: HistoryEvent) -> int:
        """Return the number of the call that an event belongs to, 0 if to none.

        Raises `NonDeterminismError` if the code made another call, or none, where this one was.
        """
        if event.type is EventType.TIMER_FIRED:
            kind, recorded = "timer", "a timer"
        elif event.type is EventType.ACTIVITY_STARTED or event.type in _ENDS:
            kind, recorded = "activity", f"activity {event.activity_name!r}"
        else:
            return 0
        seq = event.seq if event.seq is not UNSET else self._find(event, kind, recorded)
        call = self._asked.get(seq)
        if call is None:
            raise self.parting(event, f"call {seq} is {recorded}", self._last_words())
        if (call.kind, call.name) != (kind, event.activity_name):
            raise self.parting(event, f"call {seq} is {recorded}", f"call {seq} is {call}")
        self._started.add(seq)
        if event.type in _ENDS or kind == "timer":
            self._ended.add(seq)
        return seq

    def parting(
        self, event: HistoryEvent, recorded: str, asked: str, cause: BaseException | None = None
    ) -> NonDeterminismError:
        """Return the error for an event at which history and code part, with both sides."""
        name = self._state.workflow_id
        error = NonDeterminismError(
            f"workflow {name!r} cannot be replayed: its history and its code part at event "
            f"{event.id} ({event.type}). History: {recorded}. Code: {asked}",
            event_id=event.id,
            recorded=recorded,
            asked=asked,
            workflow_id=name,
            run_id=self._state.run_id,
        )
        error.add_note(
            "nothing was changed; run the code that wrote this history, or let changed code ask "
            "ctx.version(name) which way to go"
        )
        error.__cause__ = cause
        return error

    def _find(self, event: HistoryEvent, kind: str, recorded: str) -> int:
        """Find the call of an event that does not say which, by its name."""
        calls = [
            seq
            for seq, call in self._asked.items()
            if seq not in self._ended and (call.kind, call.name) == (kind, event.activity_name)
        ]
        if event.type is EventType.ACTIVITY_STARTED:
            calls = [seq for seq in calls if seq not in self._started][:1]
        elif self._started.intersection(calls):
            calls = [seq for seq in calls if seq in self._started]
        if len(calls) > 1:
            asked = f"{len(calls)} calls of {recorded} are open, and history has no Seq to tell"
            raise self.parting(event, f"{recorded} ended", asked)
        if not calls:
            raise self.parting(event, recorded, self._last_words())
        return calls[0]

    def _last_words(self) -> str:
        if not self.calls:
            return "it has asked for nothing so far"
        return f"it has not asked for that; what it asked for last is {self.calls[-1]}"
