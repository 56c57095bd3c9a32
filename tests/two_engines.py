"""A workflow on both engines: with the executor, and on the stand-in for Inngest's."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from inngest_engine import Answer, Exchange, InngestEngine, Run
from worker_runs import DirectWorker, signal, start

from inngest_nb import Executor, Signal, WorkflowState
from inngest_nb.engine import check_history
from inngest_nb.engine.basics import name_of
from inngest_nb.errors import WorkflowFailedError

Code = Callable[..., Any]
_ATTEMPT = re.compile(r"\d+:([^ ]+)(?: #(\d+))?")
_ENDS = ("activity_completed", "activity_failed")


class Ended(NamedTuple):
    """How a run ended, and what was done for it.

    `made` counts the attempts that were made to their end, those of children's runs, too, by the
    workflow's name, the activity's and the number of the attempt.
    """

    result: Any
    error: str
    made: Counter[tuple[str, str, int]]


def on_executor(fn: Code, given: Any = None, signals: Sequence[Signal] = ()) -> Ended:
    """Run a workflow with an executor."""
    with Executor() as executor:
        handle = executor.execute(fn, input=given, id="w")
        for each in signals:
            executor.signal("w", each)
        try:
            handle.result(30)
            result, error = handle.state.result, ""
        except WorkflowFailedError as failed:
            result, error = None, str(failed).removeprefix("workflow 'w' failed: ")
        made: Counter[Any] = Counter()
        for state in executor.store.list():
            name = re.split(r"[.:]", str(state.history[0].workflow))[-1]
            made.update(
                (name, event.activity_name, int(event.attempt or 0))
                for event in state.history
                if event.type in _ENDS and not event.child and event.error != "canceled"
            )
    return Ended(result, error, made)


class OnInngest:
    """A stand-in that serves some workflows, and keeps what the worker has told of each run."""

    def __init__(
        self, *functions: Code, virtual: bool = True, shuffle: random.Random | None = None
    ) -> None:
        self.functions = {name_of(fn): fn for fn in functions}
        self.states: dict[str, WorkflowState] = {}
        self.inngest = InngestEngine(virtual=virtual, shuffle=shuffle, retry_interval=1)

    def __enter__(self) -> OnInngest:
        self.inngest.__enter__()
        self.worker = DirectWorker(self.inngest, [*self.functions.values()], self._saw)
        return self

    def __exit__(self, *error: object) -> None:
        self.worker.close()
        self.inngest.__exit__(*error)

    def _saw(self, state: WorkflowState) -> None:
        self.states[state.run_id] = state

    def run(self, fn: Code, given: Any = None, signals: Sequence[Signal] = ()) -> Run:
        """Start a workflow, send it signals, and return its run once that has ended."""
        with self.inngest.clock.hold():
            run = start(self.inngest, fn, given, id="w")
            signal(self.inngest, "w", signals)
        return self.inngest.ended(run)

    def ended(self, run: Run) -> Ended:
        """Return how a run has ended, with what its worker did in it and its children."""
        made: Counter[Any] = Counter()
        for each in [*self.inngest.executor.runs.values()]:
            made.update(self._made(each))
        failed = run.status != "COMPLETED"
        return Ended(None if failed else run.output, error_of(run) if failed else "", made)

    def _made(self, run: Run) -> Counter[tuple[str, str, int]]:
        name = run.function.short
        made: Counter[tuple[str, str, int]] = Counter()
        steps = self.steps_made(run)
        twice = [step for step, count in steps.items() if count > 1]
        # A version is told by each request that comes to its place: the first one stays.
        assert all(step.startswith("version:") for step in twice), f"made twice: {steps}"
        for step in steps:
            if match := _ATTEMPT.fullmatch(step):
                made[name, match[1], int(match[2] or 1)] += 1
        return made

    def steps_made(self, run: Run) -> Counter[str]:
        """Return the names of the steps that the worker has made for a run."""
        ops = [op for op in self.ops(run) if op["op"] in ("StepRun", "StepFailed")]
        return Counter(op["displayName"] for op in ops if not is_dropped(op))

    def names(self, run: Run, op: str) -> list[str]:
        """Return the names of the steps that were reported with an opcode, each once."""
        return [*dict.fromkeys(each["displayName"] for each in self.ops(run) if each["op"] == op)]

    def exchanges(self, run: Run) -> list[Exchange]:
        """Return the requests of one run."""
        return [each for each in self.inngest.requests if each.run_id == run.id]

    def ops(self, run: Run) -> list[dict[str, Any]]:
        """Return all steps that were reported for a run, in the order of the answers."""
        answers = [each.answer for each in self.exchanges(run)]
        return [op for answer in answers if answer and answer.status == 206 for op in answer.body]

    def ask(self, exchange: Exchange, **more: Any) -> Answer:
        """Send a request to the worker once more, behind the stand-in's back."""
        call = self.worker.call(exchange.function, exchange.step, exchange.body | more)
        return asyncio.run_coroutine_threadsafe(call, self.inngest.loop).result(60)

    def check_replays(self) -> None:
        """Let each run that has ended be replayed: with all its answers, and by its history."""
        for run in [*self.inngest.executor.runs.values()]:
            if run.status not in ("COMPLETED", "FAILED"):
                continue
            last = next(e for e in self.exchanges(run) if e.answer and e.answer.status != 206)
            assert last.answer is not None
            again = self.ask(last)
            assert again.status == last.answer.status, (again, last.answer)
            assert _lasting(again.body) == _lasting(last.answer.body), (again, last.answer)
            later = self.ask(last, steps=run.steps)  # with those that came meanwhile
            assert _lasting(later.body) == _lasting(last.answer.body), (later, last.answer)
            check_history(self.functions[run.function.short], self.states[run.id])


def same_as_executor(fn: Code, given: Any = None) -> tuple[Any, str]:
    """Run a workflow on both engines, and return the result and the error that both have.

    In real time: in the other, the end of a limit comes at once, whatever runs within it.
    """
    expected = on_executor(fn, given)
    with OnInngest(fn, virtual=False) as on:
        ended = on.ended(on.run(fn, given))
        on.check_replays()
    assert ended == expected
    return ended.result, ended.error


def is_dropped(op: dict[str, Any]) -> bool:
    """Tell whether a step was asked for that the code does not wait for any more."""
    return op.get("data") == {"dropped": True}


def error_of(run: Run) -> str:
    """Return the text of a run's error."""
    output = run.output
    while isinstance(output.get("error"), dict):
        output = output["error"]
    return str(output["message"])


def _lasting(body: Any) -> Any:
    """Leave out of an answer when it was given, and the stack with the same in it."""
    if not isinstance(body, dict):
        return body
    return {name: value for name, value in body.items() if name not in ("at", "stack")}
