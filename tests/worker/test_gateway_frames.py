"""The connect gateway stand-in says to the official SDK what the recorded one said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from connected_worker import ConnectedWorker, hurry
from gateway_site import Site
from inngest_engine_transport import Answer
from inngest_gateway_frames import PAYLOADS
from manual_clock import ManualClock
from connected_flows import APP, FRAMES, connected_flows

from inngest_nb.api.reading._moments import milliseconds_of

TRACES = {"system_trace_ctx", "user_trace_ctx"}  # not recorded

Replayed = tuple[Site, list[Answer]]


@pytest.fixture(scope="module")
def replayed() -> Iterator[Replayed]:
    """Each recorded request, put to a connected worker; the connection is closed by then."""
    with pytest.MonkeyPatch.context() as monkeypatch, Site() as site:
        hurry(monkeypatch)
        with ConnectedWorker(site.url, connected_flows, app_id=APP, heartbeat=1):
            asked = [frame["payload"] for frame in recorded("GATEWAY_EXECUTOR_REQUEST")]
            answers = [
                site.ask(each["function_slug"], each["step_id"], each["request_payload"]).result(20)
                for each in asked
            ]
            site.gateway.wait_until(lambda: site.kinds().count("GATEWAY_HEARTBEAT") >= 2)
        yield site, answers


def test_a_connection_has_the_recorded_frames_in_their_order(
    replayed: Replayed,
) -> None:
    site, _ = replayed
    own = [frame for frame in site.gateway.frames if not frame.request_id]
    told = [frame for frame in FRAMES if not (frame["payload"] or {}).get("request_id")]
    assert {frame.connection for frame in own} == {1}
    assert without_repeats(f"{frame.sender} {frame.kind}" for frame in own) == without_repeats(
        f"{frame['from']} {frame['kind']}" for frame in told
    )


def test_each_request_has_the_recorded_frames_in_their_order(
    replayed: Replayed,
) -> None:
    site, answers = replayed
    asked = site.sent()
    told = recorded("GATEWAY_EXECUTOR_REQUEST")
    assert len(asked) == len(told) == len(answers) == 20
    for ours, theirs in zip(asked, told, strict=True):
        assert site.gateway.kinds(ours.request_id) == [
            frame["kind"]
            for frame in FRAMES
            if (frame["payload"] or {}).get("request_id") == theirs["payload"]["request_id"]
        ]


@pytest.mark.parametrize("kind", sorted(PAYLOADS.keys() & {frame["kind"] for frame in FRAMES}))
def test_a_frame_has_the_recorded_fields(replayed: Replayed, kind: str) -> None:
    site, _ = replayed
    ours = [frame for frame in site.gateway.frames if frame.kind == kind]
    theirs = recorded(kind)
    if kind == "WORKER_REPLY":  # the recorded ones of a gather came in the order of their ends
        order = [frame["payload"]["request_id"] for frame in recorded("GATEWAY_EXECUTOR_REQUEST")]
        theirs.sort(key=lambda frame: order.index(frame["payload"]["request_id"]))
    assert len(ours) == len(theirs)
    for frame, told in zip(ours, theirs, strict=True):
        assert set(frame.fields) - TRACES == set(told["payload"])


def test_each_request_gets_the_recorded_answer(
    replayed: Replayed,
) -> None:
    _, answers = replayed
    told = {frame["payload"]["request_id"]: frame["payload"] for frame in recorded("WORKER_REPLY")}
    asked = [frame["payload"]["request_id"] for frame in recorded("GATEWAY_EXECUTOR_REQUEST")]
    for request_id, answer in zip(asked, answers, strict=True):
        reply = told[request_id]
        status = {"DONE": 200, "ERROR": 500}.get(reply.get("status", ""), 206)
        assert answer.status == status
        assert answer.headers.get("x-inngest-no-retry") == ("true" if status == 500 else None)
        assert comparable(answer.body) == comparable(reply["body"])


def test_a_lease_is_as_long_as_the_recorded_ones() -> None:
    told = recorded("GATEWAY_EXECUTOR_REQUEST")
    for data in (frame["payload"] for frame in told):
        leased = milliseconds_of(data["lease_id"]) - milliseconds_of(data["request_id"])
        assert leased // 1000 == 120
    clock = ManualClock()
    with Site(clock=clock) as site, ConnectedWorker(site.url, connected_flows):
        site.ask("lab-sleeps").result(20)
        lease_id = site.sent()[0].payload.lease_id
    assert milliseconds_of(lease_id) // 1000 == clock.now().timestamp() // 1 + 120


def recorded(kind: str) -> list[dict[str, Any]]:
    return [frame for frame in FRAMES if frame["kind"] == kind]


def without_repeats(lines: Iterable[str]) -> list[str]:
    """Return the lines without pairs that repeat the pair before, as heartbeats do."""
    kept: list[str] = []
    for line in lines:
        kept.append(line)
        if len(kept) >= 4 and kept[-2:] == kept[-4:-2]:
            del kept[-2:]
    return kept


def comparable(body: Any) -> Any:
    """Return an answer without what differs: times, and the text around an error's message."""
    if isinstance(body, dict) and "stack" in body:
        return {"message": body["message"], "name": body["name"]}
    if not isinstance(body, list) or not all(isinstance(op, dict) and "op" in op for op in body):
        return body
    for op in body:
        if "error" in op:
            op["error"] = op["error"]["message"]
        if op["op"] == "StepRun":
            op["opts"] = None  # the prototype that was recorded asked its targets outside of groups
        if isinstance(op.get("data"), dict):
            op["data"].pop("at", None)
    return body
