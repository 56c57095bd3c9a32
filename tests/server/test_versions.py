"""Versions over plain HTTP: ETag, conditions as RFC 9110 has them, appending, batches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from inngest_nb import StateServer
from inngest_nb.store.writes import MAX_BODY_BYTES

JSON = {"Content-Type": "application/json"}
PATH = "/v1/workflows/x"
HISTORY = f"{PATH}/history"


@pytest.fixture
def client(state_server: StateServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=state_server.url, headers=JSON) as client:
        yield client


def put(client: httpx.Client, error: str = "", **headers: str) -> httpx.Response:
    return client.put(PATH, content=state(error), headers=named(headers))


def append(client: httpx.Client, number: int = 1, **headers: str) -> httpx.Response:
    body = json.dumps({"History": [{"ID": number}]})
    return client.post(HISTORY, content=body, headers=named(headers))


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def state(error: str = "") -> bytes:
    return json.dumps({"WorkflowID": "x", "Error": error}).encode()


def why(answer: httpx.Response) -> str:
    reason: str = answer.json()["error"]
    return reason


def test_health_tells_that_the_server_appends(client: httpx.Client) -> None:
    assert client.get("/health").json()["appends"] is True


def test_each_version_has_an_etag_and_every_answer_about_it_tells_it(client: httpx.Client) -> None:
    tags = []
    for write in (put, put, append, append, put):
        answer = write(client)
        assert answer.status_code == 204
        tags.append(tag := answer.headers["etag"])
        assert tag.startswith('"')
        assert client.get(PATH).headers["etag"] == client.head(PATH).headers["etag"] == tag
        (listed,) = client.get("/v1/workflows").json()["workflows"]
        assert f'"{listed["etag"]}"' == tag
    assert len(set(tags)) == 5


def test_what_is_appended_stands_behind_the_bytes_that_were_there(client: httpx.Client) -> None:
    body = b'{ "WorkflowID":"x", "Mine" : 1.0, "History":[ {"ID":1, "Mine":[ ] } ] }'
    client.put(PATH, content=body)
    more = b'{"WorkflowID":"x","History":[{"ID":2,"Theirs":1.50}],"Status":"failed"}'
    assert client.post(HISTORY, content=more).status_code == 204
    assert client.get(PATH).content == (
        b'{"WorkflowID":"x","Mine":1.0,"History":[{"ID":1, "Mine":[ ] },{"ID":2,"Theirs":1.50}],'
        b'"Status":"failed"}'
    )
    assert len(client.get("/v1/workflows", params={"status": "failed"}).json()["workflows"]) == 1


@pytest.mark.parametrize("write", [put, append])
def test_a_write_names_the_version_that_it_makes(client: httpx.Client, write: Any) -> None:
    put(client)
    for name, expected in (("mine-1", '"mine-1"'), ('"mine-2"', '"mine-2"')):
        assert write(client, Idempotency_Key=name).headers["etag"] == expected
        again = write(client, Idempotency_Key=name)
        assert (again.status_code, again.headers["etag"]) == (204, expected)
    assert client.get(PATH).headers["etag"] == '"mine-2"'
    for bad in ("two words", '"', '""', '"a"b"', "x" * 201, "*"):
        refused = write(client, Idempotency_Key=bad)
        assert refused.status_code == 400
        assert "Idempotency-Key" in why(refused)
    assert len(client.get(PATH).json().get("History") or []) == (2 if write is append else 0)


@pytest.mark.parametrize(
    ("match", "none_match", "passes"),
    [
        ('"now"', None, True),
        ('"old"', None, False),
        ('"NOW"', None, False),
        ('W/"now"', None, False),  # a weak tag never matches here
        ("*", None, True),
        ('"*"', None, False),  # a tag that looks like the star
        ('""', None, False),
        ('"old", "now"', None, True),
        ('"old" ,, "now",', None, True),
        ('"old","older"', None, False),
        ('W/"now", "old"', None, False),
        ('"now,later"', None, False),
        (None, "*", False),
        (None, '"old"', True),
        (None, '"now"', False),
        (None, 'W/"now"', False),  # compared weakly
        (None, '"old", "now"', False),
        ('"now"', '"old"', True),
        ('"now"', '"now"', False),
        ('"old"', '"older"', False),
        ("*", "*", False),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_a_write_under_a_condition(
    client: httpx.Client, method: str, match: str | None, none_match: str | None, passes: bool
) -> None:
    put(client, "before", Idempotency_Key="now")
    given = {"If-Match": match, "If-None-Match": none_match}
    headers = {name: value for name, value in given.items() if value is not None}
    path = HISTORY if method == "POST" else PATH
    body = b"" if method == "DELETE" else state("after")
    answer = client.request(method, path, content=body, headers=headers)
    assert answer.status_code == (204 if passes else 412)
    now = client.get(PATH)
    if passes:
        assert now.status_code == 404 if method == "DELETE" else now.json()["Error"] == "after"
    else:
        assert (now.json()["Error"], now.headers["etag"]) == ("before", '"now"')
        assert "stored" in why(answer) or "changed by someone else" in why(answer)


@pytest.mark.parametrize(
    ("match", "none_match", "status"),
    [
        ('"now"', None, 412),
        ("*", None, 412),
        (None, "*", 204),
        (None, '"old"', 204),
        ("*", "*", 412),
    ],
)
def test_a_save_under_a_condition_where_nothing_is_stored(
    client: httpx.Client, match: str | None, none_match: str | None, status: int
) -> None:
    given = {"If-Match": match, "If-None-Match": none_match}
    headers = {name: value for name, value in given.items() if value is not None}
    assert client.put(PATH, content=state(), headers=headers).status_code == status
    assert client.get(PATH).status_code == (200 if status == 204 else 404)


@pytest.mark.parametrize(
    "bad", ["now", '"now', 'now"', '"a" "b"', 'w/"a"', '"a", *', "", ",", "'a'"]
)
def test_a_condition_that_is_none_is_refused(client: httpx.Client, bad: str) -> None:
    put(client, "before")
    for name in ("If-Match", "If-None-Match"):
        for method, path in (("PUT", PATH), ("POST", HISTORY), ("DELETE", PATH)):
            refused = client.request(method, path, content=state("after"), headers={name: bad})
            assert refused.status_code == 400
            assert name in why(refused)
    assert client.get(PATH).json()["Error"] == "before"


def test_a_repeated_field_counts_as_one(client: httpx.Client) -> None:
    put(client, "before", Idempotency_Key="now")
    either = [("If-Match", '"old"'), ("If-Match", '"now"')]
    assert client.put(PATH, content=state("after"), headers=either).status_code == 204
    two = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    refused = client.put(PATH, content=state("later"), headers=two)
    assert refused.status_code == 400
    assert "Idempotency-Key" in why(refused)
    assert client.get(PATH).json()["Error"] == "after"


def test_a_lost_answer_is_made_up_for_under_every_kind_of_condition(client: httpx.Client) -> None:
    put(client, Idempotency_Key="e0")
    for condition in ({"If_Match": '"e0"'}, {"If_Match": '"e0", "e9"'}, {"If_None_Match": "*"}):
        for _ in range(2):
            answer = put(
                client, **({"If_Match": '"e0"'} if _ == 0 else condition), Idempotency_Key="e1"
            )
            assert (answer.status_code, answer.headers["etag"]) == (204, '"e1"')
        put(client, Idempotency_Key="e0")


def test_a_reader_who_has_the_version_gets_no_body(client: httpx.Client) -> None:
    put(client, Idempotency_Key="now")
    for tag in ('"now"', 'W/"now"', '"old", "now"', "*"):
        answer = client.get(PATH, headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"now"')
    for tag in ('"old"', 'W/"old"', '"NOW"'):
        answer = client.get(PATH, headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content) == (200, state())
    assert client.get("/v1/workflows/y", headers={"If-None-Match": "*"}).status_code == 404


def test_nothing_is_appended_to_what_is_not_there(client: httpx.Client) -> None:
    for headers in ({}, {"If_Match": '"e"'}, {"If_Match": "*"}, {"If_None_Match": "*"}):
        refused = append(client, **headers)
        assert refused.status_code == 404
        assert "PUT the whole state" in why(refused)
    assert client.get(PATH).status_code == 404


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"[]", "$"),
        (b'{"History":[{"Timestamp":"soon"}]}', "$.History[0].Timestamp"),
        (b'{"History":[{"ID":1}', "truncated"),
        (b'{"Status":null}', "$.Status"),
        (b'{"WorkflowID":"y"}', "WorkflowID"),
        (b'{"Result":' + b"[" * 9999 + b"]" * 9999 + b"}", "nested"),
        (b'{"Error":"\xff"}', "UTF-8"),
    ],
)
def test_a_part_that_is_none_is_refused_with_its_place(
    client: httpx.Client, body: bytes, words: str
) -> None:
    put(client, Idempotency_Key="e0")
    refused = client.post(HISTORY, content=body)
    assert refused.status_code == 400
    assert words in why(refused)
    assert client.get(PATH).headers["etag"] == '"e0"'


@pytest.mark.parametrize("path", [HISTORY, "/v1/workflows"])
def test_what_holds_for_saves_holds_for_appends_and_batches(
    client: httpx.Client, path: str
) -> None:
    put(client)
    long = b'[{"id":"' + b"y" * MAX_BODY_BYTES
    for content in (long, iter([long])):
        assert client.post(path, content=content).status_code == 413
    assert (
        client.post(path, content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    )
    gzip = {"Content-Encoding": "gzip"}
    assert client.post(path, content=b"{}", headers=gzip).status_code == 415
    stranger = {"Origin": "https://evil.example"}
    assert client.post(path, content=b"{}", headers=stranger).status_code == 403


def test_a_path_below_a_workflow_that_is_none(client: httpx.Client) -> None:
    put(client)
    for path in (
        f"{PATH}/histories",
        f"{HISTORY}/",
        f"{PATH}/a/history",
        f"{PATH}/",
        "/v1/workflows//history",
    ):
        assert client.post(path, content=b"{}").status_code in (400, 404)
    assert "History" not in client.get(PATH).json()


def test_a_batch_has_an_outcome_for_each_write(client: httpx.Client) -> None:
    put(client, Idempotency_Key="x0")
    one: dict[str, Any] = {"id": "x", "etag": "x1", "if_match": "x0", "whole": False}
    batch = [
        {"id": "a", "etag": "a0", "if_match": "", "whole": True, "document": {"WorkflowID": "a"}},
        one | {"document": {"History": [{"ID": 1}]}},
        {"id": "b", "whole": False, "document": {}},
        {"id": "..", "whole": True, "document": {"WorkflowID": ".."}},
        {"id": "c", "whole": True, "document": {"WorkflowID": "d"}},
        {"id": "d", "whole": True, "document": {"WorkflowID": "d", "Status": 5}},
        {"id": "e", "whole": True, "document": {"WorkflowID": "e", "Status": "failed"}},
    ]
    answer = client.post("/v1/workflows", json=batch)
    assert answer.status_code == 200
    outcomes = answer.json()["outcomes"]
    assert [one and one["status"] for one in outcomes] == [None, None, 412, 400, 400, 400, None]
    assert "$.Status" in outcomes[5]["error"]
    assert client.get("/v1/workflows/a").headers["etag"] == '"a0"'
    assert client.get(PATH).headers["etag"] == '"x1"'
    assert client.get(PATH).json()["History"] == [{"ID": 1}]
    again = client.post("/v1/workflows", json=[one | {"etag": "x2", "document": {}}])
    assert [one["status"] for one in again.json()["outcomes"]] == [412]
    assert client.post("/v1/workflows", content=b"[]").json() == {"outcomes": []}


def test_a_batch_has_no_workflow_twice(client: httpx.Client) -> None:
    item = {"id": "a", "whole": True, "document": {"WorkflowID": "a"}}
    refused = client.post("/v1/workflows", json=[item, item])
    assert refused.status_code == 400
    assert "twice" in why(refused)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[1]", b'[{"id":"x"}]', b'[{"id":"x","whole":1,"document":{}}]', b'[{"id":"x"', b"[" * 9999, b'[{"id":"\xff"}]'],
)  # fmt: skip
def test_a_batch_that_is_none_is_refused_and_nothing_is_written(
    client: httpx.Client, body: bytes
) -> None:
    refused = client.post("/v1/workflows", content=body)
    assert refused.status_code == 400
    assert "batch" in why(refused)
    assert client.get("/v1/workflows").json()["workflows"] == []


def test_appends_and_batches_need_the_key(tmp_path: Any) -> None:
    with StateServer(tmp_path / "s.db", port=0, event_key="key") as server:
        with httpx.Client(base_url=server.url, headers=JSON) as client:
            for path in (HISTORY, "/v1/workflows"):
                assert client.post(path, content=b"[]").status_code == 401
            client.headers["Authorization"] = "Bearer key"
            assert client.post("/v1/workflows", content=b"[]").status_code == 200
