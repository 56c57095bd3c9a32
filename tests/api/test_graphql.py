"""What only GraphQL tells, and what is left of it where GraphQL is off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from canned_server import Answer, CannedServer, Seen
from story_records import Json, exchanges, story
from story_server import SIGNING_KEY, StoryServer

from inngest_nb.api import Wait
from inngest_nb.api.calls._graphql import waits_of
from inngest_nb.api.calls._traces import trace_of
from inngest_nb.errors import InngestConnectionError, InngestStatusError, NotInngestError

OFF = "GraphQL is off on this server, as with --no-ui"
BATCH = ["01M82BBS9R4GVMW03Q690F6EC1", "01M82BBS9SQFB5XJ91HZ1W5G0J", "01M82BBS9TWMC3G84702N3GK3Z"]
SKIPPED = "01M82BBSM4WBPV45PJ8MXGFCMM"
JSON = ("content-type", "application/json")
DEV = ("x-inngest-server-kind", "dev")
BODY = {asked.name: asked.response["body"] for asked in exchanges()}


@pytest.fixture(scope="module")
def bare() -> Iterator[StoryServer]:
    """A server without its web UI, for tests that only read."""
    with StoryServer(ui=False) as server:
        yield server


@pytest.fixture
def without(bare: StoryServer, connect: Any) -> Any:
    """A client of it."""
    return connect(bare.url)


def answering(server: StoryServer, graphql: Callable[[Seen], Answer | None]) -> CannedServer:
    """Let a server answer as it does, but for GraphQL."""

    def answer(seen: Seen) -> Answer | None:
        return graphql(seen) if seen.target == "/v0/gql" else server._sent(seen)

    return CannedServer(answer)


def saying(status: int, body: Any, *headers: tuple[str, str]) -> Callable[[Seen], Answer]:
    text = body if isinstance(body, str) else json.dumps(body)
    return lambda seen: Answer(status, headers, text.encode())


# Batches


def test_all_events_of_a_batch_are_named(api: Any, names: dict[str, str]) -> None:
    assert api.run(names["batch0"]).event_ids == (BATCH[0],)
    found = api.batch_events(names["batch0"])
    assert (found, found.truncated, found.because) == (BATCH, False, None)


def test_of_a_run_that_is_no_batch_graphql_is_not_asked(
    inngest: StoryServer, api: Any, names: dict[str, str]
) -> None:
    before = len(inngest.seen)
    assert api.batch_events(names["order1"]) == ["01M82BBS90TTY5D6TXQ5AYNY9B"]
    assert {seen.method for seen in inngest.seen[before:]} == {"GET"}


def test_without_graphql_the_trace_names_the_events_of_a_batch(
    without: Any, names: dict[str, str]
) -> None:
    found = without.batch_events(names["batch0"])
    assert (found, found.truncated) == (BATCH, False)


@pytest.mark.parametrize("own", ["mine-2", "01M82BBS9SQFB5XJ91HZ1W5ZZZ"])
def test_an_event_of_a_batch_with_an_id_of_its_own_is_missed_without_graphql(
    connect: Any, names: dict[str, str], own: str
) -> None:
    with StoryServer(ui=False) as inngest:
        row = inngest.state.runs.rows[names["batch0"]]
        trace = json.loads(json.dumps(row.record.trace).replace(BATCH[1], own))
        inngest.state.runs.put(row._replace(record=replaced(row.record, trace=trace)))
        found = connect(inngest.url).batch_events(names["batch0"])
    assert (found, found.truncated, found.because) == ([BATCH[0], BATCH[2]], True, OFF)


def replaced(record: Any, **changed: Any) -> Any:
    return type(record)(**(vars(record) | changed))


# Skipped runs


def test_a_run_that_a_singleton_skipped_is_shown_nowhere_else(api: Any) -> None:
    assert api.event_runs(SKIPPED) == []
    (run,) = api.skipped_runs(SKIPPED)
    assert (run.run_id, run.app, run.function) == ("01M82BBSVT31ZTHG6Y2CD9DP1V", "nb-lab", "single")
    assert (run.status, run.inngest_status, run.event_ids) == ("skipped", "SKIPPED", (SKIPPED,))


def test_runs_that_were_not_skipped_are_left_out(api: Any) -> None:
    found = api.skipped_runs("01M82BBS90TTY5D6TXQ5AYNY9B")
    assert (found, found.truncated) == ([], False)


def test_without_graphql_no_skipped_run_is_known(without: Any) -> None:
    found = without.skipped_runs(SKIPPED)
    assert (found, found.truncated, found.because) == ([], True, OFF)


def test_an_event_that_graphql_does_not_know_has_a_reason(api: Any) -> None:
    found = api.skipped_runs("01M82A54TCY12XB7AYZ9APCG5A")
    assert (found, found.because) == ([], "GraphQL said: event not found")


# Waits


def test_a_waiting_step_names_the_event(api: Any, names: dict[str, str]) -> None:
    assert api.waits(names["wait_pending"]) == [
        Wait(
            step_id="52d6d70be88c909163f360e150ac664cf5296ef0",
            step="wait-for-approval",
            status="waiting",
            event="lab/approve",
            condition='"never" == async.data.key',
            until=datetime(2026, 11, 23, 19, 22, 40, 827_000, UTC),
            timed_out=False,
        )
    ]


def test_a_wait_that_met_its_event_differs_from_one_that_timed_out(
    api: Any, names: dict[str, str]
) -> None:
    (met,) = api.waits(names["wait_match"])
    (missed,) = api.waits(names["wait_timeout"])
    assert (met.status, met.event_id, met.timed_out) == (
        "completed",
        story_event("approve"),
        False,
    )
    assert (missed.status, missed.event_id, missed.timed_out) == ("completed", None, True)
    assert met.event == missed.event == "lab/approve"


def test_without_graphql_a_wait_is_told_without_the_name_of_its_event(
    without: Any, names: dict[str, str]
) -> None:
    found = without.waits(names["wait_pending"])
    assert (found.truncated, found.because) == (True, OFF)
    assert [(one.status, one.event, one.timed_out) for one in found] == [("waiting", None, None)]
    # What came is in the trace, and so is that nothing came.
    (met,), (missed,) = without.waits(names["wait_match"]), without.waits(names["wait_timeout"])
    assert (met.event, met.timed_out) == ("lab/approve", False)
    assert (missed.event, missed.timed_out) == (None, True)


def test_a_run_that_waits_for_no_event_is_not_asked_about(
    inngest: StoryServer, api: Any, names: dict[str, str]
) -> None:
    before = len(inngest.seen)
    assert api.waits(names["long_stays"]) == []
    assert len(inngest.seen) == before + 1


def test_a_recorded_trace_is_read_by_its_steps() -> None:
    trace = trace_of({"data": v2_trace("wait_match")}, "R")
    (wait,) = waits_of(trace, BODY["gql-run-trace"]["data"])
    assert (wait.event, wait.condition) == ("lab/approve", '"k2" == async.data.key')
    for odd in ({}, {"runTrace": None}, {"runTrace": {"childrenSpans": [{"stepInfo": 5}]}}):
        assert waits_of(trace, odd)[0].condition is None


def v2_trace(name: str) -> Json:
    return next(row for row in story().rows if row.id == story().names[name]).record.trace


def story_event(name: str) -> str:
    (event,) = [one for one in story().events if one["name"] == f"lab/{name}"]
    return str(event["internal_id"])


# Workers


def test_connected_workers_are_listed(api: Any) -> None:
    found = api.workers()
    (worker,) = found
    assert (worker.app, worker.instance_id, worker.status) == (
        "nb-lab-connect",
        "lab-worker-1",
        "ready",
    )
    assert worker.connected_at == datetime(2026, 11, 22, 19, 22, 35, 346_000, UTC)
    assert worker.last_heartbeat_at == datetime(2026, 11, 22, 19, 23, 15, 434_000, UTC)
    assert (worker.function_count, worker.max_concurrency, worker.sdk) == (21, None, "py 0.5.19")
    assert (worker.is_ready, worker.disconnected_at, found.truncated) == (True, None, False)


def test_a_worker_that_is_away_is_not_ready(connect: Any) -> None:
    with StoryServer() as inngest:
        node = inngest.graphql.workers[0]
        gone = node | {"status": "DISCONNECTED", "disconnectedAt": "2026-11-22T19:24:00Z"}
        inngest.graphql.workers = [gone]
        (worker,) = connect(inngest.url).workers()
        assert (worker.is_ready, worker.status) == (False, "disconnected")
        inngest.graphql.workers = []
        assert connect(inngest.url).workers() == []


def test_of_many_workers_it_is_said_that_the_list_is_cut(connect: Any) -> None:
    with StoryServer() as inngest:
        inngest.graphql.workers *= 41
        found = connect(inngest.url).workers()
    assert (len(found), found.truncated) == (40, True)
    assert found.because == "only the latest 40 connections were read"


def test_without_graphql_it_is_said_that_workers_are_not_known(without: Any) -> None:
    found = without.workers()
    assert (found, found.truncated, found.because) == ([], True, OFF)


# GraphQL itself


def test_no_key_is_sent_where_none_is_asked_for(connect: Any) -> None:
    with StoryServer("cloud") as inngest:
        api = connect(inngest.url, signing_key=SIGNING_KEY)
        assert len(api.workers()) == 1
        assert "authorization" not in inngest.seen[-1].headers
        assert len(connect(inngest.url).workers()) == 1


@pytest.mark.parametrize(
    ("graphql", "because"),
    [
        (saying(404, "404 page not found\n", ("content-type", "text/plain"), DEV), OFF),
        (saying(200, "<html>", ("content-type", "text/html; charset=utf-8"), DEV), OFF),
        # A proxy that hides it, before an Inngest.
        (saying(403, "<html>no", ("content-type", "text/html")), OFF),
        (
            saying(422, BODY["gql-unknown-field-422"], JSON, DEV),
            'GraphQL said: Cannot query field "nope" on type "Query".',
        ),
        (
            saying(200, BODY["gql-run-unknown"], JSON, DEV),
            "GraphQL said: error retrieving run: sql: no rows in result set",
        ),
        (saying(200, {"data": None}, JSON, DEV), None),
    ],
)
def test_whatever_graphql_answers_calls_do_without_it(
    inngest: StoryServer, connect: Any, names: dict[str, str], graphql: Any, because: str | None
) -> None:
    with answering(inngest, graphql) as server:
        api = connect(server.url)
        found = api.workers()
        assert (found, found.because) == ([], because)
        assert api.batch_events(names["batch0"]) == BATCH
        assert [wait.step for wait in api.waits(names["wait_pending"])] == ["wait-for-approval"]


def test_a_broken_server_is_an_error(inngest: StoryServer, connect: Any) -> None:
    with answering(inngest, saying(502, "bad gateway", ("content-type", "text/plain"), DEV)) as bad:
        with pytest.raises(InngestStatusError, match="inngest workers: .* status 502: bad gateway"):
            connect(bad.url).workers()


def test_where_no_inngest_is_it_is_said_so(connect: Any) -> None:
    with CannedServer(saying(404, "not here")) as other:
        with pytest.raises(NotInngestError, match="not an Inngest server"):
            connect(other.url).workers()


def test_a_lost_answer_is_asked_for_once_more_and_leaves_no_doubt(
    inngest: StoryServer, connect: Any
) -> None:
    with answering(inngest, lambda seen: None) as silent:
        with pytest.raises(InngestConnectionError, match="inngest workers: no response") as lost:
            connect(silent.url).workers()
        assert len(silent.seen) == 2
    assert not lost.value.maybe_done
    assert getattr(lost.value, "__notes__", []) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.batch_events("mine"),
        lambda api: api.skipped_runs("mine"),
        lambda api: api.waits("mine"),
    ],
)
def test_an_id_that_is_none_is_refused_here(inngest: StoryServer, api: Any, call: Any) -> None:
    before = len(inngest.seen)
    with pytest.raises(ValueError, match="must be an id of 26 letters"):
        call(api)
    assert len(inngest.seen) == before
