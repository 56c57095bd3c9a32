"""Workflows for workers, with a log of what they did that outlives their processes."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import inngest_nb as inb

LOG = "WORKED_LOG"


def note(*entry: Any) -> None:
    """Append a line to the log, which is there whatever happens to this process."""
    log = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(log, json.dumps([os.getpid(), *entry]).encode() + b"\n")
    os.close(log)


def step(given: list[Any]) -> list[Any]:
    note("begun", *given)
    time.sleep(0.05)  # work that takes a while
    note("done", *given)
    return given


@inb.workflow(name="worked", version=1)
async def worked(ctx: inb.AsyncWorkflowContext, steps: int) -> int:
    for number in range(steps):
        await ctx.execute_activity(step, [ctx.workflow_id, number])
    return steps
