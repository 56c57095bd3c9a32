"""Runs kept by a plain server of the contract: what is promised there, and what is not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from code_variants import ORDER, history, workflow
from manual_clock import ManualClock
from small_servers import PREFIX, PlainServer, plain_server
from strict_documents import check_document

from inngest_nb import Executor, InngestStore, Signal, wire
from inngest_nb.errors import (
    ListingUnsupportedError,
    NonDeterminismError,
    WorkflowNotHereError,
)

KINDS = pytest.mark.parametrize("kind", ["async", "plain"])
DONE = ["reserve done", None, "charge done", 7, "ship done"]


@pytest.fixture
def server() -> Iterator[PlainServer]:
    with plain_server() as made:
        yield made


@pytest.fixture
def client(server: PlainServer) -> Iterator[InngestStore]:
    with InngestStore(server.url) as made:
        yield made


@pytest.fixture
def other(server: PlainServer) -> Iterator[InngestStore]:
    with InngestStore(server.url) as made:
        yield made


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline


@KINDS
def test_a_resumed_run_does_nothing_again_that_was_saved(
    server: PlainServer, client: InngestStore, clock: ManualClock, kind: str
) -> None:
    log: list[str] = []
    client.save(history("waiting"))
    with Executor(client, clock=clock) as executor:
        handle = executor.resume(workflow(kind, ORDER, log), "w")
        executor.signal("w", Signal("go", 7))
        assert handle.result(60) == DONE
    assert log == ["ship"]
    check_document(server.documents["w"])
    before = [event.id for event in history("waiting").history]
    assert [event["ID"] for event in json.loads(server.documents["w"])["History"]][:6] == before
    writes = [(method, path) for method, path, _ in server.seen if method not in ("GET",)]
    assert set(writes) == {("PUT", PREFIX + "w")}
    headers = {name.lower() for _, _, headers in server.seen for name in headers}
    assert headers.isdisjoint({"if-match", "if-none-match", "idempotency-key"})


@KINDS
def test_a_whole_life_and_the_next_one(
    server: PlainServer, client: InngestStore, other: InngestStore, clock: ManualClock, kind: str
) -> None:
    log: list[str] = []
    fn = workflow(kind, ORDER, log)
    with Executor(client, clock=clock) as executor:
        handle = executor.execute(fn, id="w")
        clock.advance(3600)
        until(lambda: handle.waiting_for)
    assert log == ["reserve", "charge"]
    stored = wire.decode(server.documents["w"])
    assert (stored.status, len(stored.history)) == ("running", 6)
    assert not stored.lease_until  # nobody could hold others to it
    with Executor(other, clock=clock) as executor:
        handle = executor.resume(fn, "w")
        executor.signal("w", Signal("go", 7))
        assert handle.result(60) == DONE
    assert log == ["reserve", "charge", "ship"]


@KINDS
def test_changed_code_changes_nothing_there_either(
    server: PlainServer, client: InngestStore, clock: ManualClock, kind: str
) -> None:
    client.save(history("waiting"))
    before = server.documents["w"]
    with Executor(client, clock=clock) as executor:
        with pytest.raises(NonDeterminismError):
            executor.resume(workflow(kind, ("pack", *ORDER)), "w").result(60)
    assert server.documents["w"] == before


@KINDS
def test_two_executors_can_run_the_same_and_the_last_write_counts(
    server: PlainServer, client: InngestStore, other: InngestStore, clock: ManualClock, kind: str
) -> None:
    """Not promised there: that one of them is stopped. What is stored is a whole run of one."""
    logs: tuple[list[str], list[str]] = ([], [])
    client.save(history("waiting"))
    with Executor(client, clock=clock) as first, Executor(other, clock=clock) as second:
        handles = [
            executor.resume(workflow(kind, ORDER, log), "w")
            for executor, log in zip((first, second), logs, strict=True)
        ]
        for executor, handle in zip((first, second), handles, strict=True):
            until(lambda handle=handle: handle.waiting_for)
            executor.signal("w", Signal("go", 7))
            assert handle.result(60) == DONE
    assert logs == (["ship"], ["ship"])
    check_document(server.documents["w"])
    last = wire.decode(server.documents["w"])
    assert last.history == handles[1].state.history


def test_a_signal_reaches_only_runs_of_ones_own_executor(
    server: PlainServer, client: InngestStore, other: InngestStore, clock: ManualClock
) -> None:
    client.save(history("waiting"))
    with Executor(client, clock=clock) as first, Executor(other, clock=clock) as second:
        handle = first.resume(workflow("async", ORDER), "w")
        until(lambda: handle.waiting_for and wire.decode(server.documents["w"]).fence)
        before = server.documents["w"]
        with pytest.raises(
            WorkflowNotHereError, match="another process is running it, or one died"
        ):
            second.signal("w", Signal("go", 7))
        assert server.documents["w"] == before
        first.signal("w", Signal("go", 7))
        assert handle.result(60) == DONE


def test_a_cancel_elsewhere_is_stored_but_stops_no_run_that_is_alive(
    server: PlainServer, client: InngestStore, other: InngestStore, clock: ManualClock
) -> None:
    client.save(history("waiting"))
    with Executor(client, clock=clock) as first, Executor(other, clock=clock) as second:
        handle = first.resume(workflow("async", ORDER), "w")
        until(lambda: handle.waiting_for and wire.decode(server.documents["w"]).fence)
        assert second.cancel("w")
        assert wire.decode(server.documents["w"]).status == "canceled"
        assert not second.cancel("w")
        first.signal("w", Signal("go", 7))  # its next write undoes it: that is why it is told
        assert handle.result(60) == DONE
        assert wire.decode(server.documents["w"]).status == "completed"


def test_a_cancel_of_a_run_that_is_alive_nowhere_is_the_end(
    server: PlainServer, client: InngestStore
) -> None:
    client.save(history("waiting"))
    with Executor(client) as executor:
        assert executor.cancel("w")
    check_document(server.documents["w"])
    assert wire.decode(server.documents["w"]).status == "canceled"


def test_recovery_says_that_it_needs_a_listing(client: InngestStore) -> None:
    client.save(history("waiting"))
    with Executor(client) as executor:
        with pytest.raises(ListingUnsupportedError):
            executor.recover()
