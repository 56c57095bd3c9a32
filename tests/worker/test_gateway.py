"""Connected workers that are cut off, slow, refused, busy or strangers, and what becomes of calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from connect_recordings import functions
from connected_worker import ConnectedWorker, hurry
from gateway_site import Bench, Site, request_of
from inngest.connect import ConnectionState
from inngest.connect._internal import connect_pb2 as pb
from inngest_engine_transport import WorkerLostError
from inngest_gateway import PROTOCOL
from inngest_gateway_frames import Frame, written
from inngest_gateway_requests import STOPPED, OpenRequests
from inngest_replay import SIGNING_KEY
from manual_clock import ManualClock
from recorded_flows import FLOWS
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as open_socket


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.go.set()


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


# What breaks


def test_a_step_goes_on_when_its_socket_is_cut(bench: Bench) -> None:
    with Site() as site, ConnectedWorker(site.url, bench.functions):
        asked = site.ask("lab-slow")
        assert bench.begun.acquire(timeout=60)
        site.gateway.drop()
        site.gateway.wait_until(lambda: site.gateway.workers)
        bench.go.set()
        assert asked.result(60).body[0]["data"] == "worked"
    sent = [frame.connection for frame in site.gateway.frames if frame.request_id]
    assert sent[0] == 1
    assert sent[-1] == 2, "the reply came over the new socket"


def test_a_lease_of_one_second_runs_out(bench: Bench) -> None:
    with Site(lease=1) as site, ConnectedWorker(site.url, bench.functions):
        asked = site.ask("lab-slow")
        assert bench.begun.acquire(timeout=60)
        with pytest.raises(WorkerLostError) as lost:
            asked.result(60)
        assert lost.value.code == STOPPED
        bench.go.set()  # the reply comes too late, and is acknowledged all the same
        site.gateway.wait_until(lambda: "WORKER_REPLY_ACK" in site.kinds())


def test_a_worker_keeps_its_lease_as_long_as_it_extends_it(bench: Bench) -> None:
    clock = ManualClock()
    with (
        Site(lease=60, extend=1, clock=clock) as site,
        ConnectedWorker(site.url, bench.functions),
    ):
        asked = site.ask("lab-slow")
        assert bench.begun.acquire(timeout=60)
        clock.advance(40)
        extended = site.kinds().count("WORKER_REQUEST_EXTEND_LEASE_ACK")
        site.gateway.wait_until(
            lambda: site.kinds().count("WORKER_REQUEST_EXTEND_LEASE_ACK") >= extended + 2
        )
        clock.advance(40)
        bench.go.set()
        assert asked.result(60).body[0]["data"] == "worked"


def test_a_worker_that_asks_too_late_is_told_that_its_lease_is_lost(bench: Bench) -> None:
    clock = ManualClock()
    with (
        Site(lease=60, extend=1, clock=clock) as site,
        ConnectedWorker(site.url, bench.functions),
    ):
        asked = site.ask("lab-slow")
        assert bench.begun.acquire(timeout=60)
        clock.advance(61)
        with pytest.raises(WorkerLostError):
            asked.result(60)
        site.gateway.wait_until(
            lambda: any(
                frame.kind == "WORKER_REQUEST_EXTEND_LEASE_ACK"
                and not frame.payload.HasField("new_lease_id")
                for frame in list(site.gateway.frames)
            )
        )
        assert bench.stopped.wait(60), "the SDK cancels such a step"
        bench.go.set()
    assert "WORKER_REPLY" not in site.kinds()


def test_only_the_newest_lease_can_be_extended() -> None:
    async def extend_twice() -> list[str | None]:
        requests = OpenRequests(ManualClock(), 60, lambda: None)
        request = requests.open("lab", "lab-slow", "step", request_of("lab-slow"))
        asked = pb.WorkerRequestExtendLeaseData(
            request_id=request.data.request_id, lease_id=request.data.lease_id
        )
        return [requests.extend(asked), requests.extend(asked)]

    first, second = asyncio.run(extend_twice())
    assert first is not None
    assert second is None


def test_a_worker_waits_while_it_is_refused_and_then_connects() -> None:
    clock = ManualClock()
    with Site(clock=clock) as site:
        site.gateway.refuse(30)
        with ConnectedWorker(site.url, functions) as worker:
            clock.advance(29)
            assert site.gateway.frames == []
            assert worker.state is ConnectionState.CONNECTING
            clock.advance(1)
            site.gateway.wait_until(lambda: site.gateway.workers)


def test_no_socket_is_opened_while_workers_are_refused() -> None:
    with Site() as site:
        site.gateway.refuse()
        with pytest.raises(InvalidStatus, match="503"):
            open_socket(site.gateway.url, subprotocols=[PROTOCOL])
        site.gateway.accept()
        with open_socket(site.gateway.url, subprotocols=[PROTOCOL]) as socket:
            assert socket.recv() == written(Frame(1, "gateway", "GATEWAY_HELLO"))


def test_the_sdk_gives_up_when_it_is_refused_for_long() -> None:
    with Site() as site, ConnectedWorker(site.url, functions) as worker:
        site.gateway.wait_until(lambda: site.gateway.workers)
        site.gateway.refuse()
        site.gateway.drop()
        worker.join()
        assert "/v0/connect/start" in str(worker.failure)
        assert worker.state is ConnectionState.CLOSED


def test_a_reply_that_is_not_acknowledged_comes_over_http(bench: Bench) -> None:
    bench.go.set()
    with Site(extend=1) as site, ConnectedWorker(site.url, bench.functions):
        site.gateway.loses_replies = True
        assert site.ask("lab-slow").result(60).body[0]["data"] == "worked"
    assert "WORKER_REPLY_ACK" not in site.kinds()


def test_workers_of_a_gateway_that_is_shut_down_connect_anew(bench: Bench) -> None:
    with Site() as site, ConnectedWorker(site.url, bench.functions):
        asked = site.ask("lab-slow")
        assert bench.begun.acquire(timeout=60)
        site.gateway.drain()
        site.gateway.wait_until(lambda: [worker.number for worker in site.gateway.workers] == [2])
        bench.go.set()
        assert asked.result(60).body[0]["data"] == "worked"


# Which worker is asked


def test_workers_of_an_app_are_asked_in_turn() -> None:
    with (
        Site() as site,
        ConnectedWorker(site.url, functions, instance="w1"),
        ConnectedWorker(site.url, functions, instance="w2"),
    ):
        site.gateway.wait_until(lambda: len(site.gateway.workers) == 2)
        for _ in range(4):
            site.ask("lab-sleeps").result(60)
        assert [frame.connection for frame in site.sent()] in ([1, 2] * 2, [2, 1] * 2)
        assert site.registered == {"lab": [f"lab-{flow.__name__}" for flow in FLOWS]}
        assert site.synced["lab"]["url"] == "ws://connect?app_name=lab"  # as v2 shows it


def test_a_worker_that_is_busy_is_not_asked(bench: Bench) -> None:
    one = {"concurrency": 1}
    with Site() as site, ConnectedWorker(site.url, bench.functions, **one):
        busy = [site.ask("lab-slow")]
        assert bench.begun.acquire(timeout=60)
        busy.append(site.ask("lab-slow"))  # waits
        with ConnectedWorker(site.url, bench.functions, instance="w2", **one):
            assert bench.begun.acquire(timeout=60)
            busy.append(site.ask("lab-slow"))  # waits
            bench.go.set()
            assert [each.result(60).status for each in busy] == [206] * 3
    assert [frame.connection for frame in site.sent()][:2] == [1, 2]


def test_a_worker_that_closes_ends_its_step_and_is_asked_no_more(bench: Bench) -> None:
    with Site() as site, ConnectedWorker(site.url, bench.functions) as leaving:
        first = site.ask("lab-slow")
        assert bench.begun.acquire(timeout=60)
        leaving.begin_to_close()
        site.gateway.wait_until(lambda: not site.gateway.workers)
        assert site.kinds()[-1] == "WORKER_PAUSE"
        second = site.ask_now("lab-slow")
        site.gateway.wait_until(lambda: site.gateway.waiting == 1)
        bench.go.set()
        assert first.result(60).status == 206
    assert isinstance(second.exception(60), WorkerLostError)  # nobody came


def test_a_call_waits_for_a_worker_that_has_the_function() -> None:
    with Site() as site, ConnectedWorker(site.url, functions, app_id="other"):
        assert site.ask("other-sleeps").result(60).status == 206
        asked = site.ask("lab-sleeps")
        site.gateway.wait_until(lambda: site.gateway.waiting == 1)
        with ConnectedWorker(site.url, functions):
            assert asked.result(60).status == 206


def test_calls_are_lost_with_the_server(bench: Bench) -> None:
    with Site() as site, ConnectedWorker(site.url, bench.functions, concurrency=1) as worker:
        asked = [site.ask("lab-slow"), site.ask("lab-slow")]
        site.gateway.wait_until(lambda: site.gateway.waiting == 1)
        site.gateway.close()
        lost = [each.exception(60) for each in asked]
        bench.go.set()
        worker.join()
    assert all(isinstance(each, WorkerLostError) for each in lost)
    assert sorted(each.unassigned for each in lost) == [False, True]


# Who may connect


def test_a_worker_that_shows_the_key_connects() -> None:
    with Site(kind="cloud") as site:
        with ConnectedWorker(site.url, functions, is_production=True, signing_key=SIGNING_KEY):
            site.gateway.wait_until(lambda: site.gateway.workers)


@pytest.mark.parametrize(
    "settings",
    [{}, {"is_production": True, "signing_key": SIGNING_KEY.replace("0", "1")}],
    ids=["none", "another"],
)
def test_a_worker_without_the_key_is_refused_for_good(settings: dict[str, Any]) -> None:
    with Site(kind="cloud") as site:
        with ConnectedWorker(site.url, functions, **settings) as worker:
            worker.join()
            assert "unauthorized" in str(worker.failure)


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (Frame(1, "worker", "WORKER_HEARTBEAT"), "connect_worker_hello_invalid_msg"),
        (
            Frame(1, "worker", "WORKER_CONNECT", pb.WorkerConnectRequestData(connection_id="x")),
            "connect_authentication_failed",
        ),
    ],
    ids=["kind", "tokens"],
)
def test_a_connection_that_begins_otherwise_is_closed(first: Frame, code: str) -> None:
    with Site() as site, open_socket(site.gateway.url, subprotocols=[PROTOCOL]) as socket:
        hello = pb.ConnectMessage.FromString(socket.recv())
        assert hello.kind == pb.GatewayMessageType.GATEWAY_HELLO
        socket.send(written(first))
        with pytest.raises(ConnectionClosed, match=code):
            socket.recv()
