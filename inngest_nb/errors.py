"""Every error the package raises on its own account.

    InngestNbError
    ├── StoreError                  a store operation failed
    │   ├── StoreStatusError        the server answered with an error status
    │   ├── StoreConnectionError    no answer, or none that could be read
    │   ├── StoreConflictError      someone else has changed the workflow meanwhile
    │   ├── StoreKeyReusedError     a write carries the name of another one
    │   ├── StoreDecodeError        a document is not the contract's
    │   ├── StoreFileError          a database file cannot be opened or written
    │   ├── NotAStateServerError    a real Inngest server or a web site answers there
    │   ├── PayloadTooLargeError    an input, a result or a whole write is longer than can be sent
    │   ├── ListingUnsupportedError the server keeps states but cannot list them
    │   └── WrongLoopError          an async store was used on a second event loop
    ├── EngineError                 something about a run in an executor
    │   ├── ActivityError           an activity failed, and its retries are used up
    │   │   └── ChildWorkflowError  a workflow that the code asked for failed, or was canceled
    │   ├── ExecutorClosedError     the executor is closed
    │   ├── LeaseLostError          someone else has taken over the workflow, or changed it
    │   ├── NonDeterminismError     a workflow's code does not do again what its history says
    │   ├── WorkflowAlreadyRunningError  a run of this id is alive in the executor
    │   ├── WorkflowBlockedError    a workflow's code ran on and on without waiting
    │   ├── WorkflowCanceledError   the run was canceled
    │   ├── WorkflowCodeError       a workflow's code did what only an activity may do
    │   ├── WorkflowEndedError      a run of this id has ended already
    │   ├── WorkflowFailedError     the run failed; its cause is chained
    │   ├── WorkflowLeasedError     another executor runs the workflow
    │   ├── WorkflowNotFoundError   neither the executor nor its store knows the id
    │   ├── WorkflowNotHereError    stored as running, but not alive in the executor
    │   ├── WorkflowNotRunningError the run has ended
    │   └── WorkflowNotSavedError   a save failed, so the run was stopped
    ├── NonRetryableError           raised by an activity of yours: it is not tried again
    │   └── PayloadTypeError        an input or a result does not fit the function's annotation
    ├── RetryAfter                  raised by an activity of yours: when to try it again
    ├── ServerStartError            the state server cannot start as asked
    └── NestedAsyncioError          the event loop is patched by a package that loses messages

Bad arguments are plain `ValueError` and `TypeError`; an unknown id is `None` from `load`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Self, TypeVar


class InngestNbError(Exception):
    """Base of the package's own errors. All of them can be copied and pickled.

    A copy has the same attributes, notes and cause; a pickled error whose cause cannot be pickled
    has a note about it instead.
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
    """Make an error as another one is, without the arguments of its class."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts or {})
    if "__notes__" in error.__dict__:
        error.__notes__ = list(error.__notes__)
    if cause is not None:
        error.__cause__ = cause
    return error


def _can_be_pickled(error: BaseException) -> bool:
    import pickle  # whoever asks has it already

    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # our own, from this very process
    except Exception:  # noqa: BLE001  # whatever a class of the user's raises there
        return False
    return True


class StoreError(InngestNbError):
    """A store operation failed: `operation` on `workflow_id` at `target`, where they are known."""

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
    """The server refused; the text is the contract's, `inngest/save: status 500`.

    `status` is the HTTP status and `reason` what the server said of it, also as a note.
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


class StoreConnectionError(StoreError):
    """No answer came, or it broke off; whether a save or delete took effect is unknown."""


class StoreConflictError(StoreError):
    """Not written: the stored workflow is no longer the version that this write builds on."""


class StoreKeyReusedError(StoreError):
    """A write carries the name (`etag`, Idempotency-Key) of another one; nothing was changed."""


class StoreDecodeError(StoreError):
    """A document is not the contract's; `place` is where in it, as in `$.History[3].Timestamp`."""

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
    """A database file cannot be opened, read or written; it was left as it was.

    `busy` says that another process held it for too long: trying again may help. `full` says that
    there was no room to write.
    """

    busy = False
    full = False


class NotAStateServerError(StoreError):
    """Something else answers there: a real Inngest server, which keeps no state, or a web site."""


class PayloadTooLargeError(StoreError):
    """An input, a result or a whole write is longer than a state server takes; nothing was sent."""


class ListingUnsupportedError(StoreError):
    """The server follows the plain contract, which has no listing; nothing was changed."""


class WrongLoopError(StoreError):
    """An async store belongs to the event loop of its first use and was used on another."""


class ServerStartError(InngestNbError):
    """The state server cannot start as asked."""


class NestedAsyncioError(InngestNbError):
    """The running loop is patched by nest-asyncio 1.x, which loses messages in Jupyter."""


class EngineError(InngestNbError):
    """Something about a run: that of `workflow_id` and `run_id`, where they are known."""

    def __init__(
        self, message: str, *, workflow_id: str | None = None, run_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.workflow_id = workflow_id
        self.run_id = run_id


class ActivityError(EngineError):
    """An activity failed for good; `error` is the original one's text, as history has it.

    `error_type` is the name of its class, `message` the text without that, and `details` what its
    attribute of this name had, as JSON reads it back. All are the same when the run is replayed,
    for which reason the original is not chained: its traceback is in the log and the history.
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
        told = kind if kind.isidentifier() else ""  # by a history that has no more than the text
        self.error_type = told if error_type is None else error_type
        self.message = message if kind == self.error_type else error
        self.details = details
        self.seq = seq


class ChildWorkflowError(ActivityError):
    """A workflow that the code asked for failed or was canceled; `child_id` is that one's id."""

    def __init__(self, message: str, *, child_id: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.child_id = child_id


class ExecutorClosedError(EngineError):
    """The executor is closed; a run that had not ended is stored as running."""


class LeaseLostError(EngineError):
    """The run was stopped here: its stored state was taken over or changed by someone else."""


class NonDeterminismError(EngineError):
    """A workflow's code does not do again what its history says; nothing was changed.

    They part at event `event_id`: `recorded` is what history has there, `asked` what the code does.
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
    """A run of this id is alive in the executor."""


class WorkflowBlockedError(EngineError):
    """A workflow's code ran on and on without waiting for anything, and was stopped."""


class WorkflowCanceledError(EngineError):
    """The run was canceled."""


class WorkflowCodeError(EngineError):
    """A workflow's code did what only an activity may do, such as I/O."""


class WorkflowEndedError(EngineError):
    """A run of this id has ended already, with the status in `status`; nothing was started."""

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
    """The run failed. `__cause__` is what its code raised; `activity` names the one that failed."""

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
    """Another executor runs the workflow, and its lease has not expired."""


class WorkflowNotFoundError(EngineError):
    """Neither the executor nor its store knows a workflow of this id."""


class WorkflowNotHereError(EngineError):
    """The workflow is stored as running, but no run of it is alive in this executor."""


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
    """A save failed, so the run was stopped. Events up to id `saved_events` are known to be saved.

    The events after it, of `events` in all, are not known to be.
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
    """To be raised by an activity: this failure is for good, whatever its retry policy says.

    `raise inb.NonRetryableError("the card was declined") from error`
    """


class PayloadTypeError(NonRetryableError, TypeError):
    """An input or a result does not fit what its function is annotated with; the place is told."""


class RetryAfter(InngestNbError):  # noqa: N818  # what is raised reads as what is meant
    """To be raised by an activity: fail this attempt, and make the next one after `after`.

    That is a timedelta or a number of seconds, and stands in for the pause of the retry policy,
    without its `max_interval` and jitter. How often and for how long to try is still up to the
    policy: an activity without one is tried once.
    """

    def __init__(self, after: timedelta | float, message: str = "") -> None:
        try:
            self.after = after if isinstance(after, timedelta) else timedelta(seconds=after)
        except (TypeError, ValueError, OverflowError) as error:
            raise type(error)(f"RetryAfter({after!r}): not a number of seconds") from error
        if self.after < timedelta():
            raise ValueError(f"RetryAfter({after!r}): a pause cannot be negative")
        super().__init__(message or f"try again in {self.after.total_seconds():g} s")
