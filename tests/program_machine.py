"""What may happen to a random program, in any order: a machine that hypothesis drives."""

from __future__ import annotations

import contextlib
import os
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
)
from program_life_runs import LifeRun
from program_lives import Cradle
from program_runs import ProgramRun
from random_programs import Node, children_in, programs

from inngest_nb import Executor, Signal
from inngest_nb.errors import (
    EngineError,
    LeaseLostError,
    WorkflowCanceledError,
    WorkflowNotRunningError,
    WorkflowNotSavedError,
)

# How many programs are tried: some, always the same ones, or as many new ones as this says. Only
# then is a failure made smaller, because a run that hangs takes all its time at each attempt.
MANY = int(os.environ.get("INNGEST_NB_RANDOM_PROGRAMS", "0"))
SETTINGS = settings(
    max_examples=MANY or 30,
    stateful_step_count=30,
    derandomize=not MANY,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink] if MANY else [Phase.generate],
    suppress_health_check=list(HealthCheck),
)

# Lives in processes take longer, and in one process those of async code do.
FEWER = settings(SETTINGS, max_examples=MANY or 15)


class Programs(ProgramRun, RuleBasedStateMachine):
    """What may happen to a run, in any order."""

    @initialize(
        data=st.data(),
        kind=st.sampled_from(["memory", "memory", "whole", "sqlite"]),
        timeout=st.sampled_from([None, None, None, 150]),
        dies=st.none() | st.tuples(st.integers(0, 3), st.booleans()),
    )
    def start(self, data: st.DataObject, kind: str, timeout: float | None, dies: Any) -> None:
        program = data.draw(programs(plain=self.plain), label="program")
        self.begin(program, kind, timeout, dies)

    # What happens. Rules look at nothing but what hypothesis has drawn: how many events one write
    # takes is up to the threads, so what they find can differ from one time to the next.

    @rule(which=st.integers(0, 99))
    def go_on(self, which: int) -> None:
        """End an activity, or let the next timer fire."""
        if self.runs():
            seen = self.running.look()
            choices: list[Any] = [*sorted(seen.open), *[None] * bool(seen.due)]
            if choices and (chosen := choices[which % len(choices)]) is not None:
                self.running.end(*chosen)
            elif choices:
                self.fire(seen)
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
    def set_the_clocks(self, seconds: float) -> None:
        self.time.set_the_clocks(seconds)

    @rule(writes=st.integers(0, 4), answer_only=st.booleans())
    def let_a_write_be_the_last(self, writes: int, answer_only: bool) -> None:
        if self.runs():
            self.running.die(writes, answer_only=answer_only)

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
            if children_in(self.program) and (how == "drop" or self.time.store_is_away):
                # Dropped, it would live on with the children; closed without a store, it could not
                # let go of them before its lease has ended by itself.
                how = "cut"
            if how == "cut":
                self.running.cut()
            elif how == "close":
                self.running.close()
                self.closed.append(self.running)
            elif self.kind == "whole":
                return  # two executors on such a store would not know of each other
            self.bury()
        if self.process is None and not self.ended():
            for number in signals_before:
                self.send_from_elsewhere(self.names[number % len(self.names)])
            self.time.last(later) if later > 0 else self.time.set_the_clocks(later)
            self.resume(
                [self.names[number % len(self.names)] for number in signals_in_replay], dies
            )

    @rule(which=st.integers(0, 9))
    def end_the_activities_of_a_process_that_lost_the_run(self, which: int) -> None:
        late = [process for process in self.gone if process.look().open]
        if not late or not (self.runs() or self.ended()):
            return
        self.outlast_the_outage()  # until which they would not hear
        process = late[which % len(late)]
        for k, attempt in sorted(process.look().open):
            process.end(k, attempt)
        ends = [LeaseLostError, WorkflowNotSavedError, WorkflowCanceledError, OSError]
        if children_in(self.program):  # it may hear first that one of these was not saved
            ends.append(EngineError)
        with pytest.raises(tuple(ends)):
            process.result()
        self.look()

    @rule(chance=st.integers(0, 9), elsewhere=st.booleans())
    def cancel(self, chance: int, elsewhere: bool) -> None:
        if chance or self.kind == "whole" or not self.runs():
            return
        # What an outage holds up may end the run before it hears of this.
        may_end = self.time.store_is_away
        if elsewhere:
            self.outlast_the_outage()
            self.running.live()
            with Executor(self.store) as other:
                came = other.cancel("w")
            self.bury()
            self.check_end()
            assert self.state is not None
            assert came is (self.state.status == "canceled")
            assert came or may_end
            return
        with contextlib.suppress(WorkflowNotSavedError, OSError):  # it ends with that very write
            assert self.running.cancel() or may_end
        self.settle()

    @rule()
    def find_that_nothing_can_be_done_after_the_end(self) -> None:
        if not self.ended():
            return
        with Executor(self.store) as other:
            with pytest.raises(WorkflowNotRunningError):
                other.signal("w", Signal("s"))
            assert self.state is not None
            assert other.resume(lambda ctx: None, "w").status == self.state.status
            assert not other.cancel("w")
            recovered = other.recover()
            assert not recovered.handles
            assert "w" not in recovered.left
        assert self.store.load("w") == self.state

    def teardown(self) -> None:
        try:
            if self.begun and not self.broken:
                self.drive_to_the_end()
        finally:
            self.clean_up()


class PlainPrograms(Programs):
    plain = True


class EnoughError(Exception):
    """Raised instead of another beginning, once something is known to be wrong."""


class Lives(LifeRun, Programs):
    """The same with each life in a process of its own, with hashes of its own."""

    begun_with: list[Node]

    @initialize(
        data=st.data(),
        luck=st.integers(0, 9999),
        timeout=st.sampled_from([None, None, None, 150]),
        dies=st.none() | st.tuples(st.integers(0, 3), st.booleans()),
    )
    def start(self, data: st.DataObject, luck: int, timeout: float | None, dies: Any) -> None:
        if self.failures:
            raise EnoughError
        self.luck = random.Random(luck)
        program = data.draw(programs(plain=self.plain), label="program")
        self.begun_with.append(program)
        self.begin(program, "lives", timeout, dies)

    @rule(seconds=st.sampled_from([0.1, 3, 30]), events=st.integers(1, 4))
    def let_the_store_be_away(self, seconds: float, events: int) -> None:
        """Let each operation fail for so long, in which so much happens."""
        if self.runs() and not self.time.store_is_away:
            self.time.let_the_store_be_away(seconds)
            self.outage, self.had_outage = events, True

    @rule(name=st.integers(0, 99))
    def signal_from_another_process(self, name: int) -> None:
        if self.runs() and not self.time.store_is_away:
            self.send_to_a_life(self.names[name % len(self.names)])


class PlainLives(Lives):
    plain = True


def machines_of(cradle: Cradle, *, plain: bool) -> type[Lives]:
    """Return the machine whose lives are forked from these processes.

    It keeps what it has begun, and what went wrong with that: after which it begins nothing more.
    """
    kept = {"cradle": cradle, "begun_with": [], "failures": []}
    return type("Lives", (PlainLives if plain else Lives,), kept)
