"""Which kind of run a function gets, with the context that goes with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inngest_nb.engine.basics._functions import is_async
from inngest_nb.engine.code._async_run import AsyncRun
from inngest_nb.engine.code._context import AsyncWorkflowContext, WorkflowContext
from inngest_nb.engine.code._plain_run import PlainRun
from inngest_nb.engine.code._run import Run
from inngest_nb.engine.threads._services import Services
from inngest_nb.state import WorkflowState


def new_run(services: Services[Run], fn: Callable[..., Any], state: WorkflowState) -> Run:
    """Return a run of a function: new, or with the past that its state has."""
    if is_async(fn):
        return AsyncRun(services, fn, state, AsyncWorkflowContext)
    return PlainRun(services, fn, state, WorkflowContext)
