"""What cannot be served is refused when it is served, not when it runs."""

from __future__ import annotations

import functools
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from inngest_replay import SIGNING_KEY
from inngest_site import InngestSite, Serve, until
from served_workflows import double
from story_server import EVENT_KEY

import inngest_nb as inb
from inngest_nb.worker import _serve

A_KEY = "signkey-prod-" + "ab" * 16


def generates(ctx: Any, input: Any) -> Iterator[int]:
    yield 1


async def generates_too(ctx: Any, input: Any) -> AsyncIterator[int]:
    yield 1


async def takes_nothing() -> None: ...


async def takes_three(ctx: Any, input: Any, more: Any) -> None: ...


class Callable:
    async def __call__(self, ctx: Any) -> None: ...


@pytest.mark.parametrize(
    ("functions", "kind", "words"),
    [
        ([generates], TypeError, "'generates' is a generator: replace yield with return"),
        ([generates_too], TypeError, "'generates_too' is a generator"),
        ([lambda ctx: 1], ValueError, "functions must have names, .* got <lambda>: define it with"),
        ([double, double], ValueError, "must have different names, .* got two called 'double'"),
        ([takes_nothing], TypeError, "'takes_nothing' cannot be called with a context and an"),
        ([takes_three], TypeError, "'takes_three' cannot be called with a context and an input"),
        ([], ValueError, r"must name at least one workflow, such as \[order\], got none"),
        ([double, 5], TypeError, "a workflow must be a function, got int"),
        (double, ValueError, r"must be a list of workflows, such as \[order\], got double"),
        (5, ValueError, r"must be a list of workflows, such as \[order\], got int"),
        ("double", TypeError, "a workflow must be a function, got str"),
    ],
)
def test_functions_that_could_not_run(functions: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        inb.serve_on_inngest(functions)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"retries": 0}, "with 0 retries a lost worker fails its runs for good"),
        ({"retries": 21}, "retries must be a number from 1 to 20, such as 4, got 21"),
        ({"retries": True}, "retries must be a number from 1 to 20, such as 4, got True"),
        ({"via": "smoke"}, "via must be one of connect, http, got 'smoke'"),
        ({"via": "http", "port": -1}, "port must be a number from 0 to 65,535, .* got -1"),
        ({"via": "http", "port": 65_536}, "port must be a number from 0 to 65,535, .* got 65536"),
        ({"port": 8300}, "port is for via='http'.* got 8300"),
        ({"via": "http", "host": "::"}, "would let other machines run these workflows; set"),
        ({"concurrency": 0}, "concurrency must be a number from 1 to 100,000, .* got 0"),
        ({"app_id": "my shop"}, "app_id must consist of letters, .* such as 'shop', got 'my shop'"),
        ({"app_id": ""}, "app_id must consist of letters"),
        ({"instance_id": ""}, "instance_id must be a name such as 'worker-1', got ''"),
        ({"url": "localhost:8288"}, "url must start with http:// or https://, for example http"),
        ({"url": "http://me:secret@localhost"}, "url must not contain a user name or password"),
        ({"signing_key": "hello"}, "signing_key must contain a signing key of the form signkey-"),
        ({"event_key": A_KEY}, "event_key must contain an event key, .*; it contains a signing"),
        ({"signing_key": A_KEY, "url": "http://far.example"}, "would be sent to far.example unenc"),
    ],
)
def test_arguments_that_make_no_sense(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        inb.serve_on_inngest([double], **options)
    for secret in ("secret", "hello", A_KEY):
        assert secret not in str(caught.value)


def test_a_store_that_does_not_block() -> None:
    with pytest.raises(TypeError, match="must be a blocking store .* got AsyncInngestStore"):
        inb.serve_on_inngest([double], store=inb.AsyncInngestStore("http://127.0.0.1:1", ""))


@pytest.mark.parametrize("name", ["INNGEST_SIGNING_KEY", "INNGEST_SIGNING_KEY_FALLBACK"])
def test_a_variable_that_contains_no_signing_key(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "signkey-prod-odd")
    with pytest.raises(ValueError, match=f"{name} must contain a signing key of the form") as it:
        inb.serve_on_inngest([double])
    assert "odd" not in str(it.value)


@pytest.mark.parametrize(
    ("fn", "name"), [(Callable(), "Callable"), (functools.partial(double), "double")]
)
def test_what_has_a_name_and_takes_a_context_is_served(
    serve: Serve, site: InngestSite, fn: Any, name: str
) -> None:
    assert serve([fn], url=site.url).functions == (name,)
    until(lambda: site.functions() == {f"inngest-nb-{name}"})


# What the server refuses


def test_a_key_that_the_server_rejects_is_named_and_never_shown(
    via: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNGEST_SIGNING_KEY", A_KEY)
    with InngestSite("cloud") as site:
        with pytest.raises(inb.InngestAuthError, match="rejected the signing key from INNGEST_SIG"):
            inb.serve_on_inngest([double], url=site.url, via=via)
        monkeypatch.delenv("INNGEST_SIGNING_KEY")
        with pytest.raises(inb.InngestAuthError, match="requires a signing key, but none is set"):
            inb.serve_on_inngest([double], url=site.url, via=via)
    assert (_serve._serving, caplog.messages) == ({}, [])


def test_the_right_keys_are_used_and_never_shown(
    serve: Serve, via: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNGEST_EVENT_KEY", EVENT_KEY)
    with InngestSite("cloud") as site, caplog.at_level("DEBUG"):
        worker = serve([double], url=site.url, via=via, signing_key=SIGNING_KEY)
        assert site.run("inngest-nb-double", 4) == 8
        worker.close()
    shown = [repr(worker), *caplog.messages]
    assert not [each for each in shown if SIGNING_KEY.rpartition("-")[2] in each]
    assert not [each for each in shown if EVENT_KEY in each]


def test_requests_that_are_not_signed_are_refused_and_told_of_once(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    import httpx

    with InngestSite("cloud") as site:
        worker = serve([double], url=site.url, via="http", signing_key=SIGNING_KEY)
        address = f"http://127.0.0.1:{worker.port}/api/inngest?fnId=inngest-nb-double&stepId=step"
        assert [httpx.post(address, json={}).status_code for _ in range(3)] == [401] * 3
    (said,) = caplog.messages
    assert "refused a request that was not signed with the key from signing_key" in said


def test_another_server_at_the_address_is_named(state_server: inb.StateServer) -> None:
    with pytest.raises(inb.NotInngestError, match="is a state server of inngest_nb"):
        inb.serve_on_inngest([double], url=state_server.url)


def test_a_port_that_is_taken_is_named(site: InngestSite) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(inb.ServerStartError, match=f"cannot listen on 127.0.0.1 port {port}"):
            inb.serve_on_inngest([double], url=site.url, via="http", port=port)
    assert _serve._serving == {}


def test_a_missing_sdk_is_named_with_what_installs_it(
    via: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "inngest", None)
    with pytest.raises(ImportError, match=r"pip install 'inngest-nb\[inngest\]'"):
        inb.serve_on_inngest([double], via=via)
