"""The values of the contract: a workflow's state, the events of its history, their words.

All are frozen. Field names are Python's; the names on the wire follow from them by `wire_name`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Self

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field
from msgspec.structs import force_setattr, replace

__all__ = [
    "UNSET",
    "EventType",
    "ForkOrigin",
    "HistoryEvent",
    "Signal",
    "UnsetType",
    "WorkflowState",
    "WorkflowStatus",
]

# Go's zero time: how the contract writes "not set".
ZERO_TIME = datetime(1, 1, 1, tzinfo=UTC)


def wire_name(name: str) -> str:
    """Give the contract's name of a field: `workflow_id` is written `WorkflowID`."""
    return "".join("ID" if word == "id" else word.title() for word in name.split("_"))


class _Word(StrEnum):
    """A word of the contract; one that is not known yet is kept as it came."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        word = str.__new__(cls, value)
        word._name_ = word._value_ = value
        return word


class WorkflowStatus(_Word):
    """Where a workflow is in its life. `UNSET` is the empty word of a state that was never run."""

    UNSET = ""
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class EventType(_Word):
    """What a history event tells."""

    UNSET = ""
    WORKFLOW_STARTED = "workflow_started"
    WORKFLOW_COMPLETED = "workflow_completed"
    WORKFLOW_FAILED = "workflow_failed"
    WORKFLOW_CANCELED = "workflow_canceled"
    ACTIVITY_STARTED = "activity_started"
    ACTIVITY_COMPLETED = "activity_completed"
    ACTIVITY_FAILED = "activity_failed"
    SIGNAL_RECEIVED = "signal_received"
    TIMER_FIRED = "timer_fired"


class Nanoseconds(timedelta):
    """A duration as it comes from the wire, where it is an integer count of nanoseconds."""

    def __repr__(self) -> str:
        return repr(timedelta(seconds=0) + self)


Time = Annotated[datetime, Meta(tz=True)] | None

# What one sees of a field, and what msgspec has to read for it: a duration arrives as an
# integer, a history may be null.
if TYPE_CHECKING:
    Duration = timedelta
    History = tuple["HistoryEvent", ...]
else:
    Duration = Nanoseconds
    History = tuple["HistoryEvent", ...] | None


def _time(value: datetime | None, name: str) -> datetime | None:
    """Give None for the contract's zero time, and refuse a time that belongs to no zone."""
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError(f"{name} needs a zone, as in datetime.now(UTC); got {value!r}")
    return None if value.year == 1 and value == ZERO_TIME else value


def _duration(given: timedelta | float) -> Nanoseconds:
    given = given if isinstance(given, timedelta) else timedelta(seconds=given)
    return Nanoseconds(given.days, given.seconds, given.microseconds)


class HistoryEvent(
    Struct, frozen=True, kw_only=True, rename=wire_name, repr_omit_defaults=True, gc=False
):
    """One thing that happened to a workflow.

    Payloads (`input`, `result`, `signal_payload`) are plain JSON values. `timestamp` is an aware
    datetime, or None where it was not set. A `duration` given as a number means seconds.

    `seq` and what follows it are our own additions, `UNSET` and not written where they don't apply:
    which call of the workflow's code this belongs to, which attempt of an activity it is, and when
    the next one is due. `versions` are the answers that `ctx.version` began to give here. An event
    that is `superseded` was undone by a retry of the whole run: replay passes over it. Of an error
    there are also the name of its class, the JSON `details` it carried, and its traceback's end.

    A workflow that the code asked for is told of as an activity; `child` is the id of its run, and
    one that is `detached` outlives its parent.
    `message` names the write of another process that this event came from, so that it counts once.

    The first event also says how long the whole workflow may take, the name and version of its
    code, and, in a fork, the run whose random numbers it repeats.
    """

    id: int = 0
    type: EventType = EventType.UNSET
    timestamp: Time = None
    activity_name: str = ""
    input: Any = None
    result: Any = None
    error: str = ""
    signal_name: str = ""
    signal_payload: Any = None
    duration: Duration = Nanoseconds()
    seq: int | UnsetType = UNSET
    attempt: int | UnsetType = UNSET
    retry_at: Time | UnsetType = UNSET
    versions: dict[str, int] | UnsetType = UNSET
    superseded: bool | UnsetType = UNSET
    timeout: Duration | UnsetType = UNSET
    workflow: str | UnsetType = UNSET
    version: int | UnsetType = UNSET
    seed: str | UnsetType = UNSET
    child: str | UnsetType = UNSET
    detached: bool | UnsetType = UNSET
    message: str | UnsetType = UNSET
    error_type: str | UnsetType = UNSET
    details: Any = UNSET
    trace: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        if type(self.type) is not EventType:
            force_setattr(self, "type", EventType(self.type))
        time = self.timestamp
        if time is not None and (time.tzinfo is None or time.year == 1):
            force_setattr(self, "timestamp", _time(time, "timestamp"))
        if type(self.duration) is not Nanoseconds:
            force_setattr(self, "duration", _duration(self.duration))
        if self.timeout is not UNSET and type(self.timeout) is not Nanoseconds:
            force_setattr(self, "timeout", _duration(self.timeout))

    def replace(self, **changes: Any) -> Self:
        """Return this event with some fields changed."""
        return replace(self, **changes)


class ForkOrigin(Struct, frozen=True, kw_only=True, rename=wire_name, gc=False):
    """What a run was forked from: another one's history, up to and with one event.

    `changed` is the first event that follows from another input or result than the recorded one.
    """

    workflow_id: str = ""
    run_id: str = ""
    event_id: int = 0
    changed: int | UnsetType = UNSET


class WorkflowState(Struct, frozen=True, kw_only=True, rename=wire_name, eq=False, gc=False):
    """A workflow as its store keeps it.

    Times are aware datetimes, None where they were not set. A state that was loaded remembers its
    document, so that saving it writes what was changed and nothing else.

    `owner` and what follows it are our own additions to the document, `UNSET` where they don't
    apply: which executor runs the workflow, how often that changed, until when it may be sure of
    it, what the run was forked from, and the id of the workflow whose code asked for it.
    `first_saved_at` and `etag` are not part of the document but from stores that know them: when it
    was first saved, and what tells this version of it from every other.
    """

    workflow_id: str
    run_id: str = ""
    status: WorkflowStatus = WorkflowStatus.UNSET
    input: Any = None
    result: Any = None
    error: str = ""
    history: History = ()
    created_at: Time = None
    updated_at: Time = None
    owner: str | UnsetType = UNSET
    fence: int | UnsetType = UNSET
    lease_until: Time | UnsetType = UNSET
    forked_from: ForkOrigin | UnsetType = UNSET
    parent_id: str | UnsetType = UNSET
    # None of these names can be a key of Go's: an invisible separator stands before it.
    first_saved_at: Time = field(default=None, name="\u2063first_saved_at")
    etag: str = field(default="", name="\u2063etag")
    origin: Raw | UnsetType = field(default=UNSET, name="\u2063origin")

    def __post_init__(self) -> None:
        if type(self.status) is not WorkflowStatus:
            force_setattr(self, "status", WorkflowStatus(self.status))
        if type(self.history) is not tuple:
            force_setattr(self, "history", tuple(self.history or ()))
        if self.created_at is not None:
            force_setattr(self, "created_at", _time(self.created_at, "created_at"))
        if self.updated_at is not None:
            force_setattr(self, "updated_at", _time(self.updated_at, "updated_at"))

    def replace(self, **changes: Any) -> Self:
        """Return this state with some fields changed; it still remembers its document.

        With another `workflow_id` it is a new workflow, of which no version was loaded.
        """
        if changes.get("workflow_id", self.workflow_id) != self.workflow_id:
            changes = {"etag": "", "first_saved_at": None} | changes
        return replace(self, **changes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WorkflowState):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in DOCUMENT_FIELDS)

    def __ne__(self, other: object) -> bool:  # Struct has one of its own
        return not self == other

    __hash__ = None  # type: ignore[assignment]  # payloads are lists and dicts

    def __repr__(self) -> str:
        status = f", status={str(self.status)!r}" if self.status else ""
        return f"WorkflowState({self.workflow_id[:200]!r}{status}, events={len(self.history)})"


DOCUMENT_FIELDS = tuple(
    name
    for name in WorkflowState.__struct_fields__
    if name not in ("first_saved_at", "etag", "origin")
)


def check_name(name: object, what: str) -> str:
    """Return a name that a history can hold, or raise saying what it would be the name of."""
    if not isinstance(name, str):
        raise TypeError(f"the name of {what} is text, got {type(name).__name__}")
    if not name:
        raise ValueError(f"the name of {what} is empty")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the name of {what} has half of a surrogate pair: {name!a}") from error
    return str.__str__(name)  # that itself, of a word of an enum or of NumPy


class Signal(Struct, frozen=True):
    """A message to a running workflow: its name, and a payload that JSON can hold."""

    name: str
    payload: Any = None

    def __post_init__(self) -> None:
        if type(self.name) is not str or not self.name or not self.name.isascii():
            force_setattr(self, "name", check_name(self.name, "a signal"))
