"""A run of a random program held against its model: while it goes on, at its end, and replayed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from program_model import Model
from program_parts import Act
from program_process import SECONDS, Process, Seen
from program_time import Time
from program_timers import DEADLINE, Timers
from program_world import children
from random_programs import Node, children_in, is_unordered

from inngest_nb import HistoryEvent, WorkflowState, WorkflowStore, fork
from inngest_nb.errors import (
    LeaseLostError,
    NonDeterminismError,
    WorkflowCanceledError,
    WorkflowFailedError,
)
from inngest_nb.state import UNSET

_ENDS = ("activity_completed", "activity_failed")


class Member(NamedTuple):
    """The run or a child of it: its model, what has happened, and how much before this life."""

    model: Model
    history: Sequence[HistoryEvent]
    past: int


class CheckedRun:
    """What is known of a run, and what has to hold for it at any time."""

    plain: bool
    kind: str
    program: Node
    time: Time
    store: WorkflowStore
    process: Process | None
    gone: list[Process]
    closed: list[Process]
    acknowledged: list[int]
    foreign: list[int]
    sends: Counter[int]
    histories: dict[str, tuple[HistoryEvent, ...]]  # of children
    fires: list[tuple[datetime, datetime]]
    history: tuple[HistoryEvent, ...]
    state: WorkflowState | None
    broken: bool
    seeds: list[int]
    loyal: int | None
    had_outage: bool
    outage: int  # how much happens until the store is there again

    def bury(self) -> None:
        """Let go of the process."""
        raise NotImplementedError

    def make_process(self, number: int, workflow_id: str = "w") -> Process:
        """Return a new process."""
        raise NotImplementedError

    def settle(self) -> None:
        """Wait until all is as the model says; or until the run, or its process, has ended."""
        process = self.process
        assert process is not None
        deadline = time.monotonic() + SECONDS
        while True:
            stored = self.store.load("w")
            seen = process.look()
            if seen.problem is not None:
                self.broken = True
                raise seen.problem
            if seen.over or seen.dead:
                self.check_over(process, seen)
                return
            if self.time.store_is_away:  # nothing is lost, and nothing comes of what happens
                self.model_of(stored)
                self.outlast_the_outage(events=1)
                if self.time.store_is_away:
                    return
                continue  # what the outage held up comes now
            if not (difference := self.difference(process, seen, stored)):
                self.acknowledged += set(seen.acknowledged).difference(self.acknowledged)
                return
            if time.monotonic() > deadline:
                self.broken = True
                raise AssertionError("\n".join([*difference, *map(str, self.history)]))
            process.wait_for_change(seen.changes)

    def outlast_the_outage(self, events: int = 0) -> None:
        """Let the store be there again, at once or after so many more things have happened."""
        self.outage = self.outage - events if events else 0
        if self.outage <= 0:
            self.time.outlast_the_outage()

    def look(self) -> Model:
        """Return the model of what is stored, once that has grown at its end only."""
        return self.model_of(self.store.load("w"))

    def model_of(self, state: WorkflowState | None) -> Model:
        self.state = state
        history = state.history if state else ()
        assert history[: len(self.history)] == self.history, "the history was changed"
        for event in history[len(self.history) :]:
            if event.type == "timer_fired":
                self.check_fired(event)
        self.history = history
        return Model.of(state, self.program, plain=self.plain)

    def check_fired(self, event: HistoryEvent) -> None:
        """Hold the end of a timer against when one was let fire, each of which ends one at most."""
        assert event.timestamp is not None
        when = event.timestamp
        for fire in self.fires:
            if fire[0] <= when <= fire[1]:
                self.fires.remove(fire)
                return
        raise AssertionError(f"no timer was to fire then: {event}, but {self.fires}")

    def difference(self, process: Process, seen: Seen, state: WorkflowState | None) -> list[str]:
        """Say what is not, or not yet, as it has to be."""
        if state is None:
            return ["nothing is stored"]
        if state.run_id != seen.run_id:
            return ["another run is stored"]
        if not seen.owned and self.kind != "whole":
            return ["it is not claimed yet"]
        if any(seen.saved_at_once[len(state.history) :]):
            return ["it is not saved yet"]  # what is left goes with the next that is
        received = {event.signal_payload for event in state.history}
        if missing := set(self.foreign) - received:
            return [f"signals {missing} from elsewhere have not come"]
        model = self.model_of(state)
        if model.outcome or model.ended:
            return [f"it goes on, but is over: {model.outcome}, {model.ended}"]
        if model.plain and seen.replays:
            return ["it replays"]
        family = [Member(model, self.history, seen.past.get("w", 0))]
        wrong = self.children(seen, model, family)
        wrong += self.calls_and_timers(process, seen, family)
        return [*wrong, *self.signals(seen, model)]

    def children(self, seen: Seen, model: Model, family: list[Member]) -> list[str]:
        """Add the children that have to be alive, and say what is wrong with the others."""
        if not children_in(self.program):
            return []
        wrong: list[str] = []
        stored = {str(state.input): state for state in children(self.store)}
        for k, call in model.expected_children().items():
            state = stored.pop(str(call.program), None)
            if state is None or state.status != "running":
                wrong.append(f"child {k} is not begun, or not yet known to have ended")
                continue
            child = self.model_of_child(state)
            if child.outcome is not None:
                wrong.append(f"child {k} goes on, but is over: {child.outcome}")
            past = seen.past.get(state.workflow_id, 0)
            family.append(Member(child, state.history, past))
        left = [state.workflow_id for state in stored.values() if state.status == "running"]
        return [*wrong, *([f"nobody waits for {left}, and they are not canceled"] if left else [])]

    def model_of_child(self, state: WorkflowState) -> Model:
        before, now = self.histories.get(state.workflow_id, ()), state.history
        assert now[: len(before)] == before, f"the history of {state.workflow_id!r} was changed"
        self.histories[state.workflow_id] = now
        return Model.of(state, state.input, plain=self.plain)

    def calls_and_timers(self, process: Process, seen: Seen, family: list[Member]) -> list[str]:
        running, timers = set(seen.open), Timers(seen.due)
        wrong: list[str] = []
        for model, history, past in family:
            wrong += self.calls(running, timers, model, history, past)
        wrong += timers.wrong()
        for k, number in sorted(running):
            act = self.act_of(k, family)
            if act and act.over and act.act["kind"] == "work_plainly":  # cannot be canceled
                process.end(k, number)
            wrong.append(f"attempt {number} of call {k} runs, and has not to")
        return wrong

    def act_of(self, k: int, family: list[Member]) -> Act | None:
        """Return a call, also one of a child that was canceled."""
        ended = [state for state in children(self.store) if state.status != "running"]
        models = [model for model, _, _ in family]
        models += [Model.of(state, state.input, plain=self.plain) for state in ended]
        act = next((model.acts[k] for model in models if k in model.acts), None)
        if act is not None and any(model.ended and k in model.acts for model in models):
            act.over = True
        return act

    def calls(
        self,
        running: set[tuple[int, int]],
        timers: Timers,
        model: Model,
        history: Sequence[HistoryEvent],
        past: int,
    ) -> list[str]:
        """Take away what a run has to do, and say what it does not."""
        wrong: list[str] = []
        for timer in model.expected_timers():
            timers.expect(timer.asked_at, timer.due, timer.seconds, history, past)
        if model.deadline is not None:
            timers.expect(0, model.deadline, DEADLINE, history, past)
        for k, act in model.expected_open().items():
            attempt = (k, act.attempts + 1)
            if attempt in running:
                running.discard(attempt)
                timers.expect_limit(act.act["limit"])
            elif act.retry_at is not None:
                timers.expect(act.failed_at, act.retry_at, act.pause, history, past)
            else:
                wrong.append(f"call {k} has to run, and does not")
        for choice in model.expected_choices():
            begun = [(k, number) for k, number in running if k in choice]
            if len(begun) != 1:
                wrong.append(f"one call of {choice} has to run, not {begun}")
            for k, number in begun:
                running.discard((k, number))
                timers.expect_limit(model.acts[k].act["limit"])
        return wrong

    def signals(self, seen: Seen, model: Model) -> list[str]:
        listening, expected = set(seen.waiting_for), model.expected_signals()
        return [f"it waits for {listening}, not {expected}"] if listening != expected else []

    def check_over(self, process: Process, seen: Seen) -> None:
        try:
            if not seen.dead:
                process.result()
        except (WorkflowFailedError, WorkflowCanceledError):
            pass
        except LeaseLostError:  # the one that was to lose it has written once more, before
            assert any(not (it := gone.look()).over and not it.dead for gone in self.gone)
            seen = seen._replace(dead=True)
        except NonDeterminismError:
            self.note_another_order(process)
            seen = seen._replace(dead=True)
        except OSError:
            seen = process.look()  # which died of a write that came after the end of the run
            if not seen.dead:
                raise
        if seen.dead:
            self.bury()
            self.look()
        else:
            self.check_end()

    def note_another_order(self, process: Process) -> None:
        """Accept that a program with a set of strings found another order in this process.

        The last life that had written must find its own order again; so one of those before does.
        """
        self.broken = True
        assert is_unordered(self.program), "the same code, and it cannot be replayed"
        assert process.seed is not None, "the order differs within one process"
        while self.seeds and self.seeds[-1] == process.seed:
            self.seeds.pop()
        assert self.seeds, "no process that this run was in can replay it"
        self.loyal, self.broken = self.seeds[-1], False

    def check_end(self) -> None:
        """Hold the end against the model."""
        self.outlast_the_outage()
        model = self.look()
        state = self.state
        assert state is not None
        assert state.status == model.ended, (state.status, model.ended)
        if model.ended == "completed":
            assert model.outcome == (state.result, None)
            assert state.error == ""
        elif model.ended == "failed":
            self.check_failure(model, state.error)
            assert state.result is None
        else:
            assert state.error == "canceled"
        self.check_history(state, model)
        if children_in(self.program):
            self.check_children(state)
        self.check_replay(state, model)

    def check_children(self, state: WorkflowState) -> None:
        """Hold the ends of children against their models, and against what the run knows of them.

        Those that nobody waits for are canceled, if the process lives to do that: else whoever
        recovers them does it.
        """
        deadline = time.monotonic() + SECONDS
        process = self.process or self.gone[-1]
        while any(each.status == "running" for each in children(self.store)):
            if process.look().dead or process in self.closed:
                break
            assert time.monotonic() < deadline, "a child goes on, and its parent has ended"
            process.wait_for_change(process.look().changes)
        ends = {e.child: e for e in state.history if e.type in _ENDS and e.child is not UNSET}
        for child in children(self.store):
            model, end = self.model_of_child(child), ends.get(child.workflow_id)
            if child.status in ("completed", "failed"):
                assert model.outcome == (child.result, child.error or None)
            if end is not None and end.error != "canceled":
                assert child.status == end.type.removeprefix("activity_"), (child, end)
                assert (child.result, child.error) == (end.result, end.error)

    def check_failure(self, model: Model, error: str) -> None:
        late = f"TimeoutError: the workflow was not finished within {DEADLINE:g} s"
        # In an outage it can come to its time with an end at hand that is not saved yet.
        if model.outcome is None or (error == late and self.had_outage):
            assert model.deadline is not None
            assert error == late
        else:
            assert (None, error) == model.outcome

    def check_history(self, state: WorkflowState, model: Model) -> None:
        assert [event.id for event in state.history] == [*range(1, len(state.history) + 1)]
        done = Counter(e.seq for e in state.history if e.type == "activity_completed")
        assert set(done.values()) <= {1}
        payloads = [e.signal_payload for e in state.history if e.type == "signal_received"]
        assert Counter(payloads) <= self.sends, f"sent were {self.sends}, and came {payloads}"
        rest = iter(payloads)
        acknowledged = sorted(self.acknowledged)  # some of them only later than the next one
        assert all(any(payload == each for each in rest) for payload in acknowledged), (
            f"acknowledged were {self.acknowledged}, and in the history are {payloads}"
        )

    def check_replay(self, state: WorkflowState, model: Model) -> None:
        """Let the whole history answer: the same comes out of it, and nothing is begun."""
        if model.outcome is None:
            return
        self.store.save(fork(state, id="fork"))
        again = self.make_process(len(self.gone) + 100, "fork")
        try:
            again.replay(state)
            again.begin(None)
            assert (again.result(), None) == model.outcome
        except WorkflowFailedError:
            stored = self.store.load("fork")
            assert stored is not None
            assert (None, stored.error) == model.outcome
        except NonDeterminismError:
            assert is_unordered(self.program)
            assert again.seed is not None
        finally:
            open_ = again.look().open
            again.close()
        assert not open_
