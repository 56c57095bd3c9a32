"""Long lists are read in windows: each run once, at a cost that does not grow with the history."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from canned_server import Answer, CannedServer, Seen
from story_records import copy_of, story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI


@pytest.mark.parametrize("runs", [99, 100, 101, 200, 250, 1_050])
def test_each_run_is_read_once(runs: int) -> None:
    with StoryServer(runs=runs) as inngest, InngestAPI(inngest.url) as api:
        rows = inb.search_runs(api, since=None)
        assert list(rows["run_id"]) == [run.run_id for run in api.runs(limit=None)]
        assert len(rows) == runs


def test_ten_thousand_runs_cost_less_than_half_of_following_the_cursor() -> None:
    with StoryServer(runs=10_000) as inngest, InngestAPI(inngest.url) as api:
        rows = inb.search_runs(api, since=None, event_names=False)
        assert (len(rows), rows["run_id"].nunique()) == (10_000, 10_000)
        assert len(inngest.seen) <= 140
        ours = inngest.seconds
        api.runs(limit=None)
        assert ours <= 0.4 * (inngest.seconds - ours)


class Crowd:
    """How many requests for runs are under way; the first that can waits for a second one."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._changed = threading.Condition()
        self._asked = 0

    def __enter__(self) -> None:
        with self._changed:
            self.now += 1
            self.most = max(self.most, self.now)
            self._asked += 1
            self._changed.notify_all()
            if self._asked > 2:  # the first page, and the oldest run
                self._changed.wait_for(lambda: self.most > 1, timeout=20)

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self.now -= 1


def test_two_requests_are_under_way_at_a_time_and_no_more() -> None:
    crowd = Crowd()
    with StoryServer(runs=3_000) as inngest:

        def answer(seen: Seen) -> Answer | None:
            with crowd:
                return inngest._answer(seen)

        with CannedServer(answer) as crowded, InngestAPI(crowded.url) as api:
            rows = inb.search_runs(api, since=None)
            asked = len(crowded.seen)
    assert (len(rows), rows["run_id"].nunique(), crowd.most) == (3_000, 3_000, 2)
    assert rows[rows["status"] != "canceled"]["started_at"].is_monotonic_decreasing
    assert rows["event_name"].notna().mean() > 0.9
    assert asked <= 1.7 * len(rows) / 100  # of few runs, beginnings and ends count for more


def test_a_limit_reads_no_more_than_it_needs() -> None:
    with StoryServer(runs=1_000) as inngest, InngestAPI(inngest.url) as api:
        rows = inb.search_runs(api, since=None, limit=150)
        assert (len(rows), rows.attrs["truncated"]) == (150, True)
        lists = [seen for seen in inngest.seen if seen.target.startswith("/api/v2/runs?")]
        assert len(lists) == 3  # two pages, and where the history begins
        assert list(rows["run_id"]) == [run.run_id for run in api.runs(limit=150)]


def test_windows_cross_a_year_without_runs() -> None:
    with StoryServer(runs=150) as inngest, InngestAPI(inngest.url) as api:
        old = copy_of(story().rows[0], -366 * 86_400_000)
        inngest.state.runs.put(old)
        rows = inb.search_runs(api, since=None, event_names=False)
        assert len(rows) == 151
        assert rows["run_id"].iloc[-1] == old.id
        assert len(inngest.seen) < 20


def test_more_runs_of_one_moment_than_fit_into_a_page_are_all_read() -> None:
    at = datetime(2026, 12, 1, tzinfo=UTC)
    with StoryServer(now=lambda: at) as inngest, InngestAPI(inngest.url) as api:
        api.send_many({"name": "lab/tiny"} for _ in range(350))
        rows = inb.search_runs(api, since=None, status=["queued", "completed", "failed"])
        assert (rows["started_at"] == at).sum() == 350
        assert len(rows) == rows["run_id"].nunique() == 350 + 40


def test_a_window_has_both_its_ends(api: InngestAPI) -> None:
    since = datetime(2026, 11, 22, 19, 22, 39, 500_000, tzinfo=UTC)
    until = since + timedelta(seconds=1)
    rows = inb.search_runs(api, since=since, until=until)
    assert list(rows["run_id"]) == [r.run_id for r in api.runs(since=since, until=until)]
    assert 0 < len(rows) < 47


def test_a_function_is_found_without_its_app() -> None:
    with StoryServer(runs=2_000) as inngest, InngestAPI(inngest.url) as api:
        rows = inb.search_runs(api, function="outputs", since=None)
        assert list(rows["run_id"]) == [r.run_id for r in api.runs(function="outputs", limit=None)]
        assert set(rows["function"]) == {"outputs"}
        asked = [seen.target for seen in inngest.seen if seen.target == "/api/v2/apps"]
        assert len(asked) == 2  # once for either
