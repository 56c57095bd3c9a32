"""All exceptions that the package defines.

    InngestNbError
    ├── StoreError                  a store operation failed
    │   ├── StoreStatusError        the server answered with an error status
    │   ├── StoreConnectionError    no response, or one that cannot be read
    │   ├── StoreConflictError      the stored workflow has changed since it was loaded
    │   ├── StoreKeyReusedError     an idempotency key was already used for another write
    │   ├── StoreDecodeError        a document does not follow the contract
    │   ├── StoreFileError          a database file cannot be opened, read or written
    │   ├── NotAStateServerError    the address is that of a real Inngest server or a web site
    │   ├── PayloadTooLargeError    an input, a result or a whole write exceeds the size limit
    │   ├── ListingUnsupportedError the server stores states but cannot list them
    │   ├── ReadOnlyStoreError      the store can only be read: a bundle, a real Inngest server
    │   └── WrongLoopError          an async store was used on a second event loop
    ├── InngestError                a request to a real Inngest server failed
    │   ├── InngestStatusError      the server answered with an error
    │   │   ├── InngestAuthError    the server rejected the key, or requires one
    │   │   ├── InngestNotFoundError    the server has no such run, event, app, function or step
    │   │   ├── InngestRunEndedError    the run has already ended or was canceled
    │   │   └── InngestUnavailableError the open-source server does not offer this call
    │   ├── InngestConnectionError  no response, or the connection broke before it was complete
    │   ├── InngestDecodeError      the response cannot be read
    │   ├── InngestSendError        the server accepted some of the events, or none
    │   └── NotInngestError         a state server, a web page or something else answers there
    ├── EngineError                 a problem with a run in an executor
    │   ├── ActivityError           an activity failed and has no retries left
    │   │   └── ChildWorkflowError  a child workflow failed or was canceled
    │   ├── ExecutorClosedError     the executor is closed
    │   ├── LeaseLostError          another process took over the workflow or changed it
    │   ├── NonDeterminismError     workflow code no longer matches the recorded history
    │   ├── WorkflowAlreadyRunningError  the executor is already running this workflow
    │   ├── WorkflowBlockedError    workflow code ran too long without waiting
    │   ├── WorkflowCanceledError   the run was canceled
    │   ├── WorkflowCodeError       workflow code did something only an activity may do
    │   ├── WorkflowEndedError      the workflow has already ended
    │   ├── WorkflowFailedError     the run failed; its cause is chained
    │   ├── WorkflowLeasedError     another executor is running the workflow
    │   ├── WorkflowNotFoundError   neither the executor nor its store knows the id
    │   ├── WorkflowNotHereError    stored as running, but not running in this executor
    │   ├── WorkflowNotRunningError the run has ended
    │   └── WorkflowNotSavedError   the state could not be saved, so the run was stopped
    ├── NonRetryableError           raise it in an activity that must not be retried
    │   └── PayloadTypeError        an input or a result does not match the type annotation
    ├── RetryAfter                  raise it in an activity to choose when to retry
    ├── ServerStartError            the state server, or a worker's port, cannot be opened
    └── NestedAsyncioError          the event loop is patched by a package that loses messages

Invalid arguments raise plain `ValueError` or `TypeError`; `load` returns `None` for an unknown id.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Self, TypeVar


class InngestNbError(Exception):
    """Base class of all errors of this package. They can be copied and pickled.

    Copies keep attributes, notes and cause. If the cause cannot be pickled, the pickled error has a
    note with its repr instead.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        facts, cause = dict(self.__dict__), self.__cause__
        if cause is not None and not _can_be_pickled(cause):
            facts["__notes__"] = [*facts.get("__notes__", ()), f"its cause was {cause!r}"]
            cause = None
        return _again, (type(self), self.args, cause), facts

    def __copy__(self) -> Self:
        return _again(type(self), self.args, self.__cause__, self.__dict__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        facts = copy.deepcopy(self.__dict__, memo)
        return _again(type(self), self.args, self.__cause__, facts)


_Error = TypeVar("_Error", bound=InngestNbError)


def _again(
    kind: type[_Error],
    args: tuple[Any, ...],
    cause: BaseException | None,
    facts: Mapping[str, Any] | None = None,
) -> _Error:
    """Rebuild an error from its parts, without calling `__init__`."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts or {})
    if "__notes__" in error.__dict__:
        error.__notes__ = list(error.__notes__)
    if cause is not None:
        error.__cause__ = cause
    return error


def _can_be_pickled(error: BaseException) -> bool:
    import pickle  # already imported by whoever is pickling

    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # our own data
    except Exception:  # noqa: BLE001  # a user's class may raise anything
        return False
    return True


class StoreError(InngestNbError):
    """A store operation failed.

    `operation`, `workflow_id` and `target` (the store's address) are None if they are unknown.
    """

    @property
    def is_temporary(self) -> bool:
        """Whether the same call may succeed later: no response, a server error, a locked file."""
        return False

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        workflow_id: str | None = None,
        target: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.workflow_id = workflow_id
        self.target = target
        if hint:
            self.add_note(hint)


class StoreStatusError(StoreError):
    """The server answered with an error status; the text is `inngest/save: status 500`.

    `status` is the HTTP status. `reason` is the server's explanation, also added as a note. The
    wording of the text comes from the contract.
    """

    def __init__(
        self,
        *,
        operation: str,
        status: int,
        reason: str = "",
        workflow_id: str | None = None,
        target: str | None = None,
    ) -> None:
        super().__init__(
            f"inngest/{operation}: status {status}",
            operation=operation,
            workflow_id=workflow_id,
            target=target,
            hint=f"{target} said: {reason}" if reason else f"{target} gave no reason",
        )
        self.status = status
        self.reason = reason

    @property
    def is_temporary(self) -> bool:
        """Whether the same call may succeed later."""
        return self.status == 429 or self.status >= 500


class StoreConnectionError(StoreError):
    """The server did not respond, or the connection broke: a write may or may not have happened.

    `closed` is True if nothing was sent because this client was closed.
    """

    closed = False

    @property
    def is_temporary(self) -> bool:
        """Whether the same call may succeed later."""
        return not self.closed


class StoreConflictError(StoreError):
    """Nothing was written: the stored workflow has changed since it was loaded."""


class StoreKeyReusedError(StoreError):
    """An idempotency key (`etag`) was already used for another write; nothing was changed."""


class StoreDecodeError(StoreError):
    """A document does not follow the contract. `place` says where: `$.History[3].Timestamp`."""

    def __init__(
        self,
        message: str,
        *,
        place: str = "$",
        operation: str | None = None,
        workflow_id: str | None = None,
        target: str | None = None,
    ) -> None:
        super().__init__(message, operation=operation, workflow_id=workflow_id, target=target)
        self.place = place


class StoreFileError(StoreError):
    """A database file cannot be opened, read or written; its contents are unchanged.

    `busy` is True if another process kept it locked for too long, so retrying may help. `full` is
    True if there is no space left to write.
    """

    busy = False
    full = False

    @property
    def is_temporary(self) -> bool:
        """Whether the same call may succeed later."""
        return self.busy


class NotAStateServerError(StoreError):
    """The address is not a state server's, but a real Inngest server's or a web site's."""


class PayloadTooLargeError(StoreError):
    """An input, a result or a whole write exceeds a state server's limit; nothing was sent."""


class ListingUnsupportedError(StoreError):
    """The server cannot list: it implements only the contract, which has no listing."""


class ReadOnlyStoreError(StoreError):
    """The store can only be read; nothing was changed."""


class WrongLoopError(StoreError):
    """An async store was used on a second event loop; it belongs to the first one that used it."""


class InngestError(InngestNbError):
    """A request to a real Inngest server failed: `operation` at `target`, where they are known.

    `target` is the server's address, without keys. `partial` is the list of what had been read when
    it failed, where a call reads several pages, else None. `maybe_done` says whether the server may
    have done what it was asked to, although this was raised.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        target: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.target = target
        self.partial: Any = None
        self.maybe_done = False
        if hint:
            self.add_note(hint)


class InngestStatusError(InngestError):
    """The server answered with an error.

    `status` is the HTTP status that the server means: v1 sends its errors with HTTP 200. `code` is
    v2's word for it, such as `invalid_request`, or "", and `reason` is the server's text.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str = "",
        reason: str = "",
        operation: str | None = None,
        target: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, operation=operation, target=target, hint=hint)
        self.status = status
        self.code = code
        self.reason = reason


class InngestAuthError(InngestStatusError):
    """The server rejected the key, or requires one.

    The message names the variable, never the key.
    """


class InngestNotFoundError(InngestStatusError):
    """The server has no `kind` called `name`: a run, event, app, function or step.

    `known` holds the most similar names that the server does have, most similar first.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        name: str,
        known: Iterable[str] = (),
        **details: Any,
    ) -> None:
        super().__init__(message, **details)
        self.kind = kind
        self.name = name
        self.known = tuple(known)


class InngestRunEndedError(InngestStatusError):
    """Nothing was changed: the run has already ended, or was already canceled (see `code`)."""


class InngestUnavailableError(InngestStatusError):
    """The open-source Inngest server does not offer this call; Inngest's cloud may."""


class InngestConnectionError(InngestError):
    """No response came, or the connection broke; see `maybe_done` for writes."""


class InngestDecodeError(InngestError):
    """The response of the server cannot be read."""


class InngestSendError(InngestError):
    """The server did not accept all of the events.

    `accepted` holds the ids of those that it accepted, in order. The others are given by their
    positions in what was sent: `rejected` lists those that it did not accept, `unknown` those whose
    response was lost.
    """

    def __init__(
        self,
        message: str,
        *,
        accepted: Iterable[str] = (),
        rejected: Iterable[int] = (),
        unknown: Iterable[int] = (),
        operation: str | None = None,
        target: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, operation=operation, target=target, hint=hint)
        self.accepted = list(accepted)
        self.rejected = list(rejected)
        self.unknown = list(unknown)


class NotInngestError(InngestError):
    """Something else answers there: a state server, a web page, or a server of another kind."""


class ServerStartError(InngestNbError):
    """The state server cannot start, or a worker cannot listen on its port."""


class NestedAsyncioError(InngestNbError):
    """The running loop is patched by nest-asyncio 1.x, which loses messages in Jupyter."""


class EngineError(InngestNbError):
    """A problem with a run. `workflow_id` and `run_id` are None if they are unknown."""

    def __init__(
        self, message: str, *, workflow_id: str | None = None, run_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.workflow_id = workflow_id
        self.run_id = run_id


class ActivityError(EngineError):
    """An activity failed and has no retries left.

    `error` is the text of the last error as the history records it, `error_type` the name of its
    class, `message` the text without the class, and `details` its attribute of that name, as JSON.
    `attempts` counts the attempts. These are the same live and in replay; that is why the original
    exception is not chained. Its traceback is in the log and in the history.
    """

    def __init__(
        self,
        message: str,
        *,
        activity: str,
        attempts: int,
        error: str,
        error_type: str | None = None,
        details: Any = None,
        seq: int = 0,
        workflow_id: str | None = None,
        run_id: str | None = None,
    ) -> None:
        super().__init__(message, workflow_id=workflow_id, run_id=run_id)
        self.activity = activity
        self.attempts = attempts
        self.error = error
        kind, _, message = error.partition(": ")
        guess = kind if kind.isidentifier() else ""  # some histories record only the text
        self.error_type = guess if error_type is None else error_type
        self.message = message if kind == self.error_type else error
        self.details = details
        self.seq = seq


class ChildWorkflowError(ActivityError):
    """A child workflow failed or was canceled; `child_id` is its id."""

    def __init__(self, message: str, *, child_id: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.child_id = child_id


class ExecutorClosedError(EngineError):
    """The executor is closed. Runs that had not ended stay stored as running."""


class LeaseLostError(EngineError):
    """The run was stopped here: another executor took it over, or its stored state was changed."""


class NonDeterminismError(EngineError):
    """Workflow code no longer matches the recorded history; nothing was changed.

    `event_id` is the first event that differs, `recorded` what the history has there, and `asked`
    what the code did instead.
    """

    def __init__(
        self,
        message: str,
        *,
        event_id: int,
        recorded: str,
        asked: str,
        workflow_id: str | None = None,
        run_id: str | None = None,
    ) -> None:
        super().__init__(message, workflow_id=workflow_id, run_id=run_id)
        self.event_id = event_id
        self.recorded = recorded
        self.asked = asked


class WorkflowAlreadyRunningError(EngineError):
    """The executor is already running a workflow with this id."""


class WorkflowBlockedError(EngineError):
    """Workflow code ran too long without waiting for anything, so the run was stopped."""


class WorkflowCanceledError(EngineError):
    """The run was canceled."""


class WorkflowCodeError(EngineError):
    """Workflow code did something that only an activity may do, such as I/O."""


class WorkflowEndedError(EngineError):
    """The workflow has already ended, with the status in `status`; nothing was started."""

    def __init__(
        self,
        message: str,
        *,
        status: str,
        workflow_id: str | None = None,
        run_id: str | None = None,
    ) -> None:
        super().__init__(message, workflow_id=workflow_id, run_id=run_id)
        self.status = status


class WorkflowFailedError(EngineError):
    """The run failed. `__cause__` is what its code raised, `activity` the activity at fault."""

    def __init__(
        self,
        message: str,
        *,
        activity: str | None = None,
        workflow_id: str | None = None,
        run_id: str | None = None,
    ) -> None:
        super().__init__(message, workflow_id=workflow_id, run_id=run_id)
        self.activity = activity


class WorkflowLeasedError(EngineError):
    """Another executor is running the workflow, and its lease has not expired."""


class WorkflowNotFoundError(EngineError):
    """Neither the executor nor its store has a workflow with this id."""


class WorkflowNotHereError(EngineError):
    """The workflow is stored as running, but this executor is not running it."""


class WorkflowNotRunningError(EngineError):
    """The run has ended, with the status in `status`."""

    def __init__(
        self,
        message: str,
        *,
        status: str,
        workflow_id: str | None = None,
        run_id: str | None = None,
    ) -> None:
        super().__init__(message, workflow_id=workflow_id, run_id=run_id)
        self.status = status


class WorkflowNotSavedError(EngineError):
    """The state could not be saved, so the run was stopped.

    The first `saved_events` of its `events` events are known to be saved; the rest may be lost.
    """

    def __init__(
        self,
        message: str,
        *,
        saved_events: int,
        events: int,
        workflow_id: str | None = None,
        run_id: str | None = None,
    ) -> None:
        super().__init__(message, workflow_id=workflow_id, run_id=run_id)
        self.saved_events = saved_events
        self.events = events


class NonRetryableError(InngestNbError):
    """Raise this in an activity to fail it at once, whatever its retry policy says.

    raise inb.NonRetryableError("the card was declined") from error
    """


class PayloadTypeError(NonRetryableError, TypeError):
    """An input or a result does not match its type annotation; the text says where."""


class RetryAfter(InngestNbError):  # noqa: N818  # `raise RetryAfter(60)` reads as what it does
    """Raise this in an activity to fail the attempt and choose when to make the next one.

        raise inb.RetryAfter(timedelta(minutes=5), "rate limited")

    `after`, a timedelta or a number of seconds, replaces the pause of the retry policy and ignores
    its `max_interval` and `jitter`. The policy still limits the number of attempts and the total
    time; an activity without a policy is not retried.
    """

    def __init__(self, after: timedelta | float, message: str = "") -> None:
        try:
            self.after = after if isinstance(after, timedelta) else timedelta(seconds=after)
        except (TypeError, ValueError, OverflowError) as error:
            raise type(error)(
                f"RetryAfter({after!r}): after must be a timedelta or a number of seconds"
            ) from error
        if self.after < timedelta():
            raise ValueError(f"RetryAfter({after!r}): after must not be negative")
        super().__init__(message or f"retry after {self.after.total_seconds():g} s")
