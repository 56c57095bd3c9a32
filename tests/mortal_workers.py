"""Worker processes on an Inngest server that are killed with SIGKILL in the middle of a step.

They are forked from a process that has everything imported: a Python that starts anew takes longer
than most of them live.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Self

import inngest.connect  # noqa: F401  # before the forks

import inngest_nb as inb

APP = "mortal"


class MortalWorkers:
    """The processes, which end with the `with` block at the latest; `pids` are those that live."""

    def __init__(self, url: str, via: str) -> None:
        command = [sys.executable, __file__, url, via]
        self.pids: list[int] = []
        self._forge = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
        self._forge.communicate()

    def start(self) -> None:
        """Start one more, and wait until the server has it."""
        assert self._forge.stdin is not None
        assert self._forge.stdout is not None
        print("start", file=self._forge.stdin, flush=True)
        self.pids.append(int(self._forge.stdout.readline()))

    def kill(self, pid: int) -> None:
        self.pids.remove(pid)
        os.kill(pid, signal.SIGKILL)


async def six_steps(ctx: inb.AsyncWorkflowContext, input: dict[str, Any]) -> list[Any]:
    """Three steps in a row, and three at once; the worker of one of them is to be killed."""
    steps = [input | {"number": number} for number in range(6)]
    done = [await ctx.execute_activity(step, each) for each in steps[:3]]
    return done + await asyncio.gather(*(ctx.execute_activity(step, each) for each in steps[3:]))


def step(given: dict[str, Any]) -> list[Any]:
    """Note that the step has begun; in the first attempt of the fatal one, wait for the end."""
    number, run, attempt = given["number"], given["run"], uuid.uuid4().hex
    folder = Path(given["folder"])
    line = json.dumps({"run": run, "number": number, "attempt": attempt, "pid": os.getpid()})
    log = os.open(folder / "begun", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(log, f"{line}\n".encode())
    os.close(log)
    if number == given["fatal"]:
        try:
            (folder / f"{run}.victim").touch(exist_ok=False)
        except FileExistsError:
            return [number, attempt]
        time.sleep(600)
    return [number, attempt]


def _forge(url: str, via: str) -> None:
    """Fork a worker for each line of stdin; print its process id when it serves."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    port = 0  # which all share
    for _ in sys.stdin:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            worker = inb.serve_on_inngest([six_steps], app_id=APP, url=url, via=via, port=port)
            os.write(write, f"{worker.port or 0}\n".encode())
            worker.wait()
            os._exit(1)
        with os.fdopen(read) as told:
            port = int(told.readline())
        os.close(write)
        print(pid, flush=True)  # noqa: T201  # to who has started us


if __name__ == "__main__":
    _forge(*sys.argv[1:])
