"""What the story server does beyond the recordings: any window, many runs, writes, kinds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from manual_clock import ManualClock
from story_records import nanoseconds, story
from story_server import EVENT_KEY, SIGNING_KEY, StoryServer


@pytest.fixture(scope="module")
def story_runs() -> Iterator[StoryServer]:
    with StoryServer() as inngest:
        yield inngest


def pages(inngest: StoryServer, **query: Any) -> Iterator[list[dict[str, Any]]]:
    cursor = ""
    with httpx.Client(base_url=inngest.url) as client:
        while True:
            given = query | ({"cursor": cursor} if cursor else {})
            body = client.get("/api/v2/runs", params=given).json()
            yield body.get("data", [])
            if not (cursor := body["page"].get("cursor", "")):
                return


def ids(inngest: StoryServer, **query: Any) -> list[str]:
    return [run["id"] for page in pages(inngest, **query) for run in page]


@pytest.mark.parametrize("field", ["queuedAt", "endedAt"])
@pytest.mark.parametrize("limit", [1, 7, 100])
def test_paging_downwards_shows_each_run_once(
    story_runs: StoryServer, field: str, limit: int
) -> None:
    found = ids(story_runs, limit=limit, timeField=field)
    assert len(found) == 47
    assert {*found} == {row.id for row in story().rows}


def test_paging_upwards_shows_the_last_run_of_a_page_twice(story_runs: StoryServer) -> None:
    found = ids(story_runs, limit=25, order="ASC")
    assert [key for key, times in Counter(found).items() if times > 1] == [found[24]]
    assert len({*found}) == 47


def test_both_ends_of_a_window_belong_to_it(story_runs: StoryServer) -> None:
    (rows,) = pages(story_runs, limit=100)
    newest, tenth = rows[0]["startedAt"], rows[9]["startedAt"]
    window = {"from": tenth, "until": newest}
    assert ids(story_runs, limit=100, **window) == [row["id"] for row in rows[:10]]


def test_filters_go_together(story_runs: StoryServer) -> None:
    asked = {"app_id": "nb-lab", "functionId": ["long-job", "flaky"], "status": ["CANCELLED"]}
    assert len(ids(story_runs, **asked)) == 4


def test_many_runs_are_copies_of_those_that_have_ended() -> None:
    with StoryServer(runs=10_000) as inngest:
        rows = [run for page in pages(inngest, limit=100) for run in page]
        assert len({run["id"] for run in rows}) == len(rows) == 10_000
        assert len([run for run in rows if "endedAt" not in run]) == 5
        starts = [nanoseconds(run["startedAt"]) for run in rows]
        assert starts == sorted(starts, reverse=True)
        for run in rows[5_000:5_100:17]:
            detail = httpx.get(f"{inngest.url}/api/v2/runs/{run['id']}").json()["data"]
            assert [detail[key] for key in ("id", "queuedAt")] == [run["id"], run["queuedAt"]]
            event = run["trigger"]["eventIds"][0]
            found = httpx.get(f"{inngest.url}/api/v2/events/{event}/runs").json()["data"]
            assert run in found


def test_a_page_costs_what_lies_in_its_window() -> None:
    with StoryServer(runs=11_142) as inngest:
        newest = next(pages(inngest, limit=100))
        whole = inngest.seconds
        window = {"from": newest[99]["startedAt"], "until": newest[0]["startedAt"]}
        next(pages(inngest, limit=100, **window))
        assert whole == pytest.approx(0.148, abs=0.005)
        assert inngest.seconds - whole == pytest.approx(0.032, abs=0.003)


def test_a_charge_is_what_is_slept() -> None:
    slept: list[float] = []
    with StoryServer(charge=slept.append) as inngest:
        [*pages(inngest, limit=20)]
    assert len(slept) == 3
    assert sum(slept) == pytest.approx(inngest.seconds)


def test_v1_repeats_for_some_seconds_what_it_said() -> None:
    clock = ManualClock()
    run = story().names["long_stays"]
    with StoryServer(now=clock.now) as inngest:
        url = f"{inngest.url}/v1/runs/{run}"
        first = httpx.get(url)
        assert httpx.post(f"{inngest.url}/api/v2/runs/{run}/cancel", json={}).status_code == 200
        again = httpx.get(url)
        clock.set(clock.now() + timedelta(seconds=3))
        fresh = httpx.get(url)
    assert first.headers["content-type"] == "application/json"
    assert again.headers["content-type"] == "text/plain; charset=utf-8"
    assert again.json() == first.json()
    assert fresh.json()["data"]["status"] == "Cancelled"


def test_a_cancelled_run_ends_ten_seconds_later_in_lists_than_it_did() -> None:
    clock = ManualClock()
    clock.set(datetime(2026, 11, 22, 19, 30, tzinfo=UTC))
    run = story().names["long_stays"]
    with StoryServer(now=clock.now) as inngest:
        httpx.post(f"{inngest.url}/api/v2/runs/{run}/cancel", json={})
        detail = httpx.get(f"{inngest.url}/api/v2/runs/{run}").json()["data"]
        listed = next(row for page in pages(inngest, limit=100) for row in page if row["id"] == run)
        assert httpx.get(f"{inngest.url}/v1/runs/{run}/jobs").json()["data"] == []
    late = nanoseconds(listed["endedAt"]) - nanoseconds(detail["endedAt"])
    assert late == 10_000_000_000
    assert listed["status"] == detail["status"] == "CANCELLED"


def test_an_event_queues_its_functions_unless_its_id_was_there_before() -> None:
    with StoryServer() as inngest:
        event = {"name": "lab/order.placed", "data": {"order_id": "B1"}, "id": "mine"}
        keys = [httpx.post(f"{inngest.url}/e/k", json=event).json()["ids"][0] for _ in "ab"]
        runs = [httpx.get(f"{inngest.url}/api/v2/events/{key}/runs").json() for key in keys]
        listed = httpx.get(f"{inngest.url}/v1/events", params={"limit": 2}).json()["data"]
    assert [run["function"]["id"] for run in runs[0]["data"]] == ["order-pipeline"]
    assert "data" not in runs[1]
    assert [(one["id"], one["internal_id"]) for one in listed] == [("mine", k) for k in keys[::-1]]


def test_a_rerun_of_a_batch_has_its_first_event_only() -> None:
    with StoryServer() as inngest:
        batch = story().names["batch0"]
        again = httpx.post(f"{inngest.url}/api/v2/runs/{batch}/rerun", json={}).json()["data"]
        run = httpx.get(f"{inngest.url}/api/v2/runs/{again['runId']}").json()["data"]
        v1 = httpx.get(f"{inngest.url}/v1/runs/{again['runId']}").json()["data"]
    (row,) = [row for row in story().rows if row.id == batch]
    assert run["trigger"] == {"eventIds": row.record.item["trigger"]["eventIds"]}
    assert v1["original_run_id"] == batch


@pytest.mark.parametrize(
    ("kind", "key", "status"),
    [("dev", "", 200), ("cloud", "", 401), ("cloud", EVENT_KEY, 401), ("cloud", SIGNING_KEY, 200)],
)
def test_a_keyed_server_wants_its_signing_key(kind: Any, key: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with StoryServer(kind) as inngest:
        for path in "/api/v2/runs", "/v1/events", "/v2/health":
            assert httpx.get(inngest.url + path, headers=headers).status_code == status


def test_without_its_web_pages_it_knows_no_other_path() -> None:
    with StoryServer() as dev, StoryServer(ui=False) as bare:
        assert httpx.get(f"{dev.url}/somewhere").headers["content-type"].startswith("text/html")
        for path in "/somewhere", "/v0/gql":
            answer = httpx.get(bare.url + path)
            assert (answer.status_code, answer.text) == (404, "404 page not found\n")
