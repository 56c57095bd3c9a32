"""A call of a child workflow, which has a run of its own."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

from inngest_nb.engine.basics._functions import arguments, as_json, check_function, fresh
from inngest_nb.engine.basics._policy import ONCE
from inngest_nb.engine.basics._registry import shown_name
from inngest_nb.engine.basics._typed import UNTYPED, workflow_types
from inngest_nb.engine.calls._activity import Activity
from inngest_nb.engine.calls._activity_context import key_of
from inngest_nb.engine.calls._shape import Shape
from inngest_nb.engine.run._run import Run
from inngest_nb.errors import ChildWorkflowError, EngineError
from inngest_nb.state import EventType, HistoryEvent, WorkflowStatus


class Order(NamedTuple):
    """The arguments of a child call: which workflow to run, and how."""

    fn: Callable[..., Any]
    id: str | None
    timeout: timedelta | None
    detached: bool


class Children(Protocol):
    """Starts child workflows, and finds those that were started before a restart."""

    def begin(self, child: Child) -> None:
        """Start a child's run, or find it, and report how it ended; returns at once."""

    def cancel(self, child: Child) -> None:
        """Cancel a child's run, in whichever process it runs; returns at once."""


class Child(Activity):
    """A call of a child workflow, recorded as an activity with the child's id.

    The child's ids are derived from the parent's run and the number of the call, so a replay of the
    parent finds the same child.
    """

    kind, span_kind = "workflow", "child workflow"

    def __init__(self, run: Run, order: Order, given: Any) -> None:
        check_function(order.fn, "a workflow")
        arguments(order.fn, "workflow", None, given=given)  # raises early if it does not fit
        self.order = order
        self.canceled = False
        given = as_json(given, "the input of the workflow")
        workflow_types(order.fn).decode_input(given)
        shape = Shape(
            shown_name(order.fn),
            is_async=False,
            takes_context=False,
            takes_input=True,
            takes_none=True,
            types=UNTYPED,
        )
        super().__init__(run, order.fn, shape, given, ONCE, None)

    @property
    def parent(self) -> Run:
        """The run whose code made the call."""
        return self._run

    @property
    def is_wanted(self) -> bool:
        """Tell whether the parent still waits for the child."""
        return self._is_current(self._attempt)

    @property
    def is_waiting(self) -> bool:
        """Tell whether nothing is in progress here, or the child's own run takes care of it."""
        return super().is_waiting or self._run.engine.alive(self.child_id()) is not None

    @property
    def attempt(self) -> int:
        """The number of the attempt: retrying a parent whose child failed starts a new child."""
        return self._attempt

    @property
    def run_id(self) -> str:
        """The id of the child's run, unique to this call."""
        return uuid.uuid5(uuid.NAMESPACE_OID, self._key()).hex

    def child_id(self) -> str:
        """Return the workflow id under which the child is stored."""
        if self.order.id is not None:
            return self.order.id
        name = re.sub(r"\W+", "", self.name, flags=re.ASCII)[:60] or "workflow"
        return f"{name}-{self._key()}"

    def _record(self, kind: EventType, **fields: Any) -> HistoryEvent | None:
        if kind is EventType.ACTIVITY_STARTED and self.order.detached:
            fields["detached"] = True
        return super()._record(kind, child=self.child_id(), **fields)

    def _key(self) -> str:
        key = key_of(self._run.run_id, self.seq, self._retries or 0)
        return f"{key}.{self._attempt}" if self._attempt > 1 else key

    def start(self) -> None:
        """Start the child, or find the one that was started before a restart."""
        if self._begin() is not None:
            self._children().begin(self)

    def end(self, result: Any, error: str | None) -> None:
        """Record the child's result or error."""
        failure = None if error is None else self._failure(error, error)
        number = self._attempt
        self._run.engine.on_loop(lambda: self._finish(number, result, failure))

    def result(self, event: HistoryEvent) -> Any:
        """Return the recorded result as the parent's code gets it."""
        return workflow_types(self.order.fn).decode_result(fresh(event.result))

    def error(self, event: HistoryEvent) -> ChildWorkflowError:
        """Return the recorded failure as the error that the parent's code gets."""
        child = event.child or self.child_id()
        return self._failure(
            f"child workflow {self.name!r} ({child}) failed: {event.error}", event.error
        )

    def _failure(self, message: str, error: str) -> ChildWorkflowError:
        return ChildWorkflowError(
            message,
            activity=self.name,
            attempts=max(self._attempt, 1),
            error=error,
            seq=self.seq,
            child_id=self.child_id(),
            workflow_id=self._run.workflow_id,
            run_id=self._run.run_id,
        )

    def _release(self) -> None:
        super()._release()
        if not self.order.detached and self._attempt > self._over:
            self._run.when_decided(self._cancel)

    def _cancel(self) -> None:
        """Cancel the child once it is saved that the parent no longer waits for it."""
        run = self._run
        with run.lock:
            if run.ended and run.status is WorkflowStatus.RUNNING:
                return  # the parent was stopped here, and will be resumed
            last = run.journal.events[-1]
            run.save_soon()
        run.when_saved(last, self._cancel_now)

    def _cancel_now(self) -> None:
        self.canceled = True
        self._children().cancel(self)

    def _children(self) -> Children:
        children: Children | None = self._run.engine.children
        if children is None:
            raise EngineError("child workflows cannot be started in a replay")
        return children
