"""The connect gateway stand-in says to the official SDK what the recorded one said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from connect_recordings import APP, FRAMES, functions, recorded, request_id_of
from connected_worker import ConnectedWorker, hurry
from executor_recordings import lasting
from gateway_site import Site
from inngest_engine_transport import Answer
from inngest_gateway_frames import PAYLOADS
from manual_clock import ManualClock

from inngest_nb.api.reading._moments import milliseconds_of

ASKED = recorded("GATEWAY_EXECUTOR_REQUEST")
TRACES = {"system_trace_ctx", "user_trace_ctx"}  # not recorded

Replayed = tuple[Site, list[Answer]]


@pytest.fixture(scope="module")
def replayed() -> Iterator[Replayed]:
    """Each recorded request, put to a connected worker; the connection is closed by then."""
    with pytest.MonkeyPatch.context() as monkeypatch, Site() as site:
        hurry(monkeypatch)
        with ConnectedWorker(site.url, functions, app_id=APP, heartbeat=1):
            answers = [
                site.ask(each["function_slug"], each["step_id"], each["request_payload"]).result(60)
                for each in ASKED
            ]
            site.gateway.wait_until(lambda: site.kinds().count("GATEWAY_HEARTBEAT") >= 2)
        yield site, answers


def test_a_connection_has_the_recorded_frames_in_their_order(replayed: Replayed) -> None:
    site, _ = replayed
    own = [frame for frame in site.gateway.frames if not frame.request_id]
    told = [frame for frame in FRAMES if not request_id_of(frame)]
    assert {frame.connection for frame in own} == {1}
    assert without_repeats(f"{frame.sender} {frame.kind}" for frame in own) == without_repeats(
        f"{frame['from']} {frame['kind']}" for frame in told
    )


def test_each_request_has_the_recorded_frames_in_their_order(replayed: Replayed) -> None:
    site, _ = replayed
    assert len(site.sent()) == len(ASKED) == 20
    for ours, theirs in zip(site.sent(), ASKED, strict=True):
        told = [frame for frame in FRAMES if request_id_of(frame) == theirs["request_id"]]
        assert site.gateway.kinds(ours.request_id) == [frame["kind"] for frame in told]


@pytest.mark.parametrize("kind", sorted(PAYLOADS.keys() & {frame["kind"] for frame in FRAMES}))
def test_a_frame_has_the_recorded_fields(replayed: Replayed, kind: str) -> None:
    site, _ = replayed
    ours = [frame for frame in site.gateway.frames if frame.kind == kind]
    theirs = recorded(kind)
    if kind == "WORKER_REPLY":
        theirs = replies()
    assert len(ours) == len(theirs)
    for frame, told in zip(ours, theirs, strict=True):
        assert set(frame.fields) - TRACES == told.keys()


def test_each_request_gets_the_recorded_answer(replayed: Replayed) -> None:
    _, answers = replayed
    for reply, answer in zip(replies(), answers, strict=True):
        status = {"DONE": 200, "ERROR": 500}.get(reply.get("status", ""), 206)
        assert answer.status == status
        assert answer.headers.get("x-inngest-no-retry") == ("true" if status == 500 else None)
        assert shown(answer.body) == shown(reply["body"])


def test_a_lease_is_as_long_as_the_recorded_ones() -> None:
    for data in ASKED:
        leased = milliseconds_of(data["lease_id"]) - milliseconds_of(data["request_id"])
        assert leased // 1000 == 120
    clock = ManualClock()
    with Site(clock=clock) as site, ConnectedWorker(site.url, functions):
        site.ask("lab-sleeps").result(60)
        lease_id = site.sent()[0].payload.lease_id
    assert milliseconds_of(lease_id) // 1000 == clock.now().timestamp() // 1 + 120


def replies() -> list[dict[str, Any]]:
    """The recorded replies in the order of the requests: those of a gather came as they ended."""
    by_request = {reply["request_id"]: reply for reply in recorded("WORKER_REPLY")}
    return [by_request[each["request_id"]] for each in ASKED]


def without_repeats(lines: Iterable[str]) -> list[str]:
    """Return the lines without pairs that repeat the pair before, as heartbeats do."""
    kept: list[str] = []
    for line in lines:
        kept.append(line)
        if len(kept) >= 4 and kept[-2:] == kept[-4:-2]:
            del kept[-2:]
    return kept


def shown(body: Any) -> Any:
    """Return an answer without its moments; the date of a sleep is one."""
    said = lasting(body)
    if isinstance(said, list):
        for op in said:
            if isinstance(op, dict) and op.get("op") == "Sleep":
                op["name"] = "a date"
    return said
