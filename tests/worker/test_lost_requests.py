"""Requests whose worker is lost: the server repeats them as often as `retries` says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from inngest_engine import Answer, InngestEngine, WorkerLostError
from inngest_gateway_requests import STOPPED
from worker_runs import APP, DirectWorker

from inngest_nb import ActivityContext, AsyncWorkflowContext, InngestAPI, WorkflowFailedError
from inngest_nb.worker._handle import InngestHandle, start_run

RETRIES = 4  # as workers are served by default
HTTP = "Unable to reach SDK URL"
effects: Counter[int] = Counter()


@pytest.fixture(autouse=True)
def _none_yet() -> None:
    effects.clear()


async def charge(ctx: ActivityContext, amount: int) -> int:
    effects[ctx.seq] += 1
    return amount


async def order(ctx: AsyncWorkflowContext) -> list[int]:
    return [await ctx.execute_activity(charge, n) for n in range(3)]


class MortalWorker(DirectWorker):
    """Is lost so often with each request: before it is answered, or when that has been done."""

    def __init__(self, inngest: InngestEngine, losses: int, when: str, code: str = "") -> None:
        self._losses, self._when, self._code = losses, when, code
        self._lost: Counter[str] = Counter()
        super().__init__(inngest, [order])

    async def call(self, function: str, step: str, body: dict[str, Any]) -> Answer:
        job = body["ctx"]["job_id"]
        if self._lost[job] == self._losses:
            return await super().call(function, step, body)
        self._lost[job] += 1
        if self._when == "after":
            await super().call(function, step, body)
        raise WorkerLostError(HTTP if not self._code else "the worker stopped", code=self._code)


def outcome_of(losses: int, when: str, code: str = "") -> Any:
    with InngestEngine(virtual=True) as inngest, InngestAPI(inngest.url) as api:
        worker = MortalWorker(inngest, losses, when, code)
        try:
            _, run_id = start_run(api, APP, order, None, "o-1", None)
            return InngestHandle(api, order, "o-1", run_id).result(60)
        finally:
            worker.close()


@pytest.mark.parametrize(("when", "times"), [("before", 1), ("after", RETRIES + 1)])
def test_nothing_fails_as_long_as_one_attempt_is_left(when: str, times: int) -> None:
    assert outcome_of(RETRIES, when) == [0, 1, 2]
    assert [*effects.values()] == [times] * 3


@pytest.mark.parametrize(("code", "said"), [("", HTTP), (STOPPED, "the worker stopped")])
def test_what_is_lost_once_more_fails_and_says_why(code: str, said: str) -> None:
    with pytest.raises(WorkflowFailedError) as failed:
        outcome_of(RETRIES + 1, "before", code)
    assert str(failed.value) == (
        f"workflow 'o-1' failed: a step's worker was lost in every attempt ({said}); "
        "serve_on_inngest makes `retries` + 1 attempts"
    )
    assert not effects
