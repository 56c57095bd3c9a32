"""Heads: what the row of a workflow in a frame needs, made from its document once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import compress, count
from operator import attrgetter, eq
from typing import Any, NamedTuple, Self

import msgspec

from inngest_nb import wire
from inngest_nb.errors import StoreDecodeError
from inngest_nb.history import OPEN, Activity, ActivityRow, EventRow, activities_of, summary_of
from inngest_nb.state import WorkflowState
from inngest_nb.store.rows import Row, state_of

_all_activities = msgspec.json.Decoder(list[list[ActivityRow]]).decode
_all_events = msgspec.json.Decoder(list[list[EventRow]]).decode
_encode = msgspec.json.Encoder().encode
# Bytes of a part of a digest that a store keeps: of longer ones there are few.
LONGEST_KEPT = 8_192
NEVER_US = wire.microseconds(None)
# The ends of the calendar in UTC, which stand for the hours beyond them that other zones have.
END_US = [wire.microseconds(end.replace(tzinfo=UTC)) for end in (datetime.min, datetime.max)]


class Head(NamedTuple):
    """A workflow without its payloads and events.

    Times are microseconds since 1970 UTC, None where nothing tells; `updated_us` is `NEVER_US`
    then, which sorts before all others. `began_us` is estimated (1) where it is only when the store
    first saw the workflow. Text that is not set is "". `flaw` says why the document cannot be read;
    then most of the rest is missing. `number` is the store's own.

    The fields up to `flaw` tell whose activities and events some are. A search for those may leave
    the others None.
    """

    number: int
    workflow_id: str
    run_id: str = ""
    workflow: str = ""
    status: str = ""
    began_us: int | None = None
    updated_us: int = NEVER_US
    ended_us: int | None = None
    flaw: str = ""
    is_estimated: int = 0
    events: int = 0
    activities: int = 0
    retries: int = 0
    step: str = ""
    waiting_for: str = ""
    signal: str = ""
    error: str = ""
    parent_id: str = ""
    owner: str = ""
    first_saved_us: int | None = None
    etag: str = ""

    @classmethod
    def of(
        cls, state: WorkflowState, number: int = 0, activities: Sequence[Activity] | None = None
    ) -> Self:
        """Make the head of a state; `activities` are its activities, where they are known."""
        summary = summary_of(state, activities)
        times, waiting = summary.times, summary.waiting
        return cls(
            number,
            state.workflow_id,
            state.run_id,
            summary.workflow,
            str(state.status),
            _us(times.began),
            wire.microseconds(state.updated_at),
            _us(times.ended),
            "",
            int(times.is_estimated),
            len(state.history),
            summary.activities,
            summary.retries,
            summary.step,
            waiting.kind if waiting else "",
            ", ".join(waiting.names) if waiting and waiting.kind == "signal" else "",
            state.error,
            state.parent_id or "",
            state.owner or "",
            _us(state.first_saved_at),
            state.etag,
        )

    @property
    def updated_at(self) -> datetime | None:
        """The time of the last update."""
        return _time(self.updated_us)


# As `Head._make`, without a call of Python code.
head_of: Callable[[Iterable[Any]], Head] = partial(tuple.__new__, Head)


class Digest(NamedTuple):
    """A head with what frames and searches often look at beside it.

    `activities` and `events` are JSON: arrays of `ActivityRow` and `EventRow`, each an array too.
    `input` and `result` are raw JSON, b"" where there is none. Long ones are None: they are made
    of the document when somebody asks.
    """

    head: Head
    activities: bytes | None = b"[]"
    events: bytes | None = b"[]"
    input: bytes | None = b""
    result: bytes | None = b""


def short(digest: Digest) -> Digest:
    """Leave out what is too long to be kept twice."""
    kept = [part if part is None or len(part) <= LONGEST_KEPT else None for part in digest[1:]]
    return Digest(digest.head, *kept)


def rows_of_activities(bodies: Iterable[bytes | None]) -> list[list[ActivityRow]]:
    """Read the activities of digests, all at once."""
    return _all_activities(b"[%s]" % b",".join([body or b"[]" for body in bodies]))


def rows_of_events(bodies: Iterable[bytes | None]) -> list[list[EventRow]]:
    """Read the events of digests, all at once."""
    return _all_events(b"[%s]" % b",".join([body or b"[]" for body in bodies]))


def digest_of(row: Row) -> Digest:
    """Make the digest of a stored row; the head of one that cannot be read has a flaw."""
    try:
        state = state_of(row)
        given, made = payloads_in(row.document)
        return digest_of_state(state, row.number)._replace(input=given, result=made)
    except StoreDecodeError as error:
        head = Head(
            row.number,
            row.workflow_id,
            status=row.status,
            updated_us=row.updated_us,
            first_saved_us=row.first_saved_us,
            etag=row.etag,
            flaw=str(error.__cause__ or error),
        )
        return Digest(head)


def payloads_in(document: bytes) -> tuple[bytes, bytes]:
    """Return the raw JSON of a document's input and result, b"" for what cannot be found."""
    try:
        return wire.payloads(document) if document else (b"", b"")
    except StoreDecodeError:
        return b"", b""


def digest_of_state(state: WorkflowState, number: int = 0) -> Digest:
    """Make the digest of a state, without payloads."""
    found = activities_of(state.history)
    activities = _encode([ActivityRow.of(activity) for activity in found])
    events = _encode([EventRow.of(event) for event in state.history])
    return Digest(Head.of(state, number, found), activities, events)


def columns_of(heads: Sequence[Head]) -> dict[str, list[Any]]:
    """Return heads by columns, as they travel: an array for each field."""
    values = zip(*heads, strict=True) if heads else ([] for _ in Head._fields)
    return dict(zip(Head._fields, map(list, values), strict=True))


def heads_in(columns: Mapping[str, Sequence[Any]]) -> list[Head]:
    """Return the heads in columns; raises `ValueError` if these are not the columns of heads."""
    if not set(Head._fields) <= columns.keys():
        raise ValueError("these are not the columns of heads")
    found = [columns[name] for name in Head._fields]
    return list(map(head_of, zip(*found, strict=True)))


def newest_first(head: Head) -> tuple[int, str]:
    """Return the sort key of listings: newest update first, then by id."""
    return -head.updated_us, head.workflow_id


def sort_newest_first(heads: list[Head]) -> None:
    """Sort heads as listings are, several times as fast as by `newest_first`."""
    heads.sort(key=_UPDATED_OF, reverse=True)
    times = [*map(_UPDATED_OF, heads)]
    end = 0
    for start in compress(count(), map(eq, times, times[1:])):  # equal ones are few
        if start >= end:
            end = next((n for n in range(start, len(times)) if times[n] < times[start]), len(times))
            heads[start:end] = sorted(heads[start:end], key=_ID_OF)


_ID_OF, _UPDATED_OF = attrgetter("workflow_id"), attrgetter("updated_us")


class HeadRow:
    """A head as a search looks at it, and the raw JSON of its payloads."""

    __slots__ = ("_now_us", "_payloads", "head")

    def __init__(self, head: Head, now_us: int, payloads: tuple[bytes, bytes] = (b"", b"")) -> None:
        self.head = head
        self._payloads = payloads
        self._now_us = now_us

    def payload(self, name: str) -> bytes:
        """Return the raw JSON of `input` or `result`."""
        return self._payloads[name == "result"]

    def column(self, name: str) -> Any:
        """Return the value of a column, None where it is not set."""
        if name in _TIMES:
            return _time(getattr(self.head, _TIMES[name]))
        if name == "duration":
            us = duration_us(self.head, self._now_us)
            return None if us is None else timedelta(microseconds=us)
        return getattr(self.head, name)


_TIMES = {"created_at": "began_us", "updated_at": "updated_us", "ended_at": "ended_us"}


def duration_us(head: Head, now_us: int) -> int | None:
    """Return how long a run took, or has taken until now; None where its times don't tell."""
    until = now_us if head.status in OPEN else head.ended_us
    if head.began_us is None or until is None or until < head.began_us:
        return None
    return until - head.began_us


def _us(time: datetime | None) -> int | None:
    return None if time is None else wire.microseconds(time)


def _time(us: int | None) -> datetime | None:
    if us is None or us == NEVER_US:
        return None
    try:
        return wire.time_of(us)
    except OverflowError:  # the first and last hours of the calendar, in another zone
        return wire.time_of(END_US[us > 0])
