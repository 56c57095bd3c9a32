"""A worker that connects, and a server that goes away in the middle of a step, or for long."""

from __future__ import annotations

import threading
import time

import pytest
from inngest_site import SECONDS, InngestSite, Serve, until
from served_workflows import double

import inngest_nb as inb


def test_an_activity_that_goes_on_while_the_connection_is_cut_is_done_once(
    serve: Serve, site: InngestSite
) -> None:
    begun, go = threading.Semaphore(0), threading.Event()

    def work() -> str:
        begun.release()
        go.wait(SECONDS)
        return "worked"

    async def working(ctx: inb.AsyncWorkflowContext) -> str:
        return await ctx.execute_activity(work)

    serve([working], url=site.url)
    run = site.begin("inngest-nb-working")
    assert begun.acquire(timeout=SECONDS)
    site.gateway.drop()
    site.gateway.wait_until(lambda: site.gateway.workers)
    go.set()
    assert site.ended(run).output == "worked"
    assert not begun.acquire(blocking=False)


@pytest.mark.slow
def test_a_worker_is_back_within_ten_seconds_of_a_server_that_was_away_for_a_minute(
    site: InngestSite,
) -> None:
    with inb.serve_on_inngest([double], url=site.url) as worker:
        site.go_away()
        time.sleep(60)
        assert worker.state == "away"
        site.come_back()
        begun = time.monotonic()
        until(lambda: worker.state == "active")
        assert time.monotonic() - begun < 10
        assert site.run("inngest-nb-double", 21) == 42
