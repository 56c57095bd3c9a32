"""What all runs of an executor share: its store and writer, its threads, its clock."""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar

from inngest_nb import wire
from inngest_nb.engine.basics._owner import new_owner
from inngest_nb.engine.basics._patience import may_pass
from inngest_nb.engine.history._appender import Appender
from inngest_nb.engine.history._stored import (
    holder,
    leases,
    patiently,
    shared_store,
    take_away,
)
from inngest_nb.engine.threads._hooks import Hooks, HookThread
from inngest_nb.engine.threads._lease import Lease, Leased
from inngest_nb.engine.threads._loop import Clock, PrivateLoop, SystemClock
from inngest_nb.engine.threads._mailbox import ANSWER, QUERY, TAKEN_OVER, Mailbox
from inngest_nb.engine.threads._watchdog import Watchdog
from inngest_nb.engine.threads._workers import Workers
from inngest_nb.engine.threads._writer import Savable, Writer
from inngest_nb.errors import (
    EngineError,
    ExecutorClosedError,
    StoreConflictError,
    StoreError,
    WorkflowAlreadyRunningError,
)
from inngest_nb.state import WorkflowState
from inngest_nb.store import Message, WorkflowStore

_GRACE_SECONDS = 1.0

_log = logging.getLogger("inngest_nb.engine")


class Alive(Savable, Protocol):
    """A run, as what all runs share sees it."""

    workflow_id: str
    done: concurrent.futures.Future[Any]

    def begin(self, timeout: timedelta | None = None) -> None:
        """Begin, or go on after the past."""

    def suspend(self, error: EngineError) -> bool:
        """Stop without an end; False if it had ended."""

    def take(self, message: Message, content: Any) -> None:
        """Take what another process sent."""

    def lose(self, why: str) -> None:
        """Stop: others run the workflow, or have changed it."""

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The names of the signals that the code waits for."""


_Run = TypeVar("_Run", bound=Alive)


class Services(Generic[_Run]):
    """The machinery behind an executor. It starts with the first run, and is all daemon threads.

    Nothing here refers to the executor, so that one which nobody holds any more can go: its
    machinery then ends with its last run.
    """

    def __init__(
        self,
        store: WorkflowStore,
        hooks: Hooks | None,
        clock: Clock | None,
        workers: int,
        lease: timedelta,
        patience: float = 0,
    ) -> None:
        self.store = store
        self.owner = new_owner()
        self.appender = Appender(store)
        self.lease: Lease | None = None
        self.mailbox: Mailbox | None = None
        self._lease_seconds = lease.total_seconds()
        self.loop = PrivateLoop()
        self._watchdog = Watchdog(self.loop)
        self.clock = clock or SystemClock(self.loop)
        self.writer = Writer(Leased(self.appender, self._ensure_lease), self.loop.wake, patience)
        self.hooks = HookThread(hooks)
        self.tracing = None if hooks is None else hooks.tracing
        self.workers = Workers("inngest-nb-activity", workers)
        self.threads = Workers("inngest-nb-workflow")
        self.children: Any = None  # who starts the runs that runs ask for
        self._runs: dict[str, _Run] = {}
        self._claimed: set[str] = set()
        self._left: set[str] = set()
        self._leaves: str | None = None  # which of them is being left right now
        self._lock = threading.Lock()
        self._leaving = threading.Condition(self._lock)
        self._waking = False
        self._pid = os.getpid()
        self._started = self._closed = self._abandoned = False

    def check_process(self) -> None:
        """Raise in a process that was forked: the threads stayed behind, perhaps holding locks."""
        if self._is_forked():
            raise ExecutorClosedError(
                f"the executor runs in process {self._pid}, from which this one was forked; open "
                "its store anew here, and make a new executor"
            )

    def alive(self, workflow_id: str) -> _Run | None:
        """Return the run of an id, if one is alive here."""
        self.check_process()
        with self._lock:
            return self._runs.get(workflow_id)

    @contextlib.contextmanager
    def claim(self, workflow_id: str) -> Iterator[None]:
        """Keep an id for the run that is about to begin; raise if it is taken."""
        self.check_process()
        with self._lock:
            self._left.discard(workflow_id)
            self._leaving.wait_for(lambda: self._leaves != workflow_id)
            self._check_open()
            if workflow_id in self._runs or workflow_id in self._claimed:
                raise WorkflowAlreadyRunningError(
                    f"a run of workflow {workflow_id!r} is alive in this executor; wait for it, "
                    f"or end it with cancel({workflow_id!r}), or give another id=",
                    workflow_id=workflow_id,
                )
            self._claimed.add(workflow_id)
        try:
            yield
        finally:
            with self._lock:
                self._claimed.discard(workflow_id)

    def begin(self, run: _Run, timeout: timedelta | None = None) -> None:
        """Let a run begin, or go on, under the id that was claimed for it."""
        with self._lock:
            self._check_open()
            if not self._started:
                self._start()
            self._runs[run.workflow_id] = run
            try:
                run.begin(timeout)
            except BaseException:  # a clock of the user's, perhaps: there is no handle on this run
                del self._runs[run.workflow_id]
                raise

    def connect(self) -> None:
        """Find out what the store can do; raises `StoreConnectionError` if nobody answers."""
        begun = time.monotonic()
        try:
            self._get_to_know_the_store()
        except StoreError as error:
            if not may_pass(error) or time.monotonic() - begun > _GRACE_SECONDS:
                raise
            patiently(self._get_to_know_the_store)

    def _get_to_know_the_store(self) -> None:
        self.appender.guards()
        if self.mailbox is None and (shared := shared_store(self.store)) is not None:
            self.lease = Lease(
                shared, self.owner, self._lease_seconds, self._lease_lapsed, self._leave
            )
            self.mailbox = Mailbox(shared, self._deliver)

    def message_taken(self, message_id: str) -> None:
        """Note that what a message said is durable."""
        if self.mailbox is not None:
            self.mailbox.taken(message_id)

    def leave(self, workflow_id: str) -> None:
        """Let others have a run that was stopped here, as soon as the store takes that."""
        with self._lock:
            if workflow_id in self._runs or workflow_id in self._claimed:
                return  # this executor has resumed it
            self._left.add(workflow_id)
        if self.lease is not None:
            self.lease.renew_soon()

    def is_free(self, state: WorkflowState) -> bool:
        """Tell whether nobody else is known to run a stored workflow."""
        return holder(state, self.owner, leases(self.store)) is None

    def forget(self, run: _Run) -> None:
        """Free the id of a run that is over."""
        self.appender.forget(run.workflow_id)
        with self._lock:
            if self._runs.get(run.workflow_id) is run:
                del self._runs[run.workflow_id]
            last = self._abandoned and not self._runs
        if last:
            self.abandon()

    def save(self, run: _Run) -> None:
        """Have a run saved soon, together with the others that the same round of the loop brings.

        The first of them would wake the writer before the second one is there.
        """
        if not self.loop.is_current() or self.loop.loop is None:
            self.writer.put(run)
            return
        self.writer.put(run, wake=False)
        if not self._waking:
            self._waking = True
            self.loop.loop.call_soon(self._wake_writer)

    def on_loop(self, call: Callable[[], object]) -> None:
        """Make a call on the loop: now, if this is its thread."""
        if self.loop.is_current():
            call()
        else:
            self.loop.post(call)

    def close(self, wait: timedelta = timedelta()) -> None:
        """Stop: runs that have not ended in time stay stored as running."""
        if self._is_forked():
            return
        if self.loop.is_current():
            raise EngineError("an executor cannot be closed by one of its own activities")
        with self._lock:
            if self._closed:
                return
            self._closed = True
            runs = list(self._runs.values())
        concurrent.futures.wait([run.done for run in runs], wait.total_seconds())
        suspended = [run.workflow_id for run in runs if run.suspend(_closed(run.workflow_id))]
        if suspended:
            _log.warning("the executor was closed with %s", _open_runs(suspended))
        self.writer.close()
        if self.mailbox is not None:
            self.mailbox.close(_GRACE_SECONDS)
        if self.lease is not None:
            self.lease.end()
        self.hooks.close(_GRACE_SECONDS)
        busy = self.threads.close(_GRACE_SECONDS) + self.workers.close(_GRACE_SECONDS)
        self._watchdog.close()
        self.loop.stop(_GRACE_SECONDS)
        if busy:
            _log.warning(
                "%d plain functions still run in daemon threads; what they return is dropped",
                len(busy),
            )
        atexit.unregister(self._at_exit)

    def abandon(self) -> None:
        """Close as soon as no run is alive: nobody holds the executor any more."""
        self._abandoned = True
        if self._runs or self._closed or self._is_forked():
            return
        with contextlib.suppress(RuntimeError):  # no new threads any more: the process is ending
            threading.Thread(target=self.close, name="inngest-nb-close", daemon=True).start()

    def _wake_writer(self) -> None:
        self._waking = False
        self.writer.wake()

    def _start(self) -> None:
        self.loop.start()
        self._watchdog.start()
        self.writer.start()
        if self.mailbox is not None:
            self.mailbox.start()
        if self.lease is not None:
            self.lease.start()
        atexit.register(self._at_exit)
        self._started = True  # not before there were threads for all of it

    def _ensure_lease(self) -> None:
        if self.lease is not None:
            self.lease.ensure()

    def _lease_lapsed(self) -> None:
        """Stop the runs that others have taken over while the lease was not renewed."""
        for run in self.runs():
            stored = self.store.load(run.workflow_id)
            if stored is None or (stored.owner or "") != self.owner:
                run.lose("others took it over while this executor could not renew its lease")

    def _leave(self) -> None:
        """Leave runs to others, each one unless it is claimed again here meanwhile."""
        with self._lock:
            ids = list(self._left)
        for workflow_id in ids:
            with self._lock:
                if workflow_id not in self._left or workflow_id in self._runs:
                    continue
                self._leaves = workflow_id
            try:
                stored = self.store.load(workflow_id)
                if stored is not None and stored.owner == self.owner:
                    with contextlib.suppress(StoreConflictError):  # then somebody else has it
                        take_away(self.appender, stored)
                self._left.discard(workflow_id)
            finally:
                with self._lock:
                    self._leaves = None
                    self._leaving.notify_all()

    def runs(self) -> list[_Run]:
        """Return the runs that are alive here."""
        with self._lock:
            return list(self._runs.values())

    def _deliver(self, message: Message, content: Any) -> None:
        run = self.alive(message.to)
        shared = shared_store(self.store)
        if run is None or shared is None:
            return
        if message.kind == QUERY:
            answer = wire.encode_json({"answer": list(run.waiting_for)})
            shared.send(Message(uuid.uuid4().hex, message.id, ANSWER, answer))
        elif message.kind == TAKEN_OVER:
            if content.get("from") == self.owner:  # and not from one that had it before
                run.lose("another executor has taken it over")
                self.message_taken(message.id)
        else:
            run.take(message, content)

    def _is_forked(self) -> bool:
        return os.getpid() != self._pid

    def _check_open(self) -> None:
        if self._closed:
            raise ExecutorClosedError("the executor is closed; make a new one for new runs")

    def _at_exit(self) -> None:
        """Say which runs are open; they are daemons' work and will not be waited for."""
        if self._is_forked():
            return
        self.writer.freeze()
        self._closed = True
        if self._runs:
            _log.warning("Python exits with %s", _open_runs(list(self._runs)))


def _closed(workflow_id: str) -> ExecutorClosedError:
    return ExecutorClosedError(
        f"the executor was closed while workflow {workflow_id!r} ran; it is stored as running, up "
        f"to its last saved event; resume(fn, {workflow_id!r}) of another executor goes on there",
        workflow_id=workflow_id,
    )


def _open_runs(ids: Sequence[str]) -> str:
    named = ", ".join(map(repr, ids[:10])) + (f" and {len(ids) - 10} more" if ids[10:] else "")
    runs = "1 run open" if len(ids) == 1 else f"{len(ids)} runs open"
    return f"{runs}, stored as running up to the last saved event: {named}"
