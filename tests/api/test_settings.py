"""Addresses and keys: where they come from, who gets them, and that none is ever shown."""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
import pickle
import traceback
from typing import Any

import httpx
import pytest
from story_server import EVENT_KEY, SIGNING_KEY, StoryServer

from inngest_nb import AsyncInngestAPI, InngestAPI, StateServer
from inngest_nb.errors import (
    InngestAuthError,
    InngestConnectionError,
    InngestError,
    NotInngestError,
)

WRONG_KEY = "signkey-prod-" + "ab" * 32
HEX = SIGNING_KEY.rpartition("-")[2]

API, EVENTS, BASE, DEV = (
    "http://a.localhost",
    "http://e.localhost",
    "http://b.localhost",
    "http://d.localhost",
)
DEFAULT = "http://localhost:8288"


@pytest.mark.parametrize(
    ("given", "variables", "expected"),
    [
        ({}, {}, (DEFAULT, DEFAULT)),
        ({}, {"INNGEST_DEV": "1"}, (DEFAULT, DEFAULT)),
        ({}, {"INNGEST_DEV": DEV}, (DEV, DEV)),
        ({}, {"INNGEST_DEV": DEV, "INNGEST_BASE_URL": BASE}, (BASE, BASE)),
        ({}, {"INNGEST_BASE_URL": BASE, "INNGEST_API_BASE_URL": API}, (API, BASE)),
        ({}, {"INNGEST_BASE_URL": BASE, "INNGEST_EVENT_API_BASE_URL": EVENTS}, (BASE, EVENTS)),
        (
            {"base_url": f"{API}/"},
            {"INNGEST_API_BASE_URL": BASE, "INNGEST_EVENT_API_BASE_URL": EVENTS},
            (API, API),
        ),
        ({"base_url": API, "event_base_url": EVENTS}, {"INNGEST_DEV": DEV}, (API, EVENTS)),
        ({"event_base_url": EVENTS}, {"INNGEST_API_BASE_URL": API}, (API, EVENTS)),
    ],
)
def test_an_address_comes_from_an_argument_then_from_the_sdks_variables(
    monkeypatch: pytest.MonkeyPatch, given: Any, variables: dict[str, str], expected: Any
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with InngestAPI(**given) as api:
        assert (api.base_url, api.event_base_url) == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:8288", "base_url is to begin with http:// or https://"),
        ("http://", "base_url is to begin with"),
        ("http://user:pw@host", "holds a user name or password; give the key as signing_key or"),
        ("http://host?x=1", "base_url is to end before any"),
        ("http://host:port", "base_url is not an address"),
    ],
)
def test_what_is_no_address_is_refused(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        InngestAPI(url)
    assert "pw" not in str(refused.value)


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_timeout_is_above_zero(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout is a number of seconds above 0"):
        InngestAPI(timeout=timeout)


@pytest.mark.parametrize("key", [HEX, SIGNING_KEY, SIGNING_KEY.replace("prod", "test")])
def test_a_signing_key_opens_a_self_hosted_server(connect: Any, key: str) -> None:
    with StoryServer("cloud") as inngest:
        assert len(connect(inngest.url, signing_key=key).runs()) == 47


def test_keys_come_from_the_sdks_variables(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNGEST_SIGNING_KEY", SIGNING_KEY)
    monkeypatch.setenv("INNGEST_EVENT_KEY", EVENT_KEY)
    with StoryServer("cloud") as inngest:
        api = connect(inngest.url)
        assert api.send("lab/order.placed")
        assert len(api.runs()) == 48
        with pytest.raises(InngestAuthError, match="wants a signing key, and none is set"):
            connect(inngest.url, signing_key="").runs()


def test_the_fallback_key_is_tried_once_and_then_used(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNGEST_SIGNING_KEY", WRONG_KEY)
    monkeypatch.setenv("INNGEST_SIGNING_KEY_FALLBACK", SIGNING_KEY)
    with StoryServer("cloud") as inngest:
        api = connect(inngest.url)
        assert len(api.runs()) == len(api.runs()) == 47
        assert len(inngest.seen) == 3


@pytest.mark.parametrize(
    ("variables", "message", "note"),
    [
        ({}, "wants a signing key, and none is set", "set INNGEST_SIGNING_KEY, in the form signkey-prod-<hex>"),
        ({"INNGEST_SIGNING_KEY": WRONG_KEY}, "rejected the signing key from INNGEST_SIGNING_KEY", "started with"),
        ({"INNGEST_SIGNING_KEY": EVENT_KEY}, "INNGEST_SIGNING_KEY does not hold a signing key", "an event key is for sending only"),
        (
            {"INNGEST_SIGNING_KEY": WRONG_KEY, "INNGEST_SIGNING_KEY_FALLBACK": WRONG_KEY},
            "from INNGEST_SIGNING_KEY and INNGEST_SIGNING_KEY_FALLBACK",
            "started with",
        ),
    ],
)  # fmt: skip
def test_a_rejected_key_is_told_by_its_variable_and_form(
    connect: Any,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    message: str,
    note: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with StoryServer("cloud", ui=False) as inngest:
        api = connect(inngest.url)
        for call in api.runs, api.apps, api.events:
            with pytest.raises(InngestAuthError, match=message) as refused:
                call()
            assert note in refused.value.__notes__[0]
            shown = "".join(traceback.format_exception(refused.value))
            assert not any(value in shown for value in variables.values())


@pytest.mark.parametrize("keys", [{"signing_key": SIGNING_KEY}, {"event_key": EVENT_KEY}])
def test_a_key_does_not_travel_in_clear_over_a_network(keys: dict[str, str]) -> None:
    name = [*keys][0].replace("_", " ")  # noqa: RUF015
    with pytest.raises(ValueError, match=f"the {name} would go to inngest.example unencrypted"):
        InngestAPI("http://inngest.example", **keys)
    InngestAPI("http://inngest.example", **keys, allow_insecure=True).close()
    InngestAPI("https://inngest.example", **keys).close()


def test_no_key_is_shown(connect: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with StoryServer("cloud") as inngest:
        api = InngestAPI(inngest.url, SIGNING_KEY, EVENT_KEY)
        api.send("x/y")
        api.runs()
        assert repr(api) == f"InngestAPI({inngest.url!r}, signing_key=set, event_key=set)"
        for trick in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError):
                trick(api)
        api.close()
    said = [record.getMessage() for record in caplog.records]
    assert any("/e/[event key]" in line for line in said)
    assert not [line for line in said if EVENT_KEY in line or HEX in line]


def test_a_key_that_the_server_repeats_is_hidden(connect: Any) -> None:
    from canned_server import Answer, CannedServer

    body = b'{"errors":[{"code":"x","message":"no ' + HEX.encode() + b'"}]}'
    headers = ("content-type", "application/json"), ("x-inngest-server-kind", "cloud")
    with CannedServer(lambda seen: Answer(400, headers, body)) as inngest:
        with pytest.raises(InngestError, match=r"no \[signing key\]") as failed:
            connect(inngest.url, signing_key=HEX).runs()
    assert HEX not in repr(failed.value) + failed.value.reason  # type: ignore[attr-defined]


# What else may answer


@pytest.mark.parametrize("call", ["runs", "apps", "events", "functions"])
@pytest.mark.parametrize("path", ["/runs", "/api"])
def test_the_dashboards_address_is_recognized(connect: Any, call: str, path: str) -> None:
    with StoryServer() as inngest:
        with pytest.raises(
            NotInngestError, match="is the dashboard of an Inngest server"
        ) as elsewhere:
            getattr(connect(inngest.url + path), call)()
        assert f"inb.InngestAPI({inngest.url!r})" in elsewhere.value.__notes__[0]


def test_a_path_too_many_is_recognized_without_web_pages(connect: Any) -> None:
    with StoryServer(ui=False) as inngest:
        with pytest.raises(NotInngestError, match="but not under this path") as elsewhere:
            connect(inngest.url + "/runs").runs()
        assert f"inb.InngestAPI({inngest.url!r})" in elsewhere.value.__notes__[0]


@pytest.mark.parametrize("call", ["runs", "apps", "events"])
def test_a_state_server_is_recognized(connect: Any, state_server: StateServer, call: str) -> None:
    with pytest.raises(NotInngestError, match="is a state server of inngest_nb") as elsewhere:
        getattr(connect(state_server.url), call)()
    assert f"inb.InngestStore({state_server.url!r})" in elsewhere.value.__notes__[0]
    with pytest.raises(NotInngestError, match="is a state server of inngest_nb"):
        connect(state_server.url).send("x/y")


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
    from canned_server import Answer, CannedServer

    headers = ("content-type", media_type), ("location", "https://elsewhere.example/")
    with CannedServer(lambda seen: Answer(status, headers, body)) as other:
        api = connect(other.url, signing_key=HEX)
        with pytest.raises(NotInngestError, match="is a server of another kind") as elsewhere:
            api.runs()
        assert "http://localhost:8288" in elsewhere.value.__notes__[0]
        with pytest.raises(NotInngestError, match="is a server of another kind"):
            api.send("x/y")


def test_a_dead_address_says_how_to_start_a_server(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StoryServer() as inngest:
        url = inngest.url
    monkeypatch.setenv("INNGEST_BASE_URL", url)
    with pytest.raises(
        InngestConnectionError, match=f"no answer from {url}: cannot connect"
    ) as dead:
        connect().runs()
    (note,) = dead.value.__notes__
    assert "inngest-cli dev" in note
    assert "this one came from INNGEST_BASE_URL" in note


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
        with pytest.raises(
            InngestError, match="nothing was sent by this InngestAPI: it was closed"
        ):
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
    import threading

    let_go = threading.Event()
    with StoryServer(charge=lambda seconds: let_go.wait(30)) as inngest:
        with pytest.raises(InngestConnectionError, match="it took too long"):
            connect(inngest.url, timeout=0.2).runs()
        let_go.set()
