"""What activities cost on Inngest's engine: executor requests, and seconds beside an `Executor`.

So many in a row, and so many at once, in one run; the first number that is printed is of requests,
with the goals n + 1 and 2k + 1. The server is the stand-in, in this process, as is the worker that
it calls or that is connected to it: the seconds are ours, without those of a real server.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

sys.path.append(str(Path(__file__).parents[1]))

from alternating import measure, ratio_of, show, verdict
from inngest_engine import InngestEngine
from inngest_gateway import InngestGateway
from same_steps import async_add_one, async_steps

from inngest_nb import AsyncWorkflowContext, Executor, InngestWorker, serve_on_inngest

IN_A_ROW = (10, 100, 300)
AT_ONCE = (10, 100)
ROUNDS = 5


async def steps_at_once(ctx: AsyncWorkflowContext, count: int) -> int:
    added = await asyncio.gather(*(ctx.execute_activity(async_add_one, n) for n in range(count)))
    return len(added)


def main() -> None:
    with InngestEngine() as inngest, InngestGateway(inngest), Executor() as executor:
        workers = {
            via: serve_on_inngest(
                [async_steps, steps_at_once], app_id=via, url=inngest.url, via=via
            )
            for via in ("http", "connect")
        }
        for count in IN_A_ROW:
            compare(inngest, workers, executor, async_steps, count, count + 1, "in a row")
        for count in AT_ONCE:
            compare(inngest, workers, executor, steps_at_once, count, 2 * count + 1, "at once")
        for worker in workers.values():
            worker.close()


def compare(
    inngest: InngestEngine,
    workers: dict[str, InngestWorker],
    executor: Executor,
    workflow: Callable[..., Any],
    count: int,
    most: int,
    manner: str,
) -> None:
    print(f"{count} activities {manner}: for each activity")
    for via, worker in workers.items():
        before = len(inngest.requests)
        run(worker, workflow, count)
        requests = len(inngest.requests) - before
        name = f"worker: requests of {count} activities {manner}, {via}, to {most}"
        verdict(name, requests / most, goal=1, at_most=True)
    works: dict[str, Callable[[], object]] = {
        "Executor": lambda: execute(executor, workflow, count)
    }
    for via, worker in workers.items():
        works[via] = lambda worker=worker: run(worker, workflow, count)  # type: ignore[misc]
    times = measure(works, rounds=ROUNDS, units=count)
    show(times)
    for via in workers:
        ratio = ratio_of(times[via], times["Executor"], at_most=True)
        print(f"{via}: {ratio:.0f} times what an Executor in memory takes")


def execute(executor: Executor, workflow: Callable[..., Any], count: int) -> None:
    assert executor.execute(workflow, input=count).result(600) == count


def run(worker: InngestWorker, workflow: Callable[..., Any], count: int) -> None:
    assert worker.start(workflow, count, id=uuid4().hex).result(600) == count


if __name__ == "__main__":
    main()
