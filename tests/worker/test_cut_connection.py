"""A worker whose connection is cut in the middle of a step."""

from __future__ import annotations

import threading

from inngest_site import SECONDS, InngestSite, Serve

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
