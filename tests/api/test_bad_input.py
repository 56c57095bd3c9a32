"""What bad input gets, word for word: each error names what failed, where, and what to try next.

What more there is to it is tested beside the calls: that a batch over 5,000 events is split
(`test_sending`), and that a server which stops in mid-fetch leaves what has come, marked as cut
(`test_runs`, `test_search_runs`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from canned_server import Answer, CannedServer
from story_records import exchanges, story
from story_server import EVENT_KEY, SIGNING_KEY, StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI

WRONG_KEY = SIGNING_KEY.replace("0", "1")
NOBODY = "01M82A54TCY12XB7AYZ9APCG5A"
RUNS = story().names
FORM = "signkey-prod-<hex> (or the hex alone), as in `inngest start --signing-key`"
FORGETS = "a dev server without --persist forgets them all when it stops"
TIME = (
    "must be how long ago, such as '24h', '30m' or '7d', a date, such as '2026-11-22', or a time "
    "with a time zone, such as '2026-11-22T19:00:00+00:00'"
)
STATUSES = "queued, running, completed, failed, canceled"


class Row(NamedTuple):
    """One kind of bad input: a call of a client, its error, its message and its note."""

    call: Callable[[InngestAPI], Any]
    error: str
    message: str
    note: str = ""


def said(error: BaseException, url: str) -> tuple[str, str, str]:
    """Return an error as a reader sees it, whichever port the server has."""
    notes = "; ".join(getattr(error, "__notes__", ()))
    kind = type(error).__name__
    return kind, str(error).replace(url, "URL"), notes.replace(url, "URL")


# Keys

KEYS = {
    "a signing key that is refused": (
        {"INNGEST_SIGNING_KEY": WRONG_KEY},
        "inngest runs: URL rejected the signing key from INNGEST_SIGNING_KEY",
        f"it must be the key that the server was started with: {FORM}",
    ),
    "an event key in its place": (
        {"INNGEST_SIGNING_KEY": EVENT_KEY},
        "inngest runs: URL rejected the key, and INNGEST_SIGNING_KEY does not contain a signing "
        "key",
        f"a signing key has the form {FORM}; an event key is only for sending, pass it as "
        "event_key or in INNGEST_EVENT_KEY",
    ),
    "none": (
        {},
        "inngest runs: URL requires a signing key, but none is set",
        f"pass signing_key or set INNGEST_SIGNING_KEY, in the form {FORM}",
    ),
}
EVENT_KEYS = {
    "an event key that is refused": ("wrong", "rejected the event key from INNGEST_EVENT_KEY"),
    "a signing key in its place": (
        SIGNING_KEY,
        "rejected the event key, and INNGEST_EVENT_KEY contains a signing key",
    ),
    "no event key": ("", "requires an event key, but none is set"),
}


@pytest.mark.parametrize(("variables", "message", "note"), KEYS.values(), ids=[*KEYS])
@pytest.mark.parametrize("ui", [True, False])
def test_a_signing_key(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str, note: str, ui: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with StoryServer("cloud", ui=ui) as inngest, InngestAPI(inngest.url) as api:
        for call in (api.runs, lambda: inb.search_runs(api)):
            with pytest.raises(inb.InngestAuthError) as refused:
                call()
            assert said(refused.value, inngest.url) == ("InngestAuthError", message, note)
            assert not [key for key in variables.values() if key in repr(said(refused.value, ""))]


@pytest.mark.parametrize(("key", "message"), EVENT_KEYS.values(), ids=[*EVENT_KEYS])
def test_an_event_key(monkeypatch: pytest.MonkeyPatch, key: str, message: str) -> None:
    monkeypatch.setenv("INNGEST_EVENT_KEY", key)
    with StoryServer("cloud") as inngest, InngestAPI(inngest.url) as api:
        with pytest.raises(inb.InngestAuthError) as refused:
            api.send("shop/paid")
    note = (
        "pass event_key or set INNGEST_EVENT_KEY to a key that the server was started with, as in "
        "`inngest start --event-key`"
    )
    told = said(refused.value, inngest.url)
    assert told == ("InngestAuthError", f"inngest send: URL {message}", note)
    assert not key or key not in repr(told)


# Addresses


def test_an_address_where_something_else_answers(tmp_path: Path) -> None:
    came = "(the address came from base_url)"
    web = Answer(200, (("content-type", "text/html"),), b"<h1>")
    with ExitStack() as open_:
        states = open_.enter_context(inb.StateServer(tmp_path / "state.db", port=0)).url
        inngest = open_.enter_context(StoryServer()).url
        quiet = open_.enter_context(StoryServer(ui=False)).url
        other = open_.enter_context(CannedServer(lambda _: web)).url
        with StoryServer() as gone:
            dead = gone.url
        expected = {
            states: (
                "NotInngestError",
                "inngest runs: URL is a state server of inngest_nb, which stores workflow states, "
                "not runs",
                "use inb.InngestStore('URL') for it; InngestAPI needs the address of a real "
                f"Inngest server, as base_url or INNGEST_API_BASE_URL {came}",
            ),
            f"{inngest}/runs": (
                "NotInngestError",
                "inngest runs: URL is the dashboard of an Inngest server; the address has an extra "
                "path",
                f"pass the address without a path: inb.InngestAPI('{inngest}') {came}",
            ),
            f"{quiet}/runs": (
                "NotInngestError",
                "inngest runs: URL is an Inngest server, but its API is not under this path",
                f"pass the address without a path: inb.InngestAPI('{quiet}') {came}",
            ),
            other: (
                "NotInngestError",
                "inngest runs: URL is not an Inngest server (status 200, text/html)",
                "pass the address of an Inngest server as base_url or INNGEST_API_BASE_URL; a dev "
                f"server is usually at http://localhost:8288 {came}",
            ),
            dead: (
                "InngestConnectionError",
                "inngest runs: no response from URL: cannot connect ([Errno 111] Connection refused)",
                "start a dev server with `npx inngest-cli dev`, or pass the server's address as "
                f"base_url or INNGEST_API_BASE_URL {came}",
            ),
        }
        for url, words in expected.items():
            with InngestAPI(url) as api, pytest.raises(inb.InngestError) as elsewhere:
                api.runs()
            kind, message, note = said(elsewhere.value, url)
            # The number of the error is this system's.
            assert (kind, message.replace("Errno 61", "Errno 111"), note) == words
        with inb.InngestStore(inngest) as store, pytest.raises(inb.NotAStateServerError) as refused:
            store.load("order-1")
    assert said(refused.value, inngest)[1:] == (
        "inngest/load: URL is an Inngest server, which does not store workflow states",
        "start a state server with `inngest-nb serve --port 8290`, or with inb.local() in a "
        "notebook, and pass its address as base_url or INNGEST_NB_URL; inb.search_runs() finds the "
        "runs of an Inngest server",
    )


# Names, times, events: what is refused is refused before anything is sent

MISSING = "InngestNotFoundError"
ROWS = {
    "an unknown run": Row(
        lambda api: api.run(NOBODY),
        MISSING,
        f"inngest run: the server has no run '{NOBODY}'",
        f"inb.search_runs(since=None) lists the runs it has; {FORGETS}",
    ),
    "an unknown event": Row(
        lambda api: api.event(NOBODY),
        MISSING,
        f"inngest event: the server has no event '{NOBODY}'",
        f"inb.search_events(since=None) lists the events it has; {FORGETS}",
    ),
    "an unknown app": Row(
        lambda api: api.invoke("nb-lub", "flaky"),
        MISSING,
        "inngest invoke: the server has no app 'nb-lub'",
        "known apps: nb-lab, nb-lab-connect",
    ),
    "an unknown function": Row(
        lambda api: api.function("nb-lab", "flakey"),
        MISSING,
        "inngest function: the server has no function 'flakey' in app 'nb-lab'",
        "known functions: flaky, always-fails, batcher, and 18 more",
    ),
    "an unknown step": Row(
        lambda api: api.rerun(RUNS["order1"], from_step="chrage"),
        MISSING,
        f"inngest rerun: the server has no step 'chrage' in run {RUNS['order1']}",
        "known steps: charge, email, price, and 2 more",
    ),
    "no time": Row(
        lambda api: inb.search_runs(api, since="yesterday-ish"),
        "ValueError",
        f"since {TIME}, got 'yesterday-ish'",
    ),
    "a naive time": Row(
        lambda api: inb.search_runs(api, until=datetime(2026, 1, 1)),
        "ValueError",
        f"until {TIME}, got 2026-01-01T00:00:00, which has no time zone; add one, for example "
        "+00:00",
    ),
    "a time to come": Row(
        lambda api: inb.search_events(api, since=timedelta(hours=-1)),
        "ValueError",
        f"since {TIME}, got -1 day, 23:00:00, which is not in the past",
    ),
    "no limit": Row(
        lambda api: inb.search_runs(api, limit=0),
        "ValueError",
        "limit must be a number above 0, such as 100, or None for all, got 0",
    ),
    "an unknown status": Row(
        lambda api: inb.search_runs(api, status="done"),
        "ValueError",
        f"status must be one of {STATUSES}, or a list of them, got 'done'",
    ),
    "an unknown column": Row(
        lambda api: api.runs(by="created_at"),  # type: ignore[arg-type]
        "ValueError",
        "by must be one of queued_at, started_at, ended_at, got 'created_at'",
    ),
    "a frame without the column": Row(
        lambda api: inb.trace_frame(pd.DataFrame({"id": [RUNS["order1"]]}), api),
        "ValueError",
        "runs must have a column run_id, as the frame of search_runs() has",
    ),
    "an event without a name": Row(
        lambda api: api.send_many([{"data": {}}]),
        "ValueError",
        "events[0] has no name; add one, such as 'shop/order.placed'",
    ),
    "a reserved name": Row(
        lambda api: api.send("inngest/function.failed"),
        "ValueError",
        "events[0] is called 'inngest/function.failed', but names that start with inngest/ are "
        "reserved for the server; use another one, such as 'shop/order.placed'",
    ),
    "an event over 3 MiB": Row(
        lambda api: api.send("shop/paid", {"s": "x" * 3 * 2**20}),
        "ValueError",
        "events[0] (shop/paid) has 3,145,764 bytes as JSON, but the server accepts at most "
        "3,145,728; store large data elsewhere and send its address",
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=[*ROWS])
def test_names_times_and_events(row: Row) -> None:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        with pytest.raises((inb.InngestError, ValueError)) as bad:
            row.call(api)
        assert said(bad.value, inngest.url) == (row.error, row.message, row.note)
        assert (row.error == "ValueError") == (inngest.seen == [])
        assert len(inngest.state.events) == 63  # those of the story


def test_from_after_until() -> None:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        with pytest.raises(ValueError, match="since must be before until, for example since='24h'"):
            inb.search_runs(api, since="1h", until="24h")
        assert inngest.seen == []


def test_a_batch_that_was_taken_in_part() -> None:
    known = next(each.response for each in exchanges() if each.name == "e-batch-partly-bad-400")
    answer = Answer(400, tuple(known["headers"].items()), json.dumps(known["body"]).encode())
    with CannedServer(lambda _: answer) as inngest, InngestAPI(inngest.url) as api:
        with pytest.raises(inb.InngestSendError) as partly:
            api.send_many([{"name": "shop/paid"}] * 3)
    assert said(partly.value, inngest.url)[1:] == (
        "inngest send: the server accepted 1 of 3 events: URL answered with status 400: event name "
        "is empty",
        "`accepted` holds the ids of the accepted events, `rejected` and `unknown` the positions "
        "of the others; it is safe to send events again that have an id of your own: their "
        "functions run once",
    )
    assert (partly.value.accepted, partly.value.rejected) == (known["body"]["ids"], [1, 2])
