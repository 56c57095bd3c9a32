"""Appending over HTTP: what the client asks and sends, and what it makes of the answers."""

from __future__ import annotations

import pytest
from appended_parts import done, event, part, refused, whole
from small_servers import plain_server, reply, scripted_server

from inngest_nb import InngestStore, StateServer, WorkflowState
from inngest_nb.errors import (
    NotAStateServerError,
    StoreConflictError,
    StoreConnectionError,
    StoreDecodeError,
    StoreError,
    StoreStatusError,
)

HEALTHY = reply(200, b'{"status":"ok","server":"inngest-nb","appends":true}')


def test_a_plain_contract_server_cannot_append_and_is_not_made_to() -> None:
    with plain_server() as server, InngestStore(server.url) as store:
        store.save(WorkflowState(workflow_id="x"))
        assert store.can_append() is False
        for write in (part("x", [1]), whole("x", if_match="e0"), whole("y", "e0", "")):
            error = refused(store, write)
            assert isinstance(error, StoreError)
            assert "plain contract" in str(error)
            assert "inngest-nb serve" in str(error.__notes__)
        assert [method for method, _, _ in server.seen] == ["PUT", "GET"]
        assert list(server.documents) == ["x"]


def test_a_plain_save_sends_what_the_contract_says_and_nothing_more() -> None:
    with plain_server() as server, InngestStore(server.url, "key") as store:
        store.can_append()
        store.save(WorkflowState(workflow_id="x"))
        loaded = store.load("x")
        assert loaded is not None
        assert loaded.etag == ""
        _, (_, _, headers), _ = server.seen
        ours = {"Host", "Content-Type", "Content-Length", "Authorization"}
        assert {name.title() for name in headers} <= ours | {
            "Accept",
            "Accept-Encoding",
            "Connection",
            "User-Agent",
        }


@pytest.mark.parametrize(
    "health",
    [
        reply(404, b"404 page not found"),
        reply(200, b"ok"),
        reply(200, b"[]"),
        reply(200, b'{"status":"ok","server":"inngest-nb","version":"0.1.0"}'),  # of yesterday
        reply(200, b'{"server":"another","appends":true}'),
        reply(401, b"{}"),
        reply(204),
    ],
)
def test_only_a_server_that_says_so_is_appended_to(health: bytes) -> None:
    with scripted_server(health) as server, InngestStore(server.url) as store:
        assert store.can_append() is False
        assert store.can_append() is False
        assert len(server.requests) == 1


def test_a_server_that_says_so_is_asked_once() -> None:
    with scripted_server(HEALTHY, reply(204)) as server, InngestStore(server.url) as store:
        assert store.can_append() is True
        assert store.can_append() is True
        done(store, part("x", [1]))
        assert [request.split()[0] for request in server.requests] == [b"GET", b"POST"]


def test_a_server_that_does_not_answer_is_asked_again() -> None:
    store = InngestStore("http://127.0.0.1:9")
    for _ in range(2):
        with pytest.raises(StoreConnectionError):
            store.can_append()
    assert isinstance(refused(store, part("x", [1])), StoreConnectionError)
    store.close()
    for trouble in (503, 429):
        with scripted_server(reply(trouble), HEALTHY) as server, InngestStore(server.url) as store:
            with pytest.raises(StoreStatusError, match=str(trouble)):
                store.can_append()
            assert store.can_append() is True


def test_a_real_inngest_is_told_from_a_state_server() -> None:
    kind = reply(200, b'{"status":200,"message":"OK"}', x_inngest_server_kind="dev")
    with scripted_server(kind) as server, InngestStore(server.url) as store:
        with pytest.raises(NotAStateServerError):
            store.can_append()


def test_the_conditions_of_a_write_go_into_the_headers() -> None:
    with scripted_server(HEALTHY, reply(204)) as server, InngestStore(server.url) as store:
        done(store, whole("a/b", "e0", ""))
        done(store, whole("a/b", "e1", "e0"))
        done(store, part("a/b", [1], "e2", "e1"))
        done(store, part("a/b", [1], "e3", "*"))
        done(store, part("a/b", [1], "e4"))
        for request, line, headers in zip(
            server.requests[1:],
            [b"PUT /v1/workflows/a%2Fb HTTP/1.1"] * 2
            + [b"POST /v1/workflows/a%2Fb/history HTTP/1.1"] * 3,
            [
                {b'etag: "e0"', b"if-none-match: *"},
                {b'etag: "e1"', b'if-match: "e0"'},
                {b'etag: "e2"', b'if-match: "e1"'},
                {b'idempotency-key: "e3"', b"if-match: *"},
                {b'idempotency-key: "e4"'},
            ],
            strict=True,
        ):
            head = request.split(b"\r\n\r\n")[0].split(b"\r\n")
            assert head[0] == line
            sent = {
                name.lower() + b": " + value
                for name, _, value in (h.partition(b": ") for h in head[1:])
            }
            assert {h for h in sent if h.startswith((b"if-", b"idem", b"etag"))} == headers


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (412, StoreConflictError),
        (404, StoreConflictError),
        (503, StoreStatusError),
        (413, StoreStatusError),
    ],
)
def test_an_error_status_is_that_of_the_write(status: int, kind: type[StoreError]) -> None:
    answer = reply(status, b'{"error":"because of the weather"}')
    with scripted_server(HEALTHY, answer) as server, InngestStore(server.url) as store:
        error = refused(store, part("x", [1]))
        assert type(error) is kind
        assert isinstance(error, StoreError)
        assert (error.operation, error.workflow_id, error.target) == ("append", "x", server.url)
        assert "weather" in str(error) + "".join(getattr(error, "__notes__", []))
        if isinstance(error, StoreStatusError):
            assert str(error) == f"inngest/append: status {status}"


def test_an_error_status_of_a_batch_is_that_of_each_write() -> None:
    with scripted_server(HEALTHY, reply(507)) as server, InngestStore(server.url) as store:
        errors = store.append_history([part("x", [1]), part("y", [1])])
        assert [getattr(error, "status", None) for error in errors] == [507, 507]
        assert store.list() == []


@pytest.mark.parametrize(
    "answer",
    [b"", b"{}", b'{"outcomes":[]}', b'{"outcomes":[null]}', b'{"outcomes":[1,2]}', b"\xff"],
)
def test_an_answer_that_says_nothing_of_a_batch_is_no_success(answer: bytes) -> None:
    with scripted_server(HEALTHY, reply(200, answer)) as server, InngestStore(server.url) as store:
        errors = store.append_history([whole("x", "e0"), whole("y", "e0")])
        assert [type(error) for error in errors] == [StoreDecodeError] * 2
        assert store.list() == []


def test_what_is_at_hand_follows_what_this_client_wrote(state_server: StateServer) -> None:
    with InngestStore(state_server.url) as store, InngestStore(state_server.url) as other:
        done(store, whole("x", "e0", "", status="running"), whole("y", "f0", "", status="running"))
        done(store, part("x", [1], "e1", "e0"), part("y", [1], "f1", "f0", status="failed"))
        done(store, part("x", [2], "e2", "e1"))
        assert store.list() == []  # it saved none of them, and has refreshed nothing
        store.refresh()
        done(store, part("y", [2], "f2", "f1"))
        (failed,), (running,) = store.list("failed"), store.list("running")
        assert (failed.workflow_id, failed.etag, failed.history) == (
            "y",
            "f2",
            (event(1), event(2)),
        )
        assert (running.workflow_id, running.etag, running.history) == (
            "x",
            "e2",
            (event(1), event(2)),
        )
        done(store, part("x", [3], "e3", "e2"))
        assert len(store.list("running")[0].history) == 3

        done(
            other,
            part("x", [4], "e4", "e3"),
            part("z", [1], "g1") if other.load("z") else whole("z", "g0"),
        )
        assert other.list("running") == []  # it has seen no whole of x
        done(store, part("x", [5], "e5", "e4"))
        assert len(store.list("running")[0].history) == 3  # what it lacks is not made up
        store.refresh()
        assert [e.id for e in store.list("running")[0].history] == [1, 2, 3, 4, 5]
        done(store, part("x", [6], "e6", "e5"))
        assert len(store.list("running")[0].history) == 6
        done(store, whole("x", "e7", "e6", status="failed"))
        assert store.list("running") == []
        store.save(WorkflowState(workflow_id="x"))
        store.delete("y")
        assert [(state.workflow_id, state.history) for state in store.list()] == [
            ("x", ()),
            ("z", ()),
        ]
