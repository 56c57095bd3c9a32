"""What a server has and others lack is asked for once, and told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from canned_server import Answer, CannedServer, Seen
from story_server import SIGNING_KEY, StoryServer

from inngest_nb.api import ServerFeatures
from inngest_nb.errors import InngestAuthError, InngestStatusError


def test_features_are_asked_for_once(connect: Any) -> None:
    with StoryServer() as dev, StoryServer("cloud", ui=False) as bare:
        api = connect(dev.url)
        known = ServerFeatures(graphql=True, run_query=False)
        assert [api.features(), api.features()] == [known, known]
        assert len(dev.seen) == 2
        assert dev.seconds == pytest.approx(0.03)  # no run lies in its window
        other = connect(bare.url, signing_key=SIGNING_KEY).features()
        assert other == ServerFeatures(graphql=False, run_query=False)


def test_a_newer_server_takes_a_query_and_no_search_sends_one(
    inngest: StoryServer, connect: Any
) -> None:
    refused = {"errors": [{"code": "expression_invalid", "message": "Syntax error"}]}
    headers = ("content-type", "application/json"), ("x-inngest-server-kind", "dev")

    def newer(seen: Seen) -> Answer | None:
        if "query=" in seen.target:
            return Answer(400, headers, json.dumps(refused).encode())
        return inngest._sent(seen)

    with CannedServer(newer) as server:
        api = connect(server.url)
        assert api.features().run_query
        assert len(api.runs(status="failed")) == 3
        assert [seen for seen in server.seen[2:] if "query=" in seen.target] == []


def test_what_cannot_be_asked_is_not_remembered(connect: Any) -> None:
    with StoryServer("cloud") as inngest:
        with pytest.raises(InngestAuthError, match="inngest features: .* requires a signing key"):
            connect(inngest.url).features()
    headers = ("content-type", "text/plain"), ("x-inngest-server-kind", "dev")
    answers = [Answer(503, headers, b"starting")]
    with StoryServer() as inngest:
        with CannedServer(lambda seen: answers.pop() if answers else inngest._sent(seen)) as server:
            api = connect(server.url)
            with pytest.raises(InngestStatusError, match="inngest features: .* status 503"):
                api.features()
            assert api.features().graphql
