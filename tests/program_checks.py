"""A run of a random program held against its model: while it goes on, at its end, and replayed."""

from __future__ import annotations

import time
from collections import Counter

from program_model import Model
from program_parts import near
from program_world import Gate, ProcessClock, World
from random_programs import Node, workflow_of

from inngest_nb import (
    Executor,
    HistoryEvent,
    WorkflowHandle,
    WorkflowState,
    WorkflowStore,
    fork,
)
from inngest_nb.engine import replay_steps
from inngest_nb.errors import LeaseLostError, WorkflowCanceledError, WorkflowFailedError

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


class CheckedRun:
    """What is known of a run, and what has to hold for it at any time."""

    plain: bool
    kind: str
    program: Node
    world: World
    store: WorkflowStore
    process: Process | None
    gone: list[Process]
    acknowledged: list[int]
    history: tuple[HistoryEvent, ...]
    state: WorkflowState | None
    broken: bool

    def bury(self) -> None:
        """Let go of the process."""
        raise NotImplementedError

    def settle(self) -> None:
        """Wait until all is as the model says; or until the run, or its process, has ended."""
        process = self.process
        assert process is not None
        deadline = time.monotonic() + SECONDS
        while True:
            if self.world.problems:
                self.broken = True
                raise self.world.problems[0]
            if process.over or process.gate.dead:
                self.check_over(process)
                return
            seen = self.world.changes
            if not (difference := self.difference(process)):
                return
            if time.monotonic() > deadline:
                self.broken = True
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
