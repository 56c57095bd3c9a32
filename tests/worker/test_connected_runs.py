"""Runs of the executor stand-in whose workers connect: lost ones, late ones, several."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from connect_recordings import functions
from connected_worker import ConnectedWorker, hurry
from gateway_site import Bench
from inngest_engine import InngestEngine
from inngest_gateway import InngestGateway
from inngest_gateway_requests import STOPPED
from inngest_replay import SIGNING_KEY
from manual_clock import ManualClock
from recorded_flows import FLOWS

DATA = {"workflow_id": "w"}


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.go.set()


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def test_runs_of_a_connected_worker_end_as_recorded() -> None:
    with InngestEngine() as inngest, InngestGateway(inngest) as gateway:
        with ConnectedWorker(inngest.url, functions):
            gateway.wait_until(lambda: gateway.workers)
            names = ("sequence", "gathers", "catches", "fails")
            runs = {name: inngest.invoke(f"lab-{name}", DATA) for name in names}
            ended = {name: inngest.ended(run) for name, run in runs.items()}
        app = httpx.get(f"{inngest.url}/api/v2/apps/lab").json()["data"]
    assert ended["sequence"].output == [{"x": 1}, [2, 1152921504606847000, 1], {"x": 3}]
    assert ended["gathers"].output == [0, 1, 2, 3]
    assert ended["catches"].status == "COMPLETED"
    assert ended["fails"].status == "FAILED"
    assert (app["method"], app["functionCount"]) == ("CONNECT", len(FLOWS))


def test_a_run_waits_as_queued_until_a_worker_connects(bench: Bench) -> None:
    bench.go.set()
    with InngestEngine() as inngest, InngestGateway(inngest) as gateway:
        with ConnectedWorker(inngest.url, bench.functions):
            gateway.wait_until(lambda: gateway.workers)
        run = inngest.invoke("lab-slow")
        assert inngest.do(lambda: run.status) == "QUEUED"
        with ConnectedWorker(inngest.url, bench.functions):
            assert inngest.ended(run).status == "COMPLETED"
    assert len(inngest.requests) == 2, "the attempt without a worker was none"


def test_a_step_is_done_by_another_worker_when_its_lease_has_run_out(bench: Bench) -> None:
    clock = ManualClock()
    with (
        InngestEngine(retry_interval=0) as inngest,
        InngestGateway(inngest, clock=clock) as gateway,
        ConnectedWorker(inngest.url, bench.functions, instance="w1"),
    ):
        gateway.wait_until(lambda: gateway.workers)
        run = inngest.invoke("lab-slow")
        assert bench.begun.acquire(timeout=60)
        with ConnectedWorker(inngest.url, bench.functions, instance="w2"):
            gateway.wait_until(lambda: len(gateway.workers) == 2)
            clock.advance(119)
            assert not bench.begun.acquire(blocking=False)
            clock.advance(1)
            assert bench.begun.acquire(timeout=60)
            bench.go.set()
            assert inngest.ended(run).output == "worked"
    attempts = [(each.body["ctx"]["attempt"], each.is_lost) for each in inngest.requests]
    assert attempts == [(0, True), (1, False), (0, False)]
    asked = [each for each in gateway.frames if each.kind == "GATEWAY_EXECUTOR_REQUEST"]
    assert [frame.connection for frame in asked][:2] == [1, 2]


def test_a_run_fails_when_its_worker_is_lost_in_its_last_attempt(bench: Bench) -> None:
    with (
        InngestEngine() as inngest,
        InngestGateway(inngest, lease=1) as gateway,
        ConnectedWorker(inngest.url, lambda client: bench.functions(client, retries=0)),
    ):
        gateway.wait_until(lambda: gateway.workers)
        run = inngest.ended(inngest.invoke("lab-slow"))
        bench.go.set()
    assert run.status == "FAILED"
    assert run.output["error"]["name"] == STOPPED


def test_a_step_that_goes_on_while_the_gateway_is_away_is_begun_once(bench: Bench) -> None:
    with (
        InngestEngine() as inngest,
        InngestGateway(inngest) as gateway,
        ConnectedWorker(inngest.url, bench.functions),
    ):
        gateway.wait_until(lambda: gateway.workers)
        run = inngest.invoke("lab-slow")
        assert bench.begun.acquire(timeout=60)
        gateway.drop()
        gateway.wait_until(lambda: gateway.workers)
        bench.go.set()
        assert inngest.ended(run).output == "worked"
        assert not bench.begun.acquire(blocking=False)


def test_an_app_waits_while_another_goes_on() -> None:
    with InngestEngine() as inngest, InngestGateway(inngest) as gateway:
        with ConnectedWorker(inngest.url, functions, app_id="left"):
            gateway.wait_until(lambda: gateway.workers)
        with ConnectedWorker(inngest.url, functions, app_id="there"):
            gateway.wait_until(lambda: gateway.workers)
            waits, goes = (inngest.invoke(f"{app}-dice", DATA) for app in ("left", "there"))
            assert inngest.ended(goes).status == "COMPLETED"
            assert inngest.do(lambda: waits.status) == "QUEUED"
        assert gateway.waiting == 0


def test_the_pause_before_another_attempt_takes_no_time_where_time_is_virtual(
    bench: Bench,
) -> None:
    clock = ManualClock()
    with (
        InngestEngine(virtual=True) as inngest,
        InngestGateway(inngest, clock=clock) as gateway,
        ConnectedWorker(inngest.url, bench.functions),
    ):
        gateway.wait_until(lambda: gateway.workers)
        run = inngest.invoke("lab-slow")
        assert bench.begun.acquire(timeout=60)
        gateway.loses_replies = True
        bench.go.set()  # which is too late for the lease
        gateway.wait_until(lambda: "WORKER_REPLY" in [each.kind for each in gateway.frames])
        gateway.loses_replies = False
        before = inngest.clock.now()
        clock.advance(120)
        assert inngest.ended(run).output == "worked"
        assert 15 <= (inngest.clock.now() - before).total_seconds() < 46


def test_a_server_with_keys_takes_workers_that_show_them() -> None:
    with InngestEngine("cloud") as inngest, InngestGateway(inngest, "cloud") as gateway:
        keyed = {"is_production": True, "signing_key": SIGNING_KEY}
        with ConnectedWorker(inngest.url, functions, **keyed):
            gateway.wait_until(lambda: gateway.workers)
            assert inngest.ended(inngest.invoke("lab-gathers", DATA)).output == [
                0,
                1,
                2,
                3,
            ]
