"""A worker in this process: it serves, says what it is, and ends."""

from __future__ import annotations

import inspect
import logging
import threading
import time

import httpx
import pytest
from inngest_site import InngestSite, Serve, until
from served_workflows import double, endless, go_on, held, twice

import inngest_nb as inb


def test_the_server_runs_what_is_served(serve: Serve, site: InngestSite, via: str) -> None:
    worker = serve([double, twice], app_id="shop", url=site.url, via=via)
    assert worker.state == "active"
    assert worker.functions == ("double", "twice")
    assert site.run("shop-double", 21) == 42
    assert site.functions() == {"shop-double", "shop-twice"}
    assert site.run("shop-twice", 1) == [2, 0]


def test_it_says_in_one_line_what_it_is(serve: Serve, site: InngestSite, via: str) -> None:
    worker = serve([double, twice], url=site.url, via=via)
    shown = f"InngestWorker('inngest-nb', '{site.url}', via='{via}', functions='double, twice', "
    assert repr(worker) == f"{shown}state='active')"
    worker.close()
    assert repr(worker) == f"{shown}state='closed')"


def test_with_ends_it_and_its_threads(serve: Serve, site: InngestSite, via: str) -> None:
    before = {*threading.enumerate()}
    with serve([double], url=site.url, via=via) as worker:
        assert not worker.wait(0)
        assert site.run("inngest-nb-double", 1) == 2
    assert worker.wait(30)
    assert worker.state == "closed"
    ours = [each for each in threading.enumerate() if each not in before]
    until(lambda: not [each for each in ours if each.is_alive() and "inngest-nb" in each.name])
    assert worker.close() == ()  # once more does nothing


def test_closing_says_after_two_seconds_what_still_runs_and_lets_it_end(
    serve: Serve, site: InngestSite, via: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker = serve([held, double], url=site.url, via=via)
    run = site.begin("inngest-nb-held")
    until(lambda: worker.running == ("held: hold",))
    begun = time.monotonic()
    assert worker.close() == ("held: hold",)
    assert time.monotonic() - begun < 30  # two seconds, on a machine that is not busy
    assert "is closed, but still running: held: hold" in caplog.text
    assert (worker.state, worker.wait(0)) == ("closed", False)
    go_on.set()
    assert worker.wait(30)
    assert worker.running == ()
    until(lambda: [*run.steps.values()][:1] and "held" in str(run.steps))  # the answer came


def test_a_worker_that_closes_gets_no_more_work(serve: Serve, site: InngestSite) -> None:
    worker = serve([held, double], url=site.url)
    site.begin("inngest-nb-held")
    until(lambda: worker.running)
    site.gateway.wait_until(lambda: len(site.gateway.workers) == 1)
    worker.close()
    site.gateway.wait_until(lambda: not site.gateway.workers)  # although it is still connected
    run = site.begin("inngest-nb-double", 1)
    assert run.status == "QUEUED"
    serve([double], url=site.url)
    assert site.ended(run).output == 2


def test_steps_beyond_the_concurrency_wait(serve: Serve, site: InngestSite, via: str) -> None:
    worker = serve([held, double], url=site.url, via=via, concurrency=1)
    first = site.begin("inngest-nb-held")
    until(lambda: worker.running == ("held: hold",))
    second = site.begin("inngest-nb-double", 1)
    until(lambda: second.in_flight == 1)
    assert worker.running == ("held: hold",)
    go_on.set()
    assert [site.ended(each).output for each in (first, second)] == ["held", 2]


def test_an_endless_workflow_leaves_the_others_going(
    serve: Serve, site: InngestSite, via: str
) -> None:
    worker = serve([endless, twice], url=site.url, via=via)
    site.begin("inngest-nb-endless")
    until(lambda: worker.running == ("endless",))
    assert [site.run("inngest-nb-twice", n) for n in range(3)] == [[1, 1], [2, 0], [3, -1]]
    assert worker.running == ("endless",)
    assert worker.close() == ("endless",)


def test_web_pages_cannot_use_a_worker_that_listens(serve: Serve, site: InngestSite) -> None:
    worker = serve([double], url=site.url, via="http")
    address = f"http://127.0.0.1:{worker.port}/api/inngest"
    answer = httpx.post(address, headers={"Origin": "http://evil.example"})
    assert (answer.status_code, answer.text) == (403, "web pages must not use this worker")
    assert httpx.get(address).json()["function_count"] == 1
    assert httpx.delete(address).status_code == 405


def test_nothing_is_logged_while_all_is_well(
    serve: Serve, site: InngestSite, via: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        serve([double], url=site.url, via=via)
        assert site.run("inngest-nb-double", 1) == 2
        serve([double], url=site.url, via=via).close()
    assert [(record.name, record.getMessage()) for record in caplog.records] == []


def test_the_sdk_is_loaded_only_by_serving() -> None:
    import subprocess
    import sys

    code = (
        "import sys, inngest_nb as inb; inb.serve_on_inngest, inb.InngestWorker; "
        "print({'inngest', 'starlette', 'uvicorn', 'websockets'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_its_arguments_are_those_that_were_agreed() -> None:
    names = "app_id store via url signing_key event_key retries concurrency host port instance_id"
    given = inspect.signature(inb.serve_on_inngest).parameters
    assert [*given][:12] == ["functions", *names.split()]
    assert {each.kind for each in [*given.values()][1:]} == {inspect.Parameter.KEYWORD_ONLY}
