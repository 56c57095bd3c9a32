"""Runs workflows in this process, remembers what happened, and goes on after a crash."""

from inngest_nb.engine._activity import ActivityContext
from inngest_nb.engine._context import AsyncWorkflowContext, WorkflowContext
from inngest_nb.engine._executor import Executor, Recovery
from inngest_nb.engine._fork import fork
from inngest_nb.engine._handle import WorkflowHandle
from inngest_nb.engine._hooks import Hooks
from inngest_nb.engine._policy import RetryPolicy
from inngest_nb.engine._registry import workflow

__all__ = [
    "ActivityContext",
    "AsyncWorkflowContext",
    "Executor",
    "Hooks",
    "Recovery",
    "RetryPolicy",
    "WorkflowContext",
    "WorkflowHandle",
    "fork",
    "workflow",
]
