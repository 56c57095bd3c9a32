"""A history run through its code once more, only to look: nothing is begun and nothing saved."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from inngest_nb.engine.basics._functions import check_function
from inngest_nb.engine.code._new_run import new_run
from inngest_nb.engine.code._run import Run
from inngest_nb.engine.history._replay import Call, Past
from inngest_nb.engine.threads._services import Services
from inngest_nb.engine.threads._writer import Savable, Writer
from inngest_nb.errors import EngineError, NonDeterminismError
from inngest_nb.state import EventType, HistoryEvent, WorkflowState, WorkflowStatus
from inngest_nb.store import MemoryStore

_SECONDS = 30.0


class ReplayStep(NamedTuple):
    """An event of a history, and what the code asked for when it saw it."""

    event: HistoryEvent
    calls: tuple[Call, ...]


def replay_steps(fn: Callable[..., Any], state: WorkflowState) -> list[ReplayStep]:
    """Replay a history and return its events, each with the calls that followed from it.

    Superseded events are left out. Raises `NonDeterminismError` where code and history part,
    `EngineError` for a state without a history, and `TimeoutError` for code that blocks.
    """
    check_function(fn, "a workflow")
    if not state.history or state.history[0].type is not EventType.WORKFLOW_STARTED:
        raise EngineError(
            f"workflow {state.workflow_id!r} cannot be replayed: it was saved without its history",
            workflow_id=state.workflow_id,
            run_id=state.run_id,
        )
    engine: Services[Run] = Services(MemoryStore(), None, None, 1, timedelta(minutes=1))
    curtain = engine.writer = _Curtain()
    run = new_run(engine, fn, state)
    past = run.past
    assert past is not None  # it has a history  # noqa: S101
    try:
        engine.begin(run)
        error = run.done.exception(_SECONDS)
    except concurrent.futures.TimeoutError:
        raise TimeoutError(
            f"the code of workflow {state.workflow_id!r} was not through its history within "
            f"{_SECONDS:g} s; does it block?"
        ) from None
    finally:
        engine.close()
    if isinstance(error, NonDeterminismError):
        raise error
    if state.status is WorkflowStatus.COMPLETED and not curtain.ended:
        raise past.parting(state.history[-1], "the workflow completed", "it goes on")
    return _steps(past)


def _steps(past: Past) -> list[ReplayStep]:
    marks = [*past.marks, (past.marks[-1][0], len(past.calls))]
    return [
        ReplayStep(event, tuple(past.calls[first:last]))
        for (event, first), (_, last) in pairwise(marks)
    ]


class _Curtain(Writer):
    """Stands where the writer would be, and stops a run that has come to where it would save."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), lambda: None)
        self.ended = False

    def start(self) -> None:
        """Nothing is written."""

    def put(self, run: Savable, *, wake: bool = True) -> None:
        """Stop the run: its past is over."""
        if isinstance(run, Run):
            past = run.past.length if run.past else 0
            self.ended = len(run.journal.events) > past
            run.suspend(EngineError("the replay is over", workflow_id=run.workflow_id))
