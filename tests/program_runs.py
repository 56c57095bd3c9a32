"""One run of a random program, in one process after the other, and held against its model."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from program_checks import CheckedRun
from program_process import SECONDS, Process, Seen, local_process
from program_time import ProcessClock, Time
from program_world import WholeStore, World
from random_programs import Node, names_in

from inngest_nb import (
    Executor,
    HistoryEvent,
    MemoryStore,
    Signal,
    SqliteStore,
    WorkflowState,
    WorkflowStore,
)
from inngest_nb.errors import (
    EngineError,
    StoreConnectionError,
    StoreError,
    WorkflowNotHereError,
    WorkflowNotRunningError,
)
from inngest_nb.store import SharedStore


class ProgramRun(CheckedRun):
    """The store and the acknowledged signals are all that is left when a process dies."""

    plain = False

    def __init__(self) -> None:
        super().__init__()
        self.process: Process | None = None
        self.gone: list[Process] = []
        self.closed: list[Process] = []
        self.acknowledged: list[int] = []
        self.foreign: list[int] = []
        self.sends: Counter[int] = Counter()
        self.histories: dict[str, tuple[HistoryEvent, ...]] = {}
        self.fires: list[tuple[datetime, datetime]] = []
        self.sent = 0
        self.history: tuple[HistoryEvent, ...] = ()
        self.state: WorkflowState | None = None
        self.threads = set(threading.enumerate())
        self.folder = tempfile.TemporaryDirectory()
        self.store: WorkflowStore = MemoryStore()
        self.begun = self.broken = False
        self.seeds: list[int] = []
        self.loyal: int | None = None
        self.outage, self.had_outage = 0, False

    def begin(self, program: Node, kind: str, timeout: float | None, dies: Any) -> None:
        """Execute a program on a new store."""
        self.program, self.kind = program, kind
        self.names = [*names_in(program), "s", "nobody listens"]
        if kind == "whole":
            self.store = WholeStore()
        elif kind == "sqlite":
            self.store = SqliteStore(f"{self.folder.name}/states.db")
        self.prepare()
        self.begun = True
        self.execute(timeout, dies)
        if self.store.load("w") is None:  # it died before it began: there is nothing to go on with
            self.execute(timeout, None)

    def prepare(self) -> None:
        """Make the world that all processes share."""
        self.world = World(self.store, self.program, plain=self.plain)
        self.time: Time = self.world.time

    def execute(self, timeout: float | None, dies: tuple[int, bool] | None) -> None:
        process = self.new_process(dies)
        with contextlib.suppress(OSError):  # it has died before it could say that it has begun
            process.begin(timeout)
        self.settle()

    @property
    def running(self) -> Process:
        assert self.process is not None
        return self.process

    def runs(self) -> bool:
        """Tell whether the run is alive, after resuming it if its process is no more."""
        if self.process is None and not self.ended():
            self.resume([])
        return self.process is not None and not self.ended()

    def ended(self) -> bool:
        return self.state is not None and self.state.status != "running"

    def resume(self, signals: list[str], dies: tuple[int, bool] | None = None) -> None:
        process = self.new_process(dies)
        try:
            process.begin(None, take_over=self.is_leased())
        except WorkflowNotRunningError:  # its end was its last write
            self.process = None
            self.check_end()
            return
        except OSError:  # it has died in taking the run over
            assert process.look().dead
            self.bury()
            return
        except StoreConnectionError:  # it says so, and has not begun
            assert self.time.store_is_away
            self.bury()
            self.outlast_the_outage(events=1)
            return
        for name in signals:  # while it replays
            self.send(name)
        self.settle()

    def bury(self) -> None:
        """Let go of the process, which may go on without anybody to hold it."""
        process, self.process = self.running, None
        process.drop()
        self.gone.append(process)

    def make_process(self, number: int, workflow_id: str = "w") -> Process:
        return local_process(number, self.world, self.store, workflow_id)

    def new_process(self, dies: tuple[int, bool] | None) -> Process:
        self.process = self.make_process(len(self.gone) + 1)
        self.time.newest = self.process.number
        if dies is not None:
            self.process.die(dies[0], answer_only=dies[1])
        return self.process

    def fire(self, seen: Seen) -> None:
        """Let the timer fire that is due first, and note between which times that was.

        In an outage what was seen may be over by now.
        """
        due = max(self.time.value, self.time.shown_at(seen.due[0].due))
        if self.running.fire():
            self.fires.append((due, self.time.value))

    def next_payload(self) -> int:
        self.sent += 1
        return self.sent

    def send(self, name: str, *, twice: bool = False) -> None:
        if self.process is None:
            return
        signal = Signal(name, self.next_payload())
        with contextlib.suppress(
            EngineError, StoreError, OSError
        ):  # it has died, or ended: not acknowledged
            for _ in range(1 + twice):
                self.sends[signal.payload] += 1
                if self.process.signal(signal):
                    self.acknowledged.append(signal.payload)

    def send_from_elsewhere(self, name: str) -> None:
        """Give a signal to the run that nobody runs."""
        signal = Signal(name, self.next_payload())
        self.sends[signal.payload] += 1
        with Executor(self.store, clock=ProcessClock(self.time, lambda: None)) as other:
            if self.kind == "whole":
                with pytest.raises((WorkflowNotHereError, WorkflowNotRunningError)):
                    other.signal("w", signal)
                return
            with contextlib.suppress(WorkflowNotRunningError):  # its end was its last write
                other.signal("w", signal)
                self.foreign.append(signal.payload)

    def is_leased(self) -> bool:
        """Tell whether a process that had the run still holds it."""
        state = self.store.load("w")
        shared = isinstance(self.store, SharedStore) and self.store.can_share()
        return bool(state and shared and state.owner in self.store.leases())

    # The end

    def drive_to_the_end(self) -> None:
        """Do whatever the program waits for, until it has ended."""
        self.outlast_the_outage()
        for _ in range(500):
            state = self.store.load("w")
            assert state is not None
            if state.status != "running":
                break
            if self.process is None:
                self.resume([])
                continue
            self.process.live()
            seen = self.process.look()
            if seen.open:
                self.process.end(*min(seen.open))
            elif seen.due:
                self.fire(seen)
            elif seen.waiting_for:
                self.send(seen.waiting_for[0])
            self.settle()
        self.check_end()

    def clean_up(self) -> None:
        if self.begun:
            for process in [*self.gone, *([self.process] if self.process else [])]:
                process.clean_up()
            self.time.close()
        self.store.close()
        self.folder.cleanup()
        deadline = time.monotonic() + SECONDS
        for thread in set(threading.enumerate()) - self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
