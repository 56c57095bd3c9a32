"""Requests put together from odd pieces: each gets an answer, and none makes the server fail."""

from __future__ import annotations

import base64
import random
import socket

import pytest

from inngest_nb import StateServer

WHOLE = [
    "http://[",
    "http://[::1",
    "9" * 5000,
    *(base64.urlsafe_b64encode(b).decode() for b in (b"9" * 30 + b" a", b"9" * 5000 + b" a")),
]
PIECES = [
    *("http://", "[", "]", "::1", "%00", "%ED%A0%80", "%FF", "%", "%zz", '"', "W/", "*", ",", ";"),
    *("é", "\x80", "\xff", "²", "9" * 25, "-1", "+5", "1_0", "0x1", "1e5", "localhost", "null"),
    *("127.0.0.1", ":", "99999", "/", "\t", "x" * 300, "?", "#", "@", "=", "&", "first-saved"),
    *(
        '"a"',
        '"a" , W/"b"',
        *(base64.urlsafe_b64encode(b).decode() for b in (b"5 a", b"5", b"9" * 30)),
    ),
]
BODIES = [
    *(
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b'{"WorkflowID":"a"}',
        b'{"WorkflowID":"a","Status":null}',
    ),
    b'[{"id":"a","document":{},"whole":true}]',
    b'[{"id":"a","document":{"WorkflowID":"a"},"whole":true,"etag":5}]',
    b'[{"id":"a","document":{"History":[{"ID":1e400}]},"whole":false}]',
    b'{"History":[{"ID":99999999999999999999}]}',
    b'{"WorkflowID":"a","UpdatedAt":"9999-12-31T23:59:59.999999999-14:00"}',
    b'{"WorkflowID":"a","UpdatedAt":"0001-01-01T00:00:00+14:00"}',
    b'{"UpdatedAt":"0000-01-01T00:00:00Z","History":[]}',
    b'{"WorkflowID":"a","History":[{"Duration":9223372036854775808}]}',
]
HEADERS = ["Origin", "If-Match", "If-None-Match", "Idempotency-Key", "Content-Encoding"]
PATHS = ["/v1/workflows", "/v1/workflows/a", "/v1/workflows/a/history", "/v1/workflows/"]
QUERIES = ["limit=", "cursor=", "status=", "order=", "order=first-saved&cursor="]


def odd_request(luck: random.Random) -> bytes:
    def pieces() -> str:
        if luck.random() < 0.2:
            return luck.choice(WHOLE)
        return "".join(luck.choices(PIECES, k=luck.randint(0, 3)))

    method = luck.choice(["GET", "GET", "PUT", "POST", "DELETE"])
    path = luck.choice(PATHS)
    if path.endswith("/"):
        path += pieces()
    if luck.random() < 0.5:
        path += f"?{luck.choice(QUERIES)}{pieces()}"
    body = luck.choice(BODIES) if method in ("PUT", "POST") else b""
    headers = ["Host: localhost", "Connection: close", f"Content-Length: {len(body)}"]
    headers += ["Content-Type: application/json"] if body else []
    headers += [f"{name}: {pieces()}" for name in HEADERS if luck.random() < 0.25]
    head = f"{method} {path} HTTP/1.1\r\n" + "\r\n".join(headers)
    return head.encode("latin-1") + b"\r\n\r\n" + body


@pytest.mark.parametrize("seed", range(4))
def test_a_request_of_odd_pieces_is_answered_and_is_nobodys_failure(
    state_server: StateServer, seed: int
) -> None:
    luck = random.Random(seed)
    for _ in range(300):
        request = odd_request(luck)
        with socket.create_connection(("127.0.0.1", state_server.port), timeout=30) as connection:
            connection.sendall(request)
            answer = b"".join(iter(lambda c=connection: c.recv(65536), b""))
        assert answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4")), (request, answer[:200])
