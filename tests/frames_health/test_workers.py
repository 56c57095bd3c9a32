"""Which workers are connected, as GraphQL tells."""

from __future__ import annotations

from story_troubles import TroubledServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.findings import Checkup, Finding, Level


def line(found: Checkup) -> Finding:
    return next(each for each in found.findings if each.subject == "workers")


def test_an_app_without_a_worker_is_told(server: TroubledServer, api: InngestAPI) -> None:
    connected = inb.checkup(api)
    assert (line(connected).level, connected.to_do) == (Level.OK, 0)
    assert list(connected["workers"]["workers"]) == [1]
    server.graphql.workers.clear()
    found = inb.checkup(api)
    assert (line(found).level, found.to_do) == (Level.TO_DO, 1)
    assert line(found).words.startswith("none is connected for nb-lab-connect")
    assert list(found["workers"]["workers"]) == [0]


def test_a_worker_that_takes_no_runs_does_not_count(
    server: TroubledServer, api: InngestAPI
) -> None:
    server.graphql.workers[0] |= {"status": "DRAINING"}
    assert line(inb.checkup(api)).level is Level.TO_DO


def test_where_graphql_is_off_it_says_so() -> None:
    with TroubledServer(ui=False) as server, InngestAPI(server.url) as api:
        assert "GraphQL is off on this server" in line(inb.checkup(api)).words
