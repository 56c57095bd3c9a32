"""The stand-in for a real Inngest says what the real one said."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from inngest_replay import SIGNING_KEY, InngestReplay, Kind, recordings, wire_body


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


EVERY_RECORDING = [
    pytest.param(kind, recording, id=name)
    for kind in ("dev", "cloud")
    for name, recording in recordings(kind)
]


@pytest.mark.parametrize(("kind", "recording"), EVERY_RECORDING)
def test_each_recorded_request_gets_its_recorded_answer(
    client: httpx.Client, kind: Kind, recording: dict[str, Any]
) -> None:
    request, response = recording["request"], recording["response"]
    with InngestReplay(kind) as inngest:
        answer = client.request(
            request["method"],
            inngest.url + request["path"],
            params=request["query"],
            headers=request["headers"],
            json=request["body"],
        )
    assert answer.status_code == response["status"]
    assert response["headers"].items() <= dict(answer.headers).items()
    assert answer.content == wire_body(response["body"])


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize("workflow_id", ["wf-1", "order-7", "a%2Fb", "a/b", "%F0%9F%A6%86"])
def test_every_workflow_id_is_as_unknown_as_the_recorded_one(
    client: httpx.Client, method: str, workflow_id: str
) -> None:
    with InngestReplay("dev") as dev, InngestReplay("cloud") as cloud:
        for server, headers in (dev, {}), (cloud, {"Authorization": f"Bearer {SIGNING_KEY}"}):
            url = f"{server.url}/v1/workflows/{workflow_id}"
            answer = client.request(method, url, headers=headers)
            assert answer.status_code == 404
            assert answer.text == "404 page not found\n"
            assert answer.headers["x-inngest-server-kind"] == server.kind


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer an-event-key"}])
def test_a_self_hosted_server_refuses_all_keys_but_its_signing_key(
    client: httpx.Client, headers: dict[str, str]
) -> None:
    with InngestReplay("cloud") as inngest:
        for path in "/v1/workflows/wf-1", "/v1/workflows", "/api/v2/health":
            answer = client.get(inngest.url + path, headers=headers)
            assert (answer.status_code, answer.text) == (401, "Authentication failed\n")
            assert answer.headers["x-inngest-server-kind"] == "cloud"


def test_a_path_outside_the_apis_shows_the_dashboard(client: httpx.Client) -> None:
    with InngestReplay("dev") as inngest:
        answer = client.get(inngest.url + "/runs/health")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-inngest-server-kind"] == "dev"


def test_it_tells_what_it_was_asked(client: httpx.Client) -> None:
    with InngestReplay("dev") as inngest:
        client.put(inngest.url + "/v1/workflows/a%2Fb?x=1", content=b"{}", headers={"X-Test": "y"})
    (seen,) = inngest.seen
    assert (seen.method, seen.target, seen.body) == ("PUT", "/v1/workflows/a%2Fb?x=1", b"{}")
    assert seen.headers["x-test"] == "y"
