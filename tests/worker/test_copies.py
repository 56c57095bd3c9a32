"""Copies of runs on Inngest in a store, and what views say of them."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from inngest_site import InngestSite, Serve, until
from IPython.core.interactiveshell import InteractiveShell
from served_workflows import double

import inngest_nb as inb
from inngest_nb.notebook.ipython import attach

here: list[int] = []  # who has come to a meeting


async def pause(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


async def meet(partners: int) -> int:
    """Wait until so many are here at the same time."""
    here.append(partners)
    while len(here) < partners:  # noqa: ASYNC110  # the others need not be on this loop
        await asyncio.sleep(0.005)
    return partners


async def together(ctx: inb.AsyncWorkflowContext, input: int) -> list[Any]:
    return await asyncio.gather(*(ctx.execute_activity(meet, input) for _ in range(input)))


async def waits(ctx: inb.AsyncWorkflowContext, input: float) -> Any:
    await ctx.execute_activity(pause, input)
    return await ctx.receive_signal("go")


def test_a_copy_whose_steps_overlap_does_not_blame_the_clock(
    serve: Serve, site: InngestSite
) -> None:
    here.clear()
    store = inb.MemoryStore()
    worker = serve([together], url=site.url, store=store)
    handle = worker.start(together, 2)
    assert handle.result(30) == [2, 2]
    until(lambda: store.load(handle.id).status == "completed")
    times = [event.timestamp for event in handle.state.history]
    assert any(later < earlier for earlier, later in pairwise(times))  # a start after another's end
    assert "clock" not in repr(inb.timeline(handle))


def test_a_run_that_no_worker_had_is_canceled_in_the_store_too(
    serve: Serve, site: InngestSite
) -> None:
    store = inb.MemoryStore()
    worker = serve([double], url=site.url, store=store)
    worker.close()
    site.gateway.wait_until(lambda: not site.gateway.workers)
    handle = worker.start(double, 1)
    assert store.load(handle.id) is None
    assert handle.cancel()
    assert store.load(handle.id).status == "canceled"
    assert list(inb.frame(store)["status"]) == ["canceled"]


def test_a_handle_shows_an_end_that_no_worker_saw(serve: Serve, site: InngestSite) -> None:
    store = inb.MemoryStore()
    worker = serve([waits], url=site.url, store=store)
    handle = worker.start(waits, 0.01)
    until(lambda: (copy := store.load(handle.id)) and len(copy.history) == 3)
    assert handle.state.status == "running"
    with inb.InngestAPI(site.url) as api:
        api.cancel(handle.run_id)  # as in the server's UI
    assert (handle.state.status, handle.status) == ("canceled", "canceled")
    assert "⊘ canceled" in repr(inb.timeline(handle))


def test_a_handle_is_a_timeline_in_a_cell_and_a_line_while_the_server_is_away(
    serve: Serve, site: InngestSite, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = InteractiveShell()
    attach(shell)
    handle = serve([together], url=site.url).start(together, 1)
    assert handle.result(30) == [1]
    shown, _ = shell.display_formatter.format(handle)
    assert f"{handle.id}" in shown["text/html"]
    assert "1:meet" in shown["text/html"]  # without a store, the server's names of steps
    site.go_away()
    shown, _ = shell.display_formatter.format(handle)
    assert shown == {"text/plain": repr(handle)}
    assert capsys.readouterr().err == ""
