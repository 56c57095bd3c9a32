"""Events are checked before any is sent, and what the server took of them is told."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from canned_server import Answer, CannedServer, Seen
from story_records import exchanges
from story_server import EVENT_KEY, SIGNING_KEY, StoryServer

from inngest_nb.api.basics._quirks import accepted_ids
from inngest_nb.errors import (
    InngestAuthError,
    InngestConnectionError,
    InngestSendError,
    InngestStatusError,
)


@pytest.fixture
def server() -> Iterator[StoryServer]:
    with StoryServer() as server:
        yield server


def test_an_event_arrives_as_it_was_sent(connect: Any, server: StoryServer) -> None:
    api = connect(server.url)
    at = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
    key = api.send("shop/paid", {"n": 1, "é": [None]}, id="mine", user={"id": "u7"}, ts=at)
    event = api.event(key)
    assert (event.name, event.data, event.id) == ("shop/paid", {"n": 1, "é": [None]}, "mine")
    assert (event.user, event.sent_at, event.event_id) == ({"id": "u7"}, at, key)


def test_an_event_starts_the_functions_that_wait_for_it_once(
    connect: Any, server: StoryServer
) -> None:
    api = connect(server.url)
    first = api.send("lab/order.placed", {"order_id": "B1"}, id="B1")
    again = api.send("lab/order.placed", {"order_id": "B1"}, id="B1")
    assert first != again
    assert [run.function for run in api.event_runs(first)] == ["order-pipeline"]
    assert api.event_runs(again) == []


def test_many_events_go_in_as_few_requests_as_the_server_takes(
    connect: Any, server: StoryServer
) -> None:
    api = connect(server.url)
    ids = api.send_many({"name": "x/y", "data": {"n": n}} for n in range(10_001))
    assert len(set(ids)) == 10_001
    assert [len(json.loads(seen.body)) for seen in server.seen] == [5_000, 5_000, 1]
    assert [server.state.event[key]["data"]["n"] for key in ids] == [*range(10_001)]


def test_large_events_are_spread_over_requests(connect: Any, server: StoryServer) -> None:
    text = "x" * (3 * 2**20 - 40)
    assert len(connect(server.url).send_many([{"name": "x", "data": {"s": text}}] * 5)) == 5
    assert [len(json.loads(seen.body)) for seen in server.seen] == [2, 2, 1]


def test_nothing_to_send_is_no_request(connect: Any, server: StoryServer) -> None:
    assert connect(server.url).send_many([]) == []
    assert server.seen == []


GOOD = {"name": "x/y"}
BAD_EVENTS = {
    "no name": ({"data": {}}, r"events\[1\] has no name"),
    "an empty name": ({"name": ""}, r"events\[1\] has no name"),
    "a name that is no text": ({"name": 5}, r"events\[1\] has no name"),
    "a reserved name": ({"name": "inngest/mine"}, "names that start with inngest/ are reserved"),
    "a list as data": ({"name": "x", "data": [1]}, r"the data of events\[1\] must be an object"),
    "a text as user": ({"name": "x", "user": "u7"}, r"the user of events\[1\] must be an object"),
    "a number as id": ({"name": "x", "id": 5}, r"the id of events\[1\] must be text"),
    "a time as text": (
        {"name": "x", "ts": "2026"},
        r"the ts of events\[1\] must be a time after 1980",
    ),
    "a time too old": (
        {"name": "x", "ts": 123},
        r"the ts of events\[1\] must be a time after 1980",
    ),
    "a naive time": ({"name": "x", "ts": datetime(2026, 1, 1)}, "with a time zone"),
    "what is dropped": ({"name": "x", "extra": 1}, "which the server would drop"),
    "no JSON": ({"name": "x", "data": {"a": [object()]}}, r"cannot be sent: .* at \$.data.a\[0\]"),
    "no number": ({"name": "x", "data": {"n": math.nan}}, r"NaN and infinity .* at \$.data.n"),
    "half a letter": ({"name": "x", "data": {"s": "\ud800"}}, r"surrogate.* at \$.data.s"),
    "too large": (
        {"name": "x", "data": {"s": "x" * 3 * 2**20}},
        "3,145,7.* bytes .* at most 3,145,728",
    ),
    "no event": ("x/y", r"events\[1\] must be an object"),
}


@pytest.mark.parametrize(("event", "message"), BAD_EVENTS.values(), ids=[*BAD_EVENTS])
def test_a_bad_event_is_refused_before_anything_is_sent(
    connect: Any, server: StoryServer, event: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        connect(server.url).send_many([GOOD, event])
    assert server.seen == []


def test_one_event_where_several_belong_is_refused(connect: Any, server: StoryServer) -> None:
    with pytest.raises(ValueError, match="for a single event"):
        connect(server.url).send_many(GOOD)
    assert server.seen == []


@pytest.mark.parametrize("size", [3 * 2**20, 3 * 2**20 + 1])
def test_the_limit_is_the_servers(connect: Any, server: StoryServer, size: int) -> None:
    data = {"s": "x" * (size - len('{"name":"x","data":{"s":""}}'))}
    if size > 3 * 2**20:
        with pytest.raises(ValueError, match="has 3,145,729 bytes"):
            connect(server.url).send("x", data)
    else:
        assert connect(server.url).send("x", data) in server.state.event


def test_a_batch_that_was_taken_in_part_is_told(connect: Any) -> None:
    said = next(each.response for each in exchanges() if each.name == "e-batch-partly-bad-400")
    headers = tuple(said["headers"].items())
    body = json.dumps(said["body"]).encode()
    with CannedServer(lambda seen: Answer(400, headers, body)) as inngest:
        with pytest.raises(
            InngestSendError, match="accepted 1 of 3 events: .*event name is"
        ) as partly:
            connect(inngest.url).send_many([GOOD] * 3)
    assert partly.value.accepted == ["01M82BCW90SF5F07QEXB82E02C"]
    assert (partly.value.rejected, partly.value.unknown) == ([1, 2], [])
    assert isinstance(partly.value.__cause__, InngestStatusError)


@pytest.mark.parametrize("name", ["e-empty-array", "e-empty-body"])
def test_for_nothing_the_server_gives_an_empty_id(name: str) -> None:
    said = next(each.response for each in exchanges() if each.name == name)
    assert (said["status"], said["body"]) == (200, {"ids": [""], "status": 200})
    assert accepted_ids(said["body"]) == []


def test_an_empty_id_is_an_event_that_was_not_taken(connect: Any) -> None:
    headers = ("content-type", "text/plain; charset=utf-8"), ("x-inngest-server-kind", "dev")
    with CannedServer(lambda seen: Answer(200, headers, b'{"ids":[""],"status":200}')) as inngest:
        with pytest.raises(InngestStatusError, match="fewer events than it was sent"):
            connect(inngest.url).send("x/y")


def test_of_a_lost_answer_it_is_told_that_nobody_knows(connect: Any) -> None:
    asked: list[Seen] = []

    def second(seen: Seen) -> bool:
        asked.append(seen)
        return len(asked) == 2

    with StoryServer(lose=second) as inngest:
        with pytest.raises(InngestSendError, match="the response for 5,000 was lost") as lost:
            connect(inngest.url).send_many([GOOD] * 10_002)
        assert len(inngest.state.events) == 63 + 10_000
    assert len(lost.value.accepted) == 5_000
    assert lost.value.unknown == [*range(5_000, 10_000)]
    assert lost.value.rejected == [10_000, 10_001]
    assert len(asked) == 2  # not sent again: it would be stored twice


def test_one_event_whose_answer_is_lost_is_not_sent_again(connect: Any) -> None:
    with StoryServer(lose=lambda seen: True) as inngest:
        with pytest.raises(InngestConnectionError) as lost:
            connect(inngest.url).send("x/y")
        assert len(inngest.seen) == 1
    assert "may or may not have done it" in lost.value.__notes__[0]
    assert lost.value.maybe_done


def test_where_nothing_was_accepted_the_error_is_the_plain_one(connect: Any) -> None:
    with StoryServer("cloud") as inngest:
        with pytest.raises(InngestAuthError, match="requires an event key"):
            connect(inngest.url).send_many([GOOD] * 5_001)
        assert len(inngest.seen) == 1
    with pytest.raises(InngestConnectionError, match="cannot connect") as dead:
        connect(inngest.url).send_many([GOOD] * 5_001)
    assert not dead.value.maybe_done
    assert isinstance(dead.value.__cause__, httpx.ConnectError)


def test_an_answer_that_cannot_be_read_leaves_it_open(connect: Any) -> None:
    answers = iter([b'{"ids":["01A"],"status":200}', b"{"])
    headers = ("content-type", "text/plain"), ("x-inngest-server-kind", "dev")
    large = {"name": "x", "data": {"s": "x" * (3 * 2**20 - 40)}}

    def answer(seen: Seen) -> Answer:
        count = len(json.loads(seen.body))
        body = next(answers).replace(b'["01A"]', json.dumps(["01A"] * count).encode())
        return Answer(200, headers, body)

    with CannedServer(answer) as inngest:
        with pytest.raises(
            InngestSendError, match="accepted 2 of 5 events, and the response for 2"
        ) as open_:
            connect(inngest.url).send_many([large] * 5)
    assert (open_.value.unknown, open_.value.rejected) == ([2, 3], [4])


def test_a_self_hosted_server_wants_one_of_its_event_keys(connect: Any) -> None:
    with StoryServer("cloud") as inngest:
        assert connect(inngest.url, event_key=EVENT_KEY).send("x/y")
        for given, said in [
            ({}, "requires an event key, but none is set"),
            ({"event_key": "wrong"}, "rejected the event key from event_key"),
            ({"event_key": SIGNING_KEY}, "event_key contains a signing key"),
        ]:
            with pytest.raises(InngestAuthError, match=said) as refused:
                connect(inngest.url, **given).send("x/y")
            assert "INNGEST_EVENT_KEY" in refused.value.__notes__[0]
