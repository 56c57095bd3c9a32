"""A run of an `async def` workflow, on a turn loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from inngest_nb.engine.basics._functions import arguments, as_json, fresh
from inngest_nb.engine.basics._policy import RetryPolicy
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
    """Takes one turn for each saved event, on the engine's loop. Its answers come from events."""

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

    # What the context asks of it, always within a turn

    def begin_activity(
        self,
        fn: Callable[..., Any],
        given: Any,
        retry: RetryPolicy,
        timeout: timedelta | None,
    ) -> tuple[Activity | None, asyncio.Future[Any]]:
        """Start an activity, and return it with the future of its result."""
        turns = self.check_turn()
        shape = shape_of(fn)
        # One without a number is awaited faster, and the code never sees it.
        future: asyncio.Future[Any] = asyncio.Future(loop=turns)
        if turns.is_ending():
            return None, future
        return self._ask(Activity(self, fn, shape, given, retry, timeout), future)

    def begin_child(self, order: Order, given: Any) -> tuple[Activity | None, asyncio.Future[Any]]:
        """Start another workflow, and return the call with the future of its result."""
        turns = self.check_turn()
        future: asyncio.Future[Any] = turns.create_future()
        if turns.is_ending():
            return None, future
        return self._ask(Child(self, order, given), future)

    def _ask(
        self, activity: Activity, future: asyncio.Future[Any]
    ) -> tuple[Activity, asyncio.Future[Any]]:
        self._activities[activity.seq] = activity, future
        self.when_live(activity.go_on)
        return activity, future

    def mailbox(self, name: str) -> asyncio.Queue[Any]:
        """Return the queue of a signal's payloads that no one took."""
        if self.check_turn().is_ending():
            return asyncio.Queue()
        return self._mailboxes.setdefault(name, asyncio.Queue())

    def subscribe(self, name: str) -> asyncio.Queue[Any]:
        """Return a new queue of all of a signal's payloads, those of the past included."""
        queue: asyncio.Queue[Any] = asyncio.Queue()
        if self.check_turn().is_ending():
            return queue
        for payload in self._received.get(name, ()):
            queue.put_nowait(fresh(payload))
        self._subscribers.append((name, weakref.ref(queue)))
        return queue

    def check_code(self) -> None:
        """Raise outside of a turn."""
        self.check_turn()

    def check_turn(self) -> TurnLoop:
        """Return the loop, or raise outside of a turn.

        Once the run has ended, what its code waits for never comes, and each wait is canceled: if
        the calls raised by themselves, code that goes on after it would never let go of the thread.
        """
        turns = self._turns
        if turns is None or not turns.is_turning():
            raise WorkflowCodeError(
                f"the context of workflow {self.workflow_id!r} was used outside of its code; an "
                "activity gets its input and returns its result, and has no context",
                workflow_id=self.workflow_id,
                run_id=self.run_id,
            )
        return turns

    # What the turn loop asks of it

    def start_timer(self, handle: asyncio.TimerHandle) -> None:
        """Arm a timer that is recorded when it fires."""
        if self._turns is None:
            return
        delay = handle.when() - self._turns.time()
        seq = self.call("timer", given=delay)
        with self.lock:
            self._due[seq] = handle
            self._timers[handle] = seq, None
        self.when_live(partial(self._arm, seq, handle, delay, self.past is None))

    def _arm(self, seq: int, handle: asyncio.TimerHandle, delay: float, is_live: bool) -> None:
        """Arm a timer: a live one by its delay, one of an earlier life by the time it is due."""
        with self.lock, contextlib.suppress(OverflowError, ValueError):  # later than calendars
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
        """Fail the run for what its code did; from any thread."""
        self.fail(error)

    # Events

    def _advance(self) -> None:
        self.engine.loop.post(self._take_turns, wake=False)

    def _take_turns(self) -> None:
        if self._turns is not None and self._turns.is_busy():
            return  # in a thread that the loop has left, and which will come back to this
        try:
            while True:
                if (event := self._next_event()) is None:
                    # Not earlier: a signal that is saved in mid-replay claims the run, too.
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
                    self._go_on_elsewhere()
                    return
        except NonDeterminismError as error:
            main = self._main if self._main is not None and self._main.done() else None
            self.part(error, None if main is None or main.cancelled() else main.exception())
        except WorkflowBlockedError as error:
            error.workflow_id, error.run_id = self.workflow_id, self.run_id
            self.suspend(error)
        except BaseException as error:  # noqa: BLE001  # no other run is to hear of it
            self.break_off(error)
        else:
            if self.past is not None and self._past_is_over() and not self.ended:
                self._claim()

    def _go_on_elsewhere(self) -> None:
        """Do what was to be done while the code kept the thread that the loop has left."""
        self.engine.loop.post(self._take_turns)
        if self.ended:
            self._stop()

    def _apply(self, event: HistoryEvent) -> bool:
        """Do what an event means for the code, and tell whether it gets a turn for that."""
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
        except BaseException as error:  # noqa: BLE001  # it is how the run ended
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
            return False  # an attempt that is followed by another
        del self._activities[seq]
        if future.done():
            return False
        if event.type is EventType.ACTIVITY_COMPLETED:
            try:
                future.set_result(activity.result(event))
            except PayloadTypeError as misfit:  # its type has changed since
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
            except BaseException as unwritable:  # noqa: BLE001  # whatever looking at it raised
                self.fail(unwritable)
            else:
                self.end(WorkflowStatus.COMPLETED, EventType.WORKFLOW_COMPLETED, result=result)

    def _stop(self) -> None:
        self.engine.loop.post(self._stop_code)  # later, because this may be in a turn

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
                return  # once its code gives back the thread that the loop has left
            self.engine.loop.take_turn(self.workflow_id, self._turns.end)
        # A failed task's traceback keeps its whole world alive, the run with it.
        self._main = self._turns = None


def _plainer(error: BaseException) -> BaseException:
    """Say in our words what asyncio says when a workflow awaits something of another loop."""
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
