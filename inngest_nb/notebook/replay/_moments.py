"""A history moment by moment: what happened, and which lines of the code had to do with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from typing import NamedTuple

from msgspec import UNSET

from inngest_nb.engine import Call, ReplayStep
from inngest_nb.history import END_STATUS, event_payloads, is_end
from inngest_nb.state import EventType, HistoryEvent, WorkflowState, WorkflowStatus
from inngest_nb.words import change_text, count_text, in_columns, short

__all__ = ["CodeLine", "Moment", "moments_of", "plain_moments", "state_at"]

_ACTIVITY = (
    EventType.ACTIVITY_STARTED,
    EventType.ACTIVITY_COMPLETED,
    EventType.ACTIVITY_FAILED,
)


class CodeLine(NamedTuple):
    """A line of code: its file and number, its text ("" if unknown), and what it asks for."""

    place: str
    text: str
    asks: str


class Moment(NamedTuple):
    """An event as the code saw it.

    `since` is the time from the first event. `asked_by` is the line that had asked for what
    happened, `then` are the lines that asked for something next; `waits` names all that was asked
    for by then, and had not come yet.
    """

    number: int
    event: HistoryEvent
    since: timedelta | None
    payloads: Sequence[tuple[str, str]]
    asked_by: CodeLine | None
    then: Sequence[CodeLine]
    waits: Sequence[str]


def moments_of(state: WorkflowState, steps: Sequence[ReplayStep]) -> list[Moment]:
    """Give the moments of a history, each with the calls that its code made then."""
    seen = state.replace(history=tuple(step.event for step in steps))
    began = steps[0].event.timestamp if steps else None
    index, waits = _index(steps), _waits(steps)
    return [
        Moment(
            number=number,
            event=step.event,
            since=step.event.timestamp - began if step.event.timestamp and began else None,
            payloads=payloads,
            asked_by=_asked_by(step.event, index),
            then=_lines(step.calls),
            waits=next(waits),
        )
        for number, (step, payloads) in enumerate(
            zip(steps, event_payloads(seen, len(steps)), strict=True), 1
        )
    ]


def state_at(state: WorkflowState, moments: Sequence[Moment], number: int) -> WorkflowState:
    """Give the state of a run as it was after one of its moments."""
    event = moments[number - 1].event
    history = tuple(moment.event for moment in moments[:number])
    ended = is_end(event)
    return state.replace(
        status=END_STATUS.get(event.type, WorkflowStatus.RUNNING),
        result=state.result if ended else None,
        error=state.error if ended else "",
        history=history,
        updated_at=event.timestamp,
    )


def _index(steps: Sequence[ReplayStep]) -> dict[int | str, list[Call]]:
    """Give the calls by their number, and by what they ask for."""
    index: dict[int | str, list[Call]] = {}
    for call in (call for step in steps for call in step.calls):
        index.setdefault(_asks(call), []).append(call)
        if call.seq:
            index[call.seq] = [call]
    return index


def _asked_by(event: HistoryEvent, index: Mapping[int | str, Sequence[Call]]) -> CodeLine | None:
    """Find the line that asked for what an event tells; None where it could be several."""
    found = index.get(_told(event) if event.seq is UNSET else event.seq, ())
    lines = {(call.file, call.line) for call in found}
    return _line(found[0], 1) if len(lines) == 1 else None


def _asks(call: Call) -> str:
    return f"{call.kind} {call.name}".rstrip()


def _told(event: HistoryEvent) -> str:
    """Say what an event tells of in the words of the call that asks for it; "" of none."""
    if event.type is EventType.SIGNAL_RECEIVED:
        return f"signal {event.signal_name}".rstrip()
    if event.type is EventType.TIMER_FIRED:
        return "timer"
    return f"activity {event.activity_name}".rstrip() if event.type in _ACTIVITY else ""


def _lines(calls: Iterable[Call]) -> list[CodeLine]:
    """Give the lines of some calls; those of a loop are one line."""
    alike = groupby(calls, key=lambda call: (call.file, call.line, call.kind, call.name))
    return [_line(*_first_and_count(group)) for _, group in alike]


def _first_and_count(calls: Iterator[Call]) -> tuple[Call, int]:
    first = next(calls)
    return first, 1 + sum(1 for _ in calls)


def _line(call: Call, count: int) -> CodeLine:
    return CodeLine(call.place, call.text, _times(_asks(call), count))


def _times(asks: str, count: int) -> str:
    return asks if count == 1 else f"{asks}, {count:,} times"


def _waits(steps: Sequence[ReplayStep]) -> Iterator[list[str]]:
    """Yield after each event what was asked for and had not come yet.

    A timer that never fires may have been dropped by the code, so it is not counted.
    """
    fired = {step.event.seq for step in steps if step.event.type is EventType.TIMER_FIRED}
    open_: Counter[str] = Counter()
    for event, calls in steps:
        told = _told(event)
        tried_again = event.retry_at is not UNSET or event.type is EventType.ACTIVITY_STARTED
        if open_[told] and not tried_again:
            open_[told] -= 1
        open_.update(_asks(call) for call in calls if call.kind != "timer" or call.seq in fired)
        over = is_end(event)
        yield [_times(asks, count) for asks, count in open_.items() if count and not over]


def plain_moments(state: WorkflowState, moments: Sequence[Moment], count: int) -> str:
    """Give moments as lines of text, of so many that there are."""
    head = f"Replay of {short(state.workflow_id)}: {count_text(count, 'event')}"
    rows: list[list[str]] = []
    for moment in moments:
        event = moment.event
        what = f"{event.type} {short(event.activity_name or event.signal_name, 32)}".rstrip()
        since = "" if moment.since is None else change_text(moment.since)
        code = "; ".join(
            ": ".join(filter(None, [line.place, short(line.text, 80)])) for line in moment.then
        )
        rows.append([str(event.id), since, what, code])
    if more := count - len(moments):
        rows.append([f"and {count_text(more, 'more event')}"])
    return "\n".join([head, *in_columns(rows, right=(0, 1))])
