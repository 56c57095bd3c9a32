"""An executor that skips time, for tests of workflows that sleep for days."""

from __future__ import annotations

import concurrent.futures
import contextlib
import heapq
import itertools
import threading
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from inngest_nb.engine import Executor, Hooks, WorkflowHandle
from inngest_nb.store import WorkflowStore

_LOOK_SECONDS = 0.002  # between checks whether all runs are waiting
_LONGEST_SECONDS = 3600.0
_Alive = Callable[[], bool]


class SkippingExecutor(Executor):
    """An executor for tests that skips time while the test waits for a result.

        with inb.testing.SkippingExecutor() as executor:
            assert executor.execute(reminds_after_a_month).result() == "reminded"

    When all runs wait only for timers (sleeps, pauses between retries, timeouts), the clock jumps
    to the next one. It does so only while the test waits in `result()` or awaits a handle, so that
    there is time to send signals, and never while an activity is running. `skip` advances the clock
    explicitly. The arguments are those of `Executor`, except `clock`.
    """

    def __init__(
        self, store: WorkflowStore | None = None, hooks: Hooks | None = None, **options: Any
    ) -> None:
        self._time = _SkippingClock()
        super().__init__(store, hooks, clock=self._time, **options)
        engine = self._engine

        def all_wait() -> bool:
            return all(run.is_idle for run in engine.runs())

        def look() -> bool:
            """Check on the loop, where no run is in the middle of a turn."""
            answer: concurrent.futures.Future[bool] = concurrent.futures.Future()
            engine.loop.post(lambda: answer.set_result(all_wait()))
            return answer.result(1)

        self._time.start(look)

    @property
    def now(self) -> datetime:
        """The current time of the runs."""
        return self._time.now()

    def skip(self, duration: timedelta | float) -> None:
        """Advance the clock by a timedelta or seconds; timers that are due fire in order."""
        seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
        self._time.skip_to(self._time.now() + timedelta(seconds=seconds))

    def execute(self, *args: Any, **options: Any) -> WorkflowHandle:
        """Start a workflow; see `Executor.execute`."""
        return _Handle(super().execute(*args, **options), self._time)

    def resume(self, *args: Any, **options: Any) -> WorkflowHandle:
        """Resume a stored workflow; see `Executor.resume`."""
        return _Handle(super().resume(*args, **options), self._time)

    def retry(self, *args: Any, **options: Any) -> WorkflowHandle:
        """Retry a failed workflow; see `Executor.retry`."""
        return _Handle(super().retry(*args, **options), self._time)

    def close(self, timeout: timedelta | float = 0) -> None:
        """Stop the executor; see `Executor.close`."""
        super().close(timeout)
        self._time.close()


class _Handle(WorkflowHandle):
    """A handle that lets the clock skip while it is waited for."""

    def __init__(self, handle: WorkflowHandle, clock: _SkippingClock) -> None:
        super().__init__(handle._run)  # noqa: SLF001  # the same handle, extended
        self._clock = clock

    def result(self, timeout: timedelta | float | None = None) -> Any:
        """Wait for the run and return its result; `timeout` is in real time."""
        with self._clock.skipping():
            return super().result(timeout)

    def __await__(self) -> Generator[Any, None, Any]:
        with self._clock.skipping():
            return (yield from super().__await__())


class _Timer:
    def __init__(self, when: datetime, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.canceled = False

    def cancel(self) -> None:
        self.canceled = True


class _SkippingClock:
    """A clock with the real time plus the skipped time."""

    def __init__(self) -> None:
        self._skipped = timedelta()
        self._timers: list[tuple[datetime, int, _Timer]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._waiting = 0  # threads and tasks that are waiting for a result
        self._until: datetime | None = None
        self._closed = False

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC) + self._skipped

    def call_at(self, when: datetime, callback: Callable[[], None]) -> _Timer:
        """Schedule a callback at a time."""
        timer = _Timer(when, callback)
        with self._changed:
            heapq.heappush(self._timers, (when, next(self._numbers), timer))
            self._changed.notify_all()
        return timer

    def start(self, all_wait: _Alive) -> None:
        """Start the thread that skips time whenever `all_wait` returns True."""
        self._thread = threading.Thread(
            target=self._run, args=(all_wait,), name="inngest-nb-skipping", daemon=True
        )
        self._thread.start()

    @contextlib.contextmanager
    def skipping(self) -> Iterator[None]:
        """Allow skipping inside a `with` block."""
        with self._changed:
            self._waiting += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._waiting -= 1

    def skip_to(self, when: datetime) -> None:
        """Skip to a time, and return when everything that was due has happened."""
        with self._changed:
            self._until = when
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._until is None or self._closed)

    def close(self) -> None:
        """Stop the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self, all_wait: _Alive) -> None:
        while not self._closed:
            due = self._next_due()
            if due is not None:
                due.callback()
                continue
            if (self._waiting or self._until) and self._is_quiet(all_wait):
                self._skip()
                continue
            with self._changed:
                self._changed.wait(_LOOK_SECONDS if self._waiting or self._until else self._pause())

    def _is_quiet(self, all_wait: _Alive) -> bool:
        try:
            return all_wait()
        except concurrent.futures.TimeoutError:
            return False

    def _next_due(self) -> _Timer | None:
        """Remove and return the next timer that is due, None if there is none."""
        with self._changed:
            self._drop_canceled()
            if self._timers and self._timers[0][0] <= self.now():
                return heapq.heappop(self._timers)[2]
            return None

    def _skip(self) -> None:
        """Skip to the next timer, or to the requested time."""
        with self._changed:
            self._drop_canceled()
            limits = [self._until] if self._until else []
            if self._timers and (self._waiting or self._timers[0][0] <= limits[0]):
                limits.append(self._timers[0][0])
            if not limits:
                self._changed.wait(_LOOK_SECONDS)
                return
            self._skipped += max(min(limits) - self.now(), timedelta())
            if self._until and self.now() >= self._until and not self._is_due():
                self._until = None
                self._changed.notify_all()

    def _is_due(self) -> bool:
        return bool(self._timers) and self._timers[0][0] <= self.now()

    def _drop_canceled(self) -> None:
        while self._timers and self._timers[0][2].canceled:
            heapq.heappop(self._timers)

    def _pause(self) -> float | None:
        """Return the seconds until the next timer is due."""
        if not self._timers:
            return None
        seconds = (self._timers[0][0] - self.now()).total_seconds()
        return min(max(seconds, 0.0), _LONGEST_SECONDS)
