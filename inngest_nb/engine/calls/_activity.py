"""One call of an activity: its attempts, its timeout and its outcome."""

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
from inngest_nb.engine.basics._functions import as_json, describe, fresh, refuse_awaitable
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

# The recorded error of an attempt whose result the code did not wait for.
_GIVEN_UP = "canceled"


class Activity:
    """A call of an activity by workflow code.

    Attempts can end in any thread, even after the run. Only the outcome of the current attempt
    counts, and only while the code still waits for the call; anything later is discarded.
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
        self.given: Any = as_json(given, f"the input of activity {shape.name!r}")
        self._run = run
        self._fn = fn
        self._shape = shape
        self._takes_input = takes(shape, fn, self.given)  # raises early if it does not fit
        # Only now: calls that were rejected are not counted.
        self.seq = run.call(self.kind, self.name, given=self.given)
        # Context variables set by the workflow code and by whoever started the run.
        self.variables = contextvars.copy_context()
        self._retry = retry
        self._timeout = timeout
        self._attempt = 0
        self._retries: int | None = None  # of the run, before this call first started
        self._over = 0  # the last attempt that ended
        self._spent = 0  # attempts before the run was retried; the policy does not count them
        self._retries_then = 0  # of the run, at the latest recorded event of this call
        self._whole: WholeTime | None = None
        if (total := retry.total) is not None:
            self._whole = WholeTime(total, run.engine.clock)
        self._again_at: datetime | None = None
        self._started: datetime | None = None
        self._failed: HistoryEvent | None = None
        self._dropped = False
        self._spans: CallSpans | None = None
        self._timer: Timer | None = None
        self._is_total = False  # whether the attempt is limited by the time for the whole call
        self._task: asyncio.Task[Any] | None = None
        self._queued = False  # until a worker starts it
        self._working = 0  # the attempt that a worker is making

    def recall(self, event: HistoryEvent) -> None:
        """Replay a recorded event of this call."""
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
            recorded, asked = f"call {self.seq} was canceled", "it still waits for that call"
            raise self._run.past.mismatch(event, recorded, asked)
        self._over = self._attempt
        if isinstance(event.retry_at, datetime):
            self._again_at = event.retry_at
            if self._retry.pause_after(self._attempt - self._spent) is None:
                self._spent = self._attempt
        else:
            self.last_event = event.id

    def proceed(self) -> None:
        """Start the call, or continue after what the history has of it."""
        if self._retries is None or self._may_start():  # None: the history has nothing of it
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
        """Start the next attempt: an async function on the loop, a plain one in a worker."""
        if self._shape.is_async:
            if (number := self._begin_timed()) is not None:
                self._run.engine.on_loop(partial(self._launch, number))
            return
        self._queued = True
        try:  # it starts when a worker is free
            self._run.engine.workers.submit(self._work)
        except (RuntimeError, MemoryError) as error:  # no thread could be started
            if (number := self._begin()) is not None:
                self._finish(number, None, error)

    def run_here(self, pause_until: Callable[[datetime | timedelta], None]) -> None:
        """Make all attempts in the current thread, with `pause_until` between them."""
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
        """Cancel the running attempt, and discard any outcome it still has."""
        with self._run.lock:
            if self._dropped or self.last_event is not None:
                return
            self._dropped = True
            if self._over == self._attempt or self._run.past is not None:
                self._release()
                return
            # For readers of the history; the code has continued without an answer.
            self._record(
                EventType.ACTIVITY_FAILED,
                save=False,
                error=_GIVEN_UP,
                duration=self._time_since_start(),
            )
        self._release()

    def result(self, event: HistoryEvent) -> Any:
        """Return the recorded result as the workflow code gets it."""
        return self._shape.types.decode_result(fresh(event.result))

    def error(self, event: HistoryEvent) -> ActivityError:
        """Return the recorded failure as the error that the workflow code gets."""
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
        """Record an event of this call; None if the run has ended."""
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
                input=self.given,
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
        """Open the span of an attempt, and with the first one in this process the call's."""
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
        """Close the span of an attempt, and the call's if it is over."""
        spans = self._spans
        if spans is not None:
            if over:
                self._spans = None
            spans.end(error, over=over)

    def inside(self) -> contextlib.AbstractContextManager[object]:
        """Make the attempt's span the current one, if there is tracing."""
        return contextlib.nullcontext() if self._spans is None else self._spans.inside()

    @property
    def is_dropped(self) -> bool:
        """Tell whether the code waits no more for the call."""
        return self._dropped

    @property
    def next_attempt(self) -> int:
        """The number of the attempt that is to be made, 1 for the first."""
        return self._over + 1

    @property
    def again_at(self) -> datetime | None:
        """When the next attempt is due, if an earlier one has failed."""
        return self._again_at

    @property
    def is_waiting(self) -> bool:
        """Tell whether no attempt is running."""
        over = self._dropped or self.last_event is not None
        return over or (self._over == self._attempt and not self._queued)

    def _begin_timed(self) -> int | None:
        """Start an attempt that is cut off when its time is over."""
        if self._timeout is None and self._whole is None:
            return self._begin()
        with self._run.lock:
            number = self._begin()
            if number is not None and (limit := self._limit()) is not None:
                time_out = partial(self._time_out, number)
                self._timer = call_when(self._run.engine.clock, limit, time_out)
            return number

    def _count_anew(self) -> None:
        """Restart the retry policy if the run was retried in the meantime."""
        if self._retries_then != self._run.journal.retries:
            self._retries_then = self._run.journal.retries
            self._spent = self._over
            if self._whole is not None:
                self._whole.begin_anew()

    def _is_too_late(self) -> bool:
        """Fail a call that started before a restart if its total timeout is over."""
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
        """Return how long the attempt that has just started may take."""
        timeout = self._timeout
        if self._whole is None or self._started is None:
            return timeout
        left = self._whole.left(self._started)
        self._is_total = timeout is None or left <= timeout
        return left if self._is_total else timeout

    def _again_after_cut(self) -> None:
        """Repeat an attempt that was interrupted when its process ended."""
        if self._attempt > self._over:
            self._attempt = self._over

    def _arguments(self) -> tuple[Any, ...]:
        given: tuple[Any, ...] = ()
        if self._takes_input:
            given = (self._shape.types.decode_input(fresh(self.given)),)
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
        # Explicit, because the running loop may be the workflow's own, in the turn that calls this.
        loop = self._run.engine.loop.loop
        with self._run.lock:
            if loop is None or not self._is_current(number):
                return
            name = f"activity {self.name} of {self._run.workflow_id}"
            variables = self.variables.copy()  # for this attempt only
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
        except BaseException as broken:  # noqa: BLE001  # as in `breaking_off`, which is slower
            self._run.break_off(broken)

    def _work(self) -> None:
        with self._run.breaking_off():
            self._make_attempt()

    def _make_attempt(self) -> None:
        with self._run.lock:
            if self._dropped or self._run.ended or self._is_too_late():
                return  # canceled while it waited for a free worker
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
                    replaced = False
                else:
                    replaced = True
            if replaced:
                self._run.engine.workers.thread_returned()
        if again is not None:
            self._try_again_at(again)

    def _call(self) -> Any:
        if self._spans is None:
            return self._fn(*self._arguments())
        with self.inside():
            return self._fn(*self._arguments())

    def _release_worker(self) -> None:
        """Let the pool replace the thread that is still busy with the attempt."""
        with self._run.lock:
            working, self._working = self._working, 0
        if working:
            self._run.engine.workers.replace_thread()

    def _attempt_here(self, number: int) -> timedelta | None:
        try:
            result = self.variables.copy().run(self._call)
            refuse_awaitable(result, f"activity {self.name!r}")
        except BaseException as error:  # noqa: BLE001  # passed to the workflow, with its cause
            return self._ended(number, None, error)
        return self._ended(number, result, None)

    def _time_out(self, number: int) -> None:
        with self._run.breaking_off():
            with self._run.lock:
                if not self._is_current(number):
                    return
                task = self._task
                self._finish(number, None, self._timed_out())
            self._release_worker()
            if task is not None:
                self._run.engine.on_loop(task.cancel)

    def _timed_out(self) -> TimeoutError:
        """Return the error for an attempt that has reached the first of its two limits."""
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
        """Make the next attempt once the last failure is saved, so that it counts."""
        if self._failed is None:
            self.start()
        else:
            self._run.when_saved(self._failed, self.start)

    def _try_again(self) -> None:
        with self._run.breaking_off():
            self._start_again()

    def _ended(self, number: int, result: Any, error: BaseException | None) -> timedelta | None:
        """Record how an attempt ended; return the pause before the next one, None for no retry."""
        if error is None:
            try:
                result = as_json(result, f"the result of activity {self.name!r}")
                self._shape.types.decode_result(result)
            except BaseException as unwritable:  # noqa: BLE001  # the user's objects may raise
                result, error = None, unwritable
        failure: dict[str, Any] = {} if error is None else self._failure_fields(number, error)
        with self._run.lock:
            if not self._is_current(number):
                return None
            if error is None:
                hook, kind = "on_activity_complete", EventType.ACTIVITY_COMPLETED
            else:
                if process_ends():
                    return None  # the shutdown may be the only reason for the failure
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

    def _failure_fields(self, number: int, error: BaseException) -> dict[str, Any]:
        """Log an attempt's error, and return the fields that record it."""
        fields = what_failed(error)
        what = "attempt %d of activity %r of workflow %r failed: %s"
        names = self.name, self._run.workflow_id
        _log.info(what, number, *names, fields["error"], exc_info=error)
        return fields

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

    def _release(self) -> None:
        self._close_spans(asyncio.CancelledError("canceled"), over=True)
        timer, task = self._timer, self._task
        if timer is not None:
            timer.cancel()
        if task is not None:
            self._run.engine.on_loop(task.cancel)
        if self._over != self._attempt:  # else its thread is about to return
            self._release_worker()
