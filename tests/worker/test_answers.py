"""Which answers of Inngest belong to the code, once it has ended, too."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from small_workflows import double, waits_for_ever

from inngest_nb import AsyncWorkflowContext
from inngest_nb.engine.driven import DrivenEngine, DrivenRun, first_state
from inngest_nb.worker.steps._answers import Answers
from inngest_nb.worker.steps._sdk import Failure, hash_of

BEGUN = datetime(2026, 1, 2, tzinfo=UTC)
DONE = {"result": 2, "began": BEGUN.isoformat(), "at": BEGUN.isoformat()}


@pytest.fixture
def engine() -> Iterator[DrivenEngine]:
    engine = DrivenEngine()
    yield engine
    engine.close()


async def races(ctx: AsyncWorkflowContext) -> str:
    calls = [ctx.execute_activity(double, 1), ctx.execute_activity(double, 2)]
    calls.append(ctx.execute_workflow(waits_for_ever))
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    return "ended"


def ended(
    engine: DrivenEngine, fn: Callable[..., Any], known: dict[str, Any]
) -> tuple[DrivenRun, Answers]:
    """Run a workflow to its end, with answers by the names of their steps, and clear it away."""
    answers = Answers(
        {hash_of(name): answer for name, answer in known.items()},
        map(hash_of, known),
        workflow_id="w",
        function_id=lambda child: child.name,
        now=lambda: BEGUN,
    )
    state = first_state(fn, workflow_id="w", run_id="r", given=None, begun=BEGUN)
    run = DrivenRun(engine, fn, state, answers)
    run.begin().result(60)
    assert run.has_ended
    for _ in range(3):  # until what the engine does after an end is done
        cleared = threading.Event()
        engine.on_loop(cleared.set)
        assert cleared.wait(20)
    assert not run.look().calls
    return run, answers


@pytest.mark.parametrize(
    ("late", "answer"),
    [
        ("2:double", DONE),
        ("2:double", Failure("ValueError", "ValueError: no", "")),
        ("3:waits_for_ever", Failure("Error", "function cancelled", "")),
    ],
)
def test_an_answer_that_comes_after_the_end_was_asked_for(
    engine: DrivenEngine, late: str, answer: Any
) -> None:
    known = {"1:double": DONE, "3:waits_for_ever cancel": None, late: answer}
    run, answers = ended(engine, races, known)
    assert run.state.result == "ended"
    assert not answers.has_more(run)


def test_an_answer_to_what_the_code_never_asked_for_is_not_its_own(engine: DrivenEngine) -> None:
    run, answers = ended(engine, races, {"1:double": DONE, "4:triple": DONE})
    assert answers.has_more(run)
