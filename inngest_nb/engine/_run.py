"""One run of a workflow: what happened so far, how much of that is saved, and how it ends."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from inngest_nb.engine._functions import describe, failed_activity
from inngest_nb.engine._loop import Timer
from inngest_nb.errors import (
    EngineError,
    WorkflowCanceledError,
    WorkflowFailedError,
    WorkflowNotSavedError,
)
from inngest_nb.state import EventType, HistoryEvent, Signal, WorkflowState, WorkflowStatus

if TYPE_CHECKING:
    from inngest_nb.engine._engine import Engine

_log = logging.getLogger("inngest_nb.engine")


class Run:
    """A run that is alive in this process.

    Every event is recorded first, from whatever thread it comes, then saved by the writer, and only
    then does the code see it, one event after the other. So what the code has seen is durable,
    and a replay of the history shows it the same.
    """

    def __init__(
        self,
        engine: Engine,
        fn: Callable[..., Any],
        workflow_id: str,
        given: Any,
        timeout: timedelta | None,
    ) -> None:
        self.engine = engine
        self.fn = fn
        self.workflow_id = workflow_id
        self.run_id = uuid4().hex
        self.given = given
        self.status = WorkflowStatus.RUNNING
        self.done: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self.done.set_running_or_notify_cancel()  # nobody who waits can cancel the run
        # Guards all that follows. `ended` means that the code's part is over: nothing is recorded
        # any more.
        self.changed = threading.Condition()
        self.ended = False
        self.saved = 0
        self._events: list[HistoryEvent] = []
        self._untold: list[tuple[str, HistoryEvent]] = []
        self._applied = 0
        self._seq = 0
        self._result: Any = None
        self._failure: EngineError | None = None
        self._timeout = timeout
        self._deadline: Timer | None = None

    # What the executor asks of it

    def begin(self) -> None:
        """Record the start; the code begins once that is saved."""
        limit: dict[str, Any] = {} if self._timeout is None else {"timeout": self._timeout}
        event = self.record(
            EventType.WORKFLOW_STARTED, hook="on_workflow_start", input=self.given, **limit
        )
        if self._timeout is not None and event is not None and event.timestamp is not None:
            due = event.timestamp + self._timeout
            self._deadline = self.engine.clock.call_at(due, self._time_out)

    def signal(self, signal: Signal, payload: Any) -> bool:
        """Record a signal and return once it is saved; False if the run has ended."""
        event = self.record(
            EventType.SIGNAL_RECEIVED,
            hook="on_signal",
            signal_name=signal.name,
            signal_payload=payload,
        )
        return event is not None and self._wait_saved(event.id)

    def cancel(self) -> bool:
        """End the run as canceled and return once that is saved; False if it had ended."""
        error = WorkflowCanceledError(
            f"workflow {self.workflow_id!r} was canceled",
            workflow_id=self.workflow_id,
            run_id=self.run_id,
        )
        event = self.end(
            WorkflowStatus.CANCELED, EventType.WORKFLOW_CANCELED, error="canceled", failure=error
        )
        return event is not None and self._wait_saved(event.id)

    def suspend(self, error: EngineError) -> bool:
        """Stop without an end of the workflow: it stays stored as running."""
        with self.changed:
            if self.ended:
                return False
            self.ended = True
            self._failure = error
            self.changed.notify_all()
        self._stop()
        self._resolve()
        return True

    @property
    def state(self) -> WorkflowState:
        """The run as it is now, whether saved or not."""
        return self.snapshot()[0]

    # Recording

    def record(
        self, kind: EventType, *, save: bool = True, hook: str | None = None, **fields: Any
    ) -> HistoryEvent | None:
        """Add an event to the history, or return None if the run has ended.

        One that is not to be saved by itself rides along with the next that is.
        """
        with self.changed:
            if self.ended:
                return None
            event = HistoryEvent(
                id=len(self._events) + 1, type=kind, timestamp=self.engine.clock.now(), **fields
            )
            self._events.append(event)
            if save:
                self.engine.writer.put(self)
            if hook and not save:
                self.engine.hooks.tell(hook, self.workflow_id, event)
            elif hook:
                self._untold.append((hook, event))
            return event

    def end(
        self,
        status: WorkflowStatus,
        kind: EventType,
        *,
        result: Any = None,
        error: str = "",
        failure: EngineError | None = None,
    ) -> HistoryEvent | None:
        """Record how the run ended, and stop what still runs; None if it had ended before."""
        completed = status is WorkflowStatus.COMPLETED
        with self.changed:
            event = self.record(
                kind,
                hook="on_workflow_complete" if completed else "on_workflow_fail",
                result=result,
                error=error,
                duration=self._time_since_start(),
            )
            if event is None:
                return None
            self.ended = True
            self.status, self._result, self._failure = status, result, failure
            self.changed.notify_all()
        self._stop()
        return event

    def fail(self, error: BaseException) -> None:
        """End the run as failed by what its code raised."""
        text = describe(error)
        failure = WorkflowFailedError(
            f"workflow {self.workflow_id!r} failed: {text}",
            activity=failed_activity(error),
            workflow_id=self.workflow_id,
            run_id=self.run_id,
        )
        failure.__cause__ = error
        self.end(WorkflowStatus.FAILED, EventType.WORKFLOW_FAILED, error=text, failure=failure)

    def next_seq(self) -> int:
        """Count a call of the code that history has to answer when it is replayed."""
        self._seq += 1
        return self._seq

    # What the writer asks of it

    def snapshot(self) -> tuple[WorkflowState, int]:
        """Return the state as it is now, and how many events are in it."""
        with self.changed:
            history = tuple(self._events)
            state = WorkflowState(
                workflow_id=self.workflow_id,
                run_id=self.run_id,
                status=self.status,
                input=self.given,
                result=self._result,
                error=history[-1].error if self.status is not WorkflowStatus.RUNNING else "",
                history=history,
                created_at=history[0].timestamp if history else None,
                updated_at=history[-1].timestamp if history else None,
            )
            return state, len(history)

    def on_saved(self, events: int) -> None:
        """Go on: so many events are durable."""
        with self.changed:
            if isinstance(self._failure, WorkflowNotSavedError):
                return
            self.saved = max(self.saved, events)
            told = [call for call in self._untold if call[1].id <= self.saved]
            del self._untold[: len(told)]
            over = self.ended and self.saved == len(self._events)
            self.changed.notify_all()
        for hook, event in told:
            self.engine.hooks.tell(hook, self.workflow_id, event)
        if over:
            self._resolve()
        elif not self.ended:
            self._advance()

    def on_unsaved(self, error: BaseException) -> None:
        """Stop: what was recorded last could not be saved."""
        with self.changed:
            if isinstance(self._failure, WorkflowNotSavedError):
                return
            failure = self._failure = self._not_saved(error)
            told = self.done.done()
            self.ended = True
            self.status = WorkflowStatus.FAILED
            self.changed.notify_all()
        if told:  # the executor was closed: nobody will hear of it from the handle any more
            _log.warning("%s", failure)
        self._stop()
        self._resolve()

    # What the two kinds of runs do in their own ways

    def _advance(self) -> None:
        """Show saved events to the code; called from any thread."""
        raise NotImplementedError

    def _stop(self) -> None:
        """Stop the code and its activities; called from any thread, and with the run ended."""
        raise NotImplementedError

    def _next_event(self) -> HistoryEvent | None:
        """Return the next saved event that the code has not seen."""
        with self.changed:
            if self.ended or self._applied >= self.saved:
                return None
            self._applied += 1
            return self._events[self._applied - 1]

    def _wait_saved(self, event_id: int) -> bool:
        with self.changed:
            self.changed.wait_for(lambda: self.saved >= event_id or self.done.done())
            if self.saved < event_id and self._failure is not None:
                raise self._failure
            return True

    def _time_out(self) -> None:
        limit = self._timeout.total_seconds() if self._timeout else 0
        self.fail(TimeoutError(f"the workflow was not finished within {limit:g} s"))

    def _time_since_start(self) -> timedelta:
        begun = self._events[0].timestamp
        return max(self.engine.clock.now() - begun, timedelta()) if begun else timedelta()

    def _resolve(self) -> None:
        """Let go of the id, then tell those who wait for the result."""
        if self._deadline is not None:
            self._deadline.cancel()
        self.engine.forget(self)
        with self.changed:
            if self.done.done():
                return
            if self._failure is None:
                self.done.set_result(self._result)
            else:
                self.done.set_exception(self._failure)
            self.changed.notify_all()

    def _not_saved(self, error: BaseException) -> WorkflowNotSavedError:
        lost = self._events[self.saved :]
        saved = f"the first {self.saved} events" if self.saved else "nothing"
        unsaved = ", ".join(f"{event.id} ({event.type})" for event in lost[:5])
        more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
        failure = WorkflowNotSavedError(
            f"workflow {self.workflow_id!r} was stopped because its state could not be saved: "
            f"{describe(error)}. Known to be durable: {saved}. Not known to be: event "
            f"{unsaved}{more}",
            saved_events=self.saved,
            events=len(self._events),
            workflow_id=self.workflow_id,
            run_id=self.run_id,
        )
        failure.add_note("mend the store, then look at what it holds before running this id again")
        failure.__cause__ = error
        return failure
