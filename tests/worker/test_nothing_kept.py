"""A worker keeps nothing of a run between its requests, nor when it is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import live_workflows as flows
import pytest
from inngest_engine import InngestEngine
from inngest_site import until
from replayed_workflows import everything_plainly
from worker_runs import DirectWorker, start

ENDINGS = [(flows.row, 3), (flows.beside, 3), (flows.naps, [0.5]), (flows.wrong, None)]


@pytest.mark.parametrize(("fn", "given"), ENDINGS)
def test_the_code_of_a_run_that_is_over_is_let_go(fn: Callable[..., Any], given: Any) -> None:
    with InngestEngine(virtual=True) as inngest:
        worker = DirectWorker(inngest, [fn])
        try:
            inngest.ended(start(inngest, fn, given))
            until(lambda: not worker.engine.runs())
        finally:
            worker.close()


def test_the_code_of_a_run_that_waits_is_let_go() -> None:
    with InngestEngine(virtual=True) as inngest:
        worker = DirectWorker(inngest, [everything_plainly])
        try:
            run = start(inngest, everything_plainly)
            until(lambda: run.waits and not run.in_flight)
            until(lambda: not worker.engine.runs())
        finally:
            worker.close()
