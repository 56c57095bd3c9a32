"""A worker whose server goes away, and is back as soon as the server is: by connect."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from connected_worker import hurry
from inngest_engine import InngestEngine
from inngest_gateway import InngestGateway

import inngest_nb as inb

PATIENCE_S = 30.0


class Server:
    """The engine and its gateway, which go away together."""

    def __init__(self, inngest: InngestEngine, gateway: InngestGateway) -> None:
        self.inngest, self.gateway, self.url = inngest, gateway, inngest.url

    def go_away(self) -> None:
        self.inngest.go_away()
        self.gateway.refuse()
        self.gateway.drop()

    def come_back(self) -> None:
        self.gateway.accept()
        self.inngest.come_back()


@pytest.fixture
def server() -> Iterator[Server]:
    with InngestEngine(retry_interval=0) as inngest, InngestGateway(inngest) as gateway:
        yield Server(inngest, gateway)


async def double(ctx: inb.AsyncWorkflowContext, input: int) -> int:
    return 2 * input


def test_a_worker_is_back_although_the_sdk_has_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hurry(monkeypatch)  # it gives up after a quarter of a second
    caplog.set_level(logging.DEBUG, "inngest_nb.worker.sdk")
    with inb.serve_on_inngest([double], url=server.url) as worker:
        assert worker.state == "active"
        server.go_away()
        until(lambda: "ConnectionStart request failed" in caplog.text)
        until(lambda: worker.state == "away")
        server.come_back()
        assert until(lambda: worker.state == "active") < 10
        assert doubled(server, 21) == 42
    assert server.gateway.opened == 2
    said = [each.getMessage() for each in caplog.records if each.name == "inngest_nb.worker"]
    assert len(said) == 2, said
    assert "waits for its server" in said[0]
    assert "is back" in said[1]


@pytest.mark.slow
def test_a_worker_is_back_within_ten_seconds_of_a_server_that_was_away_for_a_minute(
    server: Server,
) -> None:
    with inb.serve_on_inngest([double], url=server.url) as worker:
        server.go_away()
        time.sleep(60)
        assert worker.state == "away"
        server.come_back()
        assert until(lambda: worker.state == "active") < 10
        assert doubled(server, 21) == 42


def test_a_worker_serves_as_soon_as_a_server_is_there(server: Server) -> None:
    server.go_away()
    with inb.serve_on_inngest([double], url=server.url) as worker:
        assert worker.state == "away"
        server.come_back()
        assert until(lambda: worker.state == "active") < 10
        assert doubled(server, 21) == 42


def test_an_activity_that_runs_while_the_server_is_away_is_done_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    begun, go = threading.Semaphore(0), threading.Event()

    def work() -> str:
        begun.release()
        go.wait(PATIENCE_S)
        return "worked"

    async def working(ctx: inb.AsyncWorkflowContext) -> str:
        return await ctx.execute_activity(work)

    with inb.serve_on_inngest([working], url=server.url) as worker:
        run = server.inngest.invoke("inngest-nb-working", {"workflow_id": "w", "input": None})
        assert begun.acquire(timeout=PATIENCE_S)
        # server.gateway.drop()
        server.gateway.wait_until(lambda: server.gateway.workers)
        go.set()
        assert server.inngest.ended(run).output == "worked"
        assert not begun.acquire(blocking=False)
        assert worker.state == "active"


def doubled(server: Server, number: int) -> object:
    run = server.inngest.invoke("inngest-nb-double", {"workflow_id": "w", "input": number})
    return server.inngest.ended(run).output


def until(condition: Callable[[], bool]) -> float:
    """Wait until something is so; return the seconds it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() < begun + PATIENCE_S, "it did not come about"
        time.sleep(0.01)
    return time.monotonic() - begun
