"""A worker in this process: it serves, says what it is, and ends."""

from __future__ import annotations

import inspect
import logging
import threading
import time

import pytest
from served_workflows import double, go_on, held, twice
from small_inngest import SmallInngest, until

import inngest_nb as inb


def test_the_server_calls_what_is_served(serve, server: SmallInngest, via: str) -> None:
    worker = serve([double, twice], app_id="shop", url=server.url, via=via)
    assert worker.state == "active"
    assert worker.functions == ("double", "twice")
    assert server.functions("shop") == {"shop-double", "shop-twice"}
    assert server.call("shop", "double", input=21) == (200, 42)
    status, (step,) = server.call("shop", "twice", input=1)
    assert (status, step["op"], step["name"]) == (206, "StepRun", "1:charge")
    assert step["data"]["result"] == 2


def test_it_says_in_one_line_what_it_is(serve, server: SmallInngest, via: str) -> None:
    worker = serve([double, twice], url=server.url, via=via)
    shown = f"InngestWorker('inngest-nb', '{server.url}', via='{via}', functions='double, twice', "
    assert repr(worker) == f"{shown}state='active')"
    worker.close()
    assert repr(worker) == f"{shown}state='closed')"


def test_with_ends_it_and_all_its_threads(server: SmallInngest, via: str) -> None:
    before = {*threading.enumerate()}
    with inb.serve_on_inngest([double], url=server.url, via=via) as worker:
        assert not worker.wait(0)
        assert server.call("inngest-nb", "double", input=1) == (200, 2)
    assert worker.wait(30)
    assert worker.state == "closed"
    until(lambda: server.functions("inngest-nb") == set() or via == "http")
    ours = [each for each in threading.enumerate() if each not in before]
    until(lambda: not any(each.is_alive() and "inngest" in each.name for each in ours))
    assert worker.close() == ()  # once more does nothing


def test_closing_says_after_two_seconds_what_still_runs_and_lets_it_end(
    serve, server: SmallInngest, via: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker = serve([held, double], url=server.url, via=via)
    answer = server.begin("inngest-nb", "held")
    until(lambda: worker.running == ("held: hold",))
    begun = time.monotonic()
    assert worker.close() == ("held: hold",)
    assert time.monotonic() - begun < 10  # two seconds, on a machine that is not busy
    assert "is closed, but this still runs: held: hold" in caplog.text
    assert (worker.state, worker.wait(0)) == ("closed", False)
    go_on.set()
    status, (step,) = answer.result(30)
    assert (status, step["data"]["result"]) == (206, "held")
    assert worker.wait(30)
    assert worker.running == ()


def test_a_closed_worker_gets_no_more_work(serve, server: SmallInngest) -> None:
    worker = serve([held], url=server.url)
    answer = server.begin("inngest-nb", "held")
    until(lambda: worker.running)
    worker.close()
    assert server.functions("inngest-nb") == set()  # although it is still connected
    assert [each.paused for each in server.workers] == [True]
    go_on.set()
    assert answer.result(30)[0] == 206


def test_steps_beyond_the_concurrency_wait(serve, server: SmallInngest) -> None:
    worker = serve([held, double], url=server.url, via="http", concurrency=1)
    first = server.begin("inngest-nb", "held")
    until(lambda: worker.running)
    second = server.begin("inngest-nb", "double", input=1)
    assert not second.done()
    go_on.set()
    assert [first.result(30)[0], second.result(30)] == [206, (200, 2)]


def test_web_pages_cannot_use_a_worker_that_listens(serve, server: SmallInngest) -> None:
    import httpx

    worker = serve([double], url=server.url, via="http")
    address = f"http://127.0.0.1:{worker.port}/api/inngest"
    answer = httpx.post(address, headers={"Origin": "http://evil.example"})
    assert (answer.status_code, answer.text) == (403, "web pages must not use this worker")
    assert httpx.get(address).json()["function_count"] == 1
    assert httpx.delete(address).status_code == 405


def test_the_sdk_says_nothing_unless_asked(
    serve, server: SmallInngest, via: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        serve([double], url=server.url, via=via).close()
    said = [record for record in caplog.records if not record.name.startswith("httpx")]
    assert [record for record in said if "uvicorn" not in record.name] == []


def test_its_arguments_are_those_that_were_agreed() -> None:
    names = "app_id store via url signing_key event_key retries concurrency host port instance_id"
    given = inspect.signature(inb.serve_on_inngest).parameters
    assert [*given][:12] == ["functions", *names.split()]
    assert {each.kind for each in [*given.values()][1:]} == {inspect.Parameter.KEYWORD_ONLY}
