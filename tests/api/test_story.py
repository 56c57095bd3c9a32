"""The story server says what the real server was recorded to say, to each recorded question."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from story_records import Asked, exchanges, frozen, story
from story_server import RETRYING, StoryServer

# What an answer says of itself is new each time.
OF_THE_ANSWER = {"fetchedAt", "fetched_at", "cached_until"}

# How an answer is compared where its body is not the recorded one; each name is an exchange's.
NEW_IDS = "it makes new ids: any id stands for the recorded one"
SHAPE = "the server held something else by then: entries and kinds of values are compared"
PART = "one of the two apps had not registered yet: the other is as it was"
COMPARED_BY = {
    "e-batch-partly-bad-400": NEW_IDS,
    "e-dup-id-again": NEW_IDS,
    "e-ok-batch": NEW_IDS,
    "e-ok-full": NEW_IDS,
    "e-ok-no-data": NEW_IDS,
    "e-ok-one": NEW_IDS,
    "e-state-wf-1-v1": NEW_IDS,
    "e-state-wf-1-v2": NEW_IDS,
    "e-state-wf-1-v3": NEW_IDS,
    "e-state-wf-2-v1": NEW_IDS,
    "e-too-many-400": NEW_IDS,
    "selfhosted-e-ok": NEW_IDS,
    "selfhosted-v2-event-send-ok": NEW_IDS,
    "selfhosted-v2-invoke-ok": NEW_IDS,
    "v2-event-send-ok": NEW_IDS,
    "v2-invoke-cron-function": NEW_IDS,
    "v2-invoke-idempotent-again-409": NEW_IDS,
    "v2-invoke-idempotent-first": NEW_IDS,
    "v2-invoke-ok": NEW_IDS,
    "v2-run-cancel-running": NEW_IDS,
    "v2-run-rerun": NEW_IDS,
    "v2-run-rerun-from-step": NEW_IDS,
    # Another server, where an order and a square had run.
    "selfhosted-v1-events-ok": SHAPE,
    "selfhosted-v2-apps": SHAPE,
    "selfhosted-v2-runs-bearer-hashed": SHAPE,
    "selfhosted-v2-runs-bearer-prefixed": SHAPE,
    "selfhosted-v2-runs-bearer-raw-hex": SHAPE,
    "selfhosted-v2-runs-env-header": SHAPE,
    # Events that were sent, and a run that was invoked, after the story was written down.
    "v1-event-runs-cached": SHAPE,
    "v1-events-newest-by-name-with-id": SHAPE,
    "v2-alias-runs": SHAPE,
    "v2-apps-list-before-sync": PART,
    # The run had got a score meanwhile, since when this list shows it as running.
    "v2-event-runs": SHAPE,
}

# What had happened there before: exchanges, and which run stands for the recorded one.
BEFORE = {
    "e-dup-id-again": ["e-ok-full"],
    "selfhosted-v2-runs-env-header": ["selfhosted-v2-invoke-ok"],
    "v1-events-newest-by-name-with-id": ["e-state-wf-1-v1", "e-state-wf-1-v2", "e-state-wf-1-v3"],
    "v2-alias-runs": ["v2-invoke-ok"],
    "v2-invoke-idempotent-again-409": ["v2-invoke-idempotent-first"],
}
INSTEAD = {
    "v1-event-runs-cached": ("event", "long_stays"),
    "v1-run-cancel-running": ("run", "long_stays"),
    "v2-event-runs": ("event", "long_stays"),
    "v2-run-cancel-running": ("run", "long_stays"),
}

# Requests that were too large to be written down.
WHOLE = {
    "e-too-large-400": json.dumps({"name": "x/big", "data": {"s": "x" * (3_145_774 - 36)}}),
    "e-too-many-400": json.dumps([{"name": "x/y"}] * 5001),
}

BY_NAME = {asked.name: asked for asked in exchanges()}
WRITES = {asked.name for asked in exchanges() if asked.request["method"] != "GET"}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, StoryServer]]:
    with StoryServer("dev") as dev, StoryServer("cloud") as cloud:
        yield {"dev": dev, "cloud": cloud}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


@pytest.mark.parametrize("asked", [pytest.param(each, id=each.name) for each in exchanges()])
def test_each_recorded_question_gets_its_recorded_answer(
    client: httpx.Client, servers: dict[str, StoryServer], asked: Asked
) -> None:
    kind = asked.response["headers"]["x-inngest-server-kind"]
    if asked.name in WRITES or asked.name in BEFORE:
        with StoryServer(kind) as inngest:
            for name in BEFORE.get(asked.name, ()):
                ask(client, inngest, BY_NAME[name])
            answer = ask(client, inngest, asked)
    else:
        answer = ask(client, servers[kind], asked)
    assert answer.status_code == asked.response["status"]
    assert answer.headers["x-inngest-server-kind"] == kind
    given, recorded = body_of(answer), asked.response["body"]
    if asked.name == "e-too-many-400":
        assert len(given["ids"]) == 5000
        given["ids"] = given["ids"][:3]  # as it was written down
    how = COMPARED_BY.get(asked.name)
    if how == NEW_IDS:
        assert without_ids(given) == without_ids(recorded)
    elif how == SHAPE:
        assert shape(given) == shape(recorded)
    elif how == PART:
        assert recorded["data"] == given["data"][1:]
    else:
        assert plain(given) == plain(recorded)


def test_each_question_of_the_frozen_moment_gets_its_answer(
    client: httpx.Client, servers: dict[str, StoryServer]
) -> None:
    different = []
    for one in frozen():
        answer = client.get(servers["dev"].url + one["path"], params=one["query"])
        if plain(body_of(answer)) != plain(one["body"]):
            different.append(f"{one['path']}?{one['query']}")
    assert len(frozen()) == 453
    assert different == []


def test_the_tables_name_recorded_exchanges_only() -> None:
    assert {*COMPARED_BY, *BEFORE, *INSTEAD, *WHOLE} <= BY_NAME.keys()
    assert RETRYING not in story().names.values()


def ask(client: httpx.Client, inngest: StoryServer, asked: Asked) -> httpx.Response:
    request = asked.request
    path, body = request["path"], request["body"]
    if asked.name in INSTEAD:
        what, name = INSTEAD[asked.name]
        run_id = story().names[name]
        row = next(row for row in story().rows if row.id == run_id)
        other = run_id if what == "run" else row.record.event_ids[0]
        path = re.sub(r"01[0-9A-Z]{24}", other, path)
    if not isinstance(body, str):
        body = "" if body is None else json.dumps(body)
    return client.request(
        request["method"],
        inngest.url + path,
        params=request["query"],
        headers=request["headers"],
        content=WHOLE.get(asked.name, body),
    )


def body_of(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text


def plain(body: Any) -> Any:
    """Leave out of a body what it says of itself."""
    if isinstance(body, dict):
        return {key: plain(value) for key, value in body.items() if key not in OF_THE_ANSWER}
    return [plain(value) for value in body] if isinstance(body, list) else body


def without_ids(body: Any) -> Any:
    return json.loads(re.sub(r'"01[0-9A-Z]{24}"', '"an id"', json.dumps(plain(body))))


def shape(body: Any) -> Any:
    """Return which entries a body has and of what kind; of a list, those of its first one."""
    if isinstance(body, dict):
        # What an event carries and what a run returns is anything.
        anything = {"output"} | ({"data"} if "internal_id" in body else set())
        return {key: key in anything or shape(value) for key, value in body.items()}
    return [shape(value) for value in body[:1]] if isinstance(body, list) else type(body).__name__
