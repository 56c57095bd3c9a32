"""One run of a workflow: what happens to it, what its code sees of it, and how it ends."""

from __future__ import annotations

import contextvars
import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

from inngest_nb.engine.basics._functions import describe, failed_activity
from inngest_nb.engine.basics._policy import later
from inngest_nb.engine.basics._registry import definition_of
from inngest_nb.engine.history._journal import Journal
from inngest_nb.engine.history._repeated import RepeatedRandom, Versions
from inngest_nb.engine.history._replay import Past
from inngest_nb.engine.run._endings import canceled, lost, not_saved
from inngest_nb.engine.run._rest import store_rest
from inngest_nb.engine.threads._loop import Timer, call_when
from inngest_nb.engine.threads._mailbox import CANCEL, SIGNAL
from inngest_nb.engine.threads._services import Services
from inngest_nb.errors import (
    EngineError,
    LeaseLostError,
    NonDeterminismError,
    StoreConflictError,
    WorkflowCanceledError,
    WorkflowFailedError,
    WorkflowNotSavedError,
)
from inngest_nb.state import EventType, HistoryEvent, Signal, WorkflowState, WorkflowStatus
from inngest_nb.store import Message, Write

_log = logging.getLogger("inngest_nb.engine")

# What ends a run here but not in the store.
_STOPPED = (WorkflowNotSavedError, LeaseLostError)


class Driver(Protocol):
    """Who shows a run its events, in the place of a store."""

    def paused(self) -> None:
        """Go on after the run has seen all its events, or has recorded one."""


class Run:
    """A run that is executing in this process.

    Every event, from any thread, is first recorded, then saved by the writer, and only then shown
    to the code, one event at a time. So everything that the code has seen is durable, and a replay
    shows it the same events.

    A resumed run starts with a past: its code sees the recorded events in the same way, and nothing
    that it calls is started until it has seen them all. Then the run is claimed in the store, and
    continues live.
    """

    # Of the class, because there may be 10,000 waiting runs, of which none has one.
    driver: Driver | None = None

    def __init__(
        self,
        engine: Services[Run],
        fn: Callable[..., Any],
        state: WorkflowState,
        context: Callable[[Any], Any],
    ) -> None:
        self.engine = engine
        self.context_of = context
        self.fn = fn
        self.workflow_id = state.workflow_id
        self.run_id = state.run_id
        self.given = state.input
        self.variables = contextvars.copy_context()  # of whoever started or resumed the run
        self.status = WorkflowStatus.RUNNING
        # Guards everything below. `ended` means that the code is done: nothing more is recorded.
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.ended = False
        self.raised: BaseException | None = None  # by the code, or by what stopped it
        self.trouble = ""  # why saves currently fail and are retried
        self.past: Past | None = Past(state) if state.history else None
        self.journal = Journal(state, engine.owner)
        self._messages: set[str] | None = None  # ids of received messages; created with the first
        self.span: Any = None  # the run's tracing span in this process, if there is tracing
        self._listening: Counter[str] = Counter()
        self._claimed = False
        self._parked: list[Callable[[], object]] = []
        self._decided: list[Callable[[], object]] = []
        # To be done once an event is saved: hooks to call, and work to start.
        self._untold: list[tuple[str, HistoryEvent]] = []
        self._held: list[tuple[Callable[[], object], HistoryEvent]] = []
        self._wanted = 0  # how many events must be saved
        self._asked = 0  # how many had to be at the latest write
        self._seq = 0
        self._versions = Versions()
        self._random: RepeatedRandom | None = None
        self._outcome: dict[str, Any] = {}
        self._failure: EngineError | None = None
        self._deadline: Timer | None = None
        # No future, because that cannot forget a callback, and costs each of 10,000 waiting runs.
        self.is_over = False
        self.failure: EngineError | None = None  # why a run that is over has no result
        self._waiters: dict[Callable[[], object], None] = {}

    # Called by the executor

    def begin(self, timeout: timedelta | None = None) -> None:
        """Record the start, and start the code once that is saved; or replay the history."""
        if (tracing := self.engine.tracing) is not None:
            name, ids = definition_of(self.fn).name, (self.workflow_id, self.run_id)
            self.span = tracing.open(f"workflow {name}", None, workflow_id=ids[0], run_id=ids[1])
        if self.past is not None:
            self._advance()
            self.engine.loop.wake()
            return
        fields: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        name, version = definition_of(self.fn)
        if version is not None:
            fields["version"] = version
        self.record(
            EventType.WORKFLOW_STARTED,
            hook="on_workflow_start",
            input=self.given,
            workflow=name,
            **fields,
        )
        self._arm_deadline(timeout)

    def signal(self, signal: Signal, payload: Any) -> bool:
        """Record a signal and return True once it is saved; False if the run has ended."""
        event = self.record(
            EventType.SIGNAL_RECEIVED,
            hook="on_signal",
            signal_name=signal.name,
            signal_payload=payload,
        )
        return event is not None and self._wait_saved(event)

    def cancel(self) -> bool:
        """Cancel the run and return True once that is saved; False if it had ended."""
        event = self._end_as_canceled()
        return event is not None and self._wait_saved(event)

    def take(self, message: Message, content: Any) -> None:
        """Handle a message from another process; each message counts once."""
        sound = message.kind == CANCEL or isinstance(content.get("name"), str)
        if content.get("run_id") != self.run_id or not sound:
            self.engine.message_taken(message.id)  # for another run of this id, or invalid
            return
        with self.lock:
            if self._messages is None:
                known = (event.message for event in self.journal.events)
                self._messages = {each for each in known if each}
            if message.id in self._messages:
                return
            self._messages.add(message.id)
            if message.kind == SIGNAL:
                event = self.record(
                    EventType.SIGNAL_RECEIVED,
                    hook="on_signal",
                    signal_name=content["name"],
                    signal_payload=content["payload"],
                    message=message.id,
                )
            elif message.kind == CANCEL:
                event = self._end_as_canceled(message=message.id)
            else:
                return
        if event is not None:
            self.engine.writer.wake()
            self.when_saved(event, partial(self.engine.message_taken, message.id))

    def suspend(self, error: EngineError) -> bool:
        """Stop running here: the workflow stays stored as running, and others can resume it."""
        with self.lock:
            if self.ended:
                return False
            self.ended = True
            self._failure = error
            self.changed.notify_all()
        self._stop()
        self._resolve()
        return True

    def part(self, error: NonDeterminismError, raised: BaseException | None) -> None:
        """Stop where the code no longer matches the history; if the code raised, report that."""
        if raised is not None and self.past is not None:
            # It is there: the error is about an event that this journal gave, and it loses none.
            event = next(e for e in self.journal.events if e.id == error.event_id)
            error = self.past.raised(raised, event, error.recorded)
        self.suspend(error)

    @property
    def state(self) -> WorkflowState:
        """The current state, whether saved or not."""
        self.engine.check_process()
        with self.lock:
            return self.journal.state(status=self.status, **self._outcome)

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The names of the signals that the code is waiting for now."""
        with self.lock:
            return tuple(sorted(self._listening))

    # Called by who keeps the events in the place of a store

    def show(self, events: Sequence[tuple[EventType, datetime, dict[str, Any]]]) -> None:
        """Show the code events that somebody else keeps, in a replay that goes on with them."""
        with self.lock:
            known = len(self.journal.events)
            if self._versions.told:
                events[0][2]["versions"] = self._versions.take_told()
            self.journal.keep(events)
            if self.past is not None:
                self.past.take_in(self.journal.events, known)
        self._look_again()
        self.engine.loop.wake()

    def perform(self, start: Callable[[], object]) -> None:
        """Start one of the calls that the code waits for, which sees nothing of its outcome."""
        with self.lock:
            self.past = None
            self._parked = []
        start()

    def time_out(self) -> None:
        """Fail the run because its time is over."""
        limit = (self.journal.events[0].timeout or timedelta()).total_seconds()
        with self.breaking_off():
            self.fail(TimeoutError(f"the workflow was not finished within {limit:g} s"))

    @property
    def new_versions(self) -> dict[str, int]:
        """The versions that the code has chosen and that no event records yet."""
        return dict(self._versions.new)

    def open_calls(self) -> list[Any]:
        """Return the calls of activities and child workflows that have no outcome yet."""
        raise NotImplementedError

    def open_timers(self) -> dict[int, datetime]:
        """Return when the timers are due that the code waits for, by the numbers of the calls."""
        raise NotImplementedError

    # Called by the context, always from the code

    def call(self, kind: str, name: str = "", *, given: Any) -> int:
        """Count a call of the code whose result is recorded, and return its number.

        `given` is its input as JSON; for a timer, its seconds.
        """
        self._seq += 1
        if self.past is not None:
            self.past.note(self._seq, kind, name, given)
        return self._seq

    def when_live(self, start: Callable[[], object]) -> None:
        """Start something for the code: now, or once its history has been replayed."""
        if self.past is None:
            start()
        else:
            self._parked.append(start)

    def when_decided(self, call: Callable[[], object]) -> None:
        """Call something once the history has been replayed, or the run has ended in the replay."""
        with self.lock:
            if self.past is not None and not self.ended:
                self._decided.append(call)
                return
        call()

    def when_saved(self, event: HistoryEvent, begin: Callable[[], object]) -> None:
        """Call `begin` as soon as an event is saved, or now if it is."""
        with self.lock:
            if not self.journal.is_saved(event):
                self._held.append((begin, event))
                return
        begin()

    def save_soon(self) -> None:
        """Save the recorded events that would otherwise wait for the next important one."""
        with self.lock:
            if self._wanted < len(self.journal.events):
                self._wanted = len(self.journal.events)
                self.engine.save(self)

    @contextmanager
    def listen(self, name: str) -> Iterator[None]:
        """Mark the code as waiting for a signal inside a `with` block."""
        if self.past is not None:
            self.past.note(0, "signal", name)
        with self.lock:
            self._listening[name] += 1
        try:
            yield
        finally:
            with self.lock:
                self._listening[name] -= 1
                if not self._listening[name]:
                    del self._listening[name]

    def version(self, name: str, latest: int) -> int:
        """Return which version of a code piece this run uses, 0 for the original."""
        with self.lock:
            return self._versions.of(name, latest, self.past, self._seq)

    @property
    def is_replaying(self) -> bool:
        """Tell whether the code is being replayed."""
        return self.past is not None and self.journal.seen <= self.past.length

    @property
    def is_idle(self) -> bool:
        """Tell whether only a timer or an outside event can wake the run; call it on the loop."""
        with self.lock:
            live = not self.ended and self.past is None
            return live and self._has_read_all() and self._waits()

    def _has_read_all(self) -> bool:
        """Tell whether all that had to be saved is saved, and the code has seen it."""
        journal = self.journal
        return not (journal.is_behind(self._wanted) or journal.has_news or self._held)

    def _waits(self) -> bool:
        """Tell whether the code and all of its calls are waiting."""
        raise NotImplementedError

    # Called on the loop, once nothing has happened in the run for a while

    def settle(self) -> bool:
        """Let the store know where the run rests; returns False if it is still about to move."""
        with self.lock:
            if self.ended or self.past is not None or self.driver is not None:
                return True
            if not self._has_read_all() or self.is_in_code:
                return False
            store_rest(self)
            return True

    @property
    def is_in_code(self) -> bool:
        """Tell whether the code is doing something by itself; call it on the loop."""
        raise NotImplementedError

    def is_copied(self, event: HistoryEvent) -> bool:
        """Tell whether an event was copied by a fork, so that its time means nothing here."""
        origin = self.journal.forked_from
        return origin is not None and event.id <= origin.event_id

    @property
    def now(self) -> datetime:
        """The time of the last event that the code has seen; never goes back."""
        return self.journal.time or self.engine.clock.now()

    @property
    def random(self) -> random.Random:
        """Random numbers that are the same in every replay."""
        if self._random is None:
            seed = self.journal.events[0].seed or self.run_id
            self._random = RepeatedRandom(seed)
            self._random.check_code = self.check_code
        return self._random

    # Recording

    def record(
        self, kind: EventType, *, save: bool = True, hook: str | None = None, **fields: Any
    ) -> HistoryEvent | None:
        """Add an event to the history, or return None if the run has ended.

        With `save=False` it is saved together with the next event that is saved.
        """
        with self.lock:
            if self.ended:
                return None
            if self._versions.new or self._versions.told:
                fields["versions"] = self._versions.take_new()
            now = fields.pop("timestamp", None) or self.engine.clock.now()
            event = self.journal.add(kind, now, fields)
            self.engine.settling.moved(self, wake=not save)
            if save:
                self._wanted = len(self.journal.events)
                self.engine.save(self)
            if hook and self.engine.hooks.has_hooks:
                if save:
                    self._untold.append((hook, event))
                else:
                    self.engine.hooks.tell(hook, self.workflow_id, event)
            return event

    def end(
        self,
        status: WorkflowStatus,
        kind: EventType,
        *,
        result: Any = None,
        error: str = "",
        failure: EngineError | None = None,
        **fields: Any,
    ) -> HistoryEvent | None:
        """Record how the run ended, and stop what is still running; None if it had ended."""
        completed = status is WorkflowStatus.COMPLETED
        with self.lock:
            event = self.record(
                kind,
                hook="on_workflow_complete" if completed else "on_workflow_fail",
                result=result,
                error=error,
                duration=self._time_since_start(),
                **fields,
            )
            if event is None:
                return None
            self.ended = True
            self.status, self._failure = status, failure
            self._outcome = {"result": result, "error": error}
            self.changed.notify_all()
            decided, self._decided = self._decided, []
        self._stop()
        for call in decided:
            call()
        return event

    def fail(self, error: BaseException) -> None:
        """End the run as failed with the error that its code raised."""
        self.raised = error
        text = describe(error)
        activity = failed_activity(error)
        failure = WorkflowFailedError(
            f"workflow {self.workflow_id!r} failed: {text}",
            activity=activity.activity if activity else None,
            workflow_id=self.workflow_id,
            run_id=self.run_id,
        )
        failure.__cause__ = error
        self.end(
            WorkflowStatus.FAILED,
            EventType.WORKFLOW_FAILED,
            error=text,
            failure=failure,
            **({"seq": activity.seq} if activity else {}),
        )

    # Called by the writer

    def next_write(self) -> Write | None:
        """Return the write that brings the store up to date; None if it is."""
        with self.lock:
            if self.journal.is_stored:
                return None
            self._asked = self._wanted
            return self.journal.write(self.status, self._outcome)

    def on_saved(self) -> bool:
        """Continue after a successful write; returns False if the run is over."""
        with self.lock:
            if isinstance(self._failure, WorkflowNotSavedError):
                return False
            journal = self.journal
            journal.written()
            self.trouble = ""
            told, self._untold = journal.parted(self._untold)
            free, self._held = journal.parted(self._held)
            if journal.is_behind(self._wanted):
                self.engine.writer.put(self)
            over = self.ended and journal.saved == len(journal.events)
            has_news = self.past is not None or journal.seen < journal.saved
            self.changed.notify_all()
        for hook, event in told:
            self.engine.hooks.tell(hook, self.workflow_id, event)
        for begin, _ in free:
            begin()
        if over:
            self._resolve()
        elif has_news and not self.ended:
            self._advance()
        return not over

    def on_delayed(self, error: BaseException) -> None:
        """Note that the store does not answer, and that the save will be retried."""
        if not self.trouble:
            _log.warning("workflow %r is waiting for its store: %s", self.workflow_id, error)
        self.trouble = describe(error)

    def on_unsaved(self, error: BaseException) -> bool:
        """Stop the run because a write failed, unless it can go on; returns whether it does."""
        is_conflict = isinstance(error, StoreConflictError)
        if is_conflict and self._reads_again():
            return True
        with self.lock:
            # Without what it lacks the run can go on: others wanted to know it. The next save
            # repeats the write, whose outcome may be unknown, unless that was a conflict.
            spare = self.journal.owned and not self.journal.is_behind(self._asked)
            if spare and (self.ended or not is_conflict):
                self.trouble = ""
                return not self.ended
        self._give_up(not_saved(self, error))
        return False

    def lose(self, why: str) -> None:
        """Stop the run because another process has taken it over or changed it."""
        self._give_up(lost(self, why))

    def _reads_again(self) -> bool:
        """Read the history again if others only appended to it before it was claimed here."""
        try:
            stored = self.engine.store.load(self.workflow_id)
        except Exception:  # noqa: BLE001  # the conflict is reported instead
            return False
        if stored is None or stored.status is not WorkflowStatus.RUNNING:
            return False
        with self.lock:
            if self.past is None or self.ended or not self.engine.is_free(stored):
                return False
            if not self.journal.take_in(stored):
                return False
            self.past.take_in(stored.history)
        self._look_again()
        return True

    def _look_again(self) -> None:
        """Show the code what its history has got since it was read."""
        with self.lock:
            self._claimed = False
            self.changed.notify_all()
        self._advance()

    def _give_up(self, failure: EngineError) -> None:
        with self.lock:
            if isinstance(self._failure, _STOPPED):
                return
            self._failure = failure
            told = self.is_over
            self.ended = True
            if isinstance(failure, WorkflowCanceledError):
                self.status = WorkflowStatus.CANCELED
            elif self.journal.is_behind(len(self.journal.events)):
                # An end that is not stored is none.
                self.status = WorkflowStatus.RUNNING if self.journal.saved else WorkflowStatus.UNSET
                self._outcome = {}
            self.changed.notify_all()
        if told:  # the executor was closed, so the handle cannot report this any more
            _log.warning("%s", failure)
        self._stop()
        self._resolve()

    # Implemented differently by the two kinds of runs

    def check_code(self) -> None:
        """Raise `WorkflowCodeError` unless called by the workflow's code."""
        raise NotImplementedError

    def _advance(self) -> None:
        """Show saved events to the code once the loop wakes up; called from any thread."""
        raise NotImplementedError

    def _stop(self) -> None:
        """Stop the code and its activities after the run has ended; called from any thread."""
        raise NotImplementedError

    def _next_event(self) -> HistoryEvent | None:
        """Return the next saved event that the code has not seen."""
        if self.journal.seen == self.journal.saved:  # a save in progress will call this again
            return None
        with self.lock:
            if self.ended:
                return None
            if self.past is None:  # live code does not need to see that an activity started
                return self.journal.next(EventType.ACTIVITY_STARTED)
            event = self.journal.next()
            if event is not None:
                self.past.see(event)
            return event

    def _past_is_over(self) -> bool:
        """Tell whether the code has seen its whole recorded history."""
        return self.past is None or self.journal.seen >= self.past.length

    def _claim(self) -> None:
        """Record in the store that this executor runs the workflow now."""
        if not self._claimed:
            self._claimed = True
            self.engine.save(self)

    def _go_live(self) -> None:
        """End the replay, and start the calls that the history has no results for."""
        with self.lock:
            self.past = None
            decided, self._decided = self._decided, []
        self.engine.settling.moved(self)
        self._arm_deadline()
        parked, self._parked = self._parked, []
        for start in [*decided, *parked]:
            start()

    def _wait_saved(self, event: HistoryEvent) -> bool:
        self.engine.writer.wake()  # this may be the loop's own thread, which would wake it later
        with self.lock:
            self.changed.wait_for(lambda: self.journal.is_saved(event) or self.is_over)
            if not self.journal.is_saved(event) and self._failure is not None:
                raise self._failure
            return True

    def _arm_deadline(self, live: timedelta | None = None) -> None:
        """Start the run's timeout: from now, or for a resumed run from its recorded start."""
        begun = self.journal.events[0]
        if begun.timeout and begun.timestamp is not None:
            when = live or later(begun.timestamp, begun.timeout)
            self._deadline = call_when(self.engine.clock, when, self.time_out)

    def break_off(self, error: BaseException) -> None:
        """Stop the run after an error outside of its code, which must not affect other runs."""
        _log.error(
            "workflow %r was stopped by an error outside of its code",
            self.workflow_id,
            exc_info=error,
        )
        stopped = EngineError(
            f"workflow {self.workflow_id!r} was stopped by an error outside of its code: "
            f"{describe(error)}. It is stored as running, up to its last saved event; resume it "
            f"with resume(fn, {self.workflow_id!r})",
            workflow_id=self.workflow_id,
            run_id=self.run_id,
        )
        stopped.__cause__ = error
        self.suspend(stopped)

    @contextmanager
    def breaking_off(self) -> Iterator[None]:
        """Stop the run if the block raises; for use in threads that serve all runs."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001  # reported and logged
            self.break_off(error)

    def _end_as_canceled(self, **fields: Any) -> HistoryEvent | None:
        return self.end(
            WorkflowStatus.CANCELED,
            EventType.WORKFLOW_CANCELED,
            error="canceled",
            failure=canceled(self.workflow_id, self.run_id),
            **fields,
        )

    def _time_since_start(self) -> timedelta:
        begun = self.journal.events[0].timestamp if self.journal.events else None
        return max(self.engine.clock.now() - begun, timedelta()) if begun else timedelta()

    def _resolve(self) -> None:
        """Release the id, then notify everyone who waits for the result."""
        if self._deadline is not None:
            self._deadline.cancel()
        if not self.is_over:
            self.engine.forget(self)
        if self._is_released():
            self.engine.release(self.workflow_id)
        with self.lock:
            if self.is_over:
                return
            if self.span is not None and self.engine.tracing is not None:
                self.engine.tracing.close(self.span, self._failure)
            self.failure, self.is_over = self._failure, True
            self.changed.notify_all()
            waiters, self._waiters = self._waiters, {}
        for waiter in waiters:
            try:
                waiter()
            except Exception:  # noqa: BLE001  # must not affect the others
                _log.exception("the end of a run could not be announced; please report this")

    def _is_released(self) -> bool:
        """Tell whether others may resume: the run was stopped, and all its events are saved."""
        with self.lock:
            if isinstance(self._failure, _STOPPED):
                return True
            stopped = self.status is WorkflowStatus.RUNNING
            return stopped and not self.journal.is_behind(self._wanted)

    @property
    def result(self) -> Any:
        """The result of a run that is over and has not failed."""
        return self._outcome["result"]

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the run is over; returns False if it is not after `seconds`."""
        if self.is_over or (seconds is not None and seconds <= 0):
            return self.is_over
        over = threading.Event()  # and not `changed`, which each save notifies
        self.add_waiter(over.set)
        try:
            return over.wait(seconds)
        finally:
            self.remove_waiter(over.set)

    def add_waiter(self, waiter: Callable[[], object]) -> None:
        """Call `waiter` when the run is over, or now if it is."""
        with self.lock:
            if not self.is_over:
                self._waiters[waiter] = None
                return
        waiter()

    def remove_waiter(self, waiter: Callable[[], object]) -> None:
        """Undo `add_waiter`."""
        with self.lock:
            self._waiters.pop(waiter, None)
