"""Creates the right kind of run for a function, with its context."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inngest_nb.engine.basics._functions import is_async
from inngest_nb.engine.basics._typed import workflow_types
from inngest_nb.engine.code._async_run import AsyncRun
from inngest_nb.engine.code._context import AsyncWorkflowContext, WorkflowContext
from inngest_nb.engine.code._plain_run import PlainRun, runs_plain_code
from inngest_nb.engine.code._turn_loop import TurnLoop, running_loop
from inngest_nb.engine.run._run import Run
from inngest_nb.engine.threads._services import Services
from inngest_nb.errors import WorkflowCodeError
from inngest_nb.state import WorkflowState


def refuse_in_code(what: str) -> None:
    """Raise `WorkflowCodeError` in workflow code, which would do this again in every replay."""
    if isinstance(running_loop(), TurnLoop) or runs_plain_code():
        raise WorkflowCodeError(
            f"{what} is not allowed in workflow code, because a replay would do it again; use "
            "ctx.execute_workflow(fn, input) to start a child workflow, or use the executor in an "
            "activity"
        )


def new_run(services: Services[Run], fn: Callable[..., Any], state: WorkflowState) -> Run:
    """Return a new run of a function, or one that replays the history of its state.

    Raises `PayloadTypeError` for an input that doesn't fit the function.
    """
    workflow_types(fn).decode_input(state.input)  # raises early if it does not fit
    if is_async(fn):
        return AsyncRun(services, fn, state, AsyncWorkflowContext)
    return PlainRun(services, fn, state, WorkflowContext)
