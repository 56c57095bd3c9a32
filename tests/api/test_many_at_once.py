"""Names of events and first executions of runs: many in one request, where GraphQL is on."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from canned_server import Answer, CannedServer, Seen
from story_graphql import asked_of_the_story
from story_records import exchanges, story
from story_server import StoryServer

UNKNOWN = "01M82A54TCY12XB7AYZ9APCG5A"
EVENTS = {event["internal_id"]: event["name"] for event in story().events}
RUNS = {
    run["id"]: run["startedAt"]
    for one in asked_of_the_story()
    if (run := one["body"]["data"].get("run"))
}


def questions(server: CannedServer) -> list[Seen]:
    return [seen for seen in server.seen if seen.target == "/v0/gql"]


# First executions


def test_runs_were_first_executed_when_their_details_say(connect: Any) -> None:
    with StoryServer() as inngest:
        api = connect(inngest.url)
        found = api.first_executions(RUNS)
        assert len(questions(inngest)) == 1
        assert found.keys() == RUNS.keys()
        assert len(found) == 47
        for run_id, at in found.items():
            assert at == (RUNS[run_id] and datetime.fromisoformat(RUNS[run_id]))
            detail = api.run(run_id, output=False)
            assert at == (None if detail.status == "queued" else detail.started_at)


def test_a_run_that_graphql_does_not_know_takes_none_of_the_others_along(api: Any) -> None:
    known = [*RUNS][:3]
    assert api.first_executions([known[0], UNKNOWN, *known[1:]]).keys() == {*known}


def test_two_hundred_runs_are_asked_for_at_once(connect: Any) -> None:
    with StoryServer(runs=401) as inngest:
        found = connect(inngest.url).first_executions(inngest.state.runs.rows)
        assert (len(found), len(questions(inngest))) == (401, 3)


def test_what_is_no_time_is_none(connect: Any) -> None:
    said = {"data": {"n0": {"startedAt": "<b>soon"}, "n1": {}, "n2": "x", "n3": None}}
    headers = ("content-type", "application/json"), ("x-inngest-server-kind", "dev")
    with CannedServer(lambda seen: Answer(200, headers, json.dumps(said).encode())) as odd:
        ids = [*RUNS][:5]
        assert connect(odd.url).first_executions(ids) == {ids[0]: None, ids[1]: None}


# Names of events


def test_all_events_have_the_names_that_the_list_has(connect: Any) -> None:
    with StoryServer() as inngest:
        assert connect(inngest.url).event_names(EVENTS) == EVENTS
        assert len(questions(inngest)) == 1


def test_an_event_is_told_as_it_was_recorded(inngest: StoryServer, api: Any) -> None:
    recorded = next(one for one in exchanges() if one.name == "gql-event")
    told = recorded.response["body"]["data"]["eventV2"]
    assert api.event_names([told["id"]]) == {told["id"]: told["name"]}


def test_events_that_inngest_made_have_names_too(api: Any, names: dict[str, str]) -> None:
    (event_id,) = api.run(names["api_invoke"], output=False).event_ids
    assert api.event_names([event_id]) == {event_id: "inngest/function.invoked"}


def test_an_event_that_graphql_does_not_know_leaves_the_others_untold(api: Any) -> None:
    assert api.event_names([*EVENTS, UNKNOWN]) == {}


def test_four_hundred_events_are_asked_for_at_once(connect: Any) -> None:
    with StoryServer(runs=400) as inngest:
        ids = [*inngest.state.event][:401]
        found = connect(inngest.url).event_names(ids * 2)
        assert (len(found), len(questions(inngest))) == (401, 2)


# Both


@pytest.mark.parametrize("call", ["event_names", "first_executions"])
def test_where_graphql_is_off_it_is_asked_once(connect: Any, call: str) -> None:
    with StoryServer(ui=False, runs=500) as inngest:
        api = connect(inngest.url)
        ids = inngest.state.event if call == "event_names" else inngest.state.runs.rows
        assert [getattr(api, call)(ids) for _ in range(2)] == [{}, {}]
        assert len(inngest.seen) == 1


@pytest.mark.parametrize(("call", "named"), [("event_names", "event"), ("first_executions", "run")])
def test_an_id_that_is_none_is_refused_here(
    inngest: StoryServer, api: Any, call: str, named: str
) -> None:
    before = len(inngest.seen)
    with pytest.raises(ValueError, match=f"{named}_ids must be an id of 26 letters"):
        getattr(api, call)([UNKNOWN, "mine"])
    assert getattr(api, call)([]) == {}
    assert len(inngest.seen) == before


def test_the_same_question_has_the_same_text_whatever_the_ids(connect: Any) -> None:
    with StoryServer(runs=100) as inngest:
        api = connect(inngest.url)
        ids = [*inngest.state.runs.rows]
        for start in (0, 50):
            api.first_executions(ids[start : start + 50])
        texts = {json.loads(seen.body)["query"] for seen in questions(inngest)}
    assert len(texts) == 1
    assert not any(run_id in text for text in texts for run_id in ids)
