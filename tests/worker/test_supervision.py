"""A worker whose server goes away: it says so once, waits, and comes back by itself."""

from __future__ import annotations

import time

import pytest
from inngest.connect._internal.consts import MAX_CONN_INIT_ATTEMPTS
from inngest_site import InngestSite, Serve, until
from served_workflows import double, go_on, held, twice

import inngest_nb as inb
from inngest_nb.worker._presence import Presence
from inngest_nb.worker.transports import _connect

TROUBLES = ("go_away", "fail", "hang")
RETURNS = {"go_away": "come_back", "fail": "work", "hang": "work"}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_connect, "_QUIET_SECONDS", 0.1)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_it_waits_for_its_server_and_says_so_once(
    serve: Serve, site: InngestSite, via: str, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker = serve([double], app_id="shop", url=site.url, via=via)
    getattr(site, trouble)()
    until(lambda: worker.state == "away")
    assert isinstance(worker.error, inb.InngestError)
    getattr(site, RETURNS[trouble])()
    until(lambda: worker.state == "active")
    assert worker.error is None
    assert site.run("shop-double", 4) == 8
    went, came = caplog.messages
    said = f"{site.url} answered with status 503" if trouble == "fail" else "no response from"
    assert went.startswith(f"worker 'shop' waits for its server: inngest functions: {said}")
    assert came == f"worker 'shop': {site.url} is back; serving again"


def test_it_can_begin_before_its_server(
    serve: Serve, site: InngestSite, via: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.go_away()
    worker = serve([double], url=site.url, via=via)
    assert worker.state == "away"
    site.come_back()
    until(lambda: worker.state == "active")
    assert site.run("inngest-nb-double", 4) == 8
    assert len(caplog.messages) == 2


def test_it_comes_back_after_the_sdk_has_given_up(serve: Serve, site: InngestSite) -> None:
    worker = serve([double], url=site.url)
    attempts = _refuse_until_given_up(site)
    assert worker.state == "away"
    assert "connecting to its gateway failed: " in str(worker.error)
    site.gateway.accept()
    until(lambda: worker.state == "active")
    assert attempts > 2 * MAX_CONN_INIT_ATTEMPTS
    assert site.run("inngest-nb-double", 4) == 8


@pytest.mark.slow
def test_it_is_back_within_ten_seconds_with_the_pauses_that_the_sdk_makes(
    site: InngestSite,
) -> None:
    with inb.serve_on_inngest([double], url=site.url) as worker:
        _refuse_until_given_up(site)
        site.gateway.accept()
        begun = time.monotonic()
        until(lambda: worker.state == "active")
        assert time.monotonic() - begun < 10
        assert site.run("inngest-nb-double", 4) == 8


def test_it_comes_back_while_a_step_of_before_still_runs(serve: Serve, site: InngestSite) -> None:
    worker = serve([held, double], url=site.url)
    site.begin("inngest-nb-held")
    until(lambda: worker.running == ("held: hold",))
    _refuse_until_given_up(site)
    site.gateway.accept()
    until(lambda: worker.state == "active")
    assert worker.running == ("held: hold",)
    assert site.run("inngest-nb-double", 4) == 8
    go_on.set()


def test_a_gateway_that_is_replaced_is_not_worth_a_word(
    serve: Serve,
    site: InngestSite,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_connect, "_QUIET_SECONDS", 30.0)
    worker = serve([twice], url=site.url)
    first = site.gateway.workers
    site.gateway.drain()
    site.gateway.wait_until(lambda: site.gateway.workers and site.gateway.workers != first)
    assert site.run("inngest-nb-twice", 1) == [2, 0]
    assert (worker.state, caplog.messages) == ("active", [])


def test_a_server_that_has_forgotten_the_functions_is_told_again(
    serve: Serve, site: InngestSite, caplog: pytest.LogCaptureFixture
) -> None:
    worker = serve([double], app_id="shop", url=site.url, via="http")
    until(lambda: _looks(site, "shop") > 1)  # it has seen that they are listed
    site.forget()
    until(lambda: site.functions() == {"shop-double"})
    assert site.run("shop-double", 4) == 8
    assert (worker.state, caplog.messages) == ("active", [])


def test_a_server_that_wants_another_key_meanwhile_is_waited_for(
    serve: Serve, site: InngestSite, via: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker = serve([double], url=site.url, via=via)
    site.engine.face._kind = "cloud"
    if via == "connect":
        site.gateway.refuse()
        site.gateway.drop()
    until(lambda: isinstance(worker.error, inb.InngestAuthError))
    assert worker.state == "away"
    assert "requires a signing key, but none is set" in caplog.text
    site.engine.face._kind = "dev"
    site.gateway.accept()
    until(lambda: worker.state == "active")


def test_a_refusal_that_comes_late_is_said_instead_of_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    presence = Presence("shop", "http://127.0.0.1:8288")
    presence.wait_settled(0)
    presence.away(inb.InngestAuthError("it rejected the key", status=401))
    assert (presence.refusal, presence.state) == (None, "away")
    assert caplog.messages == ["worker 'shop' waits for its server: it rejected the key"]


def test_closing_does_not_wait_for_a_server_that_is_away(
    serve: Serve, site: InngestSite, via: str
) -> None:
    worker = serve([double], url=site.url, via=via)
    site.go_away()
    until(lambda: worker.state == "away")
    assert worker.close() == ()
    assert worker.wait(30)
    site.come_back()


def _looks(site: InngestSite, app: str) -> int:
    return sum(f"apps/{app}/functions" in each.target for each in site.engine._server.seen)


def _refuse_until_given_up(site: InngestSite) -> int:
    """Take no connection until the SDK has given up for good; return how often it tried."""
    asked = len(site.engine._server.seen)
    site.gateway.refuse()
    site.gateway.drop()

    def attempts() -> int:
        return sum("connect/start" in each.target for each in site.engine._server.seen[asked:])

    # The attempts of one connection have been made, and of the next one: the first is given up.
    until(lambda: attempts() > 2 * MAX_CONN_INIT_ATTEMPTS, 120)
    return attempts()
