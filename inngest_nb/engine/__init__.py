"""Runs workflows in this process and remembers what happened."""

from inngest_nb.engine._context import AsyncWorkflowContext, WorkflowContext
from inngest_nb.engine._executor import Executor
from inngest_nb.engine._handle import WorkflowHandle
from inngest_nb.engine._hooks import Hooks
from inngest_nb.engine._policy import RetryPolicy

__all__ = [
    "AsyncWorkflowContext",
    "Executor",
    "Hooks",
    "RetryPolicy",
    "WorkflowContext",
    "WorkflowHandle",
]
