"""Sets of tasks, futures and coroutines: they iterate the same in each life of a run."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import ordered_workflows
import pytest

from inngest_nb import AsyncWorkflowContext, Executor
from inngest_nb.engine.code._in_order import InOrder
from inngest_nb.errors import WorkflowFailedError


def live(phase: str, path: Path, hash_seed: int) -> str:
    command = [sys.executable, ordered_workflows.__file__, phase, str(path)]
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("lives") / "runs.db"
    live("begin", path, 1)
    results: dict[str, Any] = json.loads(live("resume", path, 2))
    return results


@pytest.mark.parametrize("name", [fn.__name__ for fn in ordered_workflows.WORKFLOWS])
def test_each_item_keeps_its_result_after_the_death_of_its_process(
    found: dict[str, Any], name: str
) -> None:
    runs = {run: wrong for run, wrong in found.items() if run.rpartition("-")[0] == name}
    assert list(runs.values()) == [[], [], [], []]


def test_a_set_of_coroutines_is_refused(executor: Executor) -> None:
    async def step() -> None:
        """Do nothing."""

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        steps = {step() for _ in range(3)}
        try:
            for each in asyncio.as_completed(steps):
                await each
        finally:
            for left in steps:
                left.close()

    with pytest.raises(WorkflowFailedError, match="pass a list to asyncio"):
        executor.execute(workflow).result(60)


def test_other_loops_have_sets_as_ever() -> None:
    async def step(item: int) -> int:
        return item

    async def main() -> None:
        tasks = [asyncio.create_task(step(item)) for item in range(5)]
        done, pending = await asyncio.wait(tasks)
        assert (type(done), type(pending)) == (set, set)
        assert done == set(tasks)
        steps = asyncio.as_completed({step(1), step(2)})
        assert sorted([await each for each in steps]) == [1, 2]

    asyncio.run(main())


def test_a_set_in_order_is_a_set_whatever_is_done_to_it() -> None:
    items = InOrder([3, 1, 2, 1])
    assert list(items) == [3, 1, 2]
    assert items == {1, 2, 3}
    items.discard(3)
    items.add(3)
    items.add(1)
    assert list(items) == [1, 2, 3]
    items |= {4}
    assert list(items) == [1, 2, 3, 4]
    assert items - {1} == {2, 3, 4}
    assert [items.pop() for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(KeyError):
        items.pop()
