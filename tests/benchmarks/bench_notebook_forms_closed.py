"""What 50 of each form leave in the kernel: shown and closed, or left open and closed at the end.

Those that are closed are kept by whoever made them, as a kernel keeps what cells return. Those that
are left open are not: ipywidgets has them for their page, until it is told to close all.

Each round is a process of its own. What stays whatever one does was there before: one form of each
kind, or as many forms left open, and so the memory that Python keeps for the next ones. The signal
forms stand on runs that wait for a signal, and follow them.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alternating import verdict

sys.path.insert(0, str(Path(__file__).parent.parent))

from explore_driver import save_all, state_of
from ipywidgets import Widget

import inngest_nb as inb

FORMS = 50
ROUNDS = 3
GOAL = 5.0  # MB of all three kinds together
PATIENCE = 20


def main() -> None:
    for way in ("closed", "left open"):
        rounds = [measured(way) for _ in range(ROUNDS)]
        middle = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        print(f"{way}: " + ", ".join(f"{value:.2f} {key}" for key, value in middle.items()))
        name = f"notebook: {{}} left by {FORMS} of each form, {way}"
        verdict(name.format("threads"), middle["threads"], goal=0, at_most=True)
        verdict(name.format("files"), middle["files"], goal=0, at_most=True)
        beside = f"MB, beside {GOAL:.0f} MB,"
        verdict(name.format(beside), middle["MB"] / GOAL, goal=1.0, at_most=True)


def measured(way: str) -> dict[str, float]:
    """Return what a new process says of a way to be done with forms."""
    command = [sys.executable, __file__, way]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, float] = json.loads(ended.stdout)
    return told


async def asking(ctx: inb.AsyncWorkflowContext) -> Any:
    return await ctx.receive_signal("approve")


def child(way: str) -> None:
    with tempfile.TemporaryDirectory() as name, inb.SqliteStore(Path(name) / "states.db") as store:
        save_all(store, map(state_of, range(FORMS)))
        executor = inb.Executor(store)
        handles = [executor.execute(asking, id=f"request-{number}") for number in range(FORMS)]
        until(lambda: all(handle.waiting_for for handle in handles))
        makers: dict[str, Callable[[int], Any]] = {
            "save": lambda number: inb.save_form(store, f"order-{number:04d}"),
            "delete": lambda number: inb.delete_form(store, f"order-{number:04d}"),
            "signal": lambda number: inb.signal_form(executor, f"request-{number}"),
        }
        kept = list[Any]()
        for make in makers.values():
            show(make, 0).close()
        told = dict[str, float]()
        if way == "left open":
            told |= leave_open(makers)
            Widget.close_all()
        until(lambda: not threads_of_forms())
        begin, files = resident(), open_files()
        if way == "closed":
            for make in makers.values():
                for number in range(FORMS):
                    kept.append(show(make, number))
                    kept[-1].close()
        else:
            leave_open(makers)
            for handle in handles:  # a form that follows a run has a thread until that ends
                executor.signal(handle.id, inb.Signal("approve"))
        until(lambda: not threads_of_forms())
        told |= {"threads": threads_of_forms(), "files": max(0, open_files() - files)}
        Widget.close_all()
        told["MB"] = resident() - begin
        print(json.dumps(told), flush=True)
        for handle in handles:
            if handle.status == "running":
                executor.cancel(handle.id)


def leave_open(makers: dict[str, Callable[[int], Any]]) -> dict[str, float]:
    """Show forms that nobody keeps or closes; return the MB that those of each kind take."""
    told = {}
    for kind, make in makers.items():
        before = resident()
        for number in range(FORMS):
            show(make, number)
        told[f"MB for {kind} forms while open"] = resident() - before
    return told


def show(make: Callable[[int], Any], number: int) -> Any:
    """Show a form as a cell does, and wait until it is filled."""
    form = make(number)
    form._repr_mimebundle_()
    form.wait()
    return form


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something, but not for ever: what is not so in the end is reported."""
    deadline, pause = time.monotonic() + PATIENCE, threading.Event().wait
    while not is_so() and time.monotonic() < deadline:
        pause(0.05)


def threads_of_forms() -> int:
    return sum(each.name == "inngest-nb-form" for each in threading.enumerate())


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def resident() -> float:
    """Return the MB of memory that this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


if __name__ == "__main__":
    if sys.argv[1:]:
        child(sys.argv[1])
    else:
        main()
