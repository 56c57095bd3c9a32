"""What it costs to find runs of a real Inngest, beside a plain loop over cursors.

The other side is what one writes by hand: httpx, `json` and `DataFrame`, following the cursor. The
server is the story server of the tests, in a process of its own, which takes for each page of runs
the time that the real one takes. Where `INNGEST_NB_LIVE_URL` names a server, that is measured, too;
canceling, where `INNGEST_NB_LIVE_FUNCTION` names an `app/function` whose runs last for a while.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import pandas as pd
from alternating import compare, measure, ratio_of, show, verdict

import inngest_nb as inb
from inngest_nb import InngestAPI

TESTS = Path(__file__).parents[1]
COUNT, MANY = 10_000, 100_000
WORDS = ["running", "completed", "failed", "canceled", "queued"]
NOW = datetime(2026, 12, 1, tzinfo=UTC)  # later than the story

# Says its address, and for each line it reads, how many requests came since the last one.
SERVER = f"""
import sys, time
sys.path.insert(0, {str(TESTS)!r})
from datetime import UTC, datetime
from story_server import StoryServer
with StoryServer(runs={COUNT}, charge=time.sleep, now=lambda: datetime.fromisoformat({NOW.isoformat()!r})) as server:
    print(server.url, flush=True)
    for line in sys.stdin:
        print(len(server.seen), flush=True)
        server.seen.clear()
"""


class Charged:
    """The story server in another process; `requests` counts those since the last time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        self.url = self._out.readline().strip()

    def requests(self) -> int:
        self._in.write("\n")
        self._in.flush()
        return int(self._out.readline())


@contextlib.contextmanager
def charged() -> Iterator[Charged]:
    command = [sys.executable, "-c", SERVER]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield Charged(process)
        assert process.stdin is not None
        process.stdin.close()


def frame_of(items: list[Any]) -> pd.DataFrame:
    """What one writes by hand: the columns of `search_runs` but for the names of events."""
    rows = pd.DataFrame(items)
    for column in ("queuedAt", "startedAt", "endedAt"):
        rows[column] = pd.to_datetime(rows[column], utc=True, format="ISO8601").dt.as_unit("us")
    causes, statuses = rows["trigger"], rows["status"].astype("str")
    canceled = statuses == "CANCELLED"  # which lists show as ended ten seconds too late
    rows["endedAt"] -= pd.to_timedelta(canceled * 10, unit="s")
    ours = statuses.str.lower().replace("cancelled", "canceled")
    lasted = rows["endedAt"].fillna(NOW) - rows["startedAt"]
    return pd.DataFrame(
        {
            "run_id": rows["id"],
            "app": rows["app"].map(lambda app: app["id"]),
            "function": rows["function"].map(lambda function: function["id"]),
            "status": pd.Categorical(ours, categories=WORDS),
            "inngest_status": statuses,
            "queued_at": rows["queuedAt"],
            "started_at": rows["startedAt"],
            "ended_at": rows["endedAt"],
            "duration": lasted,
            "event_id": causes.map(lambda cause: cause["eventIds"][0]),
            "is_batch": causes.map(lambda cause: cause.get("isBatch", False)),
            "cron": causes.map(lambda cause: cause.get("cronSchedule")).astype("str"),
        }
    )


def cursor_loop(url: str, headers: dict[str, str] | None = None) -> pd.DataFrame:
    """List all runs by following the cursor."""
    items: list[Any] = []
    asked = {"limit": "100"}
    with httpx.Client(base_url=url, timeout=60, headers=headers) as client:
        while True:
            said = json.loads(client.get("/api/v2/runs", params=asked).content)
            items += said.get("data", [])
            if not said["page"].get("hasMore"):
                return frame_of(items)
            asked["cursor"] = said["page"]["cursor"]


def new_search(url: str, **given: Any) -> pd.DataFrame:
    """Search with a new client, which has nothing in its memory."""
    with InngestAPI(url) as api:
        return inb.search_runs(api, since=None, **given)


def fetching() -> None:
    """Fetch 10,000 runs, again, and one payload among 10,000 events."""
    with charged() as server, InngestAPI(server.url) as api:
        rows = new_search(server.url, event_names=False)
        assert len(rows) == COUNT == rows["run_id"].nunique()
        lists = server.requests() * 100 / COUNT
        new_search(server.url)
        named = server.requests() * 100 / COUNT
        print(f"requests for 100 runs: {lists:.2f}, with the names of their events {named:.2f}")
        verdict("api: requests for 100 of 10,000 runs", named, goal=1.4, at_most=True)

        inb.search_runs(api, since=None)
        server.requests()
        assert len(inb.search_runs(api, since=None)) == COUNT
        again = server.requests()
        verdict("api: requests for 10,000 runs again", again, goal=5, at_most=True)

        api.send("lab/tiny", {"user": {"id": "u7"}})
        wanted = {"data": {"user.id": "u7"}}
        assert len(new_search(server.url, **wanted)) == 1
        times = measure(
            {
                "search_runs": lambda: new_search(server.url),
                "search_runs(data=)": lambda: new_search(server.url, **wanted),
                "loop over cursors": lambda: cursor_loop(server.url),
            },
            rounds=3,
        )
    show(times)
    loop = times["loop over cursors"]
    for name, ours, goal in (
        ("api: 10,000 runs, charged", times["search_runs"], 0.4),
        ("api: one payload among 10,000 events", times["search_runs(data=)"], 0.3),
    ):
        verdict(name, ratio_of(ours, loop, at_most=True), goal=goal, at_most=True)


def framing() -> None:
    """Make a frame of the pages of 100,000 runs."""
    sys.path.insert(0, str(TESTS))
    from story_lists import item_of
    from story_records import rows_of

    from inngest_nb.api.basics._listed import page_of
    from inngest_nb.frames.inngest._rows import Rows

    items = [item_of(row, output=False) for row in rows_of(MANY)]
    said = [{"data": items[n : n + 100], "page": {"limit": 100}} for n in range(0, MANY, 100)]
    bodies = [json.dumps(page, separators=(",", ":")).encode() for page in said]
    del items, said

    def ours() -> pd.DataFrame:
        rows = Rows(outputs=False, errors=False)
        for body in bodies:
            page = page_of(body)
            assert page is not None
            rows.add(page.listed)
        return rows.frame({}, NOW)

    def by_hand() -> pd.DataFrame:
        items: list[Any] = []
        for body in bodies:
            items += json.loads(body)["data"]
        return frame_of(items)

    pd.testing.assert_frame_equal(ours().drop(columns="event_name"), by_hand())
    compare(
        "api: JSON of 100,000 runs to frame",
        ours,
        by_hand,
        names=("frame of decoded runs", "json and DataFrame"),
        goal=5,
        rounds=9,
        calls=1,
    )


def live(url: str) -> None:
    """Measure a real server: it should have 10,000 runs at least."""
    key = os.environ.get("INNGEST_SIGNING_KEY", "")
    headers = {"Authorization": f"Bearer {key}"} if key else None
    times = measure(
        {
            "search_runs": lambda: new_search(url),
            "loop over cursors": lambda: cursor_loop(url, headers),
        },
        rounds=3,
    )
    show(times)
    ratio = ratio_of(times["search_runs"], times["loop over cursors"])
    verdict("api: all runs of a real server (live)", ratio, goal=2.5)
    with InngestAPI(url) as api:
        runs = [run.run_id for run in api.runs(status="completed", limit=200)]
        times = measure(
            {
                "trace_frame": lambda: inb.trace_frame(runs, api),
                "traces one by one": lambda: [api.trace(run_id) for run_id in runs],
            },
            rounds=5,
        )
        show(times)
        ratio = ratio_of(times["trace_frame"], times["traces one by one"])
        verdict("api: 200 traces (live)", ratio, goal=1.7)
        if name := os.environ.get("INNGEST_NB_LIVE_FUNCTION"):
            canceling(api, *name.split("/", 1))
        else:
            print("INNGEST_NB_LIVE_FUNCTION names no app/function whose runs may be canceled")


def canceling(api: InngestAPI, app: str, function: str) -> None:
    """Start runs of a function and cancel them, some one by one, the others eight at a time."""
    runs = [api.invoke(app, function) for _ in range(220)]
    slowly, quickly = runs[:20], runs[20:]
    begun = perf_counter()
    for run_id in slowly:
        api.cancel(run_id)
    one = (perf_counter() - begun) / len(slowly)
    begun = perf_counter()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(api.cancel, quickly))
    many = (perf_counter() - begun) / len(quickly)
    verdict("api: cancel 200 (live)", one / many, goal=5)


if __name__ == "__main__":
    fetching()
    framing()
    if url := os.environ.get("INNGEST_NB_LIVE_URL"):
        live(url)
    else:
        print("INNGEST_NB_LIVE_URL names no server: the live rows were not measured")
