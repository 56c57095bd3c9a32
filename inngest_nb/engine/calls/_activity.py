"""One call of an activity: its attempts, its timeout, its end."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from inngest_nb.engine.basics._exit import process_ends
from inngest_nb.engine.basics._failures import what_failed
from inngest_nb.engine.basics._functions import as_json, describe, fresh, refuse_promise
from inngest_nb.engine.basics._policy import RetryPolicy, later
from inngest_nb.engine.basics._registry import definition_of
from inngest_nb.engine.calls._activity_context import ActivityContext
from inngest_nb.engine.calls._shape import Shape, takes
from inngest_nb.engine.calls._spans import CallSpans
from inngest_nb.engine.calls._whole_time import WholeTime
from inngest_nb.engine.run._run import Run
from inngest_nb.engine.threads._hooks import Tracing
from inngest_nb.engine.threads._loop import Timer, call_when
from inngest_nb.errors import ActivityError
from inngest_nb.state import UNSET, EventType, HistoryEvent

_log = logging.getLogger("inngest_nb.engine")

# What history says of an attempt whose result the code did not wait for.
_GIVEN_UP = "canceled"


class Activity:
    """An activity that a run's code asked for.

    Attempts may end in any thread, or after the run: only the end of the current attempt of a call
    that is still wanted counts, whatever comes later is dropped.
    """

    kind = span_kind = "activity"

    def __init__(
        self,
        run: Run,
        fn: Callable[..., Any],
        shape: Shape,
        given: Any,
        retry: RetryPolicy,
        timeout: timedelta | None,
    ) -> None:
        self.name = shape.name
        self.last_event: int | None = None
        self._run = run
        self._fn = fn
        self._shape = shape
        self._given = as_json(given, f"the input of activity {shape.name!r}")
        self._takes_input = takes(shape, fn, self._given)  # says now what does not fit
        # A call that was refused is none.
        self.seq = run.call(self.kind, self.name, given=self._given)
        # The variables that the code has set, and those of who began the run.
        self.variables = contextvars.copy_context()
        self._retry = retry
        self._timeout = timeout
        self._attempt = 0
        self._retries: int | None = None  # of the run, before this was begun for the first time
        self._over = 0  # the last attempt that ended
        self._spent = 0  # attempts before the run was retried: the policy counts anew
        self._retries_then = 0  # of the run, when it last happened that the past had of this call
        self._whole: WholeTime | None = None
        if (total := retry.total) is not None:
            self._whole = WholeTime(total, run.engine.clock)
        self._again_at: datetime | None = None
        self._started: datetime | None = None
        self._failed: HistoryEvent | None = None
        self._dropped = False
        self._spans: CallSpans | None = None
        self._timer: Timer | None = None
        self._is_total = False  # what the attempt is limited by: the whole call's time
        self._task: asyncio.Task[Any] | None = None
        self._queued = False  # until a worker begins it
        self._working = 0  # the attempt that a worker makes

    def recall(self, event: HistoryEvent) -> None:
        """Take note of an event of the past that is about this call."""
        if self._dropped:
            return
        if self._retries is None:
            self._retries = self._retries_then = self._run.journal.retries
        self._count_anew()
        number = event.attempt or self._attempt + (event.type is EventType.ACTIVITY_STARTED)
        self._attempt = max(number, 1)
        if event.type is EventType.ACTIVITY_STARTED:
            if self._whole is not None and not self._run.is_copied(event):
                self._whole.begin(event.timestamp, now=False)
            return
        if event.error == _GIVEN_UP and self._run.past is not None:
            recorded, asked = f"nobody waits for call {self.seq} any more", "it still does"
            raise self._run.past.parting(event, recorded, asked)
        self._over = self._attempt
        if isinstance(event.retry_at, datetime):
            self._again_at = event.retry_at
            if self._retry.pause_after(self._attempt - self._spent) is None:
                self._spent = self._attempt
        else:
            self.last_event = event.id

    def go_on(self) -> None:
        """Begin, or go on after what the past says of this call."""
        if self._retries is None or self._may_start():  # None: the past says nothing of it
            self.start()

    def _may_start(self) -> bool:
        with self._run.lock:
            if self._dropped or self.last_event is not None or self._is_too_late():
                return False
            self._again_after_cut()
            if self._again_at is not None:
                self._try_again_at(self._again_at)
                return False
            return True

    def start(self) -> None:
        """Begin the next attempt: an async function on the loop, a plain one in a worker."""
        if self._shape.is_async:
            if (number := self._begin_timed()) is not None:
                self._run.engine.on_loop(partial(self._launch, number))
            return
        self._queued = True
        try:  # it begins when a worker is free
            self._run.engine.workers.submit(self._work)
        except (RuntimeError, MemoryError) as error:  # no thread to be had
            if (number := self._begin()) is not None:
                self._finish(number, None, error)

    def run_here(self, pause_until: Callable[[datetime | timedelta], None]) -> None:
        """Make all attempts in this very thread, with `pause_until` between them."""
        if self._is_too_late():
            return
        self._again_after_cut()
        again: datetime | timedelta | None = self._again_at
        while True:
            if again is not None:
                pause_until(again)
            if (number := self._begin()) is None or (again := self._attempt_here(number)) is None:
                return

    def drop(self) -> None:
        """Cancel the attempt that runs, and let nothing that still comes of it count."""
        with self._run.lock:
            if self._dropped or self.last_event is not None:
                return
            self._dropped = True
            if self._over == self._attempt or self._run.past is not None:
                self._let_go()
                return
            # For those who read the history; the code that asked has gone on without an answer.
            self._record(
                EventType.ACTIVITY_FAILED,
                save=False,
                error=_GIVEN_UP,
                duration=self._time_since_start(),
            )
        self._let_go()

    def result(self, event: HistoryEvent) -> Any:
        """Return what the workflow's code gets of the result in an event."""
        return self._shape.types.decode_result(fresh(event.result))

    def error(self, event: HistoryEvent) -> ActivityError:
        """Return what the workflow's code sees of the failure in an event."""
        attempts = self._attempt
        times = "" if attempts == 1 else f" after {attempts} attempts"
        return ActivityError(
            f"activity {self.name!r} failed{times}: {event.error}",
            activity=self.name,
            attempts=attempts,
            error=event.error,
            error_type=event.error_type or None,
            details=None if event.details is UNSET else fresh(event.details),
            seq=self.seq,
            workflow_id=self._run.workflow_id,
            run_id=self._run.run_id,
        )

    def _record(self, kind: EventType, **fields: Any) -> HistoryEvent | None:
        """Record what happened to the call; None if the run has ended."""
        return self._run.record(
            kind, activity_name=self.name, seq=self.seq, attempt=self._attempt, **fields
        )

    def _begin(self) -> int | None:
        with self._run.lock:
            if self._dropped:
                return None
            self._attempt += 1
            self._again_at = None
            if self._retries is None:
                self._retries = self._run.journal.retries
            event = self._record(
                EventType.ACTIVITY_STARTED,
                save=False,
                hook="on_activity_start",
                input=self._given,
            )
            if event is None:
                return None
            self._started = event.timestamp
            if self._whole is not None:
                self._whole.begin(event.timestamp, now=True)
            if self._run.engine.tracing is not None:
                self._open_spans(self._run.engine.tracing)
            return self._attempt

    def _open_spans(self, tracing: Tracing) -> None:
        """Begin the span of an attempt, and with the first of this life that of the whole call."""
        if self._spans is None:
            run = self._run
            self._spans = CallSpans(
                *(tracing, self.span_kind, self.name, run.span),
                workflow_id=run.workflow_id,
                run_id=run.run_id,
                seq=self.seq,
            )
        self._spans.begin(self._attempt)

    def _close_spans(self, error: BaseException | None, *, over: bool) -> None:
        """End the span of an attempt, and that of the call if it is over."""
        spans = self._spans
        if spans is not None:
            if over:
                self._spans = None
            spans.end(error, over=over)

    def inside(self) -> contextlib.AbstractContextManager[object]:
        """Make the span of the attempt current, where spans are kept."""
        return contextlib.nullcontext() if self._spans is None else self._spans.inside()

    @property
    def is_waiting(self) -> bool:
        """Tell whether no attempt is being made."""
        over = self._dropped or self.last_event is not None
        return over or (self._over == self._attempt and not self._queued)

    def _begin_timed(self) -> int | None:
        """Begin an attempt that is cut off after its time."""
        if self._timeout is None and self._whole is None:
            return self._begin()
        with self._run.lock:
            number = self._begin()
            if number is not None and (limit := self._limit()) is not None:
                time_out = partial(self._time_out, number)
                self._timer = call_when(self._run.engine.clock, limit, time_out)
            return number

    def _count_anew(self) -> None:
        """Let the whole policy count again, if the run was retried meanwhile."""
        if self._retries_then != self._run.journal.retries:
            self._retries_then = self._run.journal.retries
            self._spent = self._over
            if self._whole is not None:
                self._whole.begin_anew()

    def _is_too_late(self) -> bool:
        """End a call of an earlier life, if its whole time is over by now."""
        self._count_anew()
        if self._whole is None or not self._whole.is_over():
            return False
        now = self._run.engine.clock.now()
        with self._run.lock:
            event = self._record(
                EventType.ACTIVITY_FAILED,
                timestamp=now,
                duration=self._whole.spent(now),
                **what_failed(self._whole.error()),
            )
            if event is not None:
                self.last_event = event.id
        return True

    def _limit(self) -> timedelta | None:
        """Return how long the attempt that has just begun may take."""
        timeout = self._timeout
        if self._whole is None or self._started is None:
            return timeout
        left = self._whole.left(self._started)
        self._is_total = timeout is None or left <= timeout
        return left if self._is_total else timeout

    def _again_after_cut(self) -> None:
        """Have an attempt that was cut off by the end of its process made again."""
        if self._attempt > self._over:
            self._attempt = self._over

    def _arguments(self) -> tuple[Any, ...]:
        given: tuple[Any, ...] = ()
        if self._takes_input:
            given = (self._shape.types.decode_input(fresh(self._given)),)
        if not self._shape.takes_context:
            return given
        context = ActivityContext(
            self._run.workflow_id,
            self._run.run_id,
            self.seq,
            self.name,
            self._attempt,
            self._retries or 0,
            definition_of(self._run.fn).name,
        )
        return (context, *given)

    def _launch(self, number: int) -> None:
        # Named, because the running loop may be the workflow's own, in the turn that asks for this.
        loop = self._run.engine.loop.loop
        with self._run.lock:
            if loop is None or not self._is_current(number):
                return
            name = f"activity {self.name} of {self._run.workflow_id}"
            variables = self.variables.copy()  # for this attempt alone
            coro = self._call_async()
            task = self._task = loop.create_task(coro, name=name, context=variables)
        task.add_done_callback(partial(self._task_done, number))

    async def _call_async(self) -> Any:
        try:
            if self._spans is None:
                return await self._fn(*self._arguments())
            with self.inside():
                return await self._fn(*self._arguments())
        except (SystemExit, KeyboardInterrupt) as error:  # would end the engine's loop
            raise RuntimeError(f"the activity raised {describe(error)}") from error

    def _task_done(self, number: int, task: asyncio.Task[Any]) -> None:
        try:
            if task.cancelled():
                self._finish(number, None, asyncio.CancelledError("the activity canceled itself"))
            elif (error := task.exception()) is not None:
                self._finish(number, None, error)
            else:
                self._finish(number, task.result(), None)
        except BaseException as broken:  # noqa: BLE001  # as in `breaking_off`, which takes longer
            self._run.break_off(broken)

    def _work(self) -> None:
        with self._run.breaking_off():
            self._make_attempt()

    def _make_attempt(self) -> None:
        with self._run.lock:
            if self._dropped or self._run.ended or self._is_too_late():
                return  # given up while it waited for a free worker
            number = self._begin_timed()
            self._queued = False
            if number is None:
                return
            self._working = number
        try:
            again = self._attempt_here(number)
        finally:
            with self._run.lock:
                if self._working == number:
                    self._working = 0
                    left_alone = False
                else:
                    left_alone = True
            if left_alone:
                self._run.engine.workers.came_back()
        if again is not None:
            self._try_again_at(again)

    def _call(self) -> Any:
        if self._spans is None:
            return self._fn(*self._arguments())
        with self.inside():
            return self._fn(*self._arguments())

    def _leave_worker_alone(self) -> None:
        """Let the pool have another thread in place of the one that makes the attempt."""
        with self._run.lock:
            working, self._working = self._working, 0
        if working:
            self._run.engine.workers.leave_alone()

    def _attempt_here(self, number: int) -> timedelta | None:
        try:
            result = self.variables.copy().run(self._call)
            refuse_promise(result, f"activity {self.name!r}")
        except BaseException as error:  # noqa: BLE001  # goes to the workflow, with its cause
            return self._ended(number, None, error)
        return self._ended(number, result, None)

    def _time_out(self, number: int) -> None:
        with self._run.breaking_off():
            with self._run.lock:
                if not self._is_current(number):
                    return
                task = self._task
                self._finish(number, None, self._timed_out())
            self._leave_worker_alone()
            if task is not None:
                self._run.engine.on_loop(task.cancel)

    def _timed_out(self) -> TimeoutError:
        """Return the error of the attempt that has come to one of its two limits, the first."""
        if self._is_total and self._whole is not None:
            return self._whole.error()
        limit = (self._timeout or timedelta()).total_seconds()
        return TimeoutError(f"not finished within {limit:g} s")

    def _finish(self, number: int, result: Any, error: BaseException | None) -> None:
        again = self._ended(number, result, error)
        if again is not None:
            self._try_again_at(again)

    def _try_again_at(self, when: datetime | timedelta) -> None:
        with self._run.lock:
            if not self._dropped:
                self._timer = call_when(self._run.engine.clock, when, self._try_again)

    def _start_again(self) -> None:
        """Make the next attempt once the last one's failure is durable, so that it counts."""
        if self._failed is None:
            self.start()
        else:
            self._run.when_saved(self._failed, self.start)

    def _try_again(self) -> None:
        with self._run.breaking_off():
            self._start_again()

    def _ended(self, number: int, result: Any, error: BaseException | None) -> timedelta | None:
        """Record how an attempt ended, and return after which pause to make another, if so."""
        if error is None:
            try:
                result = as_json(result, f"the result of activity {self.name!r}")
                self._shape.types.decode_result(result)
            except BaseException as unwritable:  # noqa: BLE001  # whatever looking at it raised
                result, error = None, unwritable
        failure: dict[str, Any] = {} if error is None else self._tell(number, error)
        with self._run.lock:
            if not self._is_current(number):
                return None
            if error is None:
                hook, kind = "on_activity_complete", EventType.ACTIVITY_COMPLETED
            else:
                if process_ends():
                    return None  # the process is ending, and that may be all that failed here
                hook, kind = None, EventType.ACTIVITY_FAILED
            now = self._run.engine.clock.now()
            pause = None if error is None else self._pause_after(number, error, now)
            again = None if pause is None else later(now, pause)
            event = self._record(
                kind,
                hook=hook if pause is None else "on_retry",
                timestamp=now,
                result=result,
                duration=self._time_since_start(now),
                retry_at=UNSET if again is None else again,
                **failure,
            )
            self._task = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._close_spans(error, over=again is None)
            if event is None:
                return None
            if again is not None:
                self._over, self._failed = number, event
                return pause
            self.last_event = event.id
            return None

    def _tell(self, number: int, error: BaseException) -> dict[str, Any]:
        """Log an attempt's error, and return what history keeps of it."""
        told = what_failed(error)
        what = "attempt %d of activity %r of workflow %r failed: %s"
        names = self.name, self._run.workflow_id
        _log.info(what, number, *names, told["error"], exc_info=error)
        return told

    def _pause_after(self, number: int, error: BaseException, now: datetime) -> timedelta | None:
        spent = timedelta() if self._whole is None else self._whole.spent(now)
        return self._retry.pause_after(number - self._spent, error, spent)

    def _is_current(self, number: int) -> bool:
        wanted = not self._dropped and self.last_event is None and not self._run.ended
        return wanted and self._attempt == number and self._over != number

    def _time_since_start(self, now: datetime | None = None) -> timedelta:
        if self._started is None:
            return timedelta()
        return max((now or self._run.engine.clock.now()) - self._started, timedelta())

    def _let_go(self) -> None:
        self._close_spans(asyncio.CancelledError("canceled"), over=True)
        timer, task = self._timer, self._task
        if timer is not None:
            timer.cancel()
        if task is not None:
            self._run.engine.on_loop(task.cancel)
        self._leave_worker_alone()
