"""Runs workflows in this process, records what happens, and resumes them after a crash."""

from inngest_nb.engine._executor import Executor, Recovery
from inngest_nb.engine._handle import WorkflowHandle
from inngest_nb.engine._otel import otel_hooks
from inngest_nb.engine._steps import ReplayStep, check_history, replay_steps
from inngest_nb.engine.basics._policy import RetryPolicy
from inngest_nb.engine.basics._registry import Workflows, workflow
from inngest_nb.engine.calls._activity_context import ActivityContext
from inngest_nb.engine.code._context import AsyncWorkflowContext, WorkflowContext
from inngest_nb.engine.code._new_run import refuse_in_code
from inngest_nb.engine.history._fork import fork
from inngest_nb.engine.history._replay import Call
from inngest_nb.engine.threads._hooks import Hooks

__all__ = [
    "ActivityContext",
    "AsyncWorkflowContext",
    "Call",
    "Executor",
    "Hooks",
    "Recovery",
    "ReplayStep",
    "RetryPolicy",
    "WorkflowContext",
    "WorkflowHandle",
    "Workflows",
    "check_history",
    "fork",
    "otel_hooks",
    "refuse_in_code",
    "replay_steps",
    "workflow",
]
