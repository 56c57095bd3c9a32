"""What answers at a base URL, told from real servers of every kind."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from canned_server import Answer, CannedServer
from inngest_replay import SIGNING_KEY, InngestReplay

from inngest_nb import StateServer
from inngest_nb.store.http import ServerKind, identify

KEY = "a-planted-event-key"
JSON = (("content-type", "application/json"),)
HTML = (("content-type", "text/html; charset=utf-8"),)
TEXT = (("content-type", "text/plain"),)


def test_our_state_server_is_known_by_its_name_and_version(tmp_path: Path) -> None:
    with StateServer(tmp_path / "state.db", port=0) as server:
        found = identify(server.url, "")
    assert found.kind == ServerKind.STATE_SERVER
    assert found.words.startswith("the state server of inngest_nb 0.")


def test_a_keyed_state_server_tells_a_missing_key_from_a_wrong_one(tmp_path: Path) -> None:
    with StateServer(tmp_path / "state.db", port=0, event_key=KEY) as server:
        right, missing, wrong = (identify(server.url, key) for key in (KEY, "", "other"))
    assert right.kind == ServerKind.STATE_SERVER
    assert missing.kind == wrong.kind == ServerKind.KEY_REFUSED
    assert missing.words.endswith("it requires an event key")
    assert wrong.words.endswith("it rejects the event key")


@pytest.mark.parametrize("key", ["", KEY, SIGNING_KEY])
def test_a_real_inngest_is_told_as_dev_or_self_hosted_and_never_gets_the_key(key: str) -> None:
    with InngestReplay("dev") as dev, InngestReplay("cloud") as cloud:
        assert identify(dev.url, key).kind == ServerKind.INNGEST_DEV
        assert identify(cloud.url, key).kind == ServerKind.INNGEST_SELF_HOSTED
    for seen in dev.seen + cloud.seen:
        assert seen.method == "GET"
        assert "authorization" not in seen.headers


def test_a_path_too_many_leads_to_the_dashboard() -> None:
    with InngestReplay("dev") as inngest:
        found = identify(f"{inngest.url}/runs", "")
    assert found.kind == ServerKind.INNGEST_DASHBOARD
    assert "remove the path" in found.words


def test_an_inngest_behind_a_proxy_that_drops_its_header_is_known_by_its_health() -> None:
    health = Answer(200, JSON, b'{"status":200,"message":"OK"}')
    with CannedServer(lambda _: health) as server:
        assert identify(server.url, "").kind == ServerKind.INNGEST_DEV


def test_a_plain_contract_server_is_recognised_and_written_nothing() -> None:
    with CannedServer(lambda _: Answer(404, TEXT, b"404 page not found\n")) as server:
        found = identify(server.url, KEY)
    assert found.kind == ServerKind.CONTRACT_SERVER
    assert "cannot list" in found.words
    assert {seen.method for seen in server.seen} == {"GET"}


def test_a_contract_server_that_lists_is_recognised() -> None:
    listing = Answer(200, JSON, json.dumps({"workflows": [], "next_cursor": ""}).encode())
    with CannedServer(
        lambda seen: listing if seen.target.startswith("/v1/workflows?") else Answer(404, JSON)
    ) as server:
        found = identify(server.url, "")
    assert found.kind == ServerKind.CONTRACT_SERVER
    assert "can list" in found.words


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(200, HTML, b"hello"), ServerKind.OTHER, "(200, text/html)"),
        (Answer(404, HTML, b"nothing"), ServerKind.OTHER, "(404, text/html)"),
        (Answer(500, TEXT, b"broken"), ServerKind.OTHER, "(500, text/plain)"),
        (Answer(200, JSON, b"[" * 100_000), ServerKind.OTHER, "(200, application/json)"),
        (Answer(200, (), b"\xff\x00"), ServerKind.OTHER, "(200, no type)"),
        (Answer(401, TEXT), ServerKind.KEY_REFUSED, "it requires an event key"),
        (Answer(403, TEXT), ServerKind.KEY_REFUSED, "it requires an event key"),
        (
            Answer(302, (("location", "https://user:secret@login.example/?token=1"),)),
            ServerKind.OTHER,
            "a server that redirects to https://login.example",
        ),
        (Answer(301, (("location", "/app"),)), ServerKind.OTHER, "redirects to another path"),
        (
            Answer(301, (("location", "http://[x"),)),
            ServerKind.OTHER,
            "redirects to an invalid address",
        ),
        (
            Answer(200, JSON, b'{"server":"inngest-nb","version":"9\\u001b[31m"}'),
            ServerKind.STATE_SERVER,
            "the state server of inngest_nb 9 [31m",
        ),
    ],
)
def test_other_servers_are_named_for_what_they_answer(
    answer: Answer, kind: ServerKind, words: str
) -> None:
    with CannedServer(lambda _: answer) as server:
        found = identify(server.url, "")
    assert found.kind == kind
    assert found.words.endswith(words)


def test_nothing_and_an_unknown_host_are_told_as_nothing() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        found = identify(f"http://127.0.0.1:{unused.getsockname()[1]}", KEY)
    assert found.kind == ServerKind.NOTHING
    assert "no connection" in found.words
    assert KEY not in found.words


def test_what_does_not_speak_http_is_told_so() -> None:
    with _raw(b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n") as url:
        found = identify(url, KEY)
    assert found.kind == ServerKind.OTHER
    assert "does not speak HTTP" in found.words


def test_a_server_that_never_answers_costs_no_more_than_the_timeout() -> None:
    with _raw(b"") as url:
        found = identify(url, "", timeout=0.2)
    assert found.kind == ServerKind.OTHER
    assert found.words.endswith("sent no HTTP response within 0.2 s")


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n"
    with _raw(head, forever=b"x" * 65536) as url:
        assert identify(url, "").kind == ServerKind.OTHER


def test_a_key_is_not_sent_in_clear_over_a_network() -> None:
    with pytest.raises(ValueError, match="unencrypted"):
        identify("http://states.example", KEY)


@contextmanager
def _raw(greeting: bytes, forever: bytes = b"") -> Iterator[str]:
    """Serve bytes to whoever connects, whatever they ask, and keep the connection open."""
    ended = threading.Event()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=talk, args=(connection,)))
            threads[-1].start()

    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                connection.sendall(greeting)
                while forever and not ended.is_set():
                    connection.sendall(forever)
            except OSError:
                return
            ended.wait()

    threads = [threading.Thread(target=serve)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads[0].start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            for thread in list(threads):
                thread.join()
