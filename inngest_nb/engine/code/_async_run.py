"""A run of an `async def` workflow, on its own turn loop."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from inngest_nb.engine.basics._functions import arguments, as_json, fresh
from inngest_nb.engine.basics._policy import RetryPolicy, later_by
from inngest_nb.engine.basics._typed import workflow_types
from inngest_nb.engine.calls._activity import Activity
from inngest_nb.engine.calls._child import Child, Order
from inngest_nb.engine.calls._shape import shape_of
from inngest_nb.engine.code._turn_loop import TurnLoop
from inngest_nb.engine.run._run import Run
from inngest_nb.engine.threads._loop import Timer, call_when
from inngest_nb.errors import (
    NonDeterminismError,
    PayloadTypeError,
    WorkflowBlockedError,
    WorkflowCodeError,
)
from inngest_nb.state import EventType, HistoryEvent, WorkflowStatus


class AsyncRun(Run):
    """Gives the code one turn per saved event, on the engine's loop; results come from events."""

    _turns: TurnLoop | None = None
    _main: asyncio.Task[Any] | None = None
    _begun: datetime | None = None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._activities: dict[int, tuple[Activity, asyncio.Future[Any]]] = {}
        self._timers: dict[asyncio.TimerHandle, tuple[int, Timer | None]] = {}
        self._due: dict[int, asyncio.TimerHandle] = {}
        self._mailboxes: dict[str, asyncio.Queue[Any]] = {}
        self._received: dict[str, list[Any]] = {}
        self._subscribers: list[tuple[str, weakref.ref[asyncio.Queue[Any]]]] = []

    # Called by the context, always within a turn

    def begin_activity(
        self,
        fn: Callable[..., Any],
        given: Any,
        retry: RetryPolicy,
        timeout: timedelta | None,
    ) -> tuple[Activity | None, asyncio.Future[Any]]:
        """Start an activity; return the call and the future of its result."""
        turns = self.check_turn()
        shape = shape_of(fn)
        # A plain future is faster than a numbered one, and the code never sees it.
        future: asyncio.Future[Any] = asyncio.Future(loop=turns)
        if turns.is_ending():
            return None, future
        return self._ask(Activity(self, fn, shape, given, retry, timeout), future)

    def begin_child(self, order: Order, given: Any) -> tuple[Activity | None, asyncio.Future[Any]]:
        """Start a child workflow; return the call and the future of its result."""
        turns = self.check_turn()
        future: asyncio.Future[Any] = turns.create_future()
        if turns.is_ending():
            return None, future
        return self._ask(Child(self, order, given), future)

    def _ask(
        self, activity: Activity, future: asyncio.Future[Any]
    ) -> tuple[Activity, asyncio.Future[Any]]:
        self._activities[activity.seq] = activity, future
        self.when_live(activity.proceed)
        return activity, future

    def mailbox(self, name: str) -> asyncio.Queue[Any]:
        """Return the queue of a signal's payloads that have not been received."""
        if self.check_turn().is_ending():
            return asyncio.Queue()
        return self._mailboxes.setdefault(name, asyncio.Queue())

    def subscribe(self, name: str) -> asyncio.Queue[Any]:
        """Return a new queue of all payloads of a signal, including past ones."""
        queue: asyncio.Queue[Any] = asyncio.Queue()
        if self.check_turn().is_ending():
            return queue
        for payload in self._received.get(name, ()):
            queue.put_nowait(fresh(payload))
        self._subscribers.append((name, weakref.ref(queue)))
        return queue

    def check_code(self) -> None:
        """Raise `WorkflowCodeError` outside of a turn."""
        self.check_turn()

    def check_turn(self) -> TurnLoop:
        """Return the turn loop; raise `WorkflowCodeError` outside of a turn.

        After the run has ended, calls don't raise; what they return never completes, and every wait
        is canceled. If they raised, code that catches errors and continues would never release the
        thread.
        """
        turns = self._turns
        if turns is None or not turns.is_turning():
            raise WorkflowCodeError(
                f"the context of workflow {self.workflow_id!r} was used outside of the workflow's "
                "code; activities cannot use it: pass them what they need as input",
                workflow_id=self.workflow_id,
                run_id=self.run_id,
            )
        return turns

    # Called by the turn loop

    def start_timer(self, handle: asyncio.TimerHandle) -> None:
        """Start a durable timer, which is recorded when it fires."""
        if self._turns is None:
            return
        delay = handle.when() - self._turns.time()
        seq = self.call("timer", given=delay)
        with self.lock:
            self._due[seq] = handle
            self._timers[handle] = seq, None
        self.when_live(partial(self._arm, seq, handle, delay, self.past is None))

    def _arm(self, seq: int, handle: asyncio.TimerHandle, delay: float, is_live: bool) -> None:
        """Start a timer: a live one by its delay, one from before a restart by its due time."""
        with self.lock, contextlib.suppress(OverflowError, ValueError):  # too late for a datetime
            if seq in self._due and self._begun is not None:
                due = self._begun + timedelta(seconds=handle.when())
                when = timedelta(seconds=delay) if is_live else due
                fire = partial(self._fire, seq, delay)
                self._timers[handle] = seq, call_when(self.engine.clock, when, fire)

    def stop_timer(self, handle: asyncio.TimerHandle) -> None:
        """Forget a timer."""
        with self.lock:
            seq, timer = self._timers.pop(handle, (0, None))
            self._due.pop(seq, None)
        if timer is not None:
            timer.cancel()

    def refuse(self, error: WorkflowCodeError) -> None:
        """Fail the run because of what its code did; called from any thread."""
        self.fail(error)

    def open_calls(self) -> list[Activity]:
        """Return the calls of activities and child workflows that have no outcome yet."""
        return [call for call, _ in self._activities.values()]

    def open_timers(self) -> dict[int, datetime]:
        """Return when the timers are due that the code waits for, by the numbers of the calls."""
        begun = self._begun
        if begun is None:
            return {}
        return {seq: later_by(begun, handle.when()) for seq, handle in self._due.items()}

    # Events

    def _advance(self) -> None:
        self.engine.loop.post(self._take_turns, wake=False)

    def _take_turns(self) -> None:
        if self._turns is not None and self._turns.is_busy():
            return  # in a thread that the loop has left; that thread will call this again
        try:
            while True:
                if (event := self._next_event()) is None:
                    # Not earlier: saving a signal during the replay claims the run, too.
                    if self.past is None or not self.journal.owned or self.ended:
                        break
                    self._go_live()
                    continue
                stays = True
                if self._apply(event) and (turns := self._turns) is not None:
                    seconds = self._seconds(event)
                    stays = self.engine.loop.take_turn(self.workflow_id, turns.turn, seconds)
                if (main := self._main) is not None and main.done() and self._past_is_over():
                    self._finish(main)
                if not stays:
                    self._catch_up_later()
                    return
        except NonDeterminismError as error:
            main = self._main if self._main is not None and self._main.done() else None
            self.part(error, None if main is None or main.cancelled() else main.exception())
        except WorkflowBlockedError as error:
            error.workflow_id, error.run_id = self.workflow_id, self.run_id
            self.suspend(error)
        except BaseException as error:  # noqa: BLE001  # must not affect other runs
            self.break_off(error)
        else:
            if self.past is not None and self._past_is_over() and not self.ended:
                self._claim()

    def _catch_up_later(self) -> None:
        """Catch up on what came in while the code kept the thread that the loop has left."""
        self.engine.loop.post(self._take_turns)
        if self.ended:
            self._stop()

    def _apply(self, event: HistoryEvent) -> bool:
        """Apply an event, and tell whether the code gets a turn for it."""
        kind = event.type
        seq = event.seq if self.past is None else self.past.match(event)
        if kind is EventType.ACTIVITY_COMPLETED or kind is EventType.ACTIVITY_FAILED:
            return self._answer(int(seq or 0), event)
        if kind is EventType.SIGNAL_RECEIVED:
            self._deliver(event.signal_name, event.signal_payload)
        elif kind is EventType.TIMER_FIRED:
            if (handle := self._due.pop(int(seq or 0), None)) is None:
                return False
            self._timers.pop(handle, None)
            if self._turns is not None:
                self._turns.make_due(handle)
        elif kind is EventType.WORKFLOW_STARTED and self._turns is None:
            self._start_code(event)
        elif kind is EventType.ACTIVITY_STARTED and self.past is not None:
            activity, _ = self._activities.get(int(seq or 0), (None, None))
            if activity is not None:
                activity.recall(event)
            return False
        else:
            return False
        return True

    def _start_code(self, event: HistoryEvent) -> None:
        self._begun = event.timestamp
        seed = event.seed or self.run_id
        turns = self._turns = TurnLoop(self, seed)  # type: ignore[abstract]  # the rest refuses
        try:
            self._main = self._first_task(turns, event)
        except BaseException as error:  # noqa: BLE001  # whatever the code raises fails the run
            self.fail(error)

    def _first_task(self, turns: TurnLoop, event: HistoryEvent) -> asyncio.Task[Any]:
        value = workflow_types(self.fn).decode_input(fresh(event.input))
        given = arguments(self.fn, "workflow", self.context_of(self), given=value)
        name = f"workflow {self.workflow_id}"
        coro = self.variables.run(self.fn, *given)
        return turns.create_task(coro, name=name, context=self.variables)

    def _answer(self, seq: int, event: HistoryEvent) -> bool:
        activity, future = self._activities.get(seq, (None, None))
        if activity is not None and self.past is not None:
            activity.recall(event)
        if activity is None or future is None or activity.last_event != event.id:
            return False  # an attempt that will be retried
        del self._activities[seq]
        if future.done():
            return False
        if event.type is EventType.ACTIVITY_COMPLETED:
            try:
                future.set_result(activity.result(event))
            except PayloadTypeError as misfit:  # the annotated type has changed since
                future.set_exception(misfit)
        else:
            future.set_exception(activity.error(event))
        return True

    def _deliver(self, name: str, payload: Any) -> None:
        self._received.setdefault(name, []).append(payload)
        self._mailboxes.setdefault(name, asyncio.Queue()).put_nowait(fresh(payload))
        alive: list[tuple[str, weakref.ref[asyncio.Queue[Any]]]] = []
        for subscriber in self._subscribers:
            if (queue := subscriber[1]()) is not None:
                alive.append(subscriber)
                if subscriber[0] == name:
                    queue.put_nowait(fresh(payload))
        self._subscribers = alive

    def _fire(self, seq: int, delay: float) -> None:
        with self.breaking_off(), self.lock:
            if seq in self._due:
                self.record(EventType.TIMER_FIRED, seq=seq, duration=timedelta(seconds=delay))

    def _seconds(self, event: HistoryEvent) -> float:
        if event.timestamp is None or self._begun is None:
            return 0.0
        return (event.timestamp - self._begun).total_seconds()

    @property
    def is_in_code(self) -> bool:
        """Tell whether the code is in a turn, or has not begun; call it on the loop."""
        return self._turns is None or self._turns.is_busy()

    # The end

    def _waits(self) -> bool:
        calls = [activity for activity, _ in self._activities.values()]
        return self._turns is not None and all(call.is_waiting for call in calls)

    def _finish(self, main: asyncio.Task[Any]) -> None:
        if main.cancelled():
            self.fail(RuntimeError("the workflow's code canceled itself"))
        elif (error := main.exception()) is not None:
            self.fail(_plainer(error))
        else:
            try:
                result = as_json(main.result(), "the workflow's result")
            except BaseException as unwritable:  # noqa: BLE001  # the user's objects may raise
                self.fail(unwritable)
            else:
                self.end(WorkflowStatus.COMPLETED, EventType.WORKFLOW_COMPLETED, result=result)

    def _stop(self) -> None:
        self.engine.loop.post(self._stop_code)  # later, because this may be called in a turn

    def _stop_code(self) -> None:
        with self.lock:
            activities = [activity for activity, _ in self._activities.values()]
            timers = [timer for _, timer in self._timers.values()]
            self._activities.clear()
            self._timers.clear()
            self._due.clear()
        for activity in activities:
            activity.drop()
        for timer in timers:
            if timer is not None:
                timer.cancel()
        if self._turns is not None:
            if self._turns.is_busy():
                return  # done later, when its code releases the thread that the loop has left
            # A driven run is begun again for each step: only its last request has the last word.
            self._turns.is_quiet = self.driver is not None and self.status is WorkflowStatus.RUNNING
            self.engine.loop.take_turn(self.workflow_id, self._turns.end)
        # The traceback of a failed task would keep the run and everything in it alive, and so would
        # its handle keep the queues, which hold the turn loop.
        self._main = self._turns = None
        self._mailboxes, self._received, self._subscribers = {}, {}, []


def _plainer(error: BaseException) -> BaseException:
    """Replace asyncio's error for awaiting something of another loop by a helpful one."""
    if isinstance(error, RuntimeError) and (
        "attached to a different loop" in str(error) or "Task got bad yield" in str(error)
    ):
        refused = WorkflowCodeError(
            "a workflow's code awaited something that belongs to another event loop; "
            "I/O belongs in an activity, as in `await ctx.execute_activity(fn, input)`"
        )
        refused.__cause__ = error
        return refused
    return error
