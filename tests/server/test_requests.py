"""The state server over real sockets: right answers, and hostile requests."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from inngest_nb import StateServer, wire
from inngest_nb.store.writes import MAX_BODY_BYTES

KEY = "planted-key-4711"
JSON = {"Content-Type": "application/json"}


def document(workflow_id: str, **more: Any) -> bytes:
    return json.dumps({"WorkflowID": workflow_id} | more).encode()


@pytest.fixture
def client(state_server: StateServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=state_server.url, headers=JSON) as client:
        yield client


def coded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def put(client: httpx.Client, workflow_id: str, body: bytes | None = None) -> httpx.Response:
    path = f"/v1/workflows/{quote(workflow_id, safe='')}"
    return client.put(path, content=document(workflow_id) if body is None else body)


def raw(server: StateServer, request: bytes) -> bytes:
    """Send bytes as they are, and give the answer up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def why(response: httpx.Response) -> str:
    assert response.headers["content-type"] == "application/json"
    reason: str = response.json()["error"]
    return reason


def test_the_bytes_that_were_put_come_back(client: httpx.Client, go_documents: list[bytes]) -> None:
    for body in go_documents:
        workflow_id = json.loads(body)["WorkflowID"]
        assert put(client, workflow_id, body).status_code == 204
        answer = client.get(f"/v1/workflows/{quote(workflow_id, safe='')}")
        assert (answer.status_code, answer.content) == (200, body)
        assert answer.headers["content-type"] == "application/json"


def test_a_body_in_chunks_is_kept_too(client: httpx.Client) -> None:
    body = document("x", Input="y" * 1000)
    chunks = (body[n : n + 7] for n in range(0, len(body), 7))
    assert client.put("/v1/workflows/x", content=chunks).status_code == 204
    assert client.get("/v1/workflows/x").content == body


def test_an_encoded_slash_belongs_to_the_id_and_a_bare_one_does_not(client: httpx.Client) -> None:
    assert put(client, "a/b").status_code == 204
    assert put(client, "a%2Fb").status_code == 204
    bare = client.put("/v1/workflows/a/b", content=document("a/b"))
    assert bare.status_code == 404
    assert "%2F" in why(bare)
    listed = client.get("/v1/workflows").json()["workflows"]
    assert {one["state"]["WorkflowID"] for one in listed} == {"a/b", "a%2Fb"}


def test_a_body_of_another_workflow_is_refused(client: httpx.Client) -> None:
    """Go writes `a?b` into its path unescaped, which would overwrite `a`."""
    put(client, "a")
    refused = client.put("/v1/workflows/a?b", content=document("a?b"))
    assert refused.status_code == 400
    assert "WorkflowID" in why(refused)
    assert client.get("/v1/workflows/a").json() == {"WorkflowID": "a"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"nonsense", "malformed"),
        (b'{"WorkflowID":"x"', "truncated"),
        (b'{"WorkflowID":"x","Status":5}', "$.Status"),
        (b'{"WorkflowID":"x","History":[{"Timestamp":"soon"}]}', "$.History[0].Timestamp"),
        (b'{"WorkflowID":"x","Input":' + b"[" * 9999 + b"]" * 9999 + b"}", "nested"),
        (b'{"WorkflowID":"x","Error":"\xff"}', "UTF-8"),
        (b'\xef\xbb\xbf{"WorkflowID":"x"}', "byte order mark"),
        (b'{"WorkflowID":"x","Input":NaN}', "malformed"),
    ],
)
def test_a_body_that_is_no_state_is_refused_with_its_place(
    client: httpx.Client, body: bytes, words: str
) -> None:
    refused = put(client, "x", body)
    assert refused.status_code == 400
    assert words in why(refused)
    assert client.get("/v1/workflows/x").status_code == 404


def test_a_body_that_is_too_long_is_refused_and_the_connection_goes_on(
    client: httpx.Client,
) -> None:
    long = document("x", Input="y" * MAX_BODY_BYTES)
    for content in (long, iter([long])):
        refused = client.put("/v1/workflows/x", content=content)
        assert refused.status_code == 413
        assert f"{MAX_BODY_BYTES:,}" in why(refused)
    assert client.get("/v1/workflows/x").status_code == 404
    assert put(client, "x", document("x", Input="y" * (MAX_BODY_BYTES - 100))).status_code == 204


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Encoding": "gzip"},
    ],
)
def test_a_body_of_another_kind_is_refused(client: httpx.Client, headers: dict[str, str]) -> None:
    refused = client.put("/v1/workflows/x", content=document("x"), headers=headers)
    assert refused.status_code == 415
    assert "Content-" in why(refused)


def test_a_charset_with_the_media_type_is_fine(client: httpx.Client) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    answer = client.put("/v1/workflows/x", content=document("x"), headers=headers)
    assert answer.status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/workflows/x", "GET, PUT, DELETE"),
        ("PATCH", "/v1/workflows/x", "GET, PUT, DELETE"),
        ("PUT", "/v1/workflows", "GET, POST"),
        ("GET", "/v1/workflows/x/history", "POST"),
        ("OPTIONS", "/v1/workflows/x", "GET, PUT, DELETE"),
        ("DELETE", "/health", "GET"),
    ],
)
def test_a_method_that_a_path_does_not_have(
    client: httpx.Client, method: str, path: str, allowed: str
) -> None:
    refused = client.request(method, path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
    assert method in why(refused)


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/workflows/", "/v2/workflows/x", "/v1/workflowsx"]
)
def test_a_path_that_is_not_there(client: httpx.Client, path: str) -> None:
    refused = client.get(path)
    assert refused.status_code in (400, 404)
    assert why(refused)


@pytest.mark.parametrize("path", ["%ff", "%2E", "%2e%2E", "x" * 4097])
def test_an_id_that_no_client_can_name_is_refused(state_server: StateServer, path: str) -> None:
    request = f"GET /v1/workflows/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = raw(state_server, request.encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'{"error":' in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET /v1/workflows/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"PUT /v1/workflows/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x00\x01\x02\r\n\r\n",
    ],
)
def test_what_is_hardly_http_does_not_bring_the_server_down(
    state_server: StateServer, client: httpx.Client, request_bytes: bytes
) -> None:
    assert raw(state_server, request_bytes).startswith(b"HTTP/1.1 4")
    assert client.get("/health").status_code == 200


def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    state_server: StateServer, client: httpx.Client
) -> None:
    with socket.create_connection(("127.0.0.1", state_server.port)) as connection:
        connection.sendall(
            b"PUT /v1/workflows/x HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 99\r\n\r\n" + b'{"WorkflowID":"x"'
        )
    assert client.get("/v1/workflows/x").status_code == 404


def test_deleting_is_answered_alike_for_known_and_unknown_ids(client: httpx.Client) -> None:
    put(client, "x")
    assert client.delete("/v1/workflows/x").status_code == 204
    assert client.delete("/v1/workflows/x").status_code == 204
    assert client.get("/v1/workflows/x").status_code == 404


def test_a_head_request_has_no_body(client: httpx.Client) -> None:
    put(client, "x")
    answer = client.head("/v1/workflows/x")
    assert (answer.status_code, answer.content) == (200, b"")


def test_health_names_the_server_and_needs_no_key(tmp_path: Path) -> None:
    with StateServer(tmp_path / "s.db", port=0, event_key=KEY) as server:
        answer = httpx.get(server.url + "/health").json()
    assert (answer["status"], answer["server"]) == ("ok", "inngest-nb")


# Lists


def test_a_list_is_paged_without_gaps_or_repeats(client: httpx.Client) -> None:
    for number in range(25):
        minute = f"2026-01-01T00:{number // 4:02}:00Z"
        put(client, f"id {number:02}", document(f"id {number:02}", UpdatedAt=minute))
    seen, cursor, pages = [], "", 0
    while True:
        page = client.get("/v1/workflows", params={"limit": 7, "cursor": cursor}).json()
        seen += [one["state"]["WorkflowID"] for one in page["workflows"]]
        pages += 1
        cursor = page["next_cursor"]
        if not cursor:
            break
    newest_first = sorted(range(25), key=lambda number: (-(number // 4), number))
    assert seen == [f"id {number:02}" for number in newest_first]
    assert pages == 4


def test_a_list_is_filtered_by_any_status(client: httpx.Client) -> None:
    for number, status in enumerate(["running", "failed", "paused", "failed"]):
        put(client, str(number), document(str(number), Status=status))
    for status, count in (("failed", 2), ("paused", 1), ("completed", 0)):
        page = client.get("/v1/workflows", params={"status": status}).json()
        assert len(page["workflows"]) == count


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=-1", "limit=1001", "limit=x", "limit=" + "9" * 5000),
        *("cursor=x", "cursor=eHg=", "cursor=%00", "cursor=" + coded("9" * 30 + " a")),
        *("cursor=" + coded(text) for text in ("9" * 5000 + " a", "1_0 a", " 5 a", "5", "5 ..")),
        *("order=x", "order=first-saved&cursor=" + coded("9" * 30)),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(client: httpx.Client, query: str) -> None:
    refused = client.get(f"/v1/workflows?{query}")
    assert refused.status_code == 400
    assert query.rpartition("&")[2].partition("=")[0] in why(refused)


@pytest.mark.parametrize("status", ["%ED%A0%80", "%00", "%FF", "x" * 9000, "'; DROP TABLE x"])
def test_a_status_that_nothing_has_lists_nothing(client: httpx.Client, status: str) -> None:
    put(client, "x")
    answer = client.get(f"/v1/workflows?status={status}")
    assert (answer.status_code, answer.json()["workflows"]) == (200, [])


@pytest.mark.parametrize(
    "item",
    [
        {"id": "\\ud800", "document": {}, "whole": True},
        {"id": "x", "document": {"WorkflowID": "x", "\\ud800": 1}, "whole": True},
        {"id": "x", "document": {"WorkflowID": "x", "Status": "\\ud800"}, "whole": True},
        {"id": "x", "document": {"WorkflowID": "x", "\\ud800": []}, "whole": False},
        {"id": "x", "document": {"WorkflowID": "x"}, "whole": True, "etag": "é"},
        {"id": "x", "document": {"WorkflowID": "x"}, "whole": True, "if_match": "\\u0000"},
    ],
)
def test_a_batch_that_makes_no_sense_is_refused_and_breaks_nothing(
    client: httpx.Client, item: dict[str, Any]
) -> None:
    body = json.dumps([item]).replace("\\\\", "\\")
    answer = client.post("/v1/workflows", content=body)
    assert answer.status_code < 500
    listed = client.get("/v1/workflows")
    assert listed.status_code == 200
    for one in listed.json()["workflows"]:
        assert wire.decode(json.dumps(one["state"]).encode()).workflow_id == "x"


def test_a_page_of_long_documents_is_cut_by_its_size(client: httpx.Client) -> None:
    for number in range(6):
        put(client, str(number), document(str(number), Input="y" * (3 << 20)))
    page = client.get("/v1/workflows").json()
    assert len(page["workflows"]) == 3
    rest = client.get("/v1/workflows", params={"cursor": page["next_cursor"]}).json()
    assert len(rest["workflows"]) == 3


# Who may ask


def test_every_verb_needs_the_key(tmp_path: Path) -> None:
    with StateServer(tmp_path / "s.db", port=0, event_key=KEY) as server:
        with httpx.Client(base_url=server.url, headers=JSON) as client:
            wrong = [
                {},
                *({"Authorization": f"Bearer {k}"} for k in ("x", KEY[:-1], KEY + "x", "ü")),
            ]
            wrong.append({"Authorization": KEY})
            for headers in wrong:
                encoded = {name: text.encode("latin-1") for name, text in headers.items()}
                for method, path in (
                    ("GET", "/v1/workflows"),
                    ("GET", "/v1/workflows/x"),
                    ("PUT", "/v1/workflows/x"),
                    ("DELETE", "/v1/workflows/x"),
                    ("POST", "/nowhere"),
                ):
                    refused = client.request(method, path, content=document("x"), headers=encoded)
                    assert refused.status_code == 401
                    assert refused.headers["www-authenticate"] == "Bearer"
                    assert KEY not in refused.text
            client.headers["Authorization"] = f"Bearer {KEY}"
            assert put(client, "x").status_code == 204
        assert KEY not in repr(server)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost.evil.example", "", "127.0.0.1.nip.io", "[", "a@b"),
        *("localhost\r\nHost: evil.example", "evil.example\r\nHost: localhost"),
    ],
)
def test_a_name_that_was_bent_to_this_machine_is_refused(
    state_server: StateServer, host: str
) -> None:
    request = f"GET /v1/workflows HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    answer = raw(state_server, request.encode())
    assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 "))
    assert b"workflows" not in answer


def test_the_names_of_this_machine_are_fine(
    state_server: StateServer, client: httpx.Client
) -> None:
    for host in ("localhost", f"localhost:{state_server.port}", "127.0.0.1", "[::1]:80"):
        assert client.get("/v1/workflows", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"),
        *("http://[", "http://[::1", "//", "http://[x]:y"),
    ],
)
def test_a_web_page_of_another_origin_cannot_write(client: httpx.Client, origin: str) -> None:
    refused = client.put("/v1/workflows/x", content=document("x"), headers={"Origin": origin})
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers
    assert client.get("/v1/workflows/x").status_code == 404


def test_a_page_of_the_servers_own_origin_may(
    state_server: StateServer, client: httpx.Client
) -> None:
    headers = {"Origin": state_server.url}
    assert client.put("/v1/workflows/x", content=document("x"), headers=headers).status_code == 204
