"""Random programs on Inngest's engine, in drawn orders: what comes out is what their model says."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from inngest_engine import InngestEngine, Run
from program_code import Activities, workflow_of
from program_model import Model
from random_programs import Node, children_in, names_in, programs
from two_engines import OnInngest, error_of
from worker_runs import signal, start

from inngest_nb import ActivityContext, Signal, WorkflowState

pytestmark = pytest.mark.slow

# How many programs of each kind are tried: some, always the same ones, or as many new ones.
MANY = int(os.environ.get("INNGEST_NB_RANDOM_PROGRAMS", "0"))
_SECONDS = timedelta(seconds=7)  # between signals
_TIMEOUT = 400


class World:
    """Where activities run: each takes a while, which is drawn, of the stand-in's time."""

    def __init__(self, luck: int) -> None:
        self.inngest: InngestEngine | None = None
        self.begun: Counter[tuple[int, int]] = Counter()
        self._luck = luck

    def activities(self) -> Activities:
        async def work(ctx: ActivityContext, given: dict[str, Any]) -> list[Any]:
            loop, over = asyncio.get_running_loop(), asyncio.Event()
            self._begin(ctx, given, lambda: loop.call_soon_threadsafe(over.set))
            await over.wait()
            return self._result(ctx, given)

        def work_plainly(ctx: ActivityContext, given: dict[str, Any]) -> list[Any]:
            over = threading.Event()
            self._begin(ctx, given, over.set)
            assert over.wait(60)
            return self._result(ctx, given)

        return {"work": work, "work_plainly": work_plainly}

    def _begin(
        self, ctx: ActivityContext, given: dict[str, Any], let_go: Callable[[], Any]
    ) -> None:
        assert self.inngest is not None
        self.begun[given["k"], ctx.attempt] += 1
        luck = random.Random(f"{self._luck} {given['k']} {ctx.attempt}")
        clock = self.inngest.clock
        clock.call_at(clock.now() + timedelta(seconds=luck.choice([0, 1, 5, 5.5, 40])), let_go)

    def _result(self, ctx: ActivityContext, given: dict[str, Any]) -> list[Any]:
        if ctx.attempt <= given["fails"]:
            raise ValueError(f"no {given['k']}.{ctx.attempt}")
        return [given["k"], ctx.attempt, given.get("answer")]


class ProgramOnInngest:
    """A run of a random program, which gets signals until it has ended."""

    def __init__(self, program: Node, luck: int, timeout: float | None, *, plain: bool) -> None:
        self.program, self.plain, self.timeout = program, plain, timeout
        self.world = World(luck)
        self.code = workflow_of(self.world.activities(), 1, plain=plain)
        self._luck = random.Random(luck)
        self._sent = 0

    def check(self) -> None:
        """Run it, and hold its end and its history against the model."""
        with OnInngest(self.code, shuffle=self._luck) as on:
            self.world.inngest = inngest = on.inngest
            more = {} if self.timeout is None else {"timeout": self.timeout}
            with inngest.clock.hold():
                run = start(inngest, self.code, self.program, id="w", **more)
                inngest.do(lambda: self._signal_for_ever(inngest, run))
            inngest.ended(run)
            self._check_end(run, on.states[run.id])
            for other in [*inngest.executor.runs.values()]:
                if other is not run and other.status in ("COMPLETED", "FAILED"):
                    self._check_child(other, on.states[other.id])
            on.ended(run)  # no step was made twice
            on.check_replays()
        assert set(self.world.begun.values()) <= {1}, self.world.begun

    def _signal_for_ever(self, inngest: InngestEngine, run: Run) -> None:
        if run.is_over:
            return
        self._sent += 1
        name = self._luck.choice([*names_in(self.program), "nobody listens"])
        signal(inngest, "w", [Signal(name, self._sent)])
        again = inngest.clock.now() + self._luck.choice([_SECONDS, timedelta()])
        inngest.clock.add(again, lambda: self._signal_for_ever(inngest, run))

    def _check_end(self, run: Run, state: WorkflowState) -> None:
        model = Model.of(state, self.program, plain=self.plain)
        if run.status == "COMPLETED":
            assert model.outcome == (run.output, None)
        elif error_of(run) == f"TimeoutError: the workflow was not finished within {_TIMEOUT} s":
            assert self.timeout
        else:
            assert model.outcome == (None, error_of(run))
        assert model.ended == run.status.lower()

    def _check_child(self, run: Run, state: WorkflowState) -> None:
        given = run.events[0]["data"]["input"]
        program = next(part for part in children_in(self.program).values() if _like(part, given))
        model = Model.of(state, program, plain=self.plain)
        failed = run.status == "FAILED"
        expected = (None, error_of(run)) if failed else (run.output["result"], None)
        assert model.outcome == expected


def _like(one: Any, other: Any) -> bool:
    return bool(one == other)


@pytest.mark.timeout(0)  # a long time, if many are asked for
@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
def test_random_programs_end_as_their_model_says(plain: bool) -> None:
    @settings(
        max_examples=MANY or 15,
        derandomize=not MANY,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink] if MANY else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        program=programs(plain=plain),
        luck=st.integers(0, 9999),
        timeout=st.sampled_from([None, None, _TIMEOUT]),
    )
    def check(program: Node, luck: int, timeout: float | None) -> None:
        ProgramOnInngest(program, luck, timeout, plain=plain).check()

    check()
