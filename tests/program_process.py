"""A process that runs a random program, as those see it who watch it from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from program_code import workflow_of
from program_time import Armed, ProcessClock
from program_world import Gate, World

from inngest_nb import Executor, Signal, WorkflowHandle, WorkflowState, WorkflowStore
from inngest_nb.engine import replay_steps
from inngest_nb.engine._stored_run import StoredRun
from inngest_nb.errors import WorkflowNotRunningError

SECONDS = 10.0


class Seen(NamedTuple):
    """What can be seen of a process at a moment."""

    changes: int = 0
    over: bool = False
    dead: bool = False
    problem: BaseException | None = None
    run_id: str = ""
    owned: bool = False
    replays: bool = False
    saved_at_once: Sequence[bool] = ()  # of each event, whether it does not wait for another
    open: frozenset[tuple[int, int]] = frozenset()
    due: Sequence[Armed] = ()
    past: Mapping[str, int] = {}  # events that each run had when this life of it began
    waiting_for: Sequence[str] = ()
    acknowledged: Sequence[int] = ()  # signals that had to wait for the store


class Process:
    """An executor that runs the workflow, with its own clock and its own way to the store."""

    seed: int | None = None  # of its hashes, where it is a process of its own

    def __init__(self, number: int, world: World, gate: Any, workflow_id: str = "w") -> None:
        self.number, self.world, self.gate, self.workflow_id = number, world, gate, workflow_id
        self.clock = ProcessClock(world.time, world.notify)
        self.executor: Executor | None = Executor(gate, clock=self.clock)
        self.engine = self.executor._engine
        self.handle: WorkflowHandle | None = None
        self.past: dict[str, int] = {}
        # The code is of a later version in each process.
        self.code = workflow_of(world.activities(number), number, plain=world.plain)

    def begin(self, timeout: float | None, *, take_over: bool = False) -> None:
        """Begin the run, or go on with it."""
        assert self.executor is not None
        stored = self.world.store.load(self.workflow_id)
        if stored is not None and stored.status != "running":
            raise WorkflowNotRunningError("its end was the last write before", status=stored.status)
        states = self.world.store.list()
        self.past = {state.workflow_id: len(state.history) for state in states}
        if stored is None:
            given = self.world.program
            self.handle = self.executor.execute(
                self.code, id=self.workflow_id, input=given, timeout=timeout
            )
        else:
            self.handle = self.executor.resume(self.code, self.workflow_id, take_over=take_over)
            if isinstance(self.handle._run, StoredRun):  # another process has just ended it
                raise WorkflowNotRunningError("it has ended", status=str(self.handle.status))

    def replay(self, state: WorkflowState) -> None:
        """Replay a history without a run."""
        replay_steps(self.code, state)

    def look(self) -> Seen:
        """Return what is to be seen now."""
        changes, handle = self.world.changes, self.handle
        problem = self.world.problems[0] if self.world.problems else None
        if handle is None:
            return Seen(changes, dead=self.gate.dead, problem=problem)
        run = handle._run
        return Seen(
            changes,
            over=run.is_over,
            dead=self.gate.dead,
            problem=problem,
            run_id=handle.run_id,
            owned=run.journal.owned,
            replays=run.past is not None,
            saved_at_once=[
                event.type != "activity_started" and event.error != "canceled"
                for event in handle.state.history
            ],
            open=frozenset(self.world.open(self.number)),
            due=self.clock.due(),
            past=self.past,
            waiting_for=handle.waiting_for,
        )

    def wait_for_change(self, changes: int) -> None:
        """Wait a little, or less if something happens."""
        self.world.wait_for_change(changes)

    def end(self, k: int, attempt: int) -> None:
        """Let an attempt of an activity end."""
        self.world.end(self.number, k, attempt)

    def fire(self) -> bool:
        """Let the next timer fire; False if there is none any more."""
        return self.clock.fire()

    def signal(self, signal: Signal) -> bool:
        """Give a signal to the run; False if nobody knows yet whether that was saved."""
        assert self.executor is not None
        self.executor.signal(self.workflow_id, signal)
        return True

    def cancel(self) -> bool:
        assert self.executor is not None
        return self.executor.cancel(self.workflow_id)

    def result(self) -> Any:
        assert self.handle is not None
        return self.handle.result(SECONDS)

    def die(self, writes: int, *, answer_only: bool) -> None:
        """Let the process end with one of its next writes."""
        self.gate.die(writes, answer_only=answer_only)

    def live(self) -> None:
        """Let the process not end with a write."""
        self.gate.writes_left = None

    def cut(self) -> None:
        """End the process at once."""
        self.gate.cut()

    def drop(self) -> None:
        """Let go of the executor; its run goes on without anybody to hold it."""
        self.executor = None

    def close(self) -> None:
        """Close the executor; activities that are plain functions end once they count no more."""
        handle = self.handle
        closing = threading.Thread(target=self.engine.close)
        closing.start()
        deadline = time.monotonic() + SECONDS
        while (handle and not handle._run.is_over) or self.engine.runs():
            assert time.monotonic() < deadline
            self.world.wait_for_change(self.world.changes)
        self.world.kill(self.number)
        closing.join(SECONDS)

    def clean_up(self) -> None:
        """Let nothing be left."""
        with self.world.changed:
            self.world.closed = True
        self.gate.cut()
        self.close()
        self.drop()


def local_process(
    number: int, world: World, store: WorkflowStore, workflow_id: str = "w"
) -> Process:
    """Return a process that is none: it shares this one with the others, and its hashes."""
    return Process(number, world, Gate(store, world.notify), workflow_id)
