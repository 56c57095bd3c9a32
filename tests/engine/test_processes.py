"""Executors in processes that are forked, restarted, interrupted, or end without a close."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel
from live_kernel import LiveKernel

SECONDS = 60  # far more than any of this takes


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # From Python 3.12 on, a fork beside threads is warned of.
    warnings = ("-W", "error", "-W", "ignore:This process (pid=:DeprecationWarning")
    command = [sys.executable, *warnings, "-X", "dev", "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


FORKS = """
import asyncio, os, signal, sys
import inngest_nb as inb

async def waits(ctx):
    return await ctx.receive_signal("go")

async def quick(ctx):
    return "quick"

async def wait(handle):
    return await handle

store = inb.SqliteStore(sys.argv[1])
executor = inb.Executor(store)
ended = executor.execute(quick)
ended.result()
handle = executor.execute(waits, id="w")
executor.signal("w", inb.Signal("x"))

def new():
    with inb.SqliteStore(sys.argv[1]) as store, inb.Executor(store) as executor:
        return executor.execute(quick).result(60)

USES = {
    "execute": lambda: executor.execute(quick),
    "resume": lambda: executor.resume(waits, "w"),
    "signal": lambda: executor.signal("w", inb.Signal("go")),
    "cancel": lambda: executor.cancel("w"),
    "query": lambda: executor.query("w", "status"),
    "result": handle.result,
    "await": lambda: asyncio.run(wait(handle)),
    "state": lambda: handle.state,
    "ended": ended.result,
    "close": executor.close,
    "new": new,
}
for name, use in USES.items():
    if os.fork() == 0:
        signal.alarm(10)
        try:
            print(name, use(), flush=True)
        except inb.errors.ExecutorClosedError as error:
            print(name, "this one was forked" in str(error), flush=True)
        sys.exit()
    assert os.wait()[1] == 0, name
executor.signal("w", inb.Signal("go", 7))
print(handle.result(60))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_a_forked_process_is_told_that_the_executor_is_not_its_own(tmp_path: Path) -> None:
    done = run(FORKS, str(tmp_path / "states.db"))
    assert (done.returncode, done.stderr) == (0, "")
    *said, last = done.stdout.splitlines()
    refused = ("execute", "resume", "signal", "cancel", "query", "result", "await", "state")
    assert said == [*(f"{name} True" for name in refused), "ended quick", "close None", "new quick"]
    assert last == "7"  # the one that was forked from has noticed nothing


DROPPED = """
import gc, sys, threading
import inngest_nb as inb

saved = [threading.Event() for _ in range(3)]  # the activity of each

async def add(ctx, number):
    return await ctx.execute_activity(abs, number)

def add_plainly(ctx, number):
    ctx.execute_activity(int, number)
    saved[number].set()
    return ctx.receive_signal("never")

async def waits(ctx, number):
    await ctx.execute_activity(abs, number)
    saved[number].set()
    await ctx.receive_signal("never")

def lives():
    store = inb.SqliteStore(sys.argv[1])
    executor = inb.Executor(store)
    executor.execute(add, input=3).result(60)
    for number, fn in enumerate((waits, add_plainly)):
        executor.execute(fn, id=f"w{number}", input=number)
        executor.signal(f"w{number}", inb.Signal("x"))
        assert saved[number].wait(60)
    for attempt in range(3):
        other = inb.Executor(store)
        for number, fn in enumerate((waits, add_plainly)):
            other.resume(fn, f"w{number}", take_over=True)
            other.signal(f"w{number}", inb.Signal("x"))
            try:  # with other code, it stops within its past
                inb.Executor(store).resume(lambda ctx, n: 1, f"w{number}", take_over=True).result(60)
            except inb.errors.NonDeterminismError:
                pass
            else:
                raise AssertionError("it went on")
    inb.Executor(store).execute(waits, id="open", input=2)
    assert saved[2].wait(60)

lives()
gc.collect()
"""


def test_executors_and_stores_that_nobody_has_closed_leave_no_complaint(tmp_path: Path) -> None:
    done = run(DROPPED, str(tmp_path / "states.db"))
    assert (done.returncode, done.stdout) == (0, "")
    # Each executor tells of its runs; one that was taken away ends when it would be written.
    last = re.compile(r"Python exits with [12] runs? open, stored as running up to .*: 'w[01]'.*")
    lines = done.stderr.splitlines()
    others = [line for line in lines if not last.fullmatch(line)]
    end = "Python exits with 1 run open, stored as running up to the last saved event: 'open'"
    assert others == [end]  # the run that nobody has taken away


START = """
import inngest_nb as inb

effects = open("effects.log", "a", buffering=1)

def note(text):
    effects.write(text + "\\n")
    return text

async def workflow(ctx):
    first = await ctx.execute_activity(note, "before")
    return [first, await ctx.receive_signal("go"), await ctx.execute_activity(note, "after")]

store = inb.SqliteStore("states.db")
executor = inb.Executor(store)
"""


@pytest.fixture
def kernel(tmp_path: Path) -> object:
    manager, client = start_new_kernel(cwd=str(tmp_path))
    manager.shutdown_wait_time = SECONDS
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


@pytest.mark.parametrize("killed", [False, True], ids=["restarted", "killed"])
def test_a_run_goes_on_in_a_kernel_that_was_restarted(
    kernel: object, tmp_path: Path, killed: bool
) -> None:
    manager, client = kernel  # type: ignore[misc]
    live = LiveKernel(client)
    live.run(START)
    live.run("handle = executor.execute(workflow, id='w'); executor.signal('w', inb.Signal('x'))")
    live.run("while not handle.waiting_for: pass")
    before = manager.provisioner.pid
    manager.restart_kernel(now=killed)  # a polite one would wait for SECONDS, and then kill
    client.wait_for_ready(timeout=SECONDS)
    assert manager.provisioner.pid != before
    live.run(START)
    live.run("handle = executor.resume(workflow, 'w'); executor.signal('w', inb.Signal('go', 7))")
    assert live.run("print(handle.result(60))").strip() == "['before', 7, 'after']"
    assert (tmp_path / "effects.log").read_text() == "before\nafter\n"


def interrupted(manager: KernelManager, client: BlockingKernelClient, asked: str) -> Any:
    """Interrupt a cell, and return its reply.

    As a person would, interrupt it again if nothing comes of it: an interrupt between two lines of
    the kernel's own may be lost.
    """
    for _ in range(10):
        manager.interrupt_kernel()
        with suppress(Empty):
            while (reply := client.get_shell_msg(timeout=3))["parent_header"].get(
                "msg_id"
            ) != asked:
                pass
            return reply
    raise AssertionError("the cell goes on, however often it is interrupted")


def test_an_interrupt_ends_the_wait_and_not_the_run(kernel: object) -> None:
    manager, client = kernel  # type: ignore[misc]
    live = LiveKernel(client)
    live.run(START)
    live.run("handle = executor.execute(workflow)")
    waits = "print('waiting', flush=True); handle.result()"
    asked = client.execute(waits, stop_on_error=False)  # else the next cell may not be run
    while (message := client.get_iopub_msg(timeout=SECONDS))["msg_type"] != "stream":
        pass
    reply = interrupted(manager, client, asked)
    assert message["content"]["text"] == "waiting\n"
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    live.run("executor.signal(handle.id, inb.Signal('go', 8))")
    assert live.run("print(handle.result(60))").strip() == "['before', 8, 'after']"
