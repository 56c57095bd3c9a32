"""A run whose events another engine keeps."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from inngest_nb.engine.basics._registry import definition_of
from inngest_nb.engine.calls._activity import Activity
from inngest_nb.engine.code._new_run import new_run
from inngest_nb.engine.history._replay import Call, Past
from inngest_nb.engine.run._run import Run
from inngest_nb.engine.threads._loop import Clock
from inngest_nb.engine.threads._services import Services
from inngest_nb.engine.threads._writer import Savable, Writer
from inngest_nb.errors import EngineError
from inngest_nb.history import is_end
from inngest_nb.state import EventType, HistoryEvent, WorkflowState, WorkflowStatus
from inngest_nb.store import MemoryStore

# An event as it is shown: its type, when it happened, and its fields.
Shown = tuple[EventType, datetime, dict[str, Any]]

_ENDS = (EventType.ACTIVITY_COMPLETED, EventType.ACTIVITY_FAILED)


class Timer(NamedTuple):
    """A timer of the code: when it is due, and the seconds that the code asked for."""

    due: datetime
    seconds: float


class Wanted(NamedTuple):
    """What the code waits for, now that it has seen all events.

    `calls` are activities and child workflows without an outcome, in the order in which they were
    made, also those that the code has dropped; `timers` has timers by their numbers;
    `signals` are names; `versions` were chosen and are not known yet.
    """

    calls: tuple[Activity, ...] = ()
    timers: Mapping[int, Timer] = MappingProxyType({})
    signals: tuple[str, ...] = ()
    versions: Mapping[str, int] = MappingProxyType({})


class DrivenEngine(Services[Run]):
    """The threads, the loop and the workers of driven runs; nothing is saved."""

    def __init__(self, clock: Clock | None = None, workers: int = 32) -> None:
        super().__init__(MemoryStore(), None, clock, workers, timedelta(minutes=1))
        self.writer = _Pauses()

    def begin(self, run: Run, timeout: timedelta | None = None) -> None:
        """Start a run; there may be several of one workflow, one for each step in progress."""
        with self._lock:
            self._check_open()
            if not self._started:
                self._start()
            self._runs[f"{run.workflow_id} {id(run)}"] = run
        run.begin(timeout)
        self.loop.wake()

    def forget(self, run: Run) -> None:
        """Let go of a run that is over."""
        with self._lock:
            self._runs.pop(f"{run.workflow_id} {id(run)}", None)

    def release(self, workflow_id: str) -> None:
        """Leave the run to the engine that keeps its events."""

    def _at_exit(self) -> None:
        """Say nothing of open runs, which are that engine's."""


class Keeper(Protocol):
    """Who keeps the events of a driven run; called in the engine's threads."""

    def next_events(self, run: DrivenRun) -> Sequence[Shown]:
        """Return what the code is shown next; nothing to let it wait, or if that ended it."""

    def has_more(self, run: DrivenRun) -> bool:
        """Tell whether there are events that the code, which is in a turn, has not come to."""

    def version_of(self, name: str) -> int | None:
        """Return the version of a piece of code that the run has recorded, if it has."""


class DrivenRun:
    """Runs a workflow's code up to where it waits, shows it what comes, and makes its calls.

        run = DrivenRun(engine, order, state, keeper)
        run.begin().result()
        if not run.has_ended:
            *_, event = run.perform(run.wanted.calls[0]).result()
        run.close()

    `state` is that of `first_state`. Raises `PayloadTypeError` for an input that doesn't fit the
    function. The futures raise what stopped the run, such as `NonDeterminismError`.
    """

    def __init__(
        self, engine: DrivenEngine, fn: Callable[..., Any], state: WorkflowState, keeper: Keeper
    ) -> None:
        self._engine = engine
        self._keeper = keeper
        self._performed: tuple[Activity, int] | None = None
        self._waits: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._outcome: concurrent.futures.Future[list[HistoryEvent]] = concurrent.futures.Future()
        self.wanted = Wanted()  # what the code waited for last
        self._run = new_run(engine, fn, state)
        self._run.past = _DrivenPast(state, keeper, self)
        self._run.driver = self
        self._run.add_waiter(self._over)

    def begin(self) -> concurrent.futures.Future[None]:
        """Start the code; the future is done when it waits, or has ended."""
        self._engine.begin(self._run)
        return self._waits

    def go_on(self) -> concurrent.futures.Future[None]:
        """Ask for events once more; the future is done when the code waits, or has ended."""
        self._waits = concurrent.futures.Future()
        self._engine.on_loop(self.paused)
        return self._waits

    def look(self) -> Wanted:
        """Return what the code waits for, or has open in the middle of a turn."""
        run = self._run
        with run.lock:
            calls = sorted(run.open_calls(), key=lambda call: call.seq)
            asked = run.past.given if run.past is not None else {}
            timers = {seq: Timer(due, asked[seq]) for seq, due in run.open_timers().items()}
            return Wanted(tuple(calls), timers, run.waiting_for, run.new_versions)

    @property
    def asked(self) -> list[Call]:
        """All calls that the code has made so far, answered or not."""
        return [] if self._run.past is None else self._run.past.calls

    @property
    def now(self) -> datetime:
        """The time of the last event that the code has seen."""
        return self._run.now

    @property
    def state(self) -> WorkflowState:
        """The state with all events so far; its status says whether the code has ended."""
        return self._run.state

    @property
    def has_ended(self) -> bool:
        """Tell whether the code has ended."""
        with self._run.lock:  # `end` tells the keeper before it is through
            return self._run.ended

    @property
    def raised(self) -> BaseException | None:
        """What the code raised, if it failed."""
        return self._run.raised

    def time_out(self) -> None:
        """Fail the run because its time is over."""
        self._run.time_out()

    def perform(self, call: Activity) -> concurrent.futures.Future[list[HistoryEvent]]:
        """Make one attempt of a call, and return the events that record it, the outcome last."""
        self._performed = call, len(self._run.journal.events)
        self._engine.on_loop(lambda: self._run.perform(call.proceed))
        return self._outcome

    def close(self) -> None:
        """Stop the code where it is."""
        error = EngineError("the request is over", workflow_id=self._run.workflow_id)
        if not self._run.suspend(error):
            self._engine.forget(self._run)  # it has ended, and nobody saves that
        self._engine.loop.wake()

    # Called in the engine's threads

    def paused(self) -> None:
        """Go on where the run would save: with the next events, or by telling who waits."""
        try:
            if self._performed is not None:
                self._tell_outcome(*self._performed)
            elif self._is_over() or not (events := self._keeper.next_events(self)):
                self.wanted = self.look()
                _resolve(self._waits, None)
            else:
                self._run.show(events)
        except BaseException as error:  # noqa: BLE001  # raised where the future is waited for
            _resolve(self._waits, error)
            _resolve(self._outcome, error)

    def _is_over(self) -> bool:
        """Tell whether the run has ended, or is about to, as its last event says."""
        return self._run.ended or is_end(self._run.journal.events[-1])

    def _tell_outcome(self, call: Activity, before: int) -> None:
        events = [event for event in self._run.journal.events[before:] if event.seq == call.seq]
        if events and events[-1].type in _ENDS:
            _resolve(self._outcome, None, events)

    def _over(self) -> None:
        """Tell why the run was stopped, unless it has ended or was closed."""
        error = self._run.failure
        if self._run.status is WorkflowStatus.RUNNING and error is not None:
            _resolve(self._waits, error)
            _resolve(self._outcome, error)


class _DrivenPast(Past):
    """A past that grows while the code is replayed."""

    def __init__(self, state: WorkflowState, keeper: Keeper, run: DrivenRun) -> None:
        super().__init__(state)
        self._keeper = keeper
        self._run = run

    def has_passed(self, calls: int) -> bool:
        return self._keeper.has_more(self._run)

    def version_of(self, name: str) -> int | None:
        return self._keeper.version_of(name)


class _Pauses(Writer):
    """Takes the writer's place: a run that would save has seen all events."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), lambda: None)

    def start(self) -> None:
        """Start no thread: nothing is written."""

    def put(self, run: Savable, *, wake: bool = True) -> None:
        """Tell who drives the run."""
        if isinstance(run, Run) and run.driver is not None:
            run.driver.paused()


def _resolve(
    future: concurrent.futures.Future[Any], error: BaseException | None, result: Any = None
) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def first_state(
    fn: Callable[..., Any],
    *,
    workflow_id: str,
    run_id: str,
    given: Any,
    begun: datetime,
    timeout: timedelta | None = None,
) -> WorkflowState:
    """Return the state of a run that has just begun, with its first event."""
    name, version = definition_of(fn)
    fields: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
    if version is not None:
        fields["version"] = version
    event = HistoryEvent(
        id=1,
        type=EventType.WORKFLOW_STARTED,
        timestamp=begun,
        input=given,
        workflow=name,
        **fields,
    )
    return WorkflowState(
        workflow_id=workflow_id,
        run_id=run_id,
        status=WorkflowStatus.RUNNING,
        input=given,
        history=(event,),
        created_at=begun,
        updated_at=begun,
    )
