"""Compares the calls that workflow code makes in a replay with the recorded history."""

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
_ALIKE_SECONDS = 0.001  # other writers may truncate times
_MOST_SHOWN = 200


class Call(NamedTuple):
    """A call that the code made on its context, and its line.

    `seq` numbers the calls whose results are recorded: activities, child workflows and timers. It
    is 0 for others, such as waiting for a signal.
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
        """The place of the line, for people to read."""
        return str(Place(self.file, self.line))

    def __str__(self) -> str:
        what = f"{self.kind} {self.name!r}" if self.name else f"a {self.kind}"
        return f"{what} ({self.place})"


class Past:
    """The recorded part of a run, while its code is replayed.

    This is where code and history are compared: the kind, name and input of each call. A history
    without `seq`, such as one written by a Go program, is matched by the names and the order of the
    calls. Inputs may differ if they depend on something that was changed: in a fork with another
    input or result, and in a retry of the failed activity.
    """

    def __init__(self, state: WorkflowState) -> None:
        self.calls: list[Call] = []
        self.marks: list[tuple[HistoryEvent, int]] = []  # events seen, and the calls before each
        self.versions: dict[str, int] = {}
        self.last_seq = 0
        self.length = 0  # of the history, up to the last event that counts
        self._state = state
        self._asked: dict[int, Call] = {}
        self.given: dict[int, Any] = {}  # the inputs of calls, until they are compared
        self._changed = range(0)  # events whose inputs may depend on what a fork has changed
        self._inputs: dict[int, Any] = {}  # the recorded inputs, of the last attempt of each call
        self._started: set[int] = set()
        self._ended: set[int] = set()
        if state.forked_from and state.forked_from.changed:
            self._changed = range(state.forked_from.changed, state.forked_from.event_id + 1)
        self.take_in(state.history)

    def take_in(self, history: Sequence[HistoryEvent], known: int = 0) -> None:
        """Read a history from its `known`-th event on; call it again when it has grown."""
        for place, event in enumerate(history[known:], known + 1):
            if event.superseded is True:
                if event.type is EventType.WORKFLOW_FAILED:
                    self._inputs.pop(event.seq or 0, None)  # retried with whatever the code passes
            else:
                if event.type is EventType.ACTIVITY_STARTED and event.seq not in self._started:
                    self._inputs[event.seq or 0] = event.input
                self.length = place
                self.last_seq = max(self.last_seq, event.seq or 0)
                if event.versions:
                    self.versions.update(event.versions)

    def version_of(self, name: str) -> int | None:
        """Return the version of a piece of code that the run has recorded, if it has."""
        return self.versions.get(name)

    def has_passed(self, calls: int) -> bool:
        """Tell whether the run had come further than the code, which has made `calls` calls."""
        return self.last_seq > calls

    def see(self, event: HistoryEvent) -> None:
        """Note that the code sees an event now."""
        self.marks.append((event, len(self.calls)))

    def note(self, seq: int, kind: str, name: str, given: Any = None) -> None:
        """Note a call of the code: its input, and its line."""
        # The only fast way to find the caller's line.
        place = place_of(sys._getframe(1))  # noqa: SLF001
        call = Call(seq, kind, name, place.file, place.line)
        self.calls.append(call)
        if seq:
            self._asked[seq] = call
            self.given[seq] = given

    def match(self, event: HistoryEvent) -> int:
        """Return the number of the call that an event belongs to, 0 if there is none.

        Raises `NonDeterminismError` if the code made a different call instead, or none.
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
            raise self.mismatch(event, f"call {seq} is {recorded}", self._not_called())
        if (call.kind, call.name) != (kind, event.activity_name):
            raise self.mismatch(event, f"call {seq} is {recorded}", f"call {seq} is {call}")
        if event.seq:  # histories of other programs have no inputs
            self._compare(event, seq, recorded, call)
        self._started.add(seq)
        if event.type in _ENDS or kind == "timer":
            self._ended.add(seq)
        return seq

    def _compare(self, event: HistoryEvent, seq: int, recorded: str, call: Call) -> None:
        """Raise `NonDeterminismError` if a call was recorded with a different input."""
        if event.type is EventType.ACTIVITY_STARTED:
            if seq not in self._inputs:
                return
            was, now = self._inputs.pop(seq), self.given.pop(seq)
            if same(was, now) or event.id in self._changed:
                return
            was, now = shown(was, now)
            was, now = f"with input {was}", f"with input {now}"
        elif event.type is EventType.TIMER_FIRED:
            was, now = event.duration.total_seconds(), self.given.pop(seq, 0.0)
            alike = abs(was - now) < _ALIKE_SECONDS
            if not was or alike or event.id in self._changed:
                return
            was, now = f"of {was:g} s", f"of {now:g} s"
        else:
            return
        what, _, place = str(call).rpartition(" (")
        raise self.mismatch(
            event, f"call {seq} is {recorded} {was}", f"call {seq} is {what} {now} ({place}"
        )

    def mismatch(
        self, event: HistoryEvent, recorded: str, asked: str, cause: BaseException | None = None
    ) -> NonDeterminismError:
        """Return the error for an event at which the code differs from the history."""
        name = self._state.workflow_id
        error = NonDeterminismError(
            f"workflow {name!r} cannot be replayed: its code no longer matches its history at "
            f"event {event.id} ({event.type}). History: {recorded}. Code: {asked}",
            event_id=event.id,
            recorded=recorded,
            asked=asked,
            workflow_id=name,
            run_id=self._state.run_id,
        )
        error.add_note(
            "nothing was changed; run the code that recorded this history, or guard the changed "
            "code with ctx.version(name)"
        )
        error.__cause__ = cause
        return error

    def raised(
        self, error: BaseException, event: HistoryEvent, recorded: str
    ) -> NonDeterminismError:
        """Return the error for code that raised although its history continues."""
        place = place_of_error(error)._replace(function="")
        asked = f"it raised {describe(error)} ({place})"
        return self.mismatch(event, recorded, asked, error)

    def _find(self, event: HistoryEvent, kind: str, recorded: str) -> int:
        """Find the call of an event without `seq`, by its name."""
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
            asked = f"{len(calls)} calls of {recorded} are open, and the history has no Seq"
            raise self.mismatch(event, f"{recorded} ended", asked)
        if not calls:
            raise self.mismatch(event, recorded, self._not_called())
        return calls[0]

    def last_call(self) -> str:
        """Return the last call that the code made, as the end of a sentence."""
        return f"; its last call is {self.calls[-1]}" if self.calls else ""

    def _not_called(self) -> str:
        if not self.calls:
            return "it has made no calls yet"
        return f"it did not make that call; its last call is {self.calls[-1]}"


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal; 1, 1.0 and true are not."""
    if type(one) is not type(other):
        return False
    if type(one) is dict:
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if type(one) is list:
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def shown(one: Any, other: Any) -> tuple[str, str]:
    """Return two values as short texts, cut around the place where they begin to differ."""
    texts = [wire.encode_json(value).decode() for value in (one, other)]
    same = next((n for n, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), 0)
    first = max(same - _MOST_SHOWN // 2, 0) if max(map(len, texts)) > _MOST_SHOWN else 0
    last = first + _MOST_SHOWN
    texts = [f"{'…' * (first > 0)}{t[first:last]}{'…' * (last < len(t))}" for t in texts]
    return texts[0], texts[1]
