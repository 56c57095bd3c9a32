"""Replays a history for inspection: no activity is executed and nothing is saved."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from inngest_nb.engine.basics._functions import check_function
from inngest_nb.engine.code._new_run import new_run
from inngest_nb.engine.history._replay import Call, Past, same, shown
from inngest_nb.engine.run._run import Run
from inngest_nb.engine.threads._services import Services
from inngest_nb.engine.threads._writer import Savable, Writer
from inngest_nb.errors import EngineError, NonDeterminismError
from inngest_nb.state import EventType, HistoryEvent, WorkflowState, WorkflowStatus
from inngest_nb.store import MemoryStore

_SECONDS = 30.0
_LONGEST_SECONDS = 3_600.0
_ENDS = (EventType.WORKFLOW_COMPLETED, EventType.WORKFLOW_FAILED)
_TOO_LATE = "TimeoutError: the workflow was not finished"  # caused by the clock, not by the code
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+")


class ReplayStep(NamedTuple):
    """An event of a history, and the calls that the code made when it saw the event."""

    event: HistoryEvent
    calls: tuple[Call, ...]


def replay_steps(fn: Callable[..., Any], state: WorkflowState) -> list[ReplayStep]:
    """Replay a history and return its events, each with the calls that followed it.

    Superseded events are left out. Raises `NonDeterminismError` if the code no longer matches the
    history, `EngineError` for a state without a history, and `TimeoutError` if the code blocks.
    """
    past, observer = _replay(fn, state, _SECONDS)
    if state.status is WorkflowStatus.COMPLETED and observer.raised is not None:
        raise past.raised(observer.raised, state.history[-1], "the workflow completed")
    if state.status is WorkflowStatus.COMPLETED and observer.end is None:
        raise past.mismatch(state.history[-1], "the workflow completed", "it is still running")
    return _steps(past)


def check_history(fn: Callable[..., Any], state: WorkflowState, seconds: float = _SECONDS) -> None:
    """Replay a history, and raise `NonDeterminismError` if the code no longer matches it.

    In addition to what every replay compares, the code must end as it did, with the same result or
    error. Raises `TimeoutError` if that takes longer than `seconds`.
    """
    past, observer = _replay(fn, state, seconds)
    recorded = next((e for e in reversed(state.history) if e.superseded is not True), None)
    if recorded is None or recorded.type not in _ENDS or recorded.error.startswith(_TOO_LATE):
        return
    now = observer.end
    if now is None:
        asked = f"it is still running{past.last_call()}"
        raise past.mismatch(recorded, _ending(recorded), asked)
    if now.type is recorded.type is EventType.WORKFLOW_COMPLETED:
        if not same(recorded.result, now.result):
            was, is_ = shown(recorded.result, now.result)
            asked = f"its result is {is_}{past.last_call()}"
            raise past.mismatch(recorded, f"its result is {was}", asked)
    elif now.type is not recorded.type or _plain(now.error) != _plain(recorded.error):
        raise past.mismatch(recorded, _ending(recorded), f"{_ending(now)}{past.last_call()}")


def _ending(event: HistoryEvent) -> str:
    error = f" with {event.error[:200]}" if event.error else ""
    return f"{str(event.type).replace('_', ' ')}{error}"


def _plain(error: str) -> str:
    """Return an error's text without memory addresses, which differ in each process."""
    return _ADDRESS.sub("", error)


def _replay(fn: Callable[..., Any], state: WorkflowState, seconds: float) -> tuple[Past, _Observer]:
    """Replay a history; return the calls that the code made, and how it ended if it did."""
    check_function(fn, "a workflow")
    if not state.history or state.history[0].type is not EventType.WORKFLOW_STARTED:
        raise EngineError(
            f"workflow {state.workflow_id!r} cannot be replayed because it was saved without its "
            "history",
            workflow_id=state.workflow_id,
            run_id=state.run_id,
        )
    engine: Services[Run] = Services(MemoryStore(), None, None, 1, timedelta(minutes=1))
    observer = engine.writer = _Observer()
    run = new_run(engine, fn, state)
    past = run.past
    assert past is not None  # it has a history  # noqa: S101
    try:
        engine.begin(run)
        in_time = run.wait(seconds)
    except BaseException:  # such as an interrupt
        engine.close()
        raise
    if not in_time:
        run.suspend(EngineError("the replay timed out", workflow_id=run.workflow_id))
        # In another thread, because the code may block.
        close = partial(_close_later, engine)
        threading.Thread(target=close, name="inngest-nb-close", daemon=True).start()
        raise TimeoutError(
            f"the replay of workflow {state.workflow_id!r} did not finish within {seconds:g} s; "
            "its code may be blocking"
        )
    engine.close()
    if isinstance(run.failure, NonDeterminismError):
        raise run.failure
    return past, observer


def _close_later(engine: Services[Run]) -> None:
    engine.threads.close(_LONGEST_SECONDS)
    engine.close()


def _steps(past: Past) -> list[ReplayStep]:
    marks = [*past.marks, (past.marks[-1][0], len(past.calls))]
    return [
        ReplayStep(event, tuple(past.calls[first:last]))
        for (event, first), (_, last) in pairwise(marks)
    ]


class _Observer(Writer):
    """Takes the writer's place: stops a run when it would save, and notes how the code ended."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), lambda: None)
        self.end: HistoryEvent | None = None  # of the code
        self.raised: BaseException | None = None  # by the code

    def start(self) -> None:
        """Start no thread: nothing is written."""

    def put(self, run: Savable, *, wake: bool = True) -> None:
        """Stop the run: it has reached the end of its history."""
        if isinstance(run, Run):
            past = run.past.length if run.past else 0
            new = run.journal.events[past:]
            ends = (e for e in new if e.type in _ENDS and e.superseded is not True)
            self.end, self.raised = next(ends, None), run.raised
            run.suspend(EngineError("the replay is over", workflow_id=run.workflow_id))
