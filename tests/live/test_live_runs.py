"""What a search finds on a real server is what its lists and details say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

import inngest_nb as inb
from inngest_nb import InngestAPI

# What is older changes no more while the tests run, unless it has not ended.
SETTLED = datetime.now(UTC) - timedelta(minutes=5)
MOST = 2_000
ENDED = ["completed", "failed", "canceled"]


def test_each_run_is_found_once_in_the_order_of_the_list(api: InngestAPI) -> None:
    rows = inb.search_runs(api, since=None, until=SETTLED, limit=MOST, event_names=False)
    listed = api.runs(until=SETTLED, limit=MOST)
    assert list(rows["run_id"]) == [run.run_id for run in listed]
    assert rows["run_id"].is_unique
    assert rows.attrs["truncated"] is listed.truncated


def test_again_it_takes_few_requests_and_finds_the_same(api: InngestAPI, tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    given = {"since": None, "until": SETTLED, "status": ENDED, "limit": MOST}
    inb.search_runs(api, since=None, until=SETTLED, limit=MOST + 1, cache=file)
    again = inb.search_runs(api, cache=file, **given)
    fresh = inb.search_runs(api, cache=False, **given)
    pd.testing.assert_frame_equal(again, fresh)


def test_runs_end_when_their_details_say(api: InngestAPI) -> None:
    for status in ENDED:
        rows = inb.search_runs(
            api, since=None, until=SETTLED, status=status, limit=20, event_names=False
        )
        for row in rows.itertuples():
            detail = api.run(row.run_id, output=False)
            assert detail.status == row.status
            assert detail.ended_at is not None
            assert abs(row.ended_at - detail.ended_at) <= timedelta(milliseconds=1)
            began = api.first_executions([row.run_id]).get(row.run_id)
            if status == "canceled" and began is not None:
                assert row.started_at == began == detail.started_at
                assert abs(row.duration - detail.duration) <= timedelta(milliseconds=1)


def test_names_are_those_of_the_events(api: InngestAPI) -> None:
    rows = inb.search_runs(api, since=None, until=SETTLED, limit=100)
    for row in rows[rows["event_name"].notna()].head(20).itertuples():
        assert api.event(row.event_id).name == row.event_name


def test_what_is_in_events_finds_their_runs(api: InngestAPI) -> None:
    rows = inb.search_runs(api, since=None, until=SETTLED, limit=200)
    for name in rows["event_name"].dropna().unique()[:3]:
        of_name = rows[rows["event_name"] == name]
        found = inb.search_runs(
            api, event=name, since=of_name["queued_at"].min() - timedelta(days=1)
        )
        assert set(of_name["run_id"]) <= set(found["run_id"])
