"""The contract's data types: a workflow's state, its history events, their statuses and types.

All are frozen. Field names follow Python's style; `wire_name` gives the name used in JSON.
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
    "Waits",
    "WorkflowState",
    "WorkflowStatus",
]

# Go's zero time, which the contract uses for "not set".
ZERO_TIME = datetime(1, 1, 1, tzinfo=UTC)


def wire_name(name: str) -> str:
    """Return a field's name in the JSON document: `WorkflowID` for `workflow_id`."""
    return "".join("ID" if word == "id" else word.title() for word in name.split("_"))


class _Word(StrEnum):
    """An enum of the contract's words that also accepts unknown ones and keeps them as they are."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        word = str.__new__(cls, value)
        word._name_ = word._value_ = value
        return word


class WorkflowStatus(_Word):
    """The status of a workflow. `UNSET` (the empty string) means that it was never run.

    Unknown statuses are kept as they are: `WorkflowStatus("queued")` works.
    """

    UNSET = ""
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class EventType(_Word):
    """The type of a history event. Unknown types are kept as they are."""

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
    """A duration that JSON holds as an integer number of nanoseconds."""

    def __repr__(self) -> str:
        return repr(timedelta(seconds=0) + self)


Time = Annotated[datetime, Meta(tz=True)] | None

# Type checkers see the public type; msgspec sees what JSON holds: a duration is an integer there,
# and a history may be null.
if TYPE_CHECKING:
    Duration = timedelta
    History = tuple["HistoryEvent", ...]
else:
    Duration = Nanoseconds
    History = tuple["HistoryEvent", ...] | None


def _time(value: datetime | None, name: str) -> datetime | None:
    """Turn the contract's zero time into None; raise `ValueError` for a naive datetime."""
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError(
            f"{name} must be timezone-aware, for example datetime.now(UTC); got {value!r}"
        )
    return None if value.year == 1 and value == ZERO_TIME else value


def _duration(given: timedelta | float) -> Nanoseconds:
    given = given if isinstance(given, timedelta) else timedelta(seconds=given)
    return Nanoseconds(given.days, given.seconds, given.microseconds)


class HistoryEvent(
    Struct, frozen=True, kw_only=True, rename=wire_name, repr_omit_defaults=True, gc=False
):
    """An event in a workflow's history.

    Payloads (`input`, `result`, `signal_payload`) are plain JSON values. `timestamp` is a
    timezone-aware datetime, or None if it is not set. `duration` is a timedelta; a number means
    seconds.

    The fields from `seq` on are extensions of this package. They are `UNSET`, and not written,
    where they don't apply:

    * `seq` is the number of the call in the workflow code, `attempt` the number of the activity's
      attempt, and `retry_at` the time of the next one.
    * `versions` are the versions that `ctx.version` chose since the previous event.
    * `superseded` events were undone by `Executor.retry`; replay skips them.
    * `timeout`, `workflow`, `version` and `seed` belong to the first event: how long the run may
      take, the name and version of its code, and, in a fork, the run whose random numbers it
      repeats.
    * `child` is the id of a child workflow, whose call is recorded as an activity; a `detached`
      child is not canceled with its parent.
    * `message` is the id of the message from another process that caused the event, so that each
      message counts once.
    * `error_type`, `details` and `trace` are the error's class name, its JSON details and the end
      of its traceback.
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
        """Return a copy of this event with some fields changed."""
        return replace(self, **changes)


class ForkOrigin(Struct, frozen=True, kw_only=True, rename=wire_name, gc=False):
    """The run that a fork was made from, and the last event that it took over (`event_id`).

    `changed` is the first event that depends on an input or a result that the fork has changed.
    """

    workflow_id: str = ""
    run_id: str = ""
    event_id: int = 0
    changed: int | UnsetType = UNSET


class Waits(Struct, frozen=True, kw_only=True, rename=wire_name, gc=False):
    """What a run waits for at rest: signals, a timer, or whichever comes first.

    `signals` are names, and `until` is when the earliest timer is due. It holds only while the
    history ends with the event `at`: any later event may have changed it.
    """

    at: int = 0
    signals: tuple[str, ...] = ()
    until: Time | UnsetType = UNSET

    def __post_init__(self) -> None:
        if isinstance(self.until, datetime):
            force_setattr(self, "until", _time(self.until, "until"))


class WorkflowState(Struct, frozen=True, kw_only=True, rename=wire_name, eq=False, gc=False):
    """The state of a workflow, as a store keeps it: status, input, result, error and history.

        state = store.load("order-1")
        store.save(state.replace(status="failed", error="the card was declined"))

    Times are timezone-aware datetimes, or None if they are not set. A loaded state remembers the
    document that it came from, so saving it changes only the fields that you changed.

    `owner`, `fence`, `lease_until`, `forked_from`, `parent_id` and `waits` are extensions of this
    package, and `UNSET` where they don't apply: the executor that runs the workflow, how often that
    has changed, the end of its lease, the run that a fork was made from, the id of the parent of a
    child workflow, and what a run at rest waits for. `first_saved_at` and `etag` are not part of
    the document; stores that know them set them: the time of the first save, and the stored
    version.
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
    waits: Waits | UnsetType = UNSET
    # The invisible separator keeps these names from clashing with any of Go's keys.
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
        """Return a copy of this state with some fields changed; it still remembers its document.

        With another `workflow_id` the copy is a new workflow without a stored version.
        """
        if changes.get("workflow_id", self.workflow_id) != self.workflow_id:
            changes = {"etag": "", "first_saved_at": None} | changes
        return replace(self, **changes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WorkflowState):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in DOCUMENT_FIELDS)

    def __ne__(self, other: object) -> bool:  # overrides that of Struct
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
    """Return a name as plain `str`; raise an error that says what it should be the name of."""
    if not isinstance(name, str):
        raise TypeError(f"the name of {what} must be a string, got {type(name).__name__}")
    if not name:
        raise ValueError(f"the name of {what} must not be empty")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the name of {what} contains an unpaired surrogate: {name!a}") from error
    return str.__str__(name)  # the plain string of an enum member or a NumPy string


class Signal(Struct, frozen=True):
    """A message to a running workflow: a name and a payload of JSON values.

    handle = executor.execute(order, id="order-1")
    executor.signal("order-1", inb.Signal("approve", {"by": "ann"}))
    """

    name: str
    payload: Any = None

    def __post_init__(self) -> None:
        if type(self.name) is not str or not self.name or not self.name.isascii():
            force_setattr(self, "name", check_name(self.name, "a signal"))
