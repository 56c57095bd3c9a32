"""The context of a workflow answers its code alone: others who ask would shift its answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from inngest_nb import AsyncWorkflowContext, Executor, WorkflowContext
from inngest_nb.errors import ActivityError

ASKED: dict[str, Callable[[Any], Any]] = {
    "uuid": lambda ctx: ctx.uuid(),
    "random": lambda ctx: ctx.random(),
    "now": lambda ctx: ctx.now(),
    "version": lambda ctx: ctx.version("a change"),
}
ASKS = pytest.mark.parametrize("name", ASKED)
REFUSED = "used outside of the workflow's code; activities cannot use it"


@ASKS
@pytest.mark.parametrize("is_async", [False, True], ids=["plain activity", "async activity"])
def test_an_activity_of_an_async_workflow_is_refused(
    executor: Executor, name: str, is_async: bool
) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> str:
        async def act() -> str:
            return str(ASKED[name](ctx))

        def plain_act() -> str:
            return str(ASKED[name](ctx))

        try:
            await ctx.execute_activity(act if is_async else plain_act)
        except ActivityError as error:
            return error.error
        return "not refused"

    assert REFUSED in executor.execute(workflow).result(60)


@ASKS
@pytest.mark.parametrize("is_async", [False, True], ids=["plain activity", "async activity"])
def test_an_activity_of_a_plain_workflow_is_refused(
    executor: Executor, name: str, is_async: bool
) -> None:
    def workflow(ctx: WorkflowContext) -> str:
        async def act() -> str:
            return str(ASKED[name](ctx))

        def plain_act() -> str:  # in the very thread of the code
            return str(ASKED[name](ctx))

        try:
            ctx.execute_activity(act if is_async else plain_act)
        except ActivityError as error:
            return error.error
        return "not refused"

    assert REFUSED in executor.execute(workflow).result(60)


def test_a_plain_activity_in_the_codes_own_thread_cannot_ask_for_another_one(
    executor: Executor,
) -> None:
    def workflow(ctx: WorkflowContext) -> str:
        try:
            ctx.execute_activity(lambda: ctx.execute_activity(str, 1))
        except ActivityError as error:
            return error.error
        return "not refused"

    assert REFUSED in executor.execute(workflow).result(60)


@ASKS
def test_another_thread_is_refused(executor: Executor, name: str) -> None:
    def workflow(ctx: WorkflowContext) -> list[str]:
        told: list[str] = []

        def ask() -> None:
            try:
                ASKED[name](ctx)
            except Exception as error:  # noqa: BLE001  # it is what is looked for
                told.append(str(error))

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(10)
        return told

    (told,) = executor.execute(workflow).result(60)
    assert REFUSED in told


def test_random_numbers_are_not_drawn_by_an_activity(executor: Executor) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> list[Any]:
        numbers = ctx.random()
        before = numbers.getstate()
        errors = []
        for draw in (numbers.random, lambda: numbers.randint(1, 6), lambda: numbers.choice("ab")):
            try:
                await ctx.execute_activity(lambda draw=draw: draw())
            except ActivityError as error:
                errors.append(REFUSED in error.error)
        return [errors, numbers.getstate() == before, 0 <= numbers.random() < 1]

    assert executor.execute(workflow).result(60) == [[True] * 3, True, True]
