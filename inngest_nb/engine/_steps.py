"""A history run through its code once more, only to look: nothing is begun and nothing saved."""

from __future__ import annotations

import concurrent.futures
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
_TOO_LATE = "TimeoutError: the workflow was not finished"  # which is not the code's own doing
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+")


class ReplayStep(NamedTuple):
    """An event of a history, and what the code asked for when it saw it."""

    event: HistoryEvent
    calls: tuple[Call, ...]


def replay_steps(fn: Callable[..., Any], state: WorkflowState) -> list[ReplayStep]:
    """Replay a history and return its events, each with the calls that followed from it.

    Superseded events are left out. Raises `NonDeterminismError` where code and history part,
    `EngineError` for a state without a history, and `TimeoutError` for code that blocks.
    """
    past, curtain = _through(fn, state, _SECONDS)
    if state.status is WorkflowStatus.COMPLETED and curtain.raised is not None:
        raise past.raised(curtain.raised, state.history[-1], "the workflow completed")
    if state.status is WorkflowStatus.COMPLETED and curtain.end is None:
        raise past.parting(state.history[-1], "the workflow completed", "it goes on")
    return _steps(past)


def check_history(fn: Callable[..., Any], state: WorkflowState, seconds: float = _SECONDS) -> None:
    """Replay a history, and raise `NonDeterminismError` if the code does not do the same again.

    Beyond what a replay compares anyway, the code has to end as it did, with the same result or
    error. `TimeoutError` comes after so many seconds.
    """
    past, curtain = _through(fn, state, seconds)
    recorded = next((e for e in reversed(state.history) if e.superseded is not True), None)
    if recorded is None or recorded.type not in _ENDS or recorded.error.startswith(_TOO_LATE):
        return
    now = curtain.end
    if now is None:
        raise past.parting(recorded, _ending(recorded), f"it goes on{past.last_call()}")
    if now.type is recorded.type is EventType.WORKFLOW_COMPLETED:
        if not same(recorded.result, now.result):
            was, is_ = shown(recorded.result, now.result)
            asked = f"its result is {is_}{past.last_call()}"
            raise past.parting(recorded, f"its result is {was}", asked)
    elif now.type is not recorded.type or _plain(now.error) != _plain(recorded.error):
        raise past.parting(recorded, _ending(recorded), f"{_ending(now)}{past.last_call()}")


def _ending(event: HistoryEvent) -> str:
    error = f" with {event.error[:200]}" if event.error else ""
    return f"{str(event.type).replace('_', ' ')}{error}"


def _plain(error: str) -> str:
    """Return an error's text without addresses, which are others each time."""
    return _ADDRESS.sub("", error)


def _through(fn: Callable[..., Any], state: WorkflowState, seconds: float) -> tuple[Past, _Curtain]:
    """Run the code through a history; return what it asked for, and how it ended if it did."""
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
        error = run.done.exception(seconds)
    except concurrent.futures.TimeoutError:
        run.suspend(EngineError("the replay was given up", workflow_id=run.workflow_id))
        # Its code may block: nobody has to wait for that.
        close = partial(_close_later, engine)
        threading.Thread(target=close, name="inngest-nb-close", daemon=True).start()
        raise TimeoutError(
            f"the code of workflow {state.workflow_id!r} was not through its history within "
            f"{seconds:g} s; does it block?"
        ) from None
    except BaseException:  # such as an interrupt
        engine.close()
        raise
    engine.close()
    if isinstance(error, NonDeterminismError):
        raise error
    return past, curtain


def _close_later(engine: Services[Run]) -> None:
    engine.threads.close(_LONGEST_SECONDS)
    engine.close()


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
        self.end: HistoryEvent | None = None  # of the code
        self.raised: BaseException | None = None  # by the code

    def start(self) -> None:
        """Nothing is written."""

    def put(self, run: Savable, *, wake: bool = True) -> None:
        """Stop the run: its past is over."""
        if isinstance(run, Run):
            past = run.past.length if run.past else 0
            new = run.journal.events[past:]
            ends = (e for e in new if e.type in _ENDS and e.superseded is not True)
            self.end, self.raised = next(ends, None), run.raised
            run.suspend(EngineError("the replay is over", workflow_id=run.workflow_id))
