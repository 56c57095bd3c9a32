"""No key gets out of any call or frame, and what a server says is only text.

The calls are found by what the client and the room offer, so that a new one is tested at once.
"""

from __future__ import annotations

import inspect
import json
import logging
import re
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
from canned_server import Answer, CannedServer, Seen
from hostile_strings import HOSTILE_STRINGS
from inngest_replay import SIGNING_KEY
from story_records import is_ulid, story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.findings import Checkup
from inngest_nb.frames import inngest as room
from inngest_nb.notebook.page import output

EVENT_KEY = "planted/event?key"
KEYS = (SIGNING_KEY, EVENT_KEY, "planted%2Fevent%3Fkey")
RUN = story().names["order1"]
EVENT = story().events[0]["internal_id"]
# What calls are given where they need something.
GIVEN: dict[str, Any] = {
    "after": "1d",
    "app": "nb-lab",
    "before": ("7d", "1d"),
    "event_id": EVENT,
    "event_ids": [EVENT],
    "events": [{"name": "shop/paid"}],
    "function": "flaky",
    "name": "shop/paid",
    "run_id": RUN,
    "run_ids": [RUN],
    "runs": RUN,
}
CALLS = [
    name
    for name, each in inspect.getmembers(InngestAPI, inspect.isfunction)
    if not name.startswith("_")
    and name not in ("close", "before_fork")
    and "after_fork" not in name
]
FRAMES = [each for each in (*room.__all__, "checkup") if each in inb.__all__]
TAGS = {"style", "table", "caption", "thead", "tbody", "tr", "th", "td", "div", "span", "b", "p"}
TAGS |= {"pre", "code", "details", "summary", "svg", "rect", "text", "line", "title"}


def call_of(api: InngestAPI, name: str) -> Callable[[], Any]:
    """Make a call of the client, or of the room, with all that it needs."""
    function = getattr(api, name) if name in CALLS else getattr(inb, name)
    named: dict[str, Any] = {}
    for each in inspect.signature(function).parameters.values():
        if each.name == "api":
            named["api"] = api
        elif each.default is each.empty:
            assert each.name in GIVEN, f"say here what {name}({each.name}=…) is to be given"
            named[each.name] = GIVEN[each.name]
    return lambda: function(**named)


def test_every_call_and_every_frame_is_tried() -> None:
    assert {"runs", "send", "cancel", "health"} <= {*CALLS}
    assert {"search_runs", "search_events", "functions_frame", "trace_frame"} <= {*FRAMES}


# Secrets

SAID: dict[str, tuple[int, str, Callable[[str], Any]]] = {
    "v2": (400, "application/json", lambda key: {"errors": [{"code": key, "message": key}]}),
    "v1": (200, "application/json", lambda key: {"error": key, "data": None, "status": 500}),
    "unwell": (503, "text/plain", lambda key: key),
    "refused": (401, "text/plain", lambda key: key),
    "a page": (200, "text/html", lambda key: f"<h1>{key}</h1>"),
    "no json": (200, "application/json", lambda key: "{" + key),
    "away": (302, "text/plain", lambda key: key),
}


@pytest.mark.parametrize("how", SAID)
def test_a_server_that_repeats_the_keys_gets_none_into_an_output(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    status, media_type, body = SAID[how]

    def answer(seen: Seen) -> Answer:
        said = body(f"{seen.headers.get('authorization', '')} {seen.target} {EVENT_KEY}")
        text = said if isinstance(said, str) else json.dumps(said)
        kind = ("x-inngest-server-kind", "cloud")
        return Answer(status, (("content-type", media_type), kind), text.encode())

    shown: dict[str, str] = {}
    with CannedServer(answer) as server, InngestAPI(server.url, SIGNING_KEY, EVENT_KEY) as api:
        for name in [*CALLS, *FRAMES]:
            try:
                shown[name] = repr(call_of(api, name)())
            except (inb.InngestError, ValueError) as error:
                shown[name] = "".join(traceback.format_exception(error)) + repr(vars(error))
        assert len(server.seen) >= len(CALLS)
        shown["the client"] = repr(api)
    ours = [each for each in caplog.records if not each.name.startswith("httpcore")]
    shown["the log"] = "\n".join(each.getMessage() for each in ours)
    assert [name for name, text in shown.items() if any(key in text for key in KEYS)] == []


# Hostile text

_OWN_FORM = re.compile(r"\d.*|[A-Z_]+|true|ok|RUN|[0-9a-f]{8}-.*")


class HostileServer(StoryServer):
    """A server whose every free text is a hostile one: names, errors, payloads, addresses."""

    def __init__(self, text: str) -> None:
        self._text = text
        super().__init__()

    def _answer(self, seen: Seen) -> Answer:
        answer = super()._answer(seen)
        try:
            said = json.loads(answer.body)
        except ValueError:
            return answer
        return Answer(answer.status, answer.headers, json.dumps(self._spoilt(said)).encode())

    def _spoilt(self, value: Any) -> Any:
        if isinstance(value, dict):
            kept = ("page", "metadata")
            return {key: each if key in kept else self._spoilt(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._spoilt(each) for each in value]
        if not isinstance(value, str) or is_ulid(value) or _OWN_FORM.fullmatch(value):
            return value
        return self._text


@pytest.fixture(params=[*HOSTILE_STRINGS, "a\u202eb\x1b[31mc\x00"], scope="module")
def hostile(request: pytest.FixtureRequest) -> Iterator[tuple[str, InngestAPI]]:
    with HostileServer(request.param) as server, InngestAPI(server.url) as api:
        yield request.param, api


def test_hostile_text_is_only_text(hostile: tuple[str, InngestAPI]) -> None:
    text, api = hostile
    for name in FRAMES:
        found = call_of(api, name)()
        for html in html_of(found):
            assert set(re.findall(r"<\s*(\w+)", html)) <= TAGS, name
            assert not re.search(r"<[^>]*\s(on\w+|href|src|srcdoc)\s*=", html), name
        if isinstance(found, pd.DataFrame) and len(found):
            assert text in {str(each) for column in found for each in found[column]}, name


def html_of(found: Any) -> Iterator[str]:
    """Yield the HTML of what a call gave, and of its readable table."""
    if isinstance(found, Checkup):
        yield str(output("findings", checkup=found))
        yield from (each._repr_html_() for each in found.frames.values())
    elif isinstance(found, pd.DataFrame):
        yield found._repr_html_()
        if "status" in found.columns:
            yield found.wf._repr_html_()
    elif hasattr(found, "_repr_html_"):
        yield found._repr_html_()


def test_hostile_text_of_a_value_or_an_error_plays_no_tricks(
    hostile: tuple[str, InngestAPI],
) -> None:
    _, api = hostile
    for name in CALLS:
        try:
            shown = repr(call_of(api, name)())
        except inb.InngestError as error:
            shown = "\n".join([str(error), *getattr(error, "__notes__", ())])
        assert all(line.isprintable() for line in shown.splitlines()), name
