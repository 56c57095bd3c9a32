"""The client over HTTP: keys, redirects, broken connections, servers that are something else."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gzip
import logging
import pickle
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import httpcore
import httpx
import pytest
from small_servers import plain_server, reply, scripted_server

from inngest_nb import AsyncInngestStore, InngestStore, StateServer, WorkflowState
from inngest_nb.errors import (
    ListingUnsupportedError,
    NotAStateServerError,
    StoreConnectionError,
    StoreDecodeError,
    StoreError,
    StoreStatusError,
    WrongLoopError,
)

KEY = "planted-key-4711"
X = WorkflowState(workflow_id="x", status="running")  # type: ignore[arg-type]
X_DOCUMENT = b'{"WorkflowID":"x","Status":"running"}'


def all_text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


# Configuration


def test_the_server_is_the_argument_then_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert InngestStore().base_url == "http://localhost:8288"
    monkeypatch.setenv("INNGEST_DEV", "1")
    assert InngestStore().base_url == "http://localhost:8288"
    monkeypatch.setenv("INNGEST_DEV", "http://127.0.0.1:1111/")
    assert InngestStore().base_url == "http://127.0.0.1:1111"
    monkeypatch.setenv("INNGEST_BASE_URL", "http://127.0.0.1:2222")
    assert InngestStore().base_url == "http://127.0.0.1:2222"
    monkeypatch.setenv("INNGEST_NB_URL", "http://127.0.0.1:4444")
    assert InngestStore().base_url == "http://127.0.0.1:4444"
    assert InngestStore("http://127.0.0.1:3333/nb/").base_url == "http://127.0.0.1:3333/nb"


@pytest.mark.parametrize(
    "address",
    [
        "localhost:8288",
        "ftp://localhost",
        "http://",
        "http://h:99999",
        "http://h?q=1",
        "http://h#f",
        "x",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        InngestStore(address)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="user name or password") as refusal:
        InngestStore("http://me:s3cret@localhost:8288")
    assert "s3cret" not in str(refusal.value)


def test_a_key_goes_over_plain_http_to_this_machine_only() -> None:
    with pytest.raises(ValueError, match="unencrypted") as refusal:
        InngestStore("http://example.org", KEY)
    assert KEY not in all_text(refusal.value)
    InngestStore("http://example.org", KEY, allow_insecure=True)
    InngestStore("https://example.org", KEY)
    InngestStore("http://example.org")
    for host in ("localhost", "127.0.0.1", "127.8.8.8", "[::1]", "nb.localhost"):
        InngestStore(f"http://{host}:8288", KEY)


@pytest.mark.parametrize("key", ["a\nb", "\tkey", "schlüssel", "\x00"])
def test_a_key_that_no_header_carries_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="event key") as refusal:
        InngestStore(event_key=key)
    assert key not in str(refusal.value)


def test_a_timeout_is_a_number_of_seconds_above_zero() -> None:
    with pytest.raises(ValueError, match="timeout"):
        InngestStore(timeout=0)


# The key


def test_the_key_is_sent_with_every_request_and_an_empty_one_with_none() -> None:
    with plain_server() as server:
        for key, expected in ((KEY, f"Bearer {KEY}"), ("", None)):
            with InngestStore(server.url, key) as store:
                store.save(X)
                store.load("x")
                store.delete("x")
            seen = [headers.get("Authorization") for _, _, headers in server.seen[-3:]]
            assert seen == [expected] * 3


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNGEST_EVENT_KEY", KEY)
    with plain_server() as server:
        with InngestStore(server.url) as store:
            store.save(X)
        with InngestStore(server.url, "") as store:
            store.save(X)
        assert [h.get("Authorization") for _, _, h in server.seen] == [f"Bearer {KEY}", None]


def test_the_key_shows_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = b'{"error": "wrong key planted-key-4711"}'
    with scripted_server(reply(401, said), reply(500, said), reply(200, said)) as server:
        store = InngestStore(server.url, KEY)
        errors = []
        for operation in (lambda: store.load("x"), lambda: store.save(X), lambda: store.load("x")):
            with pytest.raises(StoreError) as caught:
                operation()
            errors.append(caught.value)
        assert f"Bearer {KEY}".encode() in server.requests[0]
    with pytest.raises(StoreError) as caught:
        store.load("x")
    for text in (repr(store), str(vars(store)), *map(all_text, [*errors, caught.value])):
        assert KEY not in text
    assert KEY not in caplog.text
    assert "event_key=set" in repr(store)
    for way in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            way(store)
    store.close()


# Redirects


def test_a_redirect_within_the_origin_keeps_method_and_key() -> None:
    moved = reply(307, location="/elsewhere")
    with scripted_server(moved, reply(200)) as server, InngestStore(server.url, KEY) as store:
        store.save(X)
        assert server.requests[1].startswith(b"PUT /elsewhere ")
        assert KEY.encode() in server.requests[1]
        assert b'"WorkflowID":"x"' in server.requests[1]


@pytest.mark.parametrize("own", [False, True])
def test_a_redirect_to_another_origin_does_not_get_the_key(own: bool) -> None:
    with scripted_server(reply(200, X_DOCUMENT)) as other:
        with scripted_server(reply(302, location=other.url + "/x")) as server:
            client = httpx.Client(auth=("me", KEY)) if own else None
            with InngestStore(server.url, KEY, client=client) as store:
                assert store.load("x") is not None
            if client:
                client.close()
        assert b"authorization" not in other.requests[0].lower()


def test_a_redirect_that_would_drop_the_state_is_no_success() -> None:
    with scripted_server(reply(303, location="/"), reply(200)) as server:
        with InngestStore(server.url) as store:
            with pytest.raises(StoreConnectionError, match="303"):
                store.save(X)
            assert store.list() == []
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "location", ["http://h:99999/x", "http://h:x/", "http://[::1/x", "http://[x]/", "http://:80/"]
)
def test_a_redirect_to_what_is_no_address_is_told(location: str) -> None:
    with (
        scripted_server(reply(307, Location=location)) as server,
        InngestStore(server.url) as store,
    ):
        with pytest.raises(StoreConnectionError, match="redirected to") as failure:
            store.load("x")
    assert failure.value.target == server.url


def test_a_redirect_loop_ends() -> None:
    with (
        scripted_server(reply(307, location="/again")) as server,
        InngestStore(server.url) as store,
    ):
        with pytest.raises(StoreConnectionError, match="more than 5 times"):
            store.load("x")
        assert len(server.requests) == 6


# Answers


@pytest.mark.parametrize("status", [400, 401, 403, 409, 413, 429, 500, 503])
def test_an_error_status_has_the_contracts_words(status: int) -> None:
    with scripted_server(reply(status, b'{"error": "no <room>"}')) as server:
        with InngestStore(server.url) as store:
            for name, operation in (
                ("save", lambda: store.save(X)),
                ("load", lambda: store.load("x")),
                ("delete", lambda: store.delete("x")),
            ):
                with pytest.raises(StoreStatusError) as caught:
                    operation()
                error = caught.value
                assert str(error) == f"inngest/{name}: status {status}"
                assert (error.operation, error.status, error.workflow_id) == (name, status, "x")
                assert (error.reason, error.target) == ("no <room>", server.url)
            assert store.list() == []
        assert len(server.requests) == 3


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_status_of_success_saves(status: int) -> None:
    with scripted_server(reply(status)) as server, InngestStore(server.url) as store:
        store.save(X)
        assert store.list() == [X]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(200, b"<html>"), "invalid document"),
        (reply(200, b""), "empty"),
        (reply(204), "empty"),
        (reply(304), "empty"),
        (reply(200, b'{"WorkflowID":"y"}'), "the server sent another one"),
    ],
)
def test_what_is_not_the_state_is_refused(answer: bytes, words: str) -> None:
    with scripted_server(answer) as server, InngestStore(server.url) as store:
        with pytest.raises(StoreDecodeError, match=words) as caught:
            store.load("x")
        assert (caught.value.operation, caught.value.workflow_id) == ("load", "x")


def test_an_answer_without_end_is_cut_off() -> None:
    bomb = gzip.compress(b" " * (257 << 20), compresslevel=1)
    with scripted_server(reply(200, bomb, content_encoding="gzip")) as server:
        with InngestStore(server.url) as store, pytest.raises(StoreDecodeError, match="256 MiB"):
            store.load("x")


@pytest.mark.parametrize("kind", ["dev", "cloud"])
@pytest.mark.parametrize("status", [404, 200, 401])
def test_a_real_inngest_server_is_told_from_a_state_server(kind: str, status: int) -> None:
    page = reply(status, b"404 page not found", x_inngest_server_kind=kind)
    with scripted_server(page) as server, InngestStore(server.url) as store:
        for operation in (
            lambda: store.save(X),
            lambda: store.load("x"),
            lambda: store.delete("x"),
            lambda: store.refresh(),
        ):
            with pytest.raises(
                NotAStateServerError, match="does not store workflow states"
            ) as caught:
                operation()
            assert "inngest-nb serve" in all_text(caught.value)


def test_a_plain_server_that_cannot_list_says_so_and_changes_nothing() -> None:
    with plain_server() as server, InngestStore(server.url) as store:
        store.save(X)
        with pytest.raises(ListingUnsupportedError, match="cannot list"):
            store.refresh()
        assert store.list() == [X]


# Connections


@pytest.mark.parametrize(
    "answer",
    [b'{"status":"ok"}', b"{}", b'{"unreadable":[]}', b'{"workflows":null}', b"[]"],
)
def test_an_answer_without_a_list_is_no_list_and_changes_nothing(answer: bytes) -> None:
    with scripted_server(reply(204), reply(200, answer)) as server:
        with InngestStore(server.url) as store:
            store.save(X)
            for read in (store.refresh, store.fetch, lambda: store.refresh(status="running")):
                with pytest.raises(ListingUnsupportedError):
                    read()
            assert store.list() == [X]


def test_a_server_that_is_not_there_is_named_with_what_to_do() -> None:
    with scripted_server(reply(200)) as server:
        pass
    with InngestStore(server.url) as store, pytest.raises(StoreConnectionError) as caught:
        store.load("x")
    assert server.url in str(caught.value)
    assert "inngest-nb serve" in all_text(caught.value)


def test_a_server_that_takes_too_long_is_left() -> None:
    with scripted_server(lambda connection: connection.recv(1)) as server:  # says nothing
        with InngestStore(server.url, timeout=0.05) as store:
            with pytest.raises(StoreConnectionError, match="timed out"):
                store.load("x")
        assert len(server.requests) == 1


def dripping(answer: bytes) -> Callable[[socket.socket], None]:
    """Send an answer byte by byte, each long before a read would time out, until one hangs up."""

    def drip(connection: socket.socket) -> None:
        connection.settimeout(0.02)
        with contextlib.suppress(OSError):
            for byte in answer:
                connection.sendall(bytes([byte]))
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(1):
                        return

    return drip


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nX-Endless: " + b"x" * 1_500, reply(200, b" " * 5_000)[:-3_500]],
    ids=["in the headers", "in the body"],
)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_server_that_drips_holds_nobody_longer_than_the_timeout(
    answer: bytes, asynchronous: bool
) -> None:
    async def load_async(url: str) -> None:
        store = AsyncInngestStore(url, timeout=0.5)
        async with contextlib.aclosing(store):
            await store.load("x")

    def load(url: str) -> None:
        with InngestStore(url, timeout=0.5) as store:
            store.load("x")

    with scripted_server(dripping(answer)) as server:
        begun = time.monotonic()
        with pytest.raises(StoreConnectionError, match="timed out"):
            asyncio.run(load_async(server.url)) if asynchronous else load(server.url)
        assert 0.4 < time.monotonic() - begun < 15  # all of the answer takes 30 s and more


def test_a_client_for_other_machines_has_one_deadline_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_server(dripping(b"HTTP/1.1 200 OK\r\nX-Endless: " + b"x" * 1_500)) as server:
        monkeypatch.setenv("http_proxy", server.url)
        with InngestStore("http://far.example", timeout=0.5) as store:
            begun = time.monotonic()
            with pytest.raises(StoreConnectionError, match="timed out"):
                store.load("x")
            assert time.monotonic() - begun < 15


def test_a_large_body_may_take_longer_than_the_timeout_while_it_comes() -> None:
    document = X_DOCUMENT[:-1] + b',"Error":"' + b"x" * 60_000 + b'"}'

    def slowly(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(document))
        connection.settimeout(0.1)
        for start in range(0, len(document), 2_000):
            connection.sendall(document[start : start + 2_000])
            with contextlib.suppress(TimeoutError):
                connection.recv(1)

    with scripted_server(slowly) as server, InngestStore(server.url, timeout=2) as store:
        loaded = store.load("x")
        assert loaded is not None
        assert len(loaded.error) == 60_000


def test_a_connection_that_was_closed_meanwhile_is_repeated_once() -> None:
    with scripted_server(b"", reply(200, X_DOCUMENT)) as server, InngestStore(server.url) as store:
        assert store.load("x") is not None
        assert len(server.requests) == 2


def test_a_connection_that_keeps_breaking_is_an_error_after_two_tries() -> None:
    with scripted_server(b"") as server, InngestStore(server.url) as store:
        with pytest.raises(StoreConnectionError, match="no response"):
            store.save(X)
        assert store.list() == []
        assert len(server.requests) == 2


def test_half_an_answer_is_none() -> None:
    half = reply(200, X_DOCUMENT)[:-5]
    with scripted_server(lambda connection: connection.sendall(half)) as server:
        with InngestStore(server.url) as store, pytest.raises(StoreConnectionError):
            store.load("x")


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what a connection received")
@pytest.mark.parametrize(("size", "is_small"), [(100, True), (200_000, False)])
def test_a_small_request_is_one_packet(size: int, is_small: bool) -> None:
    received: list[int] = []

    def count(connection: socket.socket) -> None:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        received.append(*struct.unpack_from("I", info, 152))  # tcpi_data_segs_in
        connection.sendall(reply(204, b""))

    with scripted_server(count) as server, InngestStore(server.url) as store:
        store.save(X.replace(error="x" * size))
    assert (received[0] == 1) is is_small


def test_a_server_that_was_restarted_between_calls_is_not_noticed(tmp_path: object) -> None:
    first = StateServer(f"{tmp_path}/s.db", port=0).start()
    with InngestStore(first.url) as store:
        store.save(X)
        first.close()
        with StateServer(f"{tmp_path}/s.db", port=first.port):
            assert store.load("x") == X
            store.save(X)
            store.delete("x")


# The client that the user hands over


def test_a_users_client_counts_and_stays_open() -> None:
    with plain_server() as server:
        with httpx.Client(headers={"X-Team": "blue"}, cookies={"c": "1"}) as client:
            with InngestStore(server.url, KEY, client=client) as store:
                store.save(X)
            assert not client.is_closed
        headers = server.seen[0][2]
        assert (headers["X-Team"], headers["Cookie"]) == ("blue", "c=1")
        assert headers["Authorization"] == f"Bearer {KEY}"


def test_a_closed_store_says_so() -> None:
    store = InngestStore("http://127.0.0.1:1")
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.load("x")


# The cache


def test_a_store_that_is_closed_while_it_connects_leaves_no_connection_open(
    state_server: StateServer,
) -> None:
    opened = []

    class Closing(httpcore.SyncBackend):
        def connect_tcp(self, *given: Any, **named: Any) -> httpcore.NetworkStream:
            opened.append(super().connect_tcp(*given, **named))
            store.close()  # as another thread may do
            return opened[-1]

    store = InngestStore(state_server.url)
    store._clients[0]._backend._backend = Closing()  # type: ignore[union-attr]
    with pytest.raises(StoreConnectionError, match="closed"):
        store.load("x")
    assert [stream.get_extra_info("socket").fileno() for stream in opened] == [-1]


def test_a_refresh_without_arguments_replaces_and_a_filtered_one_adds(
    state_server: StateServer,
) -> None:
    with InngestStore(state_server.url) as mine, InngestStore(state_server.url) as theirs:
        mine.save(X)
        theirs.delete("x")
        theirs.save(WorkflowState(workflow_id="y", status="failed"))  # type: ignore[arg-type]
        theirs.save(WorkflowState(workflow_id="z"))
        assert [s.workflow_id for s in mine.list()] == ["x"]

        assert mine.refresh(status="failed") == 1
        assert [s.workflow_id for s in mine.list()] == ["x", "y"]
        assert mine.refresh() == 2
        assert [s.workflow_id for s in mine.list()] == ["y", "z"]


def test_a_failed_call_leaves_the_cache_alone() -> None:
    with scripted_server(reply(200), reply(500)) as server, InngestStore(server.url) as store:
        store.save(X)
        for operation in (
            lambda: store.save(X.replace(error="new")),
            lambda: store.delete("x"),
            lambda: store.refresh(),
        ):
            with pytest.raises(StoreStatusError):
                operation()
        assert store.list() == [X]


def test_loading_does_not_touch_the_cache() -> None:
    with plain_server() as server, InngestStore(server.url) as store:
        server.documents["x"] = X_DOCUMENT
        assert store.load("x") == X
        assert store.list() == []


# Loops


def test_an_async_store_on_a_second_loop_says_so(state_server: StateServer) -> None:
    store = AsyncInngestStore(state_server.url)

    async def save_and_close() -> None:
        await store.save(X)
        await store.aclose()

    asyncio.run(save_and_close())
    with pytest.raises(WrongLoopError, match="another event loop") as caught:
        asyncio.run(store.load("x"))
    assert "InngestStore" in all_text(caught.value)


def test_many_saves_at_once_on_one_loop(state_server: StateServer) -> None:
    async def main() -> int:
        async with AsyncInngestStore(state_server.url) as store:
            states = [WorkflowState(workflow_id=str(number)) for number in range(64)]
            await asyncio.gather(*map(store.save, states))
            return await store.refresh()

    assert asyncio.run(main()) == 64
