"""Workflows for workers that are killed: what their attempts did is in a log that outlives them.

A file in the folder of the log, `hold-in-3`, says that the third attempt from now on is to be held:
it waits, in the middle, until its process is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inngest_nb import ActivityContext, AsyncWorkflowContext, RetryPolicy, WorkflowContext, workflow
from inngest_nb.errors import ActivityError

LOG = "LOST_LOG"
MOST = 30  # how far ahead an attempt can be chosen; of the workflows here there are 36
_SECONDS = 0.05
_HELD_SECONDS = 60.0
_QUICK = RetryPolicy(max_attempts=3, initial_interval=0.1)

Attempt = tuple[str, int, int]  # workflow, number of the call, number of the attempt


def note(what: str, ctx: ActivityContext) -> None:
    """Append a line to the log, which is there whatever happens to this process."""
    entry = [what, ctx.workflow_id, ctx.seq, ctx.attempt, os.getpid(), time.time()]
    log = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(log, json.dumps(entry).encode() + b"\n")
    os.close(log)


def is_held(ctx: ActivityContext) -> bool:
    """Note that an attempt began, and tell whether it is the one that was chosen."""
    note("began", ctx)
    folder = Path(os.environ[LOG]).parent
    for left in range(1, MOST + 1):
        with contextlib.suppress(FileNotFoundError):  # another process was first, or nobody chose
            if left > 1:
                (folder / f"hold-in-{left}").rename(folder / f"hold-in-{left - 1}")
                return False
            (folder / "hold-in-1").unlink()
            note("held", ctx)
            return True
    return False


async def square(ctx: ActivityContext, number: int) -> int:
    await asyncio.sleep(_HELD_SECONDS if is_held(ctx) else _SECONDS)
    return number * number


def cube(ctx: ActivityContext, number: int) -> int:
    time.sleep(_HELD_SECONDS if is_held(ctx) else _SECONDS)
    return number**3


def third_time(ctx: ActivityContext, number: int) -> int:
    if cube(ctx, number) and ctx.attempt < 3:
        raise ValueError(f"attempt {ctx.attempt} of {number}")
    return number


def never(ctx: ActivityContext, number: int) -> int:
    raise ValueError(f"no {cube(ctx, number)}")


@workflow
async def lost_row(ctx: AsyncWorkflowContext, given: int) -> Any:
    seen = [await ctx.execute_activity((square, cube)[n % 2], given + n) for n in range(5)]
    return [*seen, ctx.version("row")]


@workflow
def lost_plain_row(ctx: WorkflowContext, given: int) -> Any:
    first = ctx.execute_activity(cube, given)
    ctx.sleep(0.1)
    return [first, *ctx.map(square, range(4), concurrency=2), ctx.execute_activity(cube, first)]


@workflow
async def lost_beside(ctx: AsyncWorkflowContext, given: int) -> Any:
    both = [ctx.execute_activity(fn, given + n) for n in range(2) for fn in (square, cube)]
    seen = await asyncio.gather(*both)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_two(ctx, n)) for n in (3, 1, 2)]
    return [*seen, *(task.result() for task in tasks)]


async def _two(ctx: AsyncWorkflowContext, number: int) -> Any:
    return await ctx.execute_activity(cube, await ctx.execute_activity(square, number))


@workflow
async def lost_retried(ctx: AsyncWorkflowContext, given: int) -> Any:
    seen: list[Any] = [await ctx.execute_activity(third_time, given, retry=_QUICK)]
    try:
        await ctx.execute_activity(never, given, retry=_QUICK)
    except ActivityError as error:
        seen.append(str(error))
    return seen


@workflow
async def lost_failing(ctx: AsyncWorkflowContext, given: int) -> Any:
    await ctx.execute_activity(square, given)
    await ctx.execute_activity(never, given, retry=RetryPolicy(max_attempts=1))


@workflow
async def lost_parent(ctx: AsyncWorkflowContext, given: int) -> Any:
    child = ctx.execute_workflow(lost_row, given, id=f"{ctx.workflow_id} child")
    seen = await asyncio.gather(child, ctx.execute_activity(cube, given))
    return [*seen, await ctx.receive_signal("go"), await ctx.execute_activity(square, given)]


WORKFLOWS = (lost_row, lost_plain_row, lost_beside, lost_retried, lost_failing, lost_parent)
SIGNALED = "lost_parent"
ACTIVITIES = [fn.__name__ for fn in (square, cube, third_time, never)]


@dataclass(frozen=True)
class Begin:
    """That an attempt began: in which process, and when."""

    pid: int
    when: float


class Log:
    """What attempts did, as they noted it themselves."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.file = folder, folder / "effects.log"

    def choose(self, ahead: int) -> None:
        """Let the attempt that begins as the `ahead`-th from now be held until it is killed."""
        (self.folder / f"hold-in-{ahead}").touch()

    def held(self) -> set[int]:
        """Return the processes that have ever held an attempt."""
        return {pid for what, *_, pid, _ in self._entries() if what == "held"}

    def begun(self, prefix: str) -> dict[Attempt, list[Begin]]:
        """Return when each attempt of some workflows began; the prefix of their ids is cut off."""
        found: dict[Attempt, list[Begin]] = defaultdict(list)
        for what, workflow_id, seq, attempt, pid, when in self._entries():
            if what == "began" and workflow_id.startswith(prefix):
                found[workflow_id.removeprefix(prefix), seq, attempt].append(Begin(pid, when))
        return found

    def _entries(self) -> list[list[Any]]:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [json.loads(line) for line in lines]
