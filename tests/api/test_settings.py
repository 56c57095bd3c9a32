"""Addresses and keys: where they come from, who gets them, and that none is ever shown."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from typing import Any

import pytest
from canned_server import Answer, CannedServer
from story_server import EVENT_KEY, SIGNING_KEY, StoryServer

from inngest_nb import InngestAPI
from inngest_nb.errors import (
    InngestAuthError,
    InngestError,
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
        ("localhost:8288", "base_url .*http:// or https://"),
        ("http://", "base_url .*http:// or https://"),
        (
            "http://user:pw@host",
            "a user name or password; .* the key as signing_key or event_key instead",
        ),
        ("http://host?x=1", r"base_url .*\?"),
        ("http://host:port", "base_url is not an? .*address; .*http://localhost:8288"),
    ],
)
def test_what_is_no_address_is_refused(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        InngestAPI(url)
    assert "pw" not in str(refused.value)


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_timeout_is_above_zero(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout must be a number of seconds above 0"):
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
        with pytest.raises(InngestAuthError, match="requires a signing key, but none is set"):
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
        ({}, "requires a signing key, but none is set", "set INNGEST_SIGNING_KEY, in the form signkey-prod-<hex>"),
        ({"INNGEST_SIGNING_KEY": WRONG_KEY}, "rejected the signing key from INNGEST_SIGNING_KEY", "started with"),
        ({"INNGEST_SIGNING_KEY": EVENT_KEY}, "INNGEST_SIGNING_KEY does not contain a signing key", "an event key is only for sending"),
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
    with pytest.raises(ValueError, match=f"the {name} would .* inngest.example unencrypted"):
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


def test_a_key_with_odd_characters_is_one_part_of_the_path_and_hidden_there(
    connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with StoryServer() as inngest:
        api = connect(inngest.url, event_key="a/b?c")
        assert api.send("x/y") in inngest.state.event
        assert [seen.target for seen in inngest.seen] == ["/e/a%2Fb%3Fc"]
    assert "a%2Fb" not in caplog.text


def test_a_key_that_the_server_repeats_is_hidden(connect: Any) -> None:
    body = b'{"errors":[{"code":"x","message":"no ' + HEX.encode() + b'"}]}'
    headers = ("content-type", "application/json"), ("x-inngest-server-kind", "cloud")
    with CannedServer(lambda seen: Answer(400, headers, body)) as inngest:
        with pytest.raises(InngestError, match=r"no \[signing key\]") as failed:
            connect(inngest.url, signing_key=HEX).runs()
    assert HEX not in repr(failed.value) + failed.value.reason  # type: ignore[attr-defined]
