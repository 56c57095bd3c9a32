"""An executor whose time passes at once, for tests of workflows that sleep for days."""

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

_LOOK_SECONDS = 0.002  # how often it looks whether all runs wait
_LONGEST_SECONDS = 3600.0
_Alive = Callable[[], bool]


class SkippingExecutor(Executor):
    """An executor that does not wait: while a test waits for a result, time is skipped.

        with inb.testing.SkippingExecutor() as executor:
            assert executor.execute(reminds_after_a_month).result() == "reminded"

    As soon as all runs wait for nothing but timers (sleeps, pauses before retries, timeouts), the
    clock jumps to the next one. It stands while an activity runs, and goes at its usual pace while
    nobody waits in `result()` or awaits a handle, so that a test can send its signals in peace.
    `skip` lets a given time pass. Without a store, runs are kept in memory.
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
            """Ask on the loop, where no run is in the middle of something."""
            answer: concurrent.futures.Future[bool] = concurrent.futures.Future()
            engine.loop.post(lambda: answer.set_result(all_wait()))
            return answer.result(1)

        self._time.start(look)

    @property
    def now(self) -> datetime:
        """The time that the runs see."""
        return self._time.now()

    def skip(self, duration: timedelta | float) -> None:
        """Let so much time pass: what is due by then happens, one after the other."""
        seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
        self._time.skip_to(self._time.now() + timedelta(seconds=seconds))

    def execute(self, *args: Any, **options: Any) -> WorkflowHandle:
        """Start a run, as every executor does."""
        return _Handle(super().execute(*args, **options), self._time)

    def resume(self, *args: Any, **options: Any) -> WorkflowHandle:
        """Go on with a stored run, as every executor does."""
        return _Handle(super().resume(*args, **options), self._time)

    def retry(self, *args: Any, **options: Any) -> WorkflowHandle:
        """Let a failed run go on, as every executor does."""
        return _Handle(super().retry(*args, **options), self._time)

    def close(self, timeout: timedelta | float = 0) -> None:
        """Stop, as every executor does."""
        super().close(timeout)
        self._time.close()


class _Handle(WorkflowHandle):
    """Lets time be skipped while somebody waits."""

    def __init__(self, handle: WorkflowHandle, clock: _SkippingClock) -> None:
        super().__init__(handle._run)  # noqa: SLF001  # the same handle, and a little more
        self._clock = clock

    def result(self, timeout: timedelta | float | None = None) -> Any:
        """Wait for the run and return its result; `timeout` is of real time."""
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
    """Real time, plus what was skipped."""

    def __init__(self) -> None:
        self._skipped = timedelta()
        self._timers: list[tuple[datetime, int, _Timer]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._waiting = 0  # how many wait for a result
        self._until: datetime | None = None
        self._closed = False

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC) + self._skipped

    def call_at(self, when: datetime, callback: Callable[[], None]) -> _Timer:
        """Call back at that time."""
        timer = _Timer(when, callback)
        with self._changed:
            heapq.heappush(self._timers, (when, next(self._numbers), timer))
            self._changed.notify_all()
        return timer

    def start(self, all_wait: _Alive) -> None:
        """Begin to look whether time can be skipped: if `all_wait`."""
        self._thread = threading.Thread(
            target=self._run, args=(all_wait,), name="inngest-nb-skipping", daemon=True
        )
        self._thread.start()

    @contextlib.contextmanager
    def skipping(self) -> Iterator[None]:
        """Let time be skipped meanwhile."""
        with self._changed:
            self._waiting += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._waiting -= 1

    def skip_to(self, when: datetime) -> None:
        """Return when it is that time, and what was due has happened."""
        with self._changed:
            self._until = when
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._until is None or self._closed)

    def close(self) -> None:
        """Stop."""
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
        """Take the next timer whose time has come."""
        with self._changed:
            self._drop_canceled()
            if self._timers and self._timers[0][0] <= self.now():
                return heapq.heappop(self._timers)[2]
            return None

    def _skip(self) -> None:
        """Make it the time of the next timer, or as late as was asked for."""
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
        """Return for how long nothing is due, in seconds."""
        if not self._timers:
            return None
        seconds = (self._timers[0][0] - self.now()).total_seconds()
        return min(max(seconds, 0.0), _LONGEST_SECONDS)
