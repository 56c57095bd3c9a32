"""Changes over plain HTTP: what the state server answers and refuses, and when it stops waiting."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from inngest_nb import StateServer

JSON = {"Content-Type": "application/json"}
DEEP = '{"WorkflowID": "deep", "Input": ' + "[" * 490 + "1" + "]" * 490 + "}"


@pytest.fixture
def client(state_server: StateServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=state_server.url, headers=JSON, timeout=40) as client:
        yield client


def save(client: httpx.Client, workflow_id: str, **fields: object) -> None:
    body = json.dumps({"WorkflowID": workflow_id, **fields})
    assert client.put(f"/v1/workflows/{workflow_id}", content=body).status_code == 204


def test_health_tells_that_the_server_numbers_its_changes(client: httpx.Client) -> None:
    assert client.get("/health").json()["changes"] is True


def test_changes_as_json(client: httpx.Client) -> None:
    save(client, "a", Input=1.0)
    save(client, "b")
    client.delete("/v1/workflows/b")
    answer = client.get("/v1/changes?after=0").json()
    feed = answer.pop("feed")
    assert len(feed) == 16
    assert answer == {
        "changes": {
            "number": [1, 2, 3],
            "workflow_id": ["a", "b", "b"],
            "deleted": [False, False, True],
        },
        "last": 3,
        "reset": False,
        "heads": None,
        "workflows": None,
    }
    answer = client.get(f"/v1/changes?after=0&limit=1&documents=true&feed={feed}").json()
    assert answer["changes"]["number"] == [1]
    (listed,) = answer["workflows"]["workflows"]
    assert listed["state"] == {"WorkflowID": "a", "Input": 1.0}
    heads = client.get("/v1/changes?after=0&heads=true").json()["heads"]
    assert (heads["workflow_id"], heads["workflow"]) == (["a"], ["a"])
    assert client.get("/v1/changes").json()["last"] == 3
    assert client.get("/v1/changes?after=1&feed=other&wait=30").json()["reset"] is True
    assert client.get("/v1/changes?after=4&wait=30").json()["reset"] is True


def test_as_deep_a_document_as_can_be_stored_comes_along(client: httpx.Client) -> None:
    assert client.put("/v1/workflows/deep", content=DEEP).status_code == 204
    answer = client.get("/v1/changes?after=0&documents=true").text
    assert '"Input": ' + "[" * 490 in answer


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("after=-1", "after"),
        ("after=", "after"),
        ("after=1.5", "after"),
        ("after=%D9%A1", "after"),
        (f"after={2**63}", "after"),
        (f"after={'9' * 5000}", "after"),
        ("after=0&wait=soon", "wait"),
        ("after=0&wait=nan", "wait"),
        ("after=0&wait=-1", "wait"),
        ("after=0&limit=many", "limit"),
        ("after=0&limit=-5", "limit"),
        ("after=0&documents=1", "documents"),
        ("after=0&heads=yes", "heads"),
    ],
)
def test_a_question_that_is_none_is_refused(client: httpx.Client, query: str, word: str) -> None:
    answer = client.get(f"/v1/changes?{query}")
    assert answer.status_code == 400
    assert word in answer.json()["error"]


def test_other_methods_are_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/changes", content="{}")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_the_key_is_wanted(tmp_path: Path) -> None:
    with StateServer(tmp_path / "state.db", port=0, event_key="key") as server:
        assert httpx.get(f"{server.url}/v1/changes?after=0").status_code == 401


def test_more_wait_than_there_are_threads_and_each_is_told(client: httpx.Client) -> None:
    """The server has 40 threads for its readers, so that a waiting one must not keep one."""
    save(client, "a")
    started = threading.Barrier(51)

    def wait(_: int) -> list[int]:
        with httpx.Client(base_url=client.base_url, timeout=60) as own:
            own.get("/health")
            started.wait(30)
            numbers: list[int] = own.get("/v1/changes?after=1&wait=30").json()["changes"]["number"]
            return numbers

    with ThreadPoolExecutor(50) as threads:
        results = threads.map(wait, range(50))
        started.wait(30)
        save(client, "b")
        assert [*results] == [[2]] * 50


def test_one_request_waits_as_long_as_it_says(client: httpx.Client) -> None:
    begun = time.monotonic()
    assert client.get("/v1/changes?after=0&wait=0.4").json()["last"] == 0
    assert time.monotonic() - begun >= 0.4


def test_waiting_ends_when_the_server_stops(tmp_path: Path) -> None:
    with (
        StateServer(tmp_path / "state.db", port=0) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        waiting = threads.submit(client.get, "/v1/changes?after=0&wait=30")
        assert server._server is not None
        while not server._server.server_state.tasks and not waiting.done():
            time.sleep(0.01)
        server.close()
        assert waiting.result(20).json()["last"] == 0
