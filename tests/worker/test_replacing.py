"""An app that is served again in one process: the new functions take the place of the old ones."""

from __future__ import annotations

import threading

from inngest_site import InngestSite, Serve, until
from served_workflows import double, go_on, held, twice


def test_a_worker_takes_the_place_of_the_former_one(
    serve: Serve, site: InngestSite, via: str
) -> None:
    async def order(ctx: object) -> str:
        return "old"

    first = serve([order], url=site.url, via=via)
    assert site.run("inngest-nb-order") == "old"

    async def order(ctx: object) -> str:  # type: ignore[no-redef]  # as by running a cell again
        return "new"

    second = serve([order, double], url=site.url, via=via)
    assert (first.state, second.state) == ("closed", "active")
    assert [site.run("inngest-nb-order") for _ in range(5)] == ["new"] * 5
    assert site.functions() == {"inngest-nb-order", "inngest-nb-double"}
    site.gateway.wait_until(lambda: len(site.gateway.workers) == (via == "connect"))


def test_it_listens_where_the_former_one_did(serve: Serve, site: InngestSite) -> None:
    first = serve([double], url=site.url, via="http")
    second = serve([double], url=site.url, via="http")
    assert second.port == first.port is not None
    assert site.run("inngest-nb-double", 1) == 2


def test_what_the_former_one_still_runs_comes_to_its_end(
    serve: Serve, site: InngestSite, via: str
) -> None:
    first = serve([held], url=site.url, via=via)
    run = site.begin("inngest-nb-held")
    until(lambda: first.running)
    serve([held, double], url=site.url, via=via)
    assert site.run("inngest-nb-double", 1) == 2
    go_on.set()
    assert site.ended(run).output == "held"
    assert first.wait(30)


def test_other_apps_and_instances_stay(serve: Serve, site: InngestSite) -> None:
    workers = [
        serve([double], app_id="a", url=site.url),
        serve([double], app_id="b", url=site.url),
        serve([double], app_id="b", url=site.url, instance_id="b-1"),
        serve([double], app_id="b", url=site.url, instance_id="b-2"),
    ]
    assert [each.state for each in workers] == ["active"] * 4
    site.gateway.wait_until(lambda: len(site.gateway.workers) == 4)
    assert [site.run(f"{app}-double", 1) for app in "ab"] == [2, 2]


def test_workers_of_several_threads_each_get_their_place(serve: Serve, site: InngestSite) -> None:
    made = []
    threads = [
        threading.Thread(target=lambda: made.append(serve([twice], url=site.url))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(each.state for each in made) == ["active", "closed", "closed", "closed"]


def test_workers_can_share_a_port(serve: Serve, site: InngestSite) -> None:
    first = serve([double], url=site.url, via="http", instance_id="1")
    second = serve([double], url=site.url, via="http", instance_id="2", port=first.port)
    assert second.port == first.port
    first.close()
    assert [site.run("inngest-nb-double", n) for n in range(5)] == [0, 2, 4, 6, 8]
