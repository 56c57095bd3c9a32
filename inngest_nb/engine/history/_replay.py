"""What history says of the calls that a workflow's code makes when it runs again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from inngest_nb import wire
from inngest_nb.engine.basics._functions import describe
from inngest_nb.engine.basics._place import Place, place_of, place_of_error
from inngest_nb.errors import NonDeterminismError
from inngest_nb.state import UNSET, EventType, HistoryEvent, WorkflowState

_ENDS = (EventType.ACTIVITY_COMPLETED, EventType.ACTIVITY_FAILED)
_ALIKE_SECONDS = 0.001  # times of a history that others have written may be cut
_MOST_SHOWN = 200


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
        return Place(self.file, self.line).text

    @property
    def place(self) -> str:
        """Where the line is, for people."""
        return str(Place(self.file, self.line))

    def __str__(self) -> str:
        what = f"{self.kind} {self.name!r}" if self.name else f"a {self.kind}"
        return f"{what} ({self.place})"


class Past:
    """The recorded part of a run, while its code runs through it again.

    All that code and history have to agree on is compared here: kind, name and input of each call.
    A history without `seq`, such as a Go program writes, is matched by the names and the order of
    the calls. Inputs may differ where somebody has changed what they follow from: in a fork with
    another input or result, and before a retry of the activity that the run had failed of.
    """

    def __init__(self, state: WorkflowState) -> None:
        self.calls: list[Call] = []
        self.marks: list[tuple[HistoryEvent, int]] = []  # events seen, and how many calls before
        self.versions: dict[str, int] = {}
        self.last_seq = 0
        self.length = 0  # of the history, up to the last event that counts
        self._state = state
        self._asked: dict[int, Call] = {}
        self._given: dict[int, Any] = {}  # what they were called with, until it is compared
        self._changed = range(0)  # events whose inputs follow from what a fork has changed
        self._inputs: dict[int, Any] = {}  # the recorded ones: of a call's last attempt
        self._started: set[int] = set()
        self._ended: set[int] = set()
        if state.forked_from and state.forked_from.changed:
            self._changed = range(state.forked_from.changed, state.forked_from.event_id + 1)
        self.take_in(state.history)

    def take_in(self, history: Sequence[HistoryEvent]) -> None:
        """Look at a whole history, and once more when others have added to it."""
        for place, event in enumerate(history, 1):
            if event.superseded is True:
                if event.type is EventType.WORKFLOW_FAILED:
                    self._inputs.pop(event.seq or 0, None)  # to be tried again with what is asked
            else:
                if event.type is EventType.ACTIVITY_STARTED:
                    self._inputs[event.seq or 0] = event.input
                self.length = place
                self.last_seq = max(self.last_seq, event.seq or 0)
                self.versions.update(event.versions or {})

    def see(self, event: HistoryEvent) -> None:
        """Note that the code is shown an event now."""
        self.marks.append((event, len(self.calls)))

    def note(self, seq: int, kind: str, name: str, given: Any = None) -> None:
        """Keep in mind what the code asks for, with which input, and which of its lines does."""
        # The only way to the caller's line that is quick.
        place = place_of(sys._getframe(1))  # noqa: SLF001
        call = Call(seq, kind, name, place.file, place.line)
        self.calls.append(call)
        if seq:
            self._asked[seq] = call
            self._given[seq] = given

    def match(self, event: HistoryEvent) -> int:
        """Return the number of the call that an event belongs to, 0 if to none.

        Raises `NonDeterminismError` if the code made another call, or none, where this one was.
        """
        if event.type is EventType.TIMER_FIRED:
            kind, recorded = "timer", "a timer"
        elif event.type is EventType.ACTIVITY_STARTED or event.type in _ENDS:
            kind = "activity" if event.child is UNSET else "workflow"
            recorded = f"{kind} {event.activity_name!r}"
        else:
            return 0
        seq = event.seq if event.seq is not UNSET else self._find(event, kind, recorded)
        call = self._asked.get(seq)
        if call is None:
            raise self.parting(event, f"call {seq} is {recorded}", self._last_words())
        if (call.kind, call.name) != (kind, event.activity_name):
            raise self.parting(event, f"call {seq} is {recorded}", f"call {seq} is {call}")
        if event.seq:  # others' histories have no inputs
            self._compare(event, seq, recorded, call)
        self._started.add(seq)
        if event.type in _ENDS or kind == "timer":
            self._ended.add(seq)
        return seq

    def _compare(self, event: HistoryEvent, seq: int, recorded: str, call: Call) -> None:
        """Raise `NonDeterminismError` if a call was recorded with another input."""
        if event.type is EventType.ACTIVITY_STARTED:
            if seq not in self._inputs:
                return
            was, now = self._inputs.pop(seq), self._given.pop(seq)
            if same(was, now) or event.id in self._changed:
                return
            was, now = shown(was, now)
            was, now = f"with input {was}", f"with input {now}"
        elif event.type is EventType.TIMER_FIRED:
            was, now = event.duration.total_seconds(), self._given.pop(seq, 0.0)
            alike = abs(was - now) < _ALIKE_SECONDS
            if not was or alike or event.id in self._changed:
                return
            was, now = f"of {was:g} s", f"of {now:g} s"
        else:
            return
        what, _, place = str(call).rpartition(" (")
        raise self.parting(
            event, f"call {seq} is {recorded} {was}", f"call {seq} is {what} {now} ({place}"
        )

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

    def raised(
        self, error: BaseException, event: HistoryEvent, recorded: str
    ) -> NonDeterminismError:
        """Return the error for code that raised where its history goes on."""
        place = place_of_error(error)._replace(function="")
        asked = f"it raised {describe(error)} ({place})"
        return self.parting(event, recorded, asked, error)

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

    def last_call(self) -> str:
        """Return what the code asked for last, as the end of a sentence."""
        return f"; what it asked for last is {self.calls[-1]}" if self.calls else ""

    def _last_words(self) -> str:
        if not self.calls:
            return "it has asked for nothing so far"
        return f"it has not asked for that; what it asked for last is {self.calls[-1]}"


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are the same; 1, 1.0 and true are not."""
    if type(one) is not type(other):
        return False
    if type(one) is dict:
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if type(one) is list:
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def shown(one: Any, other: Any) -> tuple[str, str]:
    """Return two values as short texts, around the place where they begin to differ."""
    texts = [wire.encode_json(value).decode() for value in (one, other)]
    same = next((n for n, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), 0)
    first = max(same - _MOST_SHOWN // 2, 0) if max(map(len, texts)) > _MOST_SHOWN else 0
    last = first + _MOST_SHOWN
    texts = [f"{'…' * (first > 0)}{t[first:last]}{'…' * (last < len(t))}" for t in texts]
    return texts[0], texts[1]
