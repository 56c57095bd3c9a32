"""The same lines everywhere: a script, a running loop, a web server; and what is left at the end."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from started_threads import left_since, threads

from inngest_nb import Executor, MemoryStore, Signal, SqliteStore, samples

GIVEN: dict[str, Any] = {"speed": 500, "order": 3}
EXPECTED = {"order": 3, "charged": 99.5, "shelf": "B-12", "tracking": "PX00000003"}

SCRIPT = """
import json, sys
import inngest_nb as inb
from inngest_nb import samples

with inb.Executor(inb.SqliteStore(sys.argv[1])) as executor:
    handle = executor.execute(samples.order, input={"speed": 500, "order": 3})
    print(json.dumps(handle.result(timeout=20)))
"""


def run(code: str, *arguments: str, dev: bool = True) -> subprocess.CompletedProcess[str]:
    strict = ["-X", "dev", "-W", "error"] if dev else ["-W", "error"]
    command = [sys.executable, *strict, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_in_a_script(tmp_path: Path) -> None:
    done = run(SCRIPT, str(tmp_path / "states.db"))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == EXPECTED


def test_in_a_running_loop_blocking_and_awaited(executor: Executor) -> None:
    async def main() -> list[Any]:
        handle = executor.execute(samples.order, input=GIVEN)
        return [handle.result(timeout=20), await handle]

    assert asyncio.run(main()) == [EXPECTED, EXPECTED]


def test_in_the_handler_of_a_running_web_server(executor: Executor) -> None:
    async def awaiting(request: Request) -> JSONResponse:
        return JSONResponse(await executor.execute(samples.order, input=GIVEN))

    def blocking(request: Request) -> JSONResponse:
        handle = executor.execute(samples.order, input=GIVEN)
        return JSONResponse(handle.result(timeout=20))

    async def approving(request: Request) -> JSONResponse:
        handle = executor.execute(samples.approval, input={"speed": 500})
        executor.signal(handle.id, Signal("approve", {"approved": True, "by": "web"}))
        return JSONResponse(await handle)

    routes = [Route("/" + fn.__name__, fn) for fn in (awaiting, blocking, approving)]
    config = uvicorn.Config(Starlette(routes=routes), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            assert client.get("/awaiting").json() == EXPECTED
            assert client.get("/blocking").json() == EXPECTED
            assert client.get("/approving").json()["by"] == "web"
    finally:
        server.should_exit = True
        thread.join(10)


UNDER_NESTING = """
import asyncio, sys
import inngest_nb as inb
from inngest_nb import samples

async def main():
    inb.enable_nested_asyncio()
    with inb.Executor() as executor:
        first = executor.execute(samples.fan_out, input={"speed": 500})
        second = executor.execute(samples.order, input={"speed": 500})
        async def wait():
            return await first
        return [asyncio.run(wait()), await second, second.result(60)]

print(asyncio.run(main()) and "fine")
"""


def test_with_nested_asyncio_enabled() -> None:
    done = run(UNDER_NESTING)
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


IN_FLIGHT = """
import asyncio, sys, threading, time
import inngest_nb as inb

began = threading.Event()
running = 0

def nap(_):
    global running
    running += 1
    if running == 3:
        began.set()
    time.sleep(60)

async def doze(_):
    nap_here.set()
    await asyncio.sleep(60)

nap_here = threading.Event()

async def workflow(ctx):
    await asyncio.gather(ctx.execute_activity(nap), ctx.execute_activity(doze))

def plain_workflow(ctx):
    ctx.execute_activity(nap)

async def waiting(ctx):
    await ctx.receive_signal("never", timeout=3600)

store = inb.SqliteStore(sys.argv[1])
executor = inb.Executor(store)
executor.execute(workflow, id="gathers")
executor.execute(plain_workflow, id="naps")
executor.execute(lambda ctx: ctx.execute_activity(nap, timeout=100), id="naps elsewhere")
executor.execute(waiting, id="waits")
executor.execute(lambda ctx: 1, id="ended").result(60)
assert began.wait(10) and nap_here.wait(60)
print(time.time(), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="counts on fast exits of processes")
def test_the_process_exits_within_a_second_and_names_the_open_runs(tmp_path: Path) -> None:
    path = tmp_path / "states.db"
    done = run(IN_FLIGHT, str(path))
    ended = time.time()

    assert done.returncode == 0, done.stderr
    assert ended - float(done.stdout) < 5  # on a busy machine; the work in flight takes a minute
    (line,) = done.stderr.splitlines()
    assert line.startswith("Python exits with 4 runs open, stored as running up to the last saved")
    for name in ("gathers", "naps", "naps elsewhere", "waits"):
        assert f"'{name}'" in line
    assert "'ended'" not in line
    with SqliteStore(path) as store:
        statuses = {state.workflow_id: str(state.status) for state in store.list()}
    assert statuses.pop("ended") == "completed"
    assert set(statuses.values()) == {"running"}


BUSY = """
import asyncio, itertools, sys, threading
import inngest_nb as inb

numbers, enough = itertools.count(), threading.Event()
late_numbers, late_enough = itertools.count(), threading.Event()

def work(_):
    if next(numbers) == 300:
        enough.set()
    # Python waits for a thread of the user's meanwhile, and refuses new work of some kinds.
    if not threading.main_thread().is_alive() and next(late_numbers) == 100:
        late_enough.set()

threading.Thread(target=late_enough.wait, args=(30,)).start()

async def doze(_):
    await asyncio.sleep(0)
    await asyncio.to_thread(work, _)

async def inner(ctx):
    await ctx.execute_activity(doze)

def spawn(_):
    for _ in range(3):
        executor.execute(inner)

async def workflow(ctx):
    while True:
        await asyncio.gather(*(ctx.execute_activity(fn, timeout=9) for fn in (work, doze, spawn)))

def plain_workflow(ctx):
    while True:
        ctx.execute_activity(work)
        ctx.execute_activity(work, timeout=9)

executor = inb.Executor(inb.SqliteStore(sys.argv[1]))
for n in range(4):
    executor.execute(workflow)
    executor.execute(plain_workflow)
assert enough.wait(30)
"""


def test_no_run_fails_because_the_process_ends(tmp_path: Path) -> None:
    path = tmp_path / "states.db"
    done = run(BUSY, str(path), dev=False)  # in dev mode, asyncio tells of each slow callback
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("Python exits with ")
    with SqliteStore(path) as store:
        statuses = {str(state.status) for state in store.list()}
        assert statuses <= {"running", "completed"}
        assert not [event for state in store.list() for event in state.history if event.error]


LATE = """
import atexit, sys, threading
import inngest_nb as inb

begun, gate = threading.Event(), threading.Event()

def work():
    begun.set()
    gate.wait(10)

@atexit.register
def after_the_executor_said_what_is_open():
    gate.set()
    writer.join(10)  # it ends once it is asked to save what `work` returned, and refuses

store = inb.SqliteStore(sys.argv[1])
inb.Executor(store).execute(lambda ctx: ctx.execute_activity(work), id="w")
begun.wait(10)
(writer,) = [one for one in threading.enumerate() if one.name == "inngest-nb-engine-writer"]
"""


def test_a_run_that_was_said_to_be_open_is_not_saved_as_ended_after_all(tmp_path: Path) -> None:
    path = tmp_path / "states.db"
    done = run(LATE, str(path))
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("Python exits with 1 run open")
    with SqliteStore(path) as store:
        assert [str(state.status) for state in store.list()] == ["running"]


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")
def test_nothing_is_left_behind_when_an_executor_is_closed_in_the_middle() -> None:
    async def doze(_: Any) -> None:
        await asyncio.sleep(3600)

    async def workflow(ctx: Any) -> None:
        await ctx.execute_activity(len, "in a worker")
        await asyncio.gather(
            ctx.execute_activity(doze, timeout=7200), ctx.receive_signal("never", timeout=3600)
        )

    def plain_workflow(ctx: Any) -> None:
        ctx.execute_activity(doze)

    def once() -> None:
        with MemoryStore() as store:
            executor = Executor(store)
            for n in range(10):
                executor.execute(workflow, id=f"a{n}")
                executor.execute(plain_workflow, id=f"p{n}")
                executor.signal(f"a{n}", Signal("x"))
            executor.execute(samples.fan_out, input=GIVEN).result(60)
            executor.close()

    once()
    before, files = threads(), open_descriptors()
    once()
    gc.collect()  # complains of tasks and loops that were left, and complaints are errors
    assert left_since(before) == []
    assert open_descriptors() == files


def test_an_executor_that_runs_nothing_starts_nothing() -> None:
    before = threads()
    with Executor():
        assert threads() <= before


def test_a_loop_that_was_closed_before_the_run_ended_does_no_harm(
    executor: Executor, caplog: pytest.LogCaptureFixture
) -> None:
    handle = executor.execute(samples.approval, input={"speed": 500})

    async def give_up() -> None:
        waiting = asyncio.ensure_future(handle)
        await asyncio.sleep(0)
        waiting.cancel()

    async def wait_longer() -> Any:
        waiting = asyncio.ensure_future(handle)
        await asyncio.sleep(0)
        executor.signal(handle.id, Signal("approve", True))
        return await waiting

    asyncio.run(give_up())
    # Who waits later is woken later: by then the closed loop has been tried.
    assert asyncio.run(wait_longer())["outcome"].startswith("published")
    assert caplog.records == []


def test_a_closed_executor_takes_no_later_thread_for_its_own() -> None:
    with Executor() as executor:
        executor.execute(samples.order, input=GIVEN).result(60)
    errors: list[BaseException] = []

    def close_again() -> None:
        try:
            executor.close()
        except BaseException as error:  # noqa: BLE001  # judged below
            errors.append(error)

    for _ in range(20):  # one of them gets the number that the loop's thread had
        thread = threading.Thread(target=close_again)
        thread.start()
        thread.join(10)
    assert errors == []
