"""A worker in a notebook's kernel: cells block, are interrupted and run again, and it serves."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from queue import Empty

import pytest
from inngest_site import InngestSite, Serve, until
from IPython.core.interactiveshell import InteractiveShell
from live_kernel import LiveKernel, live_kernel
from served_workflows import double

from inngest_nb.notebook.ipython import attach, detach

SERVE = """
import asyncio, time
import inngest_nb as inb

async def charge(n):
    return n + 1

async def order(ctx, input):
    return await ctx.execute_activity(charge, input) * {factor}

async def endless(ctx):
    while True:
        pass

worker = inb.serve_on_inngest([order, endless], url={url!r}, via={via!r})
print(worker.state)
"""


@pytest.fixture
def kernel() -> Iterator[LiveKernel]:
    with live_kernel() as kernel:
        yield kernel


def serving(site: InngestSite, via: str, factor: int = 10) -> str:
    return SERVE.format(url=site.url, via=via, factor=factor)


def test_it_serves_while_a_cell_blocks_and_after_an_interrupt(
    kernel: LiveKernel, site: InngestSite, via: str
) -> None:
    assert kernel.run(serving(site, via)).strip() == "active"
    pid = int(kernel.run("import os; print(os.getpid())"))
    blocking = kernel.client.execute("print('blocks')\nwhile True: pass")
    _told(kernel, "blocks")
    assert site.run("inngest-nb-order", 3) == 40
    assert _interrupted(kernel, pid, blocking) == "KeyboardInterrupt"
    assert site.run("inngest-nb-order", 4) == 50
    assert kernel.run("print(worker.state)").strip() == "active"


def test_waiting_is_interrupted_and_the_worker_is_not(
    kernel: LiveKernel, site: InngestSite
) -> None:
    kernel.run(serving(site, "connect"))
    pid = int(kernel.run("import os; print(os.getpid())"))
    waiting = kernel.client.execute("print('waits')\nworker.wait()")
    _told(kernel, "waits")
    assert _interrupted(kernel, pid, waiting) == "KeyboardInterrupt"
    assert site.run("inngest-nb-order", 3) == 40


def test_running_the_cell_again_takes_the_new_code(
    kernel: LiveKernel, site: InngestSite, via: str
) -> None:
    kernel.run(serving(site, via))
    assert site.run("inngest-nb-order", 3) == 40
    kernel.run("former = worker")
    kernel.run(serving(site, via, factor=100))
    assert [site.run("inngest-nb-order", 3) for _ in range(3)] == [400] * 3
    assert kernel.run("print(former.state, worker.state)").strip() == "closed active"


def test_an_endless_workflow_leaves_the_others_going_and_closing_takes_two_seconds(
    kernel: LiveKernel, site: InngestSite, via: str
) -> None:
    kernel.run(serving(site, via))
    site.begin("inngest-nb-endless")
    kernel.run("while worker.running != ('endless',): time.sleep(0.01)")
    assert [site.run("inngest-nb-order", n) for n in range(3)] == [10, 20, 30]
    said = kernel.run(
        "begun = time.monotonic()\nleft = worker.close()\n"
        "import json\nprint(json.dumps([left, time.monotonic() - begun, worker.state]))"
    )
    left, took, state = json.loads(said.strip().splitlines()[-1])
    assert (left, state) == (["endless"], "closed")
    assert took < 10  # two seconds, on a machine that is not busy
    assert "is closed, but still running: endless" in said


def test_a_cell_shows_that_the_server_went_and_came(kernel: LiveKernel, site: InngestSite) -> None:
    kernel.run(serving(site, "http"))
    site.go_away()
    gone = kernel.run("while worker.state != 'away': time.sleep(0.01)\nprint(worker)")
    assert "waits for its server: inngest functions: no response from" in gone
    assert "state='away')" in gone
    site.come_back()
    back = kernel.run("while worker.state != 'active': time.sleep(0.01)\nprint('so')")
    assert "is back; serving again" in back


def test_a_worker_is_a_notice_and_what_its_server_says_is_escaped(
    serve: Serve, site: InngestSite
) -> None:
    shell = InteractiveShell()
    attach(shell)
    worker = serve([double], app_id="shop", url=site.url, via="http")
    shown, _ = shell.display_formatter.format(worker)
    assert "<b>Worker &#39;shop&#39; is active</b>" in shown["text/html"]
    assert f"It serves double on {site.url} via http" in shown["text/html"]
    assert shown["text/plain"] == repr(worker)
    site.fail()
    until(lambda: worker.state == "away")
    shown, _ = shell.display_formatter.format(worker)
    assert "&lt;b&gt;overloaded&lt;/b&gt;" in shown["text/html"]
    detach(shell)
    assert [*shell.display_formatter.format(worker)[0]] == ["text/plain"]


def _told(kernel: LiveKernel, text: str) -> None:
    """Wait until a cell that was sent has printed something."""
    deadline = time.monotonic() + 30
    while True:
        message = kernel.client.get_iopub_msg(timeout=max(0.0, deadline - time.monotonic()))
        if message["msg_type"] == "stream" and text in message["content"]["text"]:
            return


def _interrupted(kernel: LiveKernel, pid: int, asked: str) -> str:
    """Interrupt the cell that runs, again if nothing comes of it, and return its error."""
    for _ in range(10):
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + 3
        with contextlib.suppress(Empty):
            while True:
                left = max(0.0, deadline - time.monotonic())
                reply = kernel.client.get_shell_msg(timeout=left)
                if reply["parent_header"]["msg_id"] == asked:
                    return str(reply["content"]["ename"])
    raise AssertionError("the cell goes on, however often it is interrupted")
