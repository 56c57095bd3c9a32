"""Runs of a story server to be acted upon, and what was done to them there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from canned_server import Seen
from story_server import StoryServer

from inngest_nb import InngestAPI, Plan


@contextmanager
def losing(lose: Callable[[Seen], bool]) -> Iterator[tuple[StoryServer, InngestAPI]]:
    """Give a server of whose answers some are lost, and a client."""
    with StoryServer(lose=lose) as server, InngestAPI(server.url) as api:
        yield server, api


def queue(server: StoryServer, count: int) -> list[str]:
    """Have runs wait for a worker, and return their ids."""
    with server.state.lock:
        before = {*server.state.runs.rows}
        for number in range(count):
            server.state.send({"name": "lab/long", "data": {"n": number}})
        return [run_id for run_id in server.state.runs.rows if run_id not in before]


def asked(server: StoryServer, verb: str) -> Counter[str]:
    """Count how often the server was asked to do something to each run."""
    paths = [seen.target.partition("?")[0].split("/") for seen in server.seen]
    return Counter(path[-2] for path in paths if path[-1] == verb)


def statuses(server: StoryServer, run_ids: list[str]) -> set[str]:
    """Return the words that the server has for runs."""
    return {server.state.runs.rows[run_id].status for run_id in run_ids}


def results(plan: Plan) -> dict[str, int]:
    """Count the rows of a plan by what became of them."""
    counts = plan.results["result"].value_counts()
    return {str(word): int(count) for word, count in counts.items() if count}
