"""What else may answer at an address, servers that stop or dawdle, and the clients' own ends."""

from __future__ import annotations

import asyncio
import copy
import gc
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
import pytest
from canned_server import Answer, CannedServer, Seen
from hypothesis import strategies as st
from inngest_replay import SIGNING_KEY
from story_records import exchanges
from story_server import StoryServer

from inngest_nb import AsyncInngestAPI, InngestAPI, StateServer
from inngest_nb.api import Step, Trace
from inngest_nb.api.basics._quirks import items, part
from inngest_nb.api.calls._catalog import app_of, function_of
from inngest_nb.api.calls._events import event_of
from inngest_nb.api.calls._graphql import Told, waits_of, workers_of
from inngest_nb.api.calls._runs import run_of
from inngest_nb.api.calls._traces import trace_of
from inngest_nb.errors import (
    InngestAuthError,
    InngestConnectionError,
    InngestDecodeError,
    InngestError,
    InngestNotFoundError,
    InngestStatusError,
    NotInngestError,
)

HEX = SIGNING_KEY.rpartition("-")[2]


@pytest.mark.parametrize("call", ["runs", "apps", "events", "functions", "workers", "features"])
@pytest.mark.parametrize("path", ["/runs", "/api"])
def test_the_dashboards_address_is_recognized(connect: Any, call: str, path: str) -> None:
    with StoryServer() as inngest:
        with pytest.raises(
            NotInngestError, match="is the dashboard of an Inngest server"
        ) as elsewhere:
            getattr(connect(inngest.url + path), call)()
        assert f"inb.InngestAPI({inngest.url!r})" in elsewhere.value.__notes__[0]


@pytest.mark.parametrize("call", ["runs", "workers"])
def test_a_path_too_many_is_recognized_without_web_pages(connect: Any, call: str) -> None:
    with StoryServer(ui=False) as inngest:
        with pytest.raises(
            NotInngestError, match="but its API is not under this path"
        ) as elsewhere:
            getattr(connect(inngest.url + "/runs"), call)()
        assert f"inb.InngestAPI({inngest.url!r})" in elsewhere.value.__notes__[0]


@pytest.mark.parametrize("call", ["runs", "apps", "events", "workers"])
def test_a_state_server_is_recognized(connect: Any, state_server: StateServer, call: str) -> None:
    with pytest.raises(NotInngestError, match="is a state server of inngest_nb") as elsewhere:
        getattr(connect(state_server.url), call)()
    assert f"inb.InngestStore({state_server.url!r})" in elsewhere.value.__notes__[0]
    with pytest.raises(NotInngestError, match="is a state server of inngest_nb"):
        connect(state_server.url).send("x/y")


def test_an_address_for_events_where_something_else_answers_is_told_with_its_own_name(
    connect: Any, state_server: StateServer
) -> None:
    with StoryServer() as inngest:
        for wrong, named in (
            (state_server.url, "as event_base_url or INNGEST_EVENT_API_BASE_URL"),
            (f"{inngest.url}/app", f"inb.InngestAPI(event_base_url={inngest.url!r})"),
        ):
            with pytest.raises(NotInngestError) as elsewhere:
                connect(inngest.url, event_base_url=wrong).send("x/y")
            assert named in elsewhere.value.__notes__[0]
            assert "came from event_base_url" in elsewhere.value.__notes__[0]


@pytest.mark.parametrize(
    ("status", "media_type", "body"),
    [
        (200, "text/html", b"<h1>hello</h1>"),
        (404, "text/plain", b"nothing here"),
        (404, "application/json", b"{}"),
        (401, "text/plain", b"who are you"),
        (500, "text/html", b"<h1>oh</h1>"),
        (302, "text/html", b""),
        (200, "application/json", b"{"),
    ],
)
def test_a_server_of_another_kind_is_recognized(
    connect: Any, status: int, media_type: str, body: bytes
) -> None:
    headers = ("content-type", media_type), ("location", "https://elsewhere.example/")
    with CannedServer(lambda seen: Answer(status, headers, body)) as other:
        api = connect(other.url, signing_key=HEX)
        with pytest.raises(NotInngestError, match="is not an Inngest server") as elsewhere:
            api.runs()
        assert "http://localhost:8288" in elsewhere.value.__notes__[0]
        with pytest.raises(NotInngestError, match="is not an Inngest server"):
            api.workers()
        with pytest.raises(NotInngestError, match="is not an Inngest server"):
            api.send("x/y")


class BehindAProxy(StoryServer):
    """A server whose own headers a proxy takes away."""

    def _sent(self, seen: Seen) -> Answer | None:
        answer = super()._sent(seen)
        assert answer is not None
        return Answer(answer.status, (("content-type", "text/plain"),), answer.body)


def test_a_server_behind_a_proxy_that_keeps_its_headers_is_still_one(connect: Any) -> None:
    unknown = "01M82A54TCY12XB7AYZ9APCG5A"
    with BehindAProxy("cloud") as inngest:
        api = connect(inngest.url, signing_key=SIGNING_KEY, event_key="wrong")
        assert len(api.runs()) == 47
        for call in (lambda: api.run(unknown), lambda: api.event(unknown)):
            with pytest.raises(InngestNotFoundError):
                call()
        with pytest.raises(InngestAuthError, match="rejected the event key"):
            api.send("x/y")
        with pytest.raises(InngestAuthError, match="requires a signing key"):
            connect(inngest.url).runs()


def test_a_server_that_is_unwell_says_so(connect: Any) -> None:
    headers = ("content-type", "text/plain"), ("x-inngest-server-kind", "dev")
    with CannedServer(lambda seen: Answer(503, headers, b"starting\x1b[31m")) as inngest:
        with pytest.raises(
            InngestStatusError, match="answered with status 503: starting"
        ) as unwell:
            connect(inngest.url).runs()
    assert "try again later" in unwell.value.__notes__[0]
    assert str(unwell.value).isprintable()


def test_an_answer_that_is_no_json_is_told(connect: Any) -> None:
    headers = ("content-type", "application/json"), ("x-inngest-server-kind", "dev")
    for body in b"{", b"", b"\xff", b"[" * 100_000, b"null", b"[]", b"5":
        with CannedServer(lambda seen, body=body: Answer(200, headers, body)) as inngest:
            with pytest.raises(InngestDecodeError, match="cannot be read .status 200, application"):
                connect(inngest.url).runs()


@pytest.mark.parametrize("body", [b"{}", b'{"data":5,"page":[]}', b'{"data":[5,null]}'])
def test_json_of_another_shape_breaks_nothing(connect: Any, body: bytes) -> None:
    headers = ("content-type", "application/json"), ("x-inngest-server-kind", "dev")
    with CannedServer(lambda seen: Answer(200, headers, body)) as inngest:
        api = connect(inngest.url)
        assert api.runs() == api.events() == api.apps() == []
        assert api.jobs("01M82A54TCY12XB7AYZ9APCG5A") == []


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just([]),
    st.just({}), st.just([None]), st.just({"data": [1]}), st.sampled_from(["9999-12-31T23:59:59Z", "-1"]),
)  # fmt: skip
RUN = "01M82A54TCY12XB7AYZ9APCG5A"
WAITED = Trace(
    run_id=RUN,
    status="running",
    inngest_status="RUNNING",
    steps=tuple(
        Step(step_id=key, name="wait", kind="wait", status="waiting", inngest_status="WAITING")
        for key in (None, "52d6d70be88c909163f360e150ac664cf5296ef0")
    ),
)
MADE_OF = {
    "v2-runs-list-two-statuses": lambda said: [run_of(each, listed=True) for each in items(said)],
    "v2-run-detail-fail-fast": lambda said: run_of(part(said, "data"), listed=False),
    "v2-run-trace-flaky1": lambda said: trace_of(said, RUN),
    "v2-run-trace-fail-fast": lambda said: trace_of(said, RUN),
    "v1-events-list": lambda said: [event_of(each) for each in items(said)],
    "v2-apps-list": lambda said: [app_of(each) for each in items(said)],
    "v2-functions-page": lambda said: [function_of(each) for each in items(said)],
    "gql-worker-connections": lambda said: workers_of(Told(part(said, "data"))),
    "gql-run-trace": lambda said: waits_of(WAITED, part(said, "data")),
}


def places(body: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each value in a body."""
    inside = body.items() if isinstance(body, dict) else enumerate(body)
    for key, value in inside:
        yield (*way, key)
        if isinstance(value, dict | list):
            yield from places(value, (*way, key))


@pytest.mark.parametrize("name", MADE_OF)
@hypothesis.settings(max_examples=50)
@hypothesis.given(data=st.data())
def test_anything_in_any_place_of_an_answer_breaks_nothing(name: str, data: st.DataObject) -> None:
    body = copy.deepcopy(next(each.response["body"] for each in exchanges() if each.name == name))
    for _ in range(3):
        ways = [*places(body)]
        *way, last = ways[data.draw(st.integers(0, 10_000)) % len(ways)]
        place = body
        for key in way:
            place = place[key]
        place[last] = copy.deepcopy(data.draw(ANYTHING))
    MADE_OF[name](body)


def test_a_dead_address_says_how_to_start_a_server(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StoryServer() as inngest:
        url = inngest.url
    monkeypatch.setenv("INNGEST_BASE_URL", url)
    with pytest.raises(
        InngestConnectionError, match=f"no response from {url}: cannot connect"
    ) as dead:
        connect().runs()
    (note,) = dead.value.__notes__
    assert "inngest-cli dev" in note
    assert "the address came from INNGEST_BASE_URL" in note


def test_a_proxy_stands_before_other_machines_only(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ALL_PROXY", "all_proxy", "HTTP_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    headers = ("content-type", "application/json"), ("x-inngest-server-kind", "dev")
    with CannedServer(lambda seen: Answer(200, headers, b"{}")) as proxy, StoryServer() as inngest:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert len(connect(inngest.url).runs()) == 47
        assert proxy.seen == []
        assert connect("http://inngest.example").apps() == []
        assert [seen.target for seen in proxy.seen] == ["http://inngest.example/api/v2/apps"]


# Clients


def test_a_users_client_is_used_and_stays_open() -> None:
    with StoryServer() as inngest, httpx.Client(headers={"X-Test": "1"}) as client:
        with InngestAPI(inngest.url, client=client) as api:
            api.runs()
        assert inngest.seen[0].headers["x-test"] == "1"
        assert not client.is_closed


def test_a_closed_client_says_so(connect: Any) -> None:
    with StoryServer() as inngest:
        api = InngestAPI(inngest.url)
        api.close()
        with pytest.raises(InngestError, match="this InngestAPI cannot be used: it is closed"):
            api.runs()


def test_a_client_that_is_not_closed_leaves_nothing_behind() -> None:
    with StoryServer() as inngest:
        InngestAPI(inngest.url).runs()
        gc.collect()  # a warning about an open socket would fail the test


def test_an_async_client_belongs_to_one_loop() -> None:
    with StoryServer() as inngest:
        api = AsyncInngestAPI(inngest.url)

        async def first() -> int:
            runs = await asyncio.gather(*(api.runs() for _ in range(5)))
            return sum(map(len, runs))

        async def second() -> None:
            with pytest.raises(InngestError, match="belongs to another event loop"):
                await api.runs()

        async def both() -> None:
            assert await first() == 235
            await api.aclose()

        asyncio.run(both())
        asyncio.run(second())


def test_a_slow_server_is_not_waited_for_longer_than_the_timeout(connect: Any) -> None:
    let_go = threading.Event()
    with StoryServer(charge=lambda seconds: let_go.wait(30)) as inngest:
        with pytest.raises(InngestConnectionError, match="timed out"):
            connect(inngest.url, timeout=0.2).runs()
        let_go.set()
