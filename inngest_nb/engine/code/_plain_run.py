"""A run of a plain `def` workflow, in its own thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from inngest_nb.engine.basics._exit import process_ends
from inngest_nb.engine.basics._functions import arguments, as_json, fresh, refuse_awaitable
from inngest_nb.engine.basics._policy import RetryPolicy
from inngest_nb.engine.basics._typed import workflow_types
from inngest_nb.engine.calls._activity import Activity
from inngest_nb.engine.calls._child import Child, Order
from inngest_nb.engine.calls._shape import shape_of
from inngest_nb.engine.run._run import Run
from inngest_nb.engine.threads._loop import Timer, call_when
from inngest_nb.errors import NonDeterminismError, WorkflowCodeError
from inngest_nb.state import EventType, HistoryEvent, WorkflowStatus

_here = threading.local()


class StopRun(BaseException):
    """Raised by every call of a plain workflow's context once the run has ended.

    It is not an `Exception`, so that code that handles errors does not continue after this one.
    """


def runs_plain_code() -> bool:
    """Tell whether this thread is running a plain workflow's code, not one of its activities."""
    run: PlainRun | None = getattr(_here, "run", None)
    return run is not None and not run.is_in_activity


class PlainRun(Run):
    """Blocks the workflow's thread until an event answers the call that it is waiting for.

    It processes saved events one at a time up to the one with the answer, live and in replay.
    """

    _thread: threading.Thread | None = None
    _in_activity = False
    _ready: Callable[[], bool] | None = None  # what the code is waiting for, if it is

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._begun = False
        self._activities: dict[int, Activity] = {}
        self._answers: dict[int, HistoryEvent] = {}
        self._answered: deque[int] | None = None  # in order, while the code waits for any of them
        self._timers: dict[int, Timer | None] = {}
        self._due: dict[int, datetime] = {}
        self._received: dict[str, list[Any]] = {}
        self._taken: dict[str, int] = {}

    # Called by the context, always in the workflow's thread

    def activity(
        self,
        fn: Callable[..., Any],
        given: Any,
        retry: RetryPolicy,
        timeout: timedelta | None,
    ) -> Any:
        """Run an activity and return its result."""
        self._check_thread()
        shape = shape_of(fn)
        activity = Activity(self, fn, shape, given, retry, timeout)
        self._activities[activity.seq] = activity
        self._wait_for(lambda: self.past is None or activity.seq in self._answers)
        if activity.seq in self._answers:
            pass  # the history has the answer
        elif timeout is None and retry.total_timeout is None and not shape.is_async:
            self._in_activity = True  # the same thread, but not workflow code
            try:
                activity.run_here(self._pause_until)
            finally:
                self._in_activity = False
        else:
            activity.proceed()  # in another thread, so that this one can stop waiting for it
        return self._result(activity)

    def activities(
        self,
        fn: Callable[..., Any],
        items: Iterable[Any],
        concurrency: int | None,
        retry: RetryPolicy,
        timeout: timedelta | None,
    ) -> list[Any]:
        """Run an activity for each item, at most `concurrency` at a time; results are in order."""
        self._check_thread()
        shape = shape_of(fn)
        begun: list[Activity] = []
        open_: set[int] = set()
        answered = self._answered = deque[int]()
        failed = False
        try:
            for given in items:
                activity = Activity(self, fn, shape, given, retry, timeout)
                begun.append(activity)
                open_.add(activity.seq)
                self._activities[activity.seq] = activity
                self.when_live(activity.proceed)
                while not failed and concurrency is not None and len(open_) >= concurrency:
                    failed = self._wait_for_one(answered, open_)
                if failed:
                    break
            while open_ and not failed:
                failed = self._wait_for_one(answered, open_)
        finally:
            self._answered = None
        if failed:
            for activity in begun:
                if activity.seq in open_:
                    activity.drop()
            begun = [each for each in begun if self._failed(each.seq)]
        return [self._result(activity) for activity in begun]

    def child(self, order: Order, given: Any) -> Any:
        """Run a child workflow and return its result."""
        self._check_thread()
        child = Child(self, order, given)
        self._activities[child.seq] = child
        self.when_live(child.proceed)
        return self._result(child)

    def _wait_for_one(self, answered: deque[int], seqs: set[int]) -> bool:
        """Wait for one of these calls to end, remove it from `seqs`, and tell whether it failed."""
        while True:
            self._wait_for(lambda: bool(answered))
            if (seq := answered.popleft()) in seqs:
                seqs.discard(seq)
                return self._failed(seq)

    def _failed(self, seq: int) -> bool:
        event = self._answers.get(seq)
        return event is not None and event.type is EventType.ACTIVITY_FAILED

    def _result(self, activity: Activity) -> Any:
        event = self._answer(activity.seq)
        del self._activities[activity.seq], self._answers[activity.seq]
        if event.type is EventType.ACTIVITY_FAILED:
            raise activity.error(event)
        return activity.result(event)

    def sleep(self, duration: timedelta) -> None:
        """Return after a duration, counted from the last event."""
        self._check_thread()
        self._answer(self._start_timer(duration))

    def receive(self, name: str, timeout: timedelta | None) -> Any:
        """Return the next payload that has not been received, or raise `TimeoutError`."""
        self._check_thread()
        position = self._taken.get(name, 0)
        seq = None
        if timeout is not None and not self._has(name, position):
            seq = self._start_timer(timeout)
        with self.listen(name):
            self._wait_for(lambda: self._has(name, position) or seq in self._answers)
        if seq is not None:
            self._stop_timer(seq)
        if not self._has(name, position):
            raise TimeoutError(f"no signal {name!r} came in time")
        self._taken[name] = position + 1
        return fresh(self._received[name][position])

    def payload(self, name: str, position: int) -> Any:
        """Wait for a signal's payload by its number (the first is 0), and return it."""
        self._check_thread()
        with self.listen(name):
            self._wait_for(lambda: self._has(name, position))
        return fresh(self._received[name][position])

    def _has(self, name: str, position: int) -> bool:
        return len(self._received.get(name, ())) > position

    def check_code(self) -> None:
        """Raise `WorkflowCodeError` in an activity or another thread, `StopRun` after the end."""
        self._check_thread()

    @property
    def is_in_activity(self) -> bool:
        """Tell whether the code's thread is running an activity now."""
        return self._in_activity

    def _check_thread(self) -> None:
        if threading.current_thread() is not self._thread or self._in_activity:
            raise WorkflowCodeError(
                f"the context of workflow {self.workflow_id!r} was used outside of the workflow's "
                "code; activities cannot use it: pass them what they need as input",
                workflow_id=self.workflow_id,
                run_id=self.run_id,
            )
        if self.ended:
            raise StopRun

    def open_calls(self) -> list[Activity]:
        """Return the calls of activities and child workflows that have no outcome yet."""
        return [call for call in self._activities.values() if call.seq not in self._answers]

    def open_timers(self) -> dict[int, datetime]:
        """Return when the timers are due that the code waits for, by the numbers of the calls."""
        return dict(self._due)

    # Waiting

    def _answer(self, seq: int) -> HistoryEvent:
        self._wait_for(lambda: seq in self._answers)
        return self._answers[seq]

    def _wait_for(self, ready: Callable[[], bool]) -> None:
        with self.lock:
            while not ready():
                if (event := self._next_event()) is not None:
                    self._apply(event)
                elif self.ended:
                    raise StopRun
                elif self.past is None:
                    self._ready = ready
                    self.changed.wait()
                    self._ready = None
                elif self.journal.owned:
                    self._go_live()
                else:
                    self._claim()
                    # Not owned but unclaimed again: others had appended to what was read.
                    self.changed.wait_for(
                        lambda: self.journal.owned or not self._claimed or self.ended
                    )
            if self.ended:
                raise StopRun

    @property
    def is_in_code(self) -> bool:
        """Tell whether the code is neither waiting nor in an activity."""
        return not self._in_activity and (self._ready is None or self._ready())

    def _waits(self) -> bool:
        waits = self._ready is not None and not self._ready()
        return waits and all(call.is_waiting for call in self._activities.values())

    def _apply(self, event: HistoryEvent) -> None:
        seq = int((event.seq if self.past is None else self.past.match(event)) or 0)
        activity = self._activities.get(seq)
        if activity is not None and self.past is not None:
            activity.recall(event)
        if event.type is EventType.SIGNAL_RECEIVED:
            self._received.setdefault(event.signal_name, []).append(event.signal_payload)
        elif event.type is EventType.TIMER_FIRED or (
            activity is not None and activity.last_event == event.id
        ):
            self._answers[seq] = event
            self._due.pop(seq, None)
            if self._answered is not None:
                self._answered.append(seq)

    def _start_timer(self, duration: timedelta) -> int:
        seq = self.call("timer", given=duration.total_seconds())
        try:
            due = self.now + duration
        except OverflowError:  # too late for a datetime: it never fires
            return seq
        with self.lock:
            self._timers[seq], self._due[seq] = None, due
        # A live timer counts by its delay, one from before a restart by its due time.
        when = duration if self.past is None else due
        self.when_live(partial(self._arm, seq, when, duration))
        return seq

    def _arm(self, seq: int, when: datetime | timedelta, duration: timedelta) -> None:
        with self.lock:
            if seq in self._timers and seq not in self._answers:
                fire = partial(self._fire, seq, duration)
                self._timers[seq] = call_when(self.engine.clock, when, fire)

    def _stop_timer(self, seq: int) -> None:
        with self.lock:
            timer = self._timers.pop(seq, None)
            self._due.pop(seq, None)
        if timer is not None:
            timer.cancel()

    def _fire(self, seq: int, duration: timedelta) -> None:
        with self.breaking_off(), self.lock:
            if seq in self._timers:
                del self._timers[seq]
                self.record(EventType.TIMER_FIRED, seq=seq, duration=duration)

    def _pause_until(self, when: datetime | timedelta) -> None:
        """Return at a time or after a delay, but not before all events so far are saved."""
        over: list[bool] = []
        wanted = self._wanted

        def wake() -> None:
            with self.lock:
                over.append(True)
                self.changed.notify_all()

        timer = call_when(self.engine.clock, when, wake)
        try:
            self._wait_for(lambda: bool(over) and self.journal.saved >= wanted)
        finally:
            timer.cancel()

    # The code

    def _advance(self) -> None:
        with self.lock:
            if self._begun:
                return  # the thread was notified
            self._begun = True
        try:
            self.engine.threads.submit(partial(self.variables.run, self._run_code))
        except (RuntimeError, MemoryError) as error:  # no thread could be started
            # Later, because the caller may hold locks.
            self.engine.loop.post(partial(self.break_off, error))

    def _run_code(self) -> None:
        _here.run = self
        try:
            self._run_all()
        finally:
            del _here.run

    def _run_all(self) -> None:
        self._thread = threading.current_thread()
        ended: Callable[[], object]
        raised: BaseException | None = None
        try:
            self._next_event()  # the start
            context = self.context_of(self)
            given = workflow_types(self.fn).decode_input(fresh(self.given))
            result = self.fn(*arguments(self.fn, "workflow", context, given=given))
            refuse_awaitable(result, "the workflow")
            result = as_json(result, "the workflow's result")
        except StopRun:
            if self.ended:
                return
            ended = partial(self.fail, RuntimeError("the workflow's code stopped itself"))
        except NonDeterminismError as error:
            self.suspend(error)
            return
        except BaseException as error:  # noqa: BLE001  # whatever the code raises fails the run
            if process_ends():
                return  # the shutdown may be the only reason for the failure
            raised, ended = error, partial(self.fail, error)
        else:
            kind = EventType.WORKFLOW_COMPLETED
            ended = partial(self.end, WorkflowStatus.COMPLETED, kind, result=result)
        self._see_the_rest(ended, raised)

    def _see_the_rest(self, ended: Callable[[], object], raised: BaseException | None) -> None:
        """End the run if the rest of the history matches the calls that the code has made."""
        try:
            while self.past is not None and not self._past_is_over():
                if (event := self._next_event()) is None:
                    return
                self._apply(event)
        except NonDeterminismError as error:
            self.part(error, raised)
        else:
            ended()

    def _stop(self) -> None:
        for activity in list(self._activities.values()):
            activity.drop()
        for seq in list(self._timers):
            self._stop_timer(seq)
