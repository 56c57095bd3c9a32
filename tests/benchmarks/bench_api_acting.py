"""Canceling 200 runs: a plan, with its look at each run, against a loop that cancels one by one.

The story server takes as long for each cancel as a real one did that was asked for one at a time,
55 ms. Goal: 5 times as fast. Where INNGEST_NB_LIVE_URL names a server, the same is measured there;
INNGEST_NB_LIVE_FUNCTION=app/function then says of which function 1,200 runs may be started and
canceled: one that sleeps, or whose worker is away.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import httpx
from alternating import judge, show

sys.path.insert(0, str(Path(__file__).parents[1]))

from canned_server import Seen
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb.errors import InngestNotFoundError

RUNS, ROUNDS, GOAL = 200, 3, 5.0
CANCEL_SECONDS = 0.055
LIVE, FUNCTION = "INNGEST_NB_LIVE_URL", "INNGEST_NB_LIVE_FUNCTION"


def main() -> None:
    with StoryServer(lose=_take_time) as server, inb.InngestAPI(server.url) as api:
        measure(api, server.url, ("nb-lab", "long-job"), "story")
    if not (url := os.environ.get(LIVE)):
        print(f"not measured on a real server: set {LIVE} to the address of one")
    elif "/" not in (name := os.environ.get(FUNCTION, "")):
        print(f"not measured on a real server: set {FUNCTION}=app/function; its runs are canceled")
    else:
        app, _, function = name.partition("/")
        with inb.InngestAPI(url) as api:
            measure(api, url, (app, function), "live")


def _take_time(seen: Seen) -> bool:
    if seen.target.endswith("/cancel"):
        time.sleep(CANCEL_SECONDS)
    return False


def measure(api: inb.InngestAPI, url: str, function: tuple[str, str], where: str) -> None:
    """Cancel 200 new runs in turn by a plan and one by one, and print how these relate."""
    key = os.environ.get("INNGEST_SIGNING_KEY")
    headers = {"authorization": f"Bearer {key}"} if key else {}

    def by_plan(run_ids: list[str]) -> None:
        plan = inb.cancel_runs(run_ids, api)
        plan.run(confirm=RUNS)
        assert (plan.results["result"] == "done").all()

    def one_by_one(run_ids: list[str]) -> None:
        with httpx.Client(base_url=url, headers=headers) as client:
            for run_id in run_ids:
                client.post(f"/api/v2/runs/{run_id}/cancel", json={}).raise_for_status()

    ways: dict[str, Callable[[list[str]], None]] = {"plan": by_plan, "one by one": one_by_one}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, cancel in ways.items():
            run_ids = started(api, *function)
            begun = perf_counter()
            cancel(run_ids)
            times[name].append((perf_counter() - begun) / RUNS)
    show(times)
    what = f"api: {RUNS} runs canceled ({where})"
    judge(what, times["plan"], times["one by one"], goal=GOAL)


def started(api: inb.InngestAPI, app: str, function: str) -> list[str]:
    """Start runs, and return their ids once the server shows them."""
    run_ids = [api.invoke(app, function) for _ in range(RUNS)]
    for run_id in run_ids:
        while not _is_shown(api, run_id):
            time.sleep(0.05)
    return run_ids


def _is_shown(api: inb.InngestAPI, run_id: str) -> bool:
    try:
        return bool(api.run(run_id, output=False))
    except InngestNotFoundError:
        return False


if __name__ == "__main__":
    main()
