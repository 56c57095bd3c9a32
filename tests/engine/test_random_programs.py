"""Random programs, killed at random moments: what comes out is what a model of them says."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from program_model import Model, near
from program_world import Gate, ProcessClock, WholeStore, World
from random_programs import Node, names_in, programs, workflow_of

from inngest_nb import (
    Executor,
    HistoryEvent,
    MemoryStore,
    Signal,
    SqliteStore,
    WorkflowHandle,
    WorkflowState,
    WorkflowStore,
    fork,
)
from inngest_nb.engine import replay_steps
from inngest_nb.errors import (
    EngineError,
    LeaseLostError,
    WorkflowCanceledError,
    WorkflowFailedError,
    WorkflowLeasedError,
    WorkflowNotHereError,
    WorkflowNotRunningError,
    WorkflowNotSavedError,
)

# How many programs are tried: some, always the same ones, or as many new ones as this says. Only
# then is a failure made smaller, because a run that hangs takes all its time at each attempt.
MANY = int(os.environ.get("INNGEST_NB_RANDOM_PROGRAMS", "0"))
SETTINGS = settings(
    max_examples=MANY or 150,
    stateful_step_count=30,
    derandomize=not MANY,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink] if MANY else [Phase.generate],
    suppress_health_check=list(HealthCheck),
)
SECONDS = 10.0


class Process:
    """An executor that runs the workflow, with its own clock and its own way to the store."""

    def __init__(self, number: int, world: World, store: WorkflowStore) -> None:
        self.number = number
        self.clock = ProcessClock(world.time, world.notify)
        self.gate = Gate(store, world.notify)
        self.executor: Executor | None = Executor(self.gate, clock=self.clock)
        self.engine = self.executor._engine
        self.handle: WorkflowHandle | None = None

    @property
    def over(self) -> bool:
        return self.handle is not None and self.handle._run.done.done()


class Programs(RuleBasedStateMachine):
    """One program in one process after the other; the store and the signals are all that is left."""

    plain = False

    def __init__(self) -> None:
        super().__init__()
        self.process: Process | None = None
        self.gone: list[Process] = []
        self.acknowledged: list[Any] = []
        self.sent = 0
        self.history: tuple[HistoryEvent, ...] = ()
        self.state: WorkflowState | None = None
        self.threads = set(threading.enumerate())
        self.folder = tempfile.TemporaryDirectory()
        self.store: WorkflowStore = MemoryStore()
        self.drawn = False
        self.canceled = self.driven = False

    @initialize(
        data=st.data(),
        kind=st.sampled_from(["memory", "memory", "whole", "sqlite"]),
        timeout=st.sampled_from([None, None, None, 150]),
        dies=st.none() | st.tuples(st.integers(0, 3), st.booleans()),
    )
    def start(self, data: st.DataObject, kind: str, timeout: float | None, dies: Any) -> None:
        self.kind = kind
        self.program: Node = data.draw(programs(plain=self.plain), label="program")
        self.names = [*names_in(self.program), "s", "nobody listens"]
        if kind == "whole":
            self.store = WholeStore()
        elif kind == "sqlite":
            self.store = SqliteStore(f"{self.folder.name}/states.db")
        self.world = World(self.store, self.program, plain=self.plain)
        self.drawn = True
        process = self.new_process(dies)
        assert process.executor is not None
        process.handle = process.executor.execute(
            self.code(process), id="w", input=self.program, timeout=timeout
        )
        self.timeout = timeout
        self.settle()
        if self.store.load("w") is None:  # it died before it began: there is nothing to go on with
            again = self.new_process(None)
            assert again.executor is not None
            again.handle = again.executor.execute(
                self.code(again), id="w", input=self.program, timeout=timeout
            )
            self.settle()

    # What happens. Rules look at nothing but what hypothesis has drawn: how many events one write
    # takes is up to the threads, so what they find can differ from one time to the next.

    @rule(which=st.integers(0, 99))
    def go_on(self, which: int) -> None:
        """End an activity, or let the next timer fire."""
        if self.runs():
            process = self.running
            choices: list[Any] = sorted(self.world.open(process.number))
            choices += [None] * bool(process.clock.due())
            if choices and (chosen := choices[which % len(choices)]) is not None:
                self.world.end(process.number, *chosen)
            elif choices:
                process.clock.fire()
            self.settle()

    @rule(which=st.integers(0, 99))
    def go_on_again(self, which: int) -> None:
        self.go_on(which)

    @rule(name=st.integers(0, 99), twice=st.booleans())
    def signal(self, name: int, twice: bool) -> None:
        if self.runs():
            self.send(self.names[name % len(self.names)], twice=twice)
            self.settle()

    @rule(seconds=st.sampled_from([30, 70, 4000, -3600]))
    def let_time_pass_without_a_timer(self, seconds: float) -> None:
        self.world.time.move(seconds)

    @rule(writes=st.integers(0, 4), answer_only=st.booleans())
    def let_a_write_be_the_last(self, writes: int, answer_only: bool) -> None:
        if self.runs():
            self.running.gate.die(writes, answer_only=answer_only)

    @rule(
        how=st.sampled_from(["cut", "cut", "close", "drop"]),
        signals_before=st.lists(st.integers(0, 99), max_size=3),
        signals_in_replay=st.lists(st.integers(0, 99), max_size=3),
        later=st.sampled_from([0, 0, 61, 1000, -3600]),
        dies=st.none() | st.tuples(st.integers(0, 3), st.booleans()),
    )
    def kill_and_resume(
        self,
        how: str,
        signals_before: list[int],
        signals_in_replay: list[int],
        later: float,
        dies: tuple[int, bool] | None,
    ) -> None:
        if self.process is not None and self.runs():
            if how == "cut":
                self.running.gate.cut()
            elif how == "close":
                self.close(self.running)
            elif self.kind == "whole":
                return  # two executors on such a store would not know of each other
            self.bury()
        if self.process is None and not self.ended():
            for number in signals_before:
                self.send_from_elsewhere(self.names[number % len(self.names)])
            self.world.time.move(later)
            self.resume(
                [self.names[number % len(self.names)] for number in signals_in_replay], dies
            )

    @rule(which=st.integers(0, 9))
    def end_the_activities_of_a_process_that_lost_the_run(self, which: int) -> None:
        late = [process for process in self.gone if self.world.open(process.number)]
        if not late or not (self.runs() or self.ended()):
            return
        process = late[which % len(late)]
        for k, attempt in sorted(self.world.open(process.number)):
            self.world.end(process.number, k, attempt)
        assert process.handle is not None
        with pytest.raises((LeaseLostError, WorkflowNotSavedError, WorkflowCanceledError)):
            process.handle.result(SECONDS)
        self.look()

    @rule(chance=st.integers(0, 9), elsewhere=st.booleans())
    def cancel(self, chance: int, elsewhere: bool) -> None:
        if chance or self.kind == "whole" or not self.runs():
            return
        if elsewhere:
            with Executor(self.store) as other:
                assert other.cancel("w")
            self.bury()
            self.check_end()
            return
        with contextlib.suppress(WorkflowNotSavedError):
            assert self.running.executor is not None
            assert self.running.executor.cancel("w")
        self.settle()

    @rule()
    def find_that_nothing_can_be_done_after_the_end(self) -> None:
        if not self.ended():
            return
        with Executor(self.store) as other:
            with pytest.raises(WorkflowNotRunningError):
                other.signal("w", Signal("s"))
            with pytest.raises(WorkflowNotRunningError):
                other.resume(lambda ctx: None, "w")
            assert not other.cancel("w")
            assert other.recover() == ((), {})
        assert self.store.load("w") == self.state

    # How it is held against the model

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
        assert process.executor is not None
        try:
            process.handle = process.executor.resume(
                self.code(process), "w", take_over=self.is_leased()
            )
        except WorkflowNotRunningError:  # its end was its last write
            self.process = None
            self.check_end()
            return
        except OSError:  # it has died in taking the run over
            assert process.gate.dead
            self.bury()
            return
        for name in signals:  # while it replays
            self.send(name)
        self.settle()

    def bury(self) -> None:
        """Let go of the process, which may go on without anybody to hold it."""
        process, self.process = self.running, None
        process.executor = None
        self.gone.append(process)

    def code(self, process: Process) -> Any:
        """Return the workflow's code, of a later version in each process."""
        activities = self.world.activities(process.number)
        return workflow_of(activities, process.number, plain=self.plain)

    def new_process(self, dies: tuple[int, bool] | None) -> Process:
        self.process = Process(len(self.gone) + 1, self.world, self.store)
        self.world.newest = self.process.number
        if dies is not None:
            self.process.gate.die(dies[0], answer_only=dies[1])
        return self.process

    def next_payload(self) -> int:
        self.sent += 1
        return self.sent

    def send(self, name: str, *, twice: bool = False) -> None:
        if self.process is None:
            return
        assert self.process.executor is not None
        signal = Signal(name, self.next_payload())
        with contextlib.suppress(EngineError, OSError):  # it has died, or ended: not acknowledged
            for _ in range(1 + twice):
                self.process.executor.signal("w", signal)
                self.acknowledged.append(signal.payload)

    def send_from_elsewhere(self, name: str) -> None:
        """Give a signal to the run that nobody runs."""
        signal = Signal(name, self.next_payload())
        with Executor(self.store, clock=ProcessClock(self.world.time, self.world.notify)) as other:
            if self.kind == "whole":
                with pytest.raises((WorkflowNotHereError, WorkflowNotRunningError)):
                    other.signal("w", signal)
                return
            if self.is_leased():
                with pytest.raises(WorkflowLeasedError):
                    other.signal("w", signal)
                return
            with contextlib.suppress(WorkflowNotRunningError):  # its end was its last write
                other.signal("w", signal)
                self.acknowledged.append(signal.payload)

    def is_leased(self) -> bool:
        state = self.store.load("w")
        until = state.lease_until if state and state.owner else None
        return bool(until and until > self.world.time.value)

    def settle(self) -> None:
        """Wait until all is as the model says; or until the run, or its process, has ended."""
        process = self.process
        assert process is not None
        deadline = time.monotonic() + SECONDS
        while True:
            if self.world.problems:
                raise self.world.problems[0]
            if process.over or process.gate.dead:
                self.check_over(process)
                return
            seen = self.world.changes
            if not (difference := self.difference(process)):
                return
            if time.monotonic() > deadline:
                raise AssertionError("\n".join([*difference, *map(str, self.history)]))
            self.world.wait_for_change(seen)

    def look(self) -> Model:
        """Return the model of what is stored, once that has grown at its end only."""
        state = self.state = self.store.load("w")
        history = state.history if state else ()
        assert history[: len(self.history)] == self.history, "the history was changed"
        self.history = history
        return Model.of(state, self.program, plain=self.plain)

    def difference(self, process: Process) -> list[str]:
        """Say what is not, or not yet, as it has to be."""
        assert process.handle is not None
        if (state := self.store.load("w")) is None:
            return ["nothing is stored"]
        if state.run_id != process.handle.run_id:
            return ["another run is stored"]
        if not process.handle._run.journal.owned and self.kind != "whole":
            return ["it is not claimed yet"]
        coming = process.handle.state.history[len(state.history) :]
        if any(e.type != "activity_started" and e.error != "canceled" for e in coming):
            return ["it is not saved yet"]  # what is left goes with the next that is
        model = self.look()
        if model.outcome or model.ended:
            return [f"it goes on, but is over: {model.outcome}, {model.ended}"]
        if model.plain and process.handle._run.past is not None:
            return ["it replays"]
        return [*self.calls_and_timers(process, model), *self.signals(process, model)]

    def calls_and_timers(self, process: Process, model: Model) -> list[str]:
        running = self.world.open(process.number)
        due = process.clock.due()
        limits, wrong = 0, []
        expected = model.expected_timers() + ([model.deadline] if model.deadline else [])
        for k, act in model.expected_open().items():
            attempt = (k, act.attempts + 1)
            if attempt in running:
                running.discard(attempt)
                limits += act.act["limit"] is not None
            elif act.retry_at is None or not any(near(act.retry_at, when) for when in due):
                wrong.append(f"call {k} has to run, and does not")
            else:
                expected.append(act.retry_at)
        for when in expected:
            found = next((each for each in due if near(each, when)), None)
            due.remove(found) if found else wrong.append(f"no timer is due at {when}: {due}")
        if len(due) != limits:
            wrong.append(f"{len(due)} timers too many, of which {limits} are limits: {due}")
        for k, number in sorted(running):
            act = model.acts.get(k)
            if act and act.over and act.act["kind"] == "work_plainly":  # cannot be canceled
                self.world.end(process.number, k, number)
            wrong.append(f"attempt {number} of call {k} runs, and has not to")
        return wrong

    def signals(self, process: Process, model: Model) -> list[str]:
        assert process.handle is not None
        listening, expected = set(process.handle.waiting_for), model.expected_signals()
        return [f"it waits for {listening}, not {expected}"] if listening != expected else []

    def check_over(self, process: Process) -> None:
        assert process.handle is not None
        if process.gate.dead:
            self.bury()
            self.look()
            return
        try:
            process.handle.result(SECONDS)
        except LeaseLostError:  # the one that was to lose it has written once more, before
            assert any(not gone.over and not gone.gate.dead for gone in self.gone)
            self.bury()
            self.look()
            return
        except (WorkflowFailedError, WorkflowCanceledError):
            self.check_end()
        else:
            self.check_end()

    def check_end(self) -> None:
        """Hold the end against the model."""
        model = self.look()
        state = self.state
        assert state is not None
        assert state.status == model.ended, (state.status, model.ended)
        if model.ended == "completed":
            assert model.outcome == (state.result, None)
            assert state.error == ""
        elif model.ended == "failed" and model.outcome is not None:
            assert (state.result, (None, state.error)) == (None, model.outcome)
        elif model.ended == "failed":
            assert model.deadline is not None
            assert state.error == "TimeoutError: the workflow was not finished within 150 s"
        else:
            assert state.error == "canceled"
        self.check_history(state, model)
        self.check_replay(state, model)

    def check_history(self, state: WorkflowState, model: Model) -> None:
        assert [event.id for event in state.history] == [*range(1, len(state.history) + 1)]
        done = Counter(e.seq for e in state.history if e.type == "activity_completed")
        assert set(done.values()) <= {1}
        payloads = [e.signal_payload for e in state.history if e.type == "signal_received"]
        rest = iter(payloads)
        assert all(any(payload == each for each in rest) for payload in self.acknowledged), (
            f"acknowledged were {self.acknowledged}, and in the history are {payloads}"
        )

    def check_replay(self, state: WorkflowState, model: Model) -> None:
        """Let the whole history answer: the same comes out of it, and nothing is begun."""
        number = len(self.gone) + 100
        code = workflow_of(self.world.activities(number), number, plain=self.plain)
        replay_steps(code, state)
        if model.outcome is None:
            return
        self.store.save(fork(state, id="fork"))
        with Executor(self.store, clock=ProcessClock(self.world.time, lambda: None)) as executor:
            handle = executor.resume(code, "fork")
            try:
                assert (handle.result(SECONDS), None) == model.outcome
            except WorkflowFailedError:
                stored = self.store.load("fork")
                assert stored is not None
                assert (None, stored.error) == model.outcome
        assert not self.world.open(number)

    # The end

    def teardown(self) -> None:
        try:
            if self.drawn and not self.failed():
                self.drive_to_the_end()
        finally:
            self.clean_up()

    def failed(self) -> bool:
        return bool(self.world.problems) or self.broken

    broken = False

    def drive_to_the_end(self) -> None:
        """Do whatever the program waits for, until it has ended."""
        for _ in range(500):
            state = self.store.load("w")
            assert state is not None
            if state.status != "running":
                break
            if self.process is None:
                self.resume([])
                continue
            self.process.gate.writes_left = None
            open_ = sorted(self.world.open(self.process.number))
            if open_:
                self.world.end(self.process.number, *open_[0])
            elif self.process.clock.due():
                self.process.clock.fire()
            else:
                assert self.process.handle is not None
                self.send(self.process.handle.waiting_for[0])
            self.settle()
        self.check_end()

    def close(self, process: Process) -> None:
        """Close an executor; activities that are plain functions end once they count no more."""
        assert process.handle is not None
        closing = threading.Thread(target=process.engine.close)
        closing.start()
        deadline = time.monotonic() + SECONDS
        while not process.over:
            assert time.monotonic() < deadline
            self.world.wait_for_change(self.world.changes)
        self.world.kill(process.number)
        closing.join(SECONDS)

    def clean_up(self) -> None:
        if self.drawn:
            with self.world.changed:
                self.world.closed = True
            for process in [*self.gone, *([self.process] if self.process else [])]:
                process.gate.cut()
                if process.handle is not None:
                    self.close(process)
                process.executor = None
        self.store.close()
        self.folder.cleanup()
        deadline = time.monotonic() + SECONDS
        for thread in set(threading.enumerate()) - self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))


class PlainPrograms(Programs):
    plain = True


@pytest.mark.parametrize("machine", [Programs, PlainPrograms], ids=["async", "plain"])
def test_random_programs_that_are_killed_end_as_their_model_says(machine: Any) -> None:
    run_state_machine_as_test(machine, settings=SETTINGS)  # type: ignore[no-untyped-call]
