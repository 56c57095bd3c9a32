"""Lists of runs and events: filters, windows, limits, and arguments that make no sense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from canned_server import Seen
from story_records import story
from story_server import StoryServer

from inngest_nb.errors import InngestConnectionError

STORY = datetime(2026, 11, 22, 19, 22, tzinfo=UTC)


def test_all_runs_are_read_page_by_page(connect: Any) -> None:
    with StoryServer(runs=1_050) as inngest:
        runs = connect(inngest.url).runs(limit=None)
        assert len({run.run_id for run in runs}) == 1_050
        assert len(inngest.seen) == 11
    assert not runs.truncated


@pytest.mark.parametrize(("limit", "truncated"), [(7, True), (46, True), (47, False), (48, False)])
def test_a_cut_is_told(api: Any, limit: int, truncated: bool) -> None:
    runs = api.runs(limit=limit)
    assert (len(runs), runs.truncated) == (min(limit, 47), truncated)


@pytest.mark.parametrize(
    ("status", "count"),
    [
        ("failed", 3),
        ("FAILED", 3),
        ("canceled", 4),
        ("cancelled", 4),
        (["failed", "canceled"], 7),
        ({"queued"}, 2),
        ([], 47),
    ],
)
def test_statuses_are_given_in_either_words(api: Any, status: Any, count: int) -> None:
    assert len(api.runs(status=status)) == count


def test_each_run_has_its_true_status(api: Any) -> None:
    recorded = {row.id: row.status for row in story().rows}
    for run in api.runs():
        assert run.inngest_status == recorded[run.run_id]
        assert run.is_over == (run.status in ("completed", "failed", "canceled"))


def test_filters_go_together(api: Any) -> None:
    runs = api.runs(app="nb-lab", function="long-job", status="running")
    assert [run.status for run in runs] == ["running"]


@pytest.mark.parametrize("field", ["queued_at", "started_at", "ended_at"])
@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_lists_are_in_order_of_the_time_they_are_about(api: Any, field: str, order: str) -> None:
    runs = api.runs(by=field, order=order, limit=None)
    assert len(runs) == 47
    # The server sorts by when a run was scheduled, and a canceled one by its late end.
    name = "ended_at" if field == "ended_at" else "started_at"
    times = [getattr(run, name) for run in runs if run.is_over and run.status != "canceled"]
    assert times == sorted(times, reverse=order == "newest")


ZONE = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    "since",
    [
        STORY,
        STORY.astimezone(ZONE),
        STORY.isoformat(),
        "2026-11-22T19:22:00Z",
        "90000h",
        timedelta(days=5000),
    ],
)
def test_a_window_begins_at_a_time_or_so_long_ago(api: Any, since: Any) -> None:
    assert len(api.runs(since=since)) == 47
    assert len(api.events(since=since, limit=None)) == 63


def test_a_window_may_end_before_now(api: Any) -> None:
    assert api.runs(until=STORY) == api.events(until=STORY) == []
    middle = STORY + timedelta(seconds=39, milliseconds=590)
    before, after = api.runs(until=middle), api.runs(since=middle)
    assert len(before) + len(after) == 47
    assert all(run.started_at <= middle for run in before)


def test_events_before_one_are_listed_from_there(api: Any) -> None:
    events = api.events(limit=None)
    assert api.events(before=events[9].event_id, limit=None) == events[10:]
    assert api.events(before=events[9].event_id, limit=60) == events[10:]
    assert api.events("lab/order.placed", before=events[-1].event_id) == []


def test_events_of_one_name_are_found(api: Any) -> None:
    events = api.events("lab/order.placed", limit=None)
    assert {event.name for event in events} == {"lab/order.placed"}
    assert len(events) == 6
    assert api.events("lab/order", limit=None) == []


BAD = {
    "a vague time": ({"since": "yesterday-ish"}, "since must be how long ago, such as '24h'.*'yesterday-ish'"),
    "a naive time": ({"since": datetime(2026, 1, 1)}, "since .*has no time zone"),
    "a naive text": ({"until": "2026-01-01T00:00:00"}, "until .*has no time zone"),
    "a number as time": ({"since": 24}, "since .*got int"),
    "a span into the future": ({"since": timedelta(hours=-1)}, "since .*is not in the past"),
    "a span too long": ({"since": timedelta(days=10**6)}, "since .*too long ago"),
    "from after until": ({"since": "1h", "until": "24h"}, "since must be before until"),
    "from as until": ({"since": STORY, "until": STORY}, "since must be before until"),
    "no limit at all": ({"limit": 0}, "limit must be a number above 0, such as 100, or None"),
    "a limit below zero": ({"limit": -1}, "limit must be a number above 0"),
    "a limit that is no number": ({"limit": True}, "limit must be a number above 0"),
    "an unknown status": ({"status": "done"}, "status must be one of queued, running, .*'done'"),
    "one unknown status": ({"status": ["failed", "skipped"]}, "status must be one of .*'skipped'"),
    "an empty app": ({"app": ""}, "app must be a name such as 'shop'"),
    "a function that is none": ({"function": 5}, "function must be a name such as"),
    "an unknown time": ({"by": "created_at"}, "by must be one of queued_at, started_at, ended_at"),
    "an unknown order": ({"order": "up"}, "order must be one of newest, oldest"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "message"), BAD.values(), ids=[*BAD])
def test_arguments_that_make_no_sense_are_refused_before_anything_is_asked(
    connect: Any, given: Any, message: str
) -> None:
    with StoryServer() as inngest:
        with pytest.raises(ValueError, match=message):
            connect(inngest.url).runs(**given)
        assert inngest.seen == []


@pytest.mark.parametrize(
    ("call", "given", "message"),
    [
        ("run", ["zzz"], "run_id must be an id of 26 letters .* got 'zzz'"),
        ("run", [None], "run_id must be an id .* got 'NoneType'"),
        ("trace", ["../health"], "run_id must be an id"),
        ("jobs", [""], "run_id must be an id"),
        ("cancel", ["zzz"], "run_id must be an id"),
        ("rerun", ["zzz"], "run_id must be an id"),
        ("event", ["order-1"], "event_id must be an id .*looked up by their event_id"),
        ("event_runs", ["order-1"], "event_id must be an id"),
        ("events", [""], "name must be a name such as 'shop/order.placed'"),
        ("events", {"before": "order-1"}, "before must be an id of 26 letters"),
        ("invoke", ["", "f"], "app must be a name such as 'shop'"),
        ("invoke", ["a", ".."], "function must be a name such as 'charge-card'"),
        ("invoke", ["a", "f", [1]], "data must be an object"),
        ("invoke", ["a", "f", {"x": object()}], r"data cannot be sent: .* at \$.data.x"),
        ("functions", [""], "app must be a name"),
    ],
)
def test_ids_and_names_that_cannot_be_are_refused(
    connect: Any, call: str, given: Any, message: str
) -> None:
    positional, named = ([], given) if isinstance(given, dict) else (given, {})
    with StoryServer() as inngest:
        with pytest.raises(ValueError, match=message):
            getattr(connect(inngest.url), call)(*positional, **named)
        assert inngest.seen == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input": [1]}, "input needs the step that it is for"),
        (
            {"from_step": "charge", "input": {"a": 1}},
            "input must be the list of the step's arguments",
        ),
        ({"from_step": "charge", "input": "ten"}, "input must be the list of the step's arguments"),
        ({"from_step": ""}, "from_step must be a step's name or id"),
    ],
)
def test_a_rerun_that_makes_no_sense_is_refused(
    connect: Any, names: dict[str, str], given: Any, message: str
) -> None:
    with StoryServer() as inngest:
        with pytest.raises(ValueError, match=message):
            connect(inngest.url).rerun(names["order1"], **given)
        assert inngest.seen == []


@pytest.mark.parametrize("limit", [0, 101, None])
def test_a_page_has_its_limit(api: Any, limit: Any) -> None:
    with pytest.raises(ValueError, match="limit of a page must be a number from 1 to 100"):
        api.runs_page(limit=limit)


def test_what_came_before_a_server_stopped_is_kept_in_the_error(connect: Any) -> None:
    asked: list[Seen] = []

    def from_the_third(seen: Seen) -> bool:
        asked.append(seen)
        return len(asked) > 2

    with StoryServer(runs=300, lose=from_the_third) as inngest:
        with pytest.raises(InngestConnectionError, match="inngest runs: no response") as stopped:
            connect(inngest.url).runs(limit=None)
        assert (len(stopped.value.partial), stopped.value.partial.truncated) == (200, True)
        assert "200 runs had been read: see this error's `partial`" in stopped.value.__notes__[-1]
        asked.clear()
        with pytest.raises(InngestConnectionError) as stopped:
            connect(inngest.url).events(limit=None)
        assert len(stopped.value.partial) == 102
        with pytest.raises(InngestConnectionError) as stopped:
            connect(inngest.url).runs()
        assert stopped.value.partial is None
