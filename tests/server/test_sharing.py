"""Leases, messages and waits over plain HTTP: what the state server answers and refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from inngest_nb import StateServer

JSON = {"Content-Type": "application/json"}
MESSAGE = {"id": "m", "to": "x", "kind": "signal", "payload": {"n": 1.0}}


@pytest.fixture
def client(state_server: StateServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=state_server.url, headers=JSON) as client:
        yield client


def test_health_tells_that_the_server_shares(client: httpx.Client) -> None:
    assert client.get("/health").json()["shares"] is True


def test_leases_and_messages_as_json(client: httpx.Client) -> None:
    assert client.put("/v1/leases/a%2Fb", content='{"seconds": 30}').status_code == 204
    assert {*client.get("/v1/leases").json()["leases"]} == {"a/b"}
    assert client.post("/v1/messages", content=json.dumps(MESSAGE)).status_code == 204
    (found,) = client.get("/v1/messages?after=0&to=x").json()["messages"]
    assert found == MESSAGE | {"number": 1}
    assert client.post("/v1/messages/discard", content='{"ids": ["m"]}').status_code == 204
    assert client.get("/v1/messages").json() == {"messages": []}
    assert client.get("/v1/watch?id=x&etag=e0").json() == {"etag": None}
    assert client.get("/v1/abandoned?limit=1").json() == {"ids": []}


@pytest.mark.parametrize(
    "query",
    [
        "/v1/messages?after=-1",
        "/v1/messages?after=%D9%A1",
        f"/v1/messages?after={'9' * 30}",
        f"/v1/messages?after={2**63}",
        "/v1/messages?wait=soon",
        "/v1/messages?wait=-1",
        "/v1/messages?wait=nan",
        "/v1/messages?wait=1e5",
        f"/v1/messages?wait={'1' * 5000}",
        "/v1/watch?id=x&wait=inf",
        "/v1/abandoned?limit=many",
        f"/v1/abandoned?limit={'1' * 5000}",
    ],
)
def test_a_question_that_is_none_is_refused(client: httpx.Client, query: str) -> None:
    answer = client.get(query)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", "{"),
        ("/v1/messages", "[]"),
        ("/v1/messages", json.dumps(MESSAGE | {"id": ""})),
        ("/v1/messages", json.dumps(MESSAGE | {"to": ".."})),
        ("/v1/messages", json.dumps(MESSAGE | {"kind": 1})),
        ("/v1/messages", json.dumps({**MESSAGE, "kind": "k" * 300})),
        ("/v1/messages", json.dumps(MESSAGE)[:-2] + ", "),
        ("/v1/messages", '{"id": "m", "to": "x", "kind": "k", "payload": %s}' % ("[" * 9000)),
        ("/v1/messages/discard", '{"ids": [1]}'),
        ("/v1/messages/discard", json.dumps({"ids": ["m"] * 10_001})),
    ],
)
def test_a_message_that_is_none_is_refused(client: httpx.Client, path: str, body: str) -> None:
    answer = client.post(path, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert client.get("/v1/messages").json() == {"messages": []}


@pytest.mark.parametrize("body", ['{"seconds": -1}', '{"seconds": 1e9}', '{"seconds": "5"}', "{}"])
def test_a_lease_that_is_none_is_refused(client: httpx.Client, body: str) -> None:
    assert client.put("/v1/leases/me", content=body).status_code == 400
    assert client.put("/v1/leases/", content='{"seconds": 1}').status_code == 400
    assert client.get("/v1/leases").json() == {"leases": {}}


def test_methods_media_types_and_paths_are_checked(client: httpx.Client) -> None:
    assert client.post("/v1/leases").status_code == 405
    assert client.put("/v1/messages").status_code == 405
    assert client.get("/v1/nothing").status_code == 404
    plain = {"Content-Type": "text/plain"}
    for path in ("/v1/messages", "/v1/messages/discard"):
        assert client.post(path, content="{}", headers=plain).status_code == 415
    assert client.put("/v1/leases/me", content="{}", headers=plain).status_code == 415


def test_all_of_it_needs_the_key(tmp_path: Path) -> None:
    with StateServer(tmp_path / "states.db", port=0, event_key="key") as server:
        paths = ("leases", "messages", "watch?id=x", "abandoned")
        refused = [httpx.get(f"{server.url}/v1/{path}").status_code for path in paths]
    assert refused == [401] * 4


def test_others_are_served_while_many_wait(client: httpx.Client, state_server: StateServer) -> None:
    with ThreadPoolExecutor(60) as pool, httpx.Client(limits=httpx.Limits()) as many:
        url = f"{state_server.url}/v1/messages?wait=20"
        waiting = [pool.submit(many.get, url, timeout=60) for _ in range(60)]
        begin = time.monotonic()
        for number in range(20):
            body = json.dumps({"WorkflowID": f"w{number}"})
            assert client.put(f"/v1/workflows/w{number}", content=body).status_code == 204
        assert client.post("/v1/messages", content=json.dumps(MESSAGE)).status_code == 204
        found = [each.result(60).json()["messages"] for each in waiting]
        assert time.monotonic() - begin < 18  # they would wait for 20 s
    assert [[one["id"] for one in each] for each in found] == [["m"]] * 60
