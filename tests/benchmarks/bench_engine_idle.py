"""What 10,000 runs that wait cost while nothing happens: bytes written, and processor time.

Measured in a new process on a SqliteStore, once all runs wait and nothing is left to save: what
the process hands to the system to be written, in a minute (or in as many seconds as the first
argument says). Goal: 1 MB a minute.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from alternating import verdict

from inngest_nb import AsyncWorkflowContext, Executor, SqliteStore

RUNS = 10_000
MOST_MEGABYTES = 1.0


def main(seconds: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, seconds, f"{folder}/states.db"]
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    megabytes, processor = json.loads(ended.stdout)
    print(f"{RUNS:,} runs that wait: {megabytes:.3f} MB and {processor:.2f} s of CPU a minute")
    what = "engine: written by 10,000 waiting runs in a minute, to 1 MB"
    verdict(what, megabytes / MOST_MEGABYTES, goal=1, at_most=True)


async def approval(ctx: AsyncWorkflowContext) -> int:
    answer: int = await ctx.receive_signal("answer")
    return answer


def child(seconds: float, file: str) -> None:
    pause = threading.Event().wait
    with SqliteStore(file) as store:
        executor = Executor(store)
        handles = [executor.execute(approval) for _ in range(RUNS)]
        while not all(handle.waiting_for for handle in handles):
            pause(0.05)
        before = -1
        while before != (before := written()):  # the last saves
            pause(1)
        processor = time.process_time()
        pause(seconds)
        grown = (written() - before) * 60 / seconds / 1e6
        print(json.dumps([grown, (time.process_time() - processor) * 60 / seconds]), flush=True)


def written() -> int:
    """Return how many bytes this process has written so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


if __name__ == "__main__":
    if sys.argv[2:]:
        child(float(sys.argv[1]), sys.argv[2])
        os._exit(0)  # 10,000 open runs need not be let go of
    else:
        main(sys.argv[1] if sys.argv[1:] else "60")
