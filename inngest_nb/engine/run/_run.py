"""One run of a workflow: what happens to it, what its code sees of that, and how it ends."""

from __future__ import annotations

import concurrent.futures
import contextvars
import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from inngest_nb.engine.basics._functions import describe, failed_activity
from inngest_nb.engine.basics._policy import later
from inngest_nb.engine.basics._registry import definition_of
from inngest_nb.engine.history._journal import Journal
from inngest_nb.engine.history._repeated import RepeatedRandom, Versions
from inngest_nb.engine.history._replay import Past
from inngest_nb.engine.run._endings import canceled, lost, not_saved
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


class Run:
    """A run that is alive in this process.

    Every event is recorded first, from whatever thread it comes, then saved by the writer, and only
    then does the code see it, one event after the other. So what the code has seen is durable, and
    a replay of the history shows it the same.

    A run that is resumed begins with a past: its code sees the recorded events in the same way, and
    until it has seen them all, nothing that it asks for is begun. Then the run is claimed in the
    store, and goes on.
    """

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
        self.variables = contextvars.copy_context()  # of who began or resumed the run
        self.status = WorkflowStatus.RUNNING
        self.done: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self.done.set_running_or_notify_cancel()  # nobody who waits can cancel the run
        # Guards all that follows. `ended` means that the code's part is over: nothing is recorded
        # any more.
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.ended = False
        self.raised: BaseException | None = None  # by the code, or by what broke it off
        self.trouble = ""  # why the store does not take what is to be saved, as long as it does not
        self.past: Past | None = Past(state) if state.history else None
        self.journal = Journal(state, engine.owner)
        self._messages: set[str] | None = None  # that were taken; made with the first that comes
        self.span: Any = None  # of this life of the run, where spans are kept
        self._listening: Counter[str] = Counter()
        self._claimed = False
        self._parked: list[Callable[[], object]] = []
        # What is to be done once an event is saved.
        self._untold: list[tuple[str, HistoryEvent]] = []
        self._held: list[tuple[Callable[[], object], HistoryEvent]] = []
        self._wanted = 0  # how many events are to be saved
        self._seq = 0
        self._versions = Versions()
        self._random: RepeatedRandom | None = None
        self._outcome: dict[str, Any] = {}
        self._failure: EngineError | None = None
        self._deadline: Timer | None = None
        self._waiters: dict[Callable[[], object], None] = {}

    # What the executor asks of it

    def begin(self, timeout: timedelta | None = None) -> None:
        """Record the start, and let the code begin once that is saved; or replay the past."""
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
        """Record a signal and return once it is saved; False if the run has ended."""
        event = self.record(
            EventType.SIGNAL_RECEIVED,
            hook="on_signal",
            signal_name=signal.name,
            signal_payload=payload,
        )
        return event is not None and self._wait_saved(event)

    def cancel(self) -> bool:
        """End the run as canceled and return once that is saved; False if it had ended."""
        event = self._end_as_canceled()
        return event is not None and self._wait_saved(event)

    def take(self, message: Message, content: Any) -> None:
        """Take what another process sent to this run; each message counts once."""
        sound = message.kind == CANCEL or isinstance(content.get("name"), str)
        if content.get("run_id") != self.run_id or not sound:
            self.engine.message_taken(message.id)  # to another run of this id, or of no use
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
        """Stop without an end of the workflow: it stays stored as running, free for others."""
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
        """Stop where code and history part; if the code has raised, that is why."""
        if raised is not None and self.past is not None:
            # It is there: the error is about an event that this journal gave, and it loses none.
            event = next(e for e in self.journal.events if e.id == error.event_id)
            error = self.past.raised(raised, event, error.recorded)
        self.suspend(error)

    @property
    def state(self) -> WorkflowState:
        """The run as it is now, whether saved or not."""
        self.engine.check_process()
        with self.lock:
            return self.journal.state(status=self.status, **self._outcome)

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The names of the signals that the code waits for right now."""
        with self.lock:
            return tuple(sorted(self._listening))

    # What the context asks of it, always from the code

    def call(self, kind: str, name: str = "", *, given: Any) -> int:
        """Count a call of the code that history has to answer when it is replayed.

        `given` is its input, as JSON reads it back; of a timer, its seconds.
        """
        self._seq += 1
        if self.past is not None:
            self.past.note(self._seq, kind, name, given)
        return self._seq

    def when_live(self, start: Callable[[], object]) -> None:
        """Begin what the code asked for: now, or when its past has been replayed."""
        if self.past is None:
            start()
        else:
            self._parked.append(start)

    def when_saved(self, event: HistoryEvent, begin: Callable[[], object]) -> None:
        """Begin something now, or as soon as an event is durable."""
        with self.lock:
            if not self.journal.is_saved(event):
                self._held.append((begin, event))
                return
        begin()

    def save_soon(self) -> None:
        """Have what was recorded saved, although nothing that has to be was since."""
        with self.lock:
            if self._wanted < len(self.journal.events):
                self._wanted = len(self.journal.events)
                self.engine.save(self)

    @contextmanager
    def listen(self, name: str) -> Iterator[None]:
        """Let others know that the code waits for a signal."""
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
        """Return which version of a piece of code this run goes by, 0 for that before any."""
        with self.lock:
            return self._versions.of(name, latest, self.past, self._seq)

    @property
    def is_replaying(self) -> bool:
        """Tell whether the code sees what it has seen in an earlier life."""
        return self.past is not None and self.journal.seen <= self.past.length

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing can happen to the run by itself but a timer; ask on the loop."""
        with self.lock:
            live = not self.ended and self.past is None
            read = not self.journal.is_behind(self._wanted) and not self.journal.has_news
            return live and read and not self._held and self._waits()

    def _waits(self) -> bool:
        """Tell whether the code waits, and so does each of its calls."""
        raise NotImplementedError

    def is_copied(self, event: HistoryEvent) -> bool:
        """Tell an event that came with a fork: it happened to another run, who knows when."""
        origin = self.journal.forked_from
        return origin is not None and event.id <= origin.event_id

    @property
    def now(self) -> datetime:
        """The time of the last event that the code has seen, and never an earlier one."""
        return self.journal.time or self.engine.clock.now()

    @property
    def random(self) -> random.Random:
        """Random numbers that are the same each time the run is replayed."""
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

        One that is not to be saved by itself rides along with the next that is.
        """
        with self.lock:
            if self.ended:
                return None
            if self._versions.new:
                fields["versions"] = self._versions.take_new()
            now = fields.pop("timestamp", None) or self.engine.clock.now()
            event = self.journal.add(kind, now, fields)
            if save:
                self._wanted = len(self.journal.events)
                self.engine.save(self)
            if hook and self.engine.hooks.are_heard:
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
        """Record how the run ended, and stop what still runs; None if it had ended before."""
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
        self._stop()
        return event

    def fail(self, error: BaseException) -> None:
        """End the run as failed by what its code raised."""
        self.raised = error
        text = describe(error)
        culprit = failed_activity(error)
        failure = WorkflowFailedError(
            f"workflow {self.workflow_id!r} failed: {text}",
            activity=culprit.activity if culprit else None,
            workflow_id=self.workflow_id,
            run_id=self.run_id,
        )
        failure.__cause__ = error
        self.end(
            WorkflowStatus.FAILED,
            EventType.WORKFLOW_FAILED,
            error=text,
            failure=failure,
            **({"seq": culprit.seq} if culprit else {}),
        )

    # What the writer asks of it

    def next_write(self) -> Write:
        """Return what a store that can append has not got yet."""
        with self.lock:
            return self.journal.write(self.status, self._outcome)

    def on_saved(self) -> bool:
        """Go on, if there is more to do: the last write is durable."""
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
            self.changed.notify_all()
        for hook, event in told:
            self.engine.hooks.tell(hook, self.workflow_id, event)
        for begin, _ in free:
            begin()
        if over:
            self._resolve()
        elif not self.ended:
            self._advance()
        return not over

    def on_delayed(self, error: BaseException) -> None:
        """Note that the store is away; what is to be saved is kept and tried again."""
        if not self.trouble:
            _log.warning("workflow %r waits for the store: %s", self.workflow_id, error)
        self.trouble = describe(error)

    def on_unsaved(self, error: BaseException) -> None:
        """Stop: what was recorded last could not be saved."""
        if isinstance(error, StoreConflictError) and self._reads_again():
            return
        self._give_up(not_saved(self, error))

    def lose(self, why: str) -> None:
        """Stop: others run the workflow, or have changed it."""
        self._give_up(lost(self, why))

    def _reads_again(self) -> bool:
        """Read the history again if others only added to it before it was claimed here."""
        try:
            stored = self.engine.store.load(self.workflow_id)
        except Exception:  # noqa: BLE001  # the conflict is told
            return False
        if stored is None or stored.status is not WorkflowStatus.RUNNING:
            return False
        with self.lock:
            if self.past is None or self.ended or not self.engine.is_free(stored):
                return False
            if not self.journal.take_in(stored):
                return False
            self.past.take_in(stored.history)
            self._claimed = False
            self.changed.notify_all()
        self._advance()
        return True

    def _give_up(self, failure: EngineError) -> None:
        with self.lock:
            if isinstance(self._failure, WorkflowNotSavedError | LeaseLostError):
                return
            self._failure = failure
            told = self.done.done()
            self.ended = True
            if isinstance(failure, WorkflowCanceledError):
                self.status = WorkflowStatus.CANCELED
            elif self.journal.is_behind(len(self.journal.events)):
                # An end that is not stored is none.
                self.status = WorkflowStatus.RUNNING if self.journal.saved else WorkflowStatus.UNSET
                self._outcome = {}
            self.changed.notify_all()
        if told:  # the executor was closed: nobody will hear of it from the handle any more
            _log.warning("%s", failure)
        self._stop()
        self._resolve()

    # What the two kinds of runs do in their own ways

    def check_code(self) -> None:
        """Raise `WorkflowCodeError` unless called by the workflow's code."""
        raise NotImplementedError

    def _advance(self) -> None:
        """Show saved events to the code, when the loop is woken; called from any thread."""
        raise NotImplementedError

    def _stop(self) -> None:
        """Stop the code and its activities; called from any thread, and with the run ended."""
        raise NotImplementedError

    def _next_event(self) -> HistoryEvent | None:
        """Return the next saved event that the code has not seen."""
        if self.journal.seen == self.journal.saved:  # if more is saved just now, it will be told
            return None
        with self.lock:
            if self.ended:
                return None
            if self.past is None:  # that an activity began says nothing to the code
                return self.journal.next(EventType.ACTIVITY_STARTED)
            event = self.journal.next()
            if event is not None:
                self.past.see(event)
            return event

    def _past_is_over(self) -> bool:
        """Tell whether the code has seen all of its past."""
        return self.past is None or self.journal.seen >= self.past.length

    def _claim(self) -> None:
        """Have the store note that this executor runs the workflow now."""
        if not self._claimed:
            self._claimed = True
            self.engine.save(self)

    def _go_live(self) -> None:
        """Begin what the code has asked for and its past has not answered."""
        self.past = None
        self._arm_deadline()
        parked, self._parked = self._parked, []
        for start in parked:
            start()

    def _wait_saved(self, event: HistoryEvent) -> bool:
        self.engine.writer.wake()  # this may be the very loop that would do it later
        with self.lock:
            self.changed.wait_for(lambda: self.journal.is_saved(event) or self.done.done())
            if not self.journal.is_saved(event) and self._failure is not None:
                raise self._failure
            return True

    def _arm_deadline(self, live: timedelta | None = None) -> None:
        """Limit the run's time: from now, or from when it began in an earlier life."""
        begun = self.journal.events[0]
        if begun.timeout and begun.timestamp is not None:
            when = live or later(begun.timestamp, begun.timeout)
            self._deadline = call_when(self.engine.clock, when, self._time_out)

    def _time_out(self) -> None:
        limit = (self.journal.events[0].timeout or timedelta()).total_seconds()
        with self.breaking_off():
            self.fail(TimeoutError(f"the workflow was not finished within {limit:g} s"))

    def break_off(self, error: BaseException) -> None:
        """Stop for an error outside of the code, which others are not to hear of."""
        _log.error("workflow %r is stopped by an error", self.workflow_id, exc_info=error)
        stopped = EngineError(
            f"workflow {self.workflow_id!r} was stopped by an error outside of its code: "
            f"{describe(error)}. It is stored as running, up to its last saved event; "
            f"resume(fn, {self.workflow_id!r}) goes on there",
            workflow_id=self.workflow_id,
            run_id=self.run_id,
        )
        stopped.__cause__ = error
        self.suspend(stopped)

    @contextmanager
    def breaking_off(self) -> Iterator[None]:
        """Stop the run if what is done for it raises, in a thread that serves all runs."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001  # told, and logged
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
        """Let go of the id, then tell those who wait for the result."""
        if self._deadline is not None:
            self._deadline.cancel()
        if not self.done.done():
            self.engine.forget(self)
        if self._is_left():
            self.engine.leave(self.workflow_id)
        with self.lock:
            if self.done.done():
                return
            if self.span is not None and self.engine.tracing is not None:
                self.engine.tracing.close(self.span, self._failure)
            if self._failure is None:
                self.done.set_result(self._outcome["result"])
            else:
                self.done.set_exception(self._failure)
            self.changed.notify_all()
            waiters, self._waiters = self._waiters, {}
        for waiter in waiters:
            waiter()

    def _is_left(self) -> bool:
        """Tell whether others may go on: the run was stopped, and what it recorded is saved."""
        with self.lock:
            if isinstance(self._failure, WorkflowNotSavedError | LeaseLostError):
                return True
            stopped = self.status is WorkflowStatus.RUNNING
            return stopped and not self.journal.is_behind(self._wanted)

    def tell_when_over(self, waiter: Callable[[], object]) -> None:
        """Make a call when the run is over: now, if it is."""
        with self.lock:
            if not self.done.done():
                self._waiters[waiter] = None
                return
        waiter()

    def tell_no_more(self, waiter: Callable[[], object]) -> None:
        """Forget a call that was to be made when the run is over."""
        with self.lock:
            self._waiters.pop(waiter, None)
