"""What all runs of an executor share: its store, its writer, its threads and its clock."""

from __future__ import annotations

import atexit
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
from inngest_nb.engine.threads._settling import Settler, Settling
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
_ATTEMPTS = 5

_log = logging.getLogger("inngest_nb.engine")


class Alive(Savable, Settler, Protocol):
    """A run, as the shared services see it."""

    workflow_id: str

    def begin(self, timeout: timedelta | None = None) -> None:
        """Start, or replay the history and continue."""

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the run is over; returns False if it is not after `seconds`."""

    def suspend(self, error: EngineError) -> bool:
        """Stop running here, so that others can resume the run; False if it had ended."""

    def take(self, message: Message, content: Any) -> None:
        """Handle a message from another process."""

    def lose(self, why: str) -> None:
        """Stop because another process has taken over the run or changed it."""

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The names of the signals that the code is waiting for."""


_Run = TypeVar("_Run", bound=Alive)


class Services(Generic[_Run]):
    """The machinery of an executor: daemon threads that start with the first run.

    Nothing here refers to the executor, so that an unused executor can be garbage-collected; its
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
        self.settling = Settling(self.loop, self.writer)
        self.hooks = HookThread(hooks)
        self.tracing = None if hooks is None else hooks.tracing
        self.workers = Workers("inngest-nb-activity", workers)
        self.threads = Workers("inngest-nb-workflow")
        self.children: Any = None  # starts child workflows
        self._runs: dict[str, _Run] = {}
        self._claimed: set[str] = set()
        self._to_release: set[str] = set()
        self._releasing: str | None = None  # the one that is being released now
        self._lock = threading.Lock()
        self._released = threading.Condition(self._lock)
        self._waking = False
        self._pid = os.getpid()
        self._started = self._closed = self._abandoned = False

    def check_process(self) -> None:
        """Raise in a forked process: the threads are not there, but their locks may be held."""
        if self._is_forked():
            raise ExecutorClosedError(
                f"the executor belongs to process {self._pid}, from which this one was forked; "
                "in this process, open the store again and create a new executor"
            )

    def alive(self, workflow_id: str) -> _Run | None:
        """Return the run with an id if it is running here."""
        self.check_process()
        with self._lock:
            return self._runs.get(workflow_id)

    @contextlib.contextmanager
    def claim(self, workflow_id: str) -> Iterator[None]:
        """Reserve an id for a run that is about to start; raise if it is in use."""
        self.check_process()
        with self._lock:
            self._to_release.discard(workflow_id)
            self._released.wait_for(lambda: self._releasing != workflow_id)
            self._check_open()
            if workflow_id in self._runs or workflow_id in self._claimed:
                raise WorkflowAlreadyRunningError(
                    f"workflow {workflow_id!r} is already running in this executor; wait for it "
                    f"with handle({workflow_id!r}), end it with cancel({workflow_id!r}), or pass a "
                    "different id=",
                    workflow_id=workflow_id,
                )
            self._claimed.add(workflow_id)
        try:
            yield
        finally:
            with self._lock:
                self._claimed.discard(workflow_id)

    def begin(self, run: _Run, timeout: timedelta | None = None) -> None:
        """Start or resume a run under the id that was claimed for it."""
        with self._lock:
            self._check_open()
            if not self._started:
                self._start()
            self._runs[run.workflow_id] = run
            try:
                run.begin(timeout)
            except BaseException:  # perhaps raised by a user's clock; the run has no handle yet
                del self._runs[run.workflow_id]
                raise

    def connect(self) -> None:
        """Find out what the store supports; raises `StoreConnectionError` if it does not answer."""
        begun = time.monotonic()
        try:
            self._probe_store()
        except StoreError as error:
            if not may_pass(error) or time.monotonic() - begun > _GRACE_SECONDS:
                raise
            patiently(self._probe_store)

    def _probe_store(self) -> None:
        self.appender.guards()
        if self.mailbox is not None or (shared := shared_store(self.store)) is None:
            return
        with self._lock:  # of two, nobody would close the one that was replaced
            if self.mailbox is None:
                self.lease = Lease(
                    shared, self.owner, self._lease_seconds, self._lease_lapsed, self._release_runs
                )
                self.mailbox = Mailbox(shared, self._deliver)

    def message_taken(self, message_id: str) -> None:
        """Note that the effect of a message is saved."""
        if self.mailbox is not None:
            self.mailbox.taken(message_id)

    def release(self, workflow_id: str) -> None:
        """Release a run that was stopped here to other executors, once the store accepts it."""
        with self._lock:
            if workflow_id in self._runs or workflow_id in self._claimed:
                return  # this executor has resumed it
            self._to_release.add(workflow_id)
        if self.lease is not None:
            self.lease.renew_soon()

    def is_free(self, state: WorkflowState) -> bool:
        """Tell whether no other executor is known to run a stored workflow."""
        return holder(state, self.owner, leases(self.store)) is None

    def forget(self, run: _Run) -> None:
        """Release the id of a run that is over."""
        self.appender.forget(run.workflow_id)
        self.settling.forget(run)
        with self._lock:
            if self._runs.get(run.workflow_id) is run:
                del self._runs[run.workflow_id]
            last = self._abandoned and not self._runs
        if last:
            self.abandon()

    def save(self, run: _Run) -> None:
        """Save a run soon, together with other runs of the same iteration of the loop.

        Otherwise the first of them would wake the writer before the second one is there.
        """
        is_alone = len(self._runs) == 1
        if is_alone or not self.loop.is_current() or self.loop.loop is None:
            self.writer.put(run)
            return
        self.writer.put(run, wake=False)
        if not self._waking:
            self._waking = True
            self.loop.loop.call_soon(self._wake_writer)

    def on_loop(self, call: Callable[[], object]) -> None:
        """Call a function on the loop; right away if this is the loop's thread."""
        if self.loop.is_current():
            call()
        else:
            self.loop.post(call)

    def close(self, wait: timedelta = timedelta()) -> None:
        """Stop everything; runs that have not ended within `wait` stay stored as running."""
        if self._is_forked():
            return
        if self.loop.is_current():
            raise EngineError(
                "an executor cannot be closed by its own async activities or workflows; close it "
                "from the code that created it"
            )
        with self._lock:
            if self._closed:
                return
            self._closed = True
            runs = list(self._runs.values())
        deadline = time.monotonic() + wait.total_seconds()
        with contextlib.ExitStack() as rest:  # done whatever Ctrl-C or a store raises, last first
            rest.callback(self._end_threads)
            if self.lease is not None:
                rest.callback(self.lease.end)
            if self.mailbox is not None:
                rest.callback(self.mailbox.close, _GRACE_SECONDS)
            rest.callback(self.writer.close)
            rest.callback(self._suspend, runs)
            for run in runs:
                run.wait(deadline - time.monotonic())

    def _suspend(self, runs: Sequence[_Run]) -> None:
        suspended = [run.workflow_id for run in runs if run.suspend(_closed(run.workflow_id))]
        if suspended:
            _log.warning("the executor was closed with %s", _open_runs(suspended))

    def _end_threads(self) -> None:
        self.hooks.close(_GRACE_SECONDS)
        busy = self.threads.close(_GRACE_SECONDS) + self.workers.close(_GRACE_SECONDS)
        self._watchdog.close()
        self.loop.stop(_GRACE_SECONDS)
        if busy:
            _log.warning(
                "%d plain functions are still running in daemon threads; their results are lost",
                len(busy),
            )
        atexit.unregister(self._at_exit)

    def abandon(self) -> None:
        """Close after the last run, because the executor is no longer referenced."""
        self._abandoned = True
        if self._runs or self._closed or self._is_forked():
            return
        with contextlib.suppress(RuntimeError):  # no new threads, because the process is ending
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
        self._started = True  # only after all threads could be started

    def _ensure_lease(self) -> None:
        if self.lease is not None:
            self.lease.ensure()

    def _lease_lapsed(self) -> None:
        """Stop the runs that others have taken over while the lease was not renewed."""
        for run in self.runs():
            stored = self.store.load(run.workflow_id)
            if stored is None or (stored.owner or "") != self.owner:
                run.lose("another executor took it over while this one could not renew its lease")

    def _release_runs(self) -> None:
        """Release stopped runs to other executors, unless they have been claimed again here."""
        with self._lock:
            ids = list(self._to_release)
        for workflow_id in ids:
            with self._lock:
                if workflow_id not in self._to_release or workflow_id in self._runs:
                    continue
                self._releasing = workflow_id
            try:
                self._take_away(workflow_id)
                self._to_release.discard(workflow_id)
            finally:
                with self._lock:
                    self._releasing = None
                    self._released.notify_all()

    def _take_away(self, workflow_id: str) -> None:
        for _ in range(_ATTEMPTS):
            stored = self.store.load(workflow_id)
            if stored is None or stored.owner != self.owner:
                return
            # A conflict: another executor has it now, or the run's last write came in between.
            with contextlib.suppress(StoreConflictError):
                take_away(self.appender, stored)
                return

    def runs(self) -> list[_Run]:
        """Return all runs of this process."""
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
            if content.get("from") == self.owner:  # not from an earlier owner
                run.lose("another executor has taken it over")
                self.message_taken(message.id)
        else:
            run.take(message, content)

    def _is_forked(self) -> bool:
        return os.getpid() != self._pid

    def _check_open(self) -> None:
        if self._closed:
            raise ExecutorClosedError("the executor is closed; create a new one for new runs")

    def _at_exit(self) -> None:
        """Log which runs are open; the process does not wait for them."""
        if self._is_forked():
            return
        self.writer.freeze()
        self._closed = True
        if self._runs:
            _log.warning("Python exits with %s", _open_runs(list(self._runs)))


def _closed(workflow_id: str) -> ExecutorClosedError:
    return ExecutorClosedError(
        f"the executor was closed while workflow {workflow_id!r} was running; it is stored as "
        "running, up to its last saved event; resume it in another executor with "
        f"resume(fn, {workflow_id!r})",
        workflow_id=workflow_id,
    )


def _open_runs(ids: Sequence[str]) -> str:
    named = ", ".join(map(repr, ids[:10])) + (f" and {len(ids) - 10} more" if ids[10:] else "")
    runs = "1 run open" if len(ids) == 1 else f"{len(ids)} runs open"
    return f"{runs}, stored as running up to the last saved event: {named}"
