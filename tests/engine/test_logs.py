"""What code logs is logged once, with whose it is."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from crashes import Lives

from inngest_nb import (
    ActivityContext,
    AsyncWorkflowContext,
    RetryPolicy,
    Signal,
    WorkflowContext,
)


def fails_once(ctx: ActivityContext, given: Any) -> None:
    ctx.log.info("attempt", extra={"given": given})
    if ctx.attempt == 1:
        raise ConnectionError


async def logs(ctx: AsyncWorkflowContext) -> None:
    ctx.log.info("began %s", 1)
    await ctx.execute_activity(fails_once, 7, retry=RetryPolicy(initial_interval=0))
    ctx.log.debug("nobody listens")
    await ctx.receive_signal("go")
    ctx.log.warning("ended")


def logs_plainly(ctx: WorkflowContext) -> None:
    ctx.log.info("began %s", 1)
    ctx.execute_activity(fails_once, 7, retry=RetryPolicy(initial_interval=0))
    ctx.log.debug("nobody listens")
    ctx.receive_signal("go")
    ctx.log.warning("ended")


@pytest.mark.parametrize("workflow", [logs, logs_plainly], ids=lambda fn: fn.__name__)
def test_each_line_is_logged_once_in_all_lives_and_says_whose_it_is(
    lives: Lives, caplog: pytest.LogCaptureFixture, workflow: Any
) -> None:
    caplog.set_level(logging.INFO, "inngest_nb.workflow")
    handle = lives.executor.execute(workflow, id="w")
    lives.clock.advance(0.1)
    deadline = time.monotonic() + 60
    while not handle.waiting_for:
        assert time.monotonic() < deadline
    handle = lives.crash_and_resume(handle, workflow)
    while not handle.waiting_for:
        assert time.monotonic() < deadline
    lives.executor.signal("w", Signal("go"))
    handle.result(60)
    lines: list[Any] = [each for each in caplog.records if each.name == "inngest_nb.workflow"]
    assert [line.getMessage() for line in lines] == ["began 1", "attempt", "attempt", "ended"]
    assert {(line.workflow, line.workflow_id, line.run_id) for line in lines} == {
        (f"{__name__}:{workflow.__name__}", "w", handle.run_id)
    }
    assert [line.activity for line in lines] == [None, "fails_once", "fails_once", None]
    assert [line.attempt for line in lines[1:3]] == [1, 2]
    assert lines[1].given == 7
    assert {line.filename for line in lines} == {"test_logs.py"}
