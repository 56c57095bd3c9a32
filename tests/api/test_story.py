"""The story server says what the real server was recorded to say, to each recorded question."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Set
from typing import Any

import httpx
import pytest
from story_changes import hold
from story_graphql import asked_of_the_story
from story_records import Asked, Json, exchanges, frozen, story
from story_server import RETRYING, StoryServer

ULID = re.compile(r"\b01[0-9A-Z]{24}\b")

# What an answer says of itself is new each time.
OF_THE_ANSWER = {"fetchedAt", "fetched_at", "cached_until"}

# It makes new ids: each stands for one recorded id, wherever that is.
NEW_IDS = {
    "e-batch-partly-bad-400",
    "e-dup-id-again",
    "e-ok-batch",
    "e-ok-full",
    "e-ok-no-data",
    "e-ok-one",
    "e-state-wf-1-v1",
    "e-state-wf-1-v2",
    "e-state-wf-1-v3",
    "e-state-wf-2-v1",
    "e-too-many-400",
    "selfhosted-e-ok",
    "selfhosted-v2-event-send-ok",
    "selfhosted-v2-invoke-ok",
    "v2-event-send-ok",
    "v2-invoke-cron-function",
    "v2-invoke-idempotent-again-409",
    "v2-invoke-idempotent-first",
    "v2-invoke-ok",
    "v2-run-rerun",
    "v2-run-rerun-from-step",
}

# What the server held by then that the story does not: runs and events, of which the answers of
# these exchanges tell. It is given to the story server before it is asked.
HELD = {
    # Another server, where an order and a square had run.
    "selfhosted-v1-events-ok",
    "selfhosted-v2-runs-bearer-hashed",
    "selfhosted-v2-runs-bearer-prefixed",
    "selfhosted-v2-runs-bearer-raw-hex",
    "selfhosted-v2-runs-env-header",
    # Events that were sent, and runs that began, after the story was written down.
    "v1-event-runs-cached",
    "v1-events-newest-by-name-with-id",
    "v2-alias-runs",
    # The run had got a score meanwhile, since when this list shows it as running.
    "v2-event-runs",
}

# Apps have no other times and addresses in the story than these, and one had not registered yet.
OF_AN_APP = {"createdAt", "url"}
OTHER_APPS = {"selfhosted-v2-apps", "v2-apps-list-before-sync"}

# What had happened there before: exchanges, and which run stands for the recorded one.
BEFORE = {
    "e-dup-id-again": ["e-ok-full"],
    "v2-invoke-idempotent-again-409": ["v2-invoke-idempotent-first"],
}
INSTEAD = {
    "v1-run-cancel-running": "long_stays",
    "v2-run-cancel-running": "long_stays",
}

# Requests that were too large to be written down.
WHOLE = {
    "e-too-large-400": json.dumps({"name": "x/big", "data": {"s": "x" * (3_145_774 - 36)}}),
    "e-too-many-400": json.dumps([{"name": "x/y"}] * 5001),
}

# What the story server only repeats as it was recorded, and why.
REPEATED = {
    "the open-source server lacks it, or has no such path": """
        selfhosted-v1-cancellations-list-500 selfhosted-v1-workflows-404
        selfhosted-v2-partner-accounts v1-cancellations-create-404
        v1-cancellations-create-invalid-400 v1-cancellations-create-long-slug
        v1-cancellations-delete-500 v1-cancellations-list-500 v1-runs-list-404
        v1-workflows-delete-404 v1-workflows-get-404 v1-workflows-list-404 v1-workflows-post-404
        v1-workflows-put-404 v2-app-sync v2-envs-create-501 v2-event-get-404 v2-events-list-501
        v2-experiments-501 v2-insights-query-501 v2-insights-schemas-501 v2-insights-tables-501
        v2-partner-501 v2-sandboxes-501 v2-session-501 v2-sessions-501 v2-unknown-path-404
        v2-webhooks-400 v2-workflows-404 v2-workflows-put-404
    """,
    "no call of the API asks it": """
        dev-info e-get-405 e-no-key-303 invoke-legacy-ok selfhosted-dev-info-ok
        selfhosted-invoke-legacy-none selfhosted-metrics-none selfhosted-v2-account
        selfhosted-v2-envs selfhosted-v2-keys-events selfhosted-v2-keys-signing
        v1-signal-bad-json-400 v1-signal-unknown-404 v2-account v2-envs v2-keys-events-empty
        v2-keys-signing-empty v2-run-score-ok
    """,
    "the run is later than the story": """
        v1-run-jobs-retry-pending v2-run-detail-retry-pending v2-run-trace-retry-pending
    """,
}

# What was recorded and is not asked, and why.
LEFT_OUT = {
    "REST does it: cancel, invoke, rerun; apps register themselves": """
        dev-fn-register-bad-body gql-mutation-cancel-run gql-mutation-create-app
        gql-mutation-create-app-bad gql-mutation-invoke gql-mutation-rerun
        selfhosted-fn-register-none-401
    """,
    "REST tells it: apps, functions, events, outputs, a batch's events in the trace": """
        gql-apps gql-events gql-events-internal gql-events-several-names
        gql-eventsv2-first-over-51 gql-function-by-slug gql-run-trigger gql-runs gql-span-output
        gql-span-output-error gql-span-outputs-aliased
    """,
    "CEL is wrong or ignored": """
        gql-events-query-filter-ignored gql-runs-cel-bad gql-runs-cel-event gql-runs-cel-output
    """,
    "the older tree is wrong for failures; the trace of v2 is read": """
        gql-run-old-trace-fail-default gql-run-old-trace-flaky1 gql-run-old-trace-invoke
        gql-run-old-trace-long-by-event gql-run-old-trace-long-stays gql-run-old-trace-order1
        gql-run-old-trace-parallel gql-run-old-trace-sleep gql-run-old-trace-wait-match
        gql-run-old-trace-wait-timeout
    """,
    "it carries only what functions publish themselves": """
        realtime-publish realtime-sse-no-token realtime-token realtime-token-bad-body
        selfhosted-realtime-token-none selfhosted-realtime-token-ok
    """,
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
    server = servers[kind]
    repeated = len(server.repeated)
    if asked.name in WRITES or asked.name in HELD:
        with StoryServer(kind) as inngest:
            if asked.name in HELD:
                hold(inngest, **told(asked))
            for name in BEFORE.get(asked.name, ()):
                ask(client, inngest, BY_NAME[name])
            answer = ask(client, inngest, asked)
            assert bool(inngest.repeated) == (asked.name in names_of(REPEATED))
    else:
        answer = ask(client, server, asked)
        assert (len(server.repeated) > repeated) == (asked.name in names_of(REPEATED))
    assert answer.status_code == asked.response["status"]
    assert answer.headers["x-inngest-server-kind"] == kind
    given, recorded = plain(body_of(answer)), plain(asked.response["body"])
    if asked.name == "e-too-many-400":
        assert len(given["ids"]) == 5000
        given["ids"] = given["ids"][:3]  # as it was written down
    if asked.name in NEW_IDS:
        given = with_recorded_ids(given, recorded, asked.request)
    elif asked.name in INSTEAD:
        recorded = instead(asked, recorded)
    elif asked.name in OTHER_APPS:
        given, recorded = plain(given, OF_AN_APP), plain(recorded, OF_AN_APP)
        given["data"] = given["data"][-len(recorded["data"]) :]
    assert given == recorded


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


def test_graphql_tells_the_same_of_the_frozen_moment(
    client: httpx.Client, servers: dict[str, StoryServer]
) -> None:
    different = []
    for one in asked_of_the_story():
        answer = client.post(f"{servers['dev'].url}/v0/gql", json=one["asked"])
        if answer.json() != one["body"]:
            different.append(one["asked"]["variables"])
    assert len(asked_of_the_story()) == 61  # the other 7 list apps, functions and saved workflows
    assert different == []


def test_the_tables_name_each_recorded_exchange() -> None:
    tables = {*NEW_IDS, *HELD, *OTHER_APPS, *BEFORE, *INSTEAD, *WHOLE, *names_of(REPEATED)}
    assert tables <= BY_NAME.keys()
    left_out = names_of(LEFT_OUT)
    assert len({*left_out, *BY_NAME}) == len(left_out) + len(BY_NAME) == 275
    assert RETRYING not in story().names.values()


def names_of(table: dict[str, str]) -> list[str]:
    """Return the exchanges of a table of reasons."""
    return [name for names in table.values() for name in names.split()]


def told(asked: Asked) -> dict[str, Any]:
    """Return the runs and events of which an answer tells."""
    found = asked.response["body"]["data"]
    path = asked.request["path"]
    if path == "/v1/events":
        return {"events": found}
    if path.startswith("/v1/"):
        return {"runs": map(as_listed, found)}
    return {"runs": found}


def as_listed(v1: Json) -> Json:
    """Return a run of v1 in the words of v2."""
    return {
        "id": v1["run_id"],
        "status": v1["status"].upper(),
        "startedAt": v1["run_started_at"],
        "trigger": {"eventIds": [v1["event_id"]]},
        "v1": v1,
    }


def ask(client: httpx.Client, inngest: StoryServer, asked: Asked) -> httpx.Response:
    request = asked.request
    body = request["body"]
    if not isinstance(body, str):
        body = "" if body is None else json.dumps(body)
    return client.request(
        request["method"],
        inngest.url + instead(asked, request["path"]),
        params=request["query"],
        headers=request["headers"],
        content=WHOLE.get(asked.name, body),
    )


def instead(asked: Asked, text: Any) -> Any:
    """Put the run that stands for the recorded one into a path or a body."""
    if asked.name not in INSTEAD:
        return text
    run_id = story().names[INSTEAD[asked.name]]
    return json.loads(ULID.sub(run_id, json.dumps(text)))


def body_of(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text


def plain(body: Any, left_out: Set[str] = OF_THE_ANSWER) -> Any:
    """Leave out of a body what it says of itself."""
    if isinstance(body, dict):
        return {key: plain(value, left_out) for key, value in body.items() if key not in left_out}
    return [plain(value, left_out) for value in body] if isinstance(body, list) else body


def with_recorded_ids(given: Any, recorded: Any, request: Json) -> Any:
    """Put the recorded ids in place of the new ones, one for one; known ids are themselves."""
    text, said = json.dumps(given), json.dumps(recorded)
    new, old = ULID.findall(text), ULID.findall(said)
    pairs = dict(zip(new, old, strict=True))
    assert len({*pairs.values()}) == len(pairs) == len({*new})
    asked_for = {*ULID.findall(json.dumps(request))}
    assert all((a == b) == (b in asked_for) for a, b in pairs.items())
    return json.loads(ULID.sub(lambda match: pairs[match[0]], text))
