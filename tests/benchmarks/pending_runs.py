"""Leaves 1,000 of our runs pending in a store, or recovers them and prints the seconds it took.

    python pending_runs.py crash async_seven_steps FILE
    python pending_runs.py recover async_seven_steps FILE-OR-URL

A workflow has seven activities; the process is killed while all are in their sixth.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from time import perf_counter

from same_steps import add_one, async_add_one

import inngest_nb as inb

RUNS = 1_000

_arrivals = threading.Semaphore(0)
_crashing = False


def sixth(number: int) -> int:
    if _crashing:
        _arrivals.release()
        threading.Event().wait()
    return number + 1


async def async_sixth(number: int) -> int:
    if _crashing:
        _arrivals.release()
        await asyncio.Event().wait()
    return number + 1


@inb.workflow
def plain_seven_steps(ctx: inb.WorkflowContext) -> int:
    number = 0
    for _ in range(5):
        number = ctx.execute_activity(add_one, number)
    number = ctx.execute_activity(sixth, number)
    return ctx.execute_activity(add_one, number)


@inb.workflow
async def async_seven_steps(ctx: inb.AsyncWorkflowContext) -> int:
    number = 0
    for _ in range(5):
        number = await ctx.execute_activity(async_add_one, number)
    number = await ctx.execute_activity(async_sixth, number)
    return await ctx.execute_activity(async_add_one, number)


def crash(workflow: str, file: str) -> None:
    global _crashing
    _crashing = True
    with inb.SqliteStore(file) as store, inb.Executor(store) as executor:
        for _ in range(RUNS):
            executor.execute(globals()[workflow])
        for _ in range(RUNS):
            _arrivals.acquire()
        os.kill(os.getpid(), signal.SIGKILL)


def recover(workflow: str, where: str) -> None:
    opened = inb.InngestStore if where.startswith("http") else inb.SqliteStore  # loads its modules
    executor_of = inb.Executor
    begun = perf_counter()
    with opened(where) as store, executor_of(store) as executor:
        handles = executor.recover().handles
        assert len(handles) == RUNS
        for handle in handles:
            assert handle.result(600) == 7
        print(perf_counter() - begun)
    assert handles[0].id.startswith(workflow)


if __name__ == "__main__":
    {"crash": crash, "recover": recover}[sys.argv[1]](*sys.argv[2:])
