"""What 10,000 runs that wait for a signal cost: memory, and the time to wake them all.

Measured in a new process each, on a SqliteStore: how much its resident memory has grown once all
runs wait, and the seconds from the first signal until the last run has ended, with 32 threads that
signal. Each signal is on disk before `signal` returns. Goals: 500 MB, and 10 seconds.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import psutil
from alternating import verdict

from inngest_nb import AsyncWorkflowContext, Executor, Signal, SqliteStore, WorkflowHandle

RUNS = 10_000
ROUNDS = 3
MOST_MEGABYTES = 500
MOST_SECONDS = 10
_SIGNALING_THREADS = 32


def main() -> None:
    megabytes, seconds = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, f"{folder}/states.db"]
            ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        grown, woken = json.loads(ended.stdout)
        megabytes.append(grown)
        seconds.append(woken)
    show("growth of 10,000 runs that wait", megabytes, "MB")
    show("time until all are woken", seconds, "s")
    for what, values, most in [
        ("memory of 10,000 waiting runs to 500 MB", megabytes, MOST_MEGABYTES),
        ("10,000 runs woken, time to 10 s", seconds, MOST_SECONDS),
    ]:
        verdict(f"engine: {what}", statistics.median(values) / most, goal=1, at_most=True)


def show(name: str, values: Sequence[float], unit: str) -> None:
    low, high = min(values), max(values)
    print(f"{name:>32}: {statistics.median(values):7.1f} {unit}  ({low:.1f} to {high:.1f})")


_waiting = threading.Semaphore(0)


async def say_that_it_waits() -> None:
    _waiting.release()


async def approval(ctx: AsyncWorkflowContext) -> int:
    await ctx.execute_activity(say_that_it_waits)
    answer: int = await ctx.receive_signal("answer")
    return answer


def child(file: str) -> None:
    with SqliteStore(file) as store, Executor(store) as executor:
        executor.execute(approval, id="first")
        executor.signal("first", Signal("answer", 0))  # so that threads and connections are there
        _waiting.acquire()
        process = psutil.Process()
        before = process.memory_info().rss
        handles = [executor.execute(approval, input=None) for _ in range(RUNS)]
        for _ in range(RUNS):
            _waiting.acquire()
        wait_until_saved(store, handles)
        grown = (process.memory_info().rss - before) / 1e6
        begun = perf_counter()
        wake(executor, handles)
        print(json.dumps([grown, perf_counter() - begun]))


def wait_until_saved(store: SqliteStore, handles: Sequence[WorkflowHandle]) -> None:
    """Wait until the last events are in the store: the signals' saves must not wait for theirs."""
    for handle in handles:
        while (state := store.load(handle.id)) is None or len(state.history) < 3:
            threading.Event().wait(0.01)


def wake(executor: Executor, handles: Sequence[WorkflowHandle]) -> None:
    def signal(number: int) -> None:
        executor.signal(handles[number].id, Signal("answer", number))

    with ThreadPoolExecutor(_SIGNALING_THREADS) as threads:
        for _ in threads.map(signal, range(RUNS)):
            pass
    for number, handle in enumerate(handles):
        assert handle.result(600) == number


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(sys.argv[1])
    else:
        main()
