"""Where the lists of the real server need care: pages, windows, batches, names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from canned_server import Answer, CannedServer, Seen
from story_records import story
from story_server import StoryServer


def test_reading_upwards_a_run_that_comes_twice_is_shown_once(connect: Any) -> None:
    with StoryServer(runs=250) as inngest:
        api = connect(inngest.url)
        first = api.runs_page(order="oldest")
        second = api.runs_page(order="oldest", cursor=first.cursor)
        assert first.runs[-1] == second.runs[0]
        runs = api.runs(order="oldest", limit=None)
        assert len(runs) == len({run.run_id for run in runs}) == 250
        assert len(api.runs(order="oldest", limit=150)) == 150


def test_both_ends_of_a_window_belong_to_it(api: Any) -> None:
    newest = api.runs(limit=10)
    # A start has nanoseconds, and a time here has none: the window is a microsecond wider.
    until = newest[0].started_at + timedelta(microseconds=1)
    found = api.runs(since=newest[9].started_at, until=until)
    assert [run.run_id for run in found] == [run.run_id for run in newest]


def test_v1_gives_51_events_at_most(api: Any) -> None:
    assert len(api.events(limit=None)) == len(api.events(limit=63)) == 63
    assert not api.events(limit=63).truncated
    assert api.events(limit=62).truncated
    assert [event.event_id for event in api.events(limit=None)] == [
        event["internal_id"] for event in story().events
    ]


def test_an_event_that_was_sent_with_an_id_is_found_by_the_servers(api: Any) -> None:
    sent = [event for event in api.events(limit=None) if event.id != event.event_id]
    assert sent
    assert api.event(sent[0].event_id) == sent[0]
    with pytest.raises(ValueError, match="looked up by their event_id"):
        api.event(sent[0].id)


def test_any_event_of_a_batch_finds_its_run(api: Any, names: dict[str, str]) -> None:
    (row,) = [row for row in story().rows if row.id == names["batch0"]]
    assert len(row.record.event_ids) == 3
    for event_id in row.record.event_ids:
        (run,) = api.event_runs(event_id)
        assert (run.run_id, run.is_batch) == (names["batch0"], True)
        assert len(run.event_ids) == 1  # the server names the first one only


def test_a_long_function_name_finds_its_runs(api: Any) -> None:
    assert len(api.runs(app="nb-lab", function="nb-lab-flaky")) == 2
    assert api.runs(function="nb-lab-flaky") == api.runs(app="nb-lab", function="flaky")


def test_where_there_are_no_apps_a_function_has_no_runs(connect: Any) -> None:
    headers = ("content-type", "application/json"), ("x-inngest-server-kind", "dev")

    def newly_started(seen: Seen) -> Answer:
        assert seen.target == "/api/v2/apps"  # runs are not asked for: that would be an error
        return Answer(200, headers, b'{"metadata":{},"page":{"limit":20}}')

    with CannedServer(newly_started) as inngest:
        api = connect(inngest.url)
        assert api.runs(function="flaky") == []
        assert api.runs_page(function="flaky").runs == ()
        assert api.functions() == []


def test_runs_of_several_apps_are_listed_together(api: Any) -> None:
    assert len(api.runs(app=["nb-lab", "other"], limit=None)) == 47
    assert len(api.runs(app=("other", "nb-lab"), function="nb-lab-flaky")) == 2
    for none in ([], "", [""], 5):
        with pytest.raises(ValueError, match="app must be a name such as 'shop'"):
            api.runs(app=none)


def test_the_runs_of_an_event_come_as_a_page_too(api: Any, names: dict[str, str]) -> None:
    run = api.run(names["long_by-v2"], output=False)
    page = api.event_runs_page(run.event_ids[0], output=True)
    assert [*page.runs] == api.event_runs(run.event_ids[0], output=True)
    (listed,) = page.listed
    assert (listed.status, listed.our_status) == ("CANCELLED", "canceled")
    # As the server wrote it, ten seconds late.
    assert listed.true_end()[0] == page.runs[0].ended_at
    assert listed.true_end(in_list=False)[0] == page.runs[0].ended_at + timedelta(seconds=10)
