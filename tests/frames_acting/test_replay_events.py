"""Sending events again, or invoking a function with them, once each."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
import story_events
from acted_runs import losing, results
from canned_server import Seen
from story_records import story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.errors import InngestNotFoundError

EVENTS = {
    "event_id": "str",
    "event_name": "str",
    "received_at": "datetime64[us, UTC]",
    "action": "str",
    "starts": "str",
    "left_out": "str",
}


def runs(server: StoryServer) -> int:
    return len(server.state.runs.rows)


def orders(api: InngestAPI) -> pd.DataFrame:
    return inb.search_events(api, name="lab/order.placed", since=None)


def test_a_plan_says_what_each_event_would_start(inngest: StoryServer, api: InngestAPI) -> None:
    plan = inb.replay_events(inb.search_events(api, since=None), api)
    assert {seen.method for seen in inngest.seen} == {"GET"}
    frame = plan.frame
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == EVENTS
    assert len(frame) == len(plan) == 63
    starts = frame.set_index("event_name")["starts"].fillna("")
    assert set(starts["lab/order.placed"]) == {"nb-lab/order-pipeline"}
    assert starts["lab/nobody.listens"] == ""
    assert "6  lab/order.placed" in repr(plan)


def test_events_are_sent_again_with_their_data_and_start_nothing_twice(
    inngest: StoryServer, api: InngestAPI
) -> None:
    before, events = runs(inngest), orders(api)
    plan = inb.replay_events(events, api).run()
    assert results(plan) == {"done": 6}
    assert runs(inngest) == before + 6
    for old, new in zip(plan.results["event_id"], plan.results["new_event_id"], strict=True):
        was, now = inngest.state.event[old], inngest.state.event[new]
        assert (was["name"], was["data"]) == (now["name"], now["data"])
        assert was["id"] != now["id"]
    # Another plan, of another kernel perhaps, sends the same ids.
    assert results(inb.replay_events(list(events["event_id"]), api).run()) == {"done": 6}
    assert runs(inngest) == before + 6
    own = inb.replay_events(events, api, again=True).run()
    assert runs(inngest) == before + 12
    own.run()
    assert runs(inngest) == before + 12


def test_the_events_of_runs_are_sent_again_those_of_a_batch_too(
    inngest: StoryServer, api: InngestAPI, names: dict[str, str]
) -> None:
    found = inb.search_runs(api, since=None)
    some = found[found["run_id"].isin([names["batch0"], names["order2"], names["rerun_order2"]])]
    plan = inb.replay_events(some, api).run()
    assert sorted(plan.results["event_name"]) == ["lab/batch"] * 3 + ["lab/order.placed"]
    assert results(plan) == {"done": 4}
    batch = plan.results["event_id"][plan.results["event_name"] == "lab/batch"]
    again = inb.replay_events(list(batch), api)
    started = runs(inngest)
    again.run()  # by themselves they are the same events
    assert runs(inngest) == started


def test_one_function_is_invoked_with_the_data_of_each(
    inngest: StoryServer, api: InngestAPI
) -> None:
    before = runs(inngest)
    plan = inb.replay_events(orders(api), api, to="nb-lab/square").run()
    assert results(plan) == {"done": 6}
    assert runs(inngest) == before + 6
    for old, new in zip(plan.results["event_id"], plan.results["new_run_id"], strict=True):
        run = api.run(new)
        assert run.function == "square"
        assert inngest.state.event[run.event_ids[0]]["data"] == inngest.state.event[old]["data"]
    again = inb.replay_events(orders(api), api, to="nb-lab/square").run()
    assert list(again.results["new_run_id"]) == list(plan.results["new_run_id"])
    assert runs(inngest) == before + 6
    inb.replay_events(orders(api), api, to="nb-lab/tiny").run()
    assert runs(inngest) == before + 12


def test_an_event_of_inngests_own_can_only_be_invoked_with(
    inngest: StoryServer, api: InngestAPI
) -> None:
    run = api.run(api.invoke("nb-lab", "square", {"n": 3, "_inngest": {"fn_id": "x"}}))
    plan = inb.replay_events(run.event_ids[0], api)
    assert list(plan.frame["left_out"]) == ["Inngest's own event, which only to= can replay"]
    plan = inb.replay_events(run.event_ids[0], api, to="nb-lab/square").run()
    new = api.run(plan.results["new_run_id"].item())
    assert inngest.state.event[new.event_ids[0]]["data"] == {"n": 3}


def test_an_event_that_the_server_does_not_have_is_left_out(api: InngestAPI) -> None:
    plan = inb.replay_events("01M82A54TCY12XB7AYZ9APCG5A", api)
    assert list(plan.frame["left_out"]) == ["the server shows no such event"]


@pytest.mark.parametrize("to", [None, "nb-lab/square"])
def test_lost_answers_are_unknown_and_going_on_starts_nothing_twice(to: str | None) -> None:
    lost: list[Seen] = []

    def of_the_first_posts(seen: Seen) -> bool:
        if seen.method == "POST":
            lost.append(seen)
        return seen.method == "POST" and len(lost) <= 12

    with losing(of_the_first_posts) as (server, api):
        before, events = runs(server), orders(api)
        plan = inb.replay_events(events, api, to=to).run()
        assert results(plan) == {"unknown": 6}
        assert runs(server) == before + 6
        # An invocation can only be told by repeating it, which its key makes harmless.
        assert results(plan.settle()) == ({"done": 6} if to is None else {"unknown": 6})
        assert results(plan.run()) == {"done": 6}
        assert runs(server) == before + 6


def test_an_event_that_was_not_sent_is_sent_then() -> None:
    lost: list[Seen] = []

    def the_first(seen: Seen) -> bool:
        if seen.method == "POST" and not lost:
            lost.append(seen)
            key = json.loads(seen.body)[0]["id"]
            kept = [event for event in server.state.events if event["id"] != key]
            server.state.events[:] = kept
            return True
        return False

    with losing(the_first) as (server, api):
        plan = inb.replay_events(story().events[5]["internal_id"], api).run()
        assert results(plan.settle()) == {"to do": 1}
        assert results(plan.run()) == {"done": 1}


def test_many_events_go_in_a_few_requests(inngest: StoryServer, api: InngestAPI) -> None:
    ids = api.send_many({"name": "lab/nothing", "data": {"n": n}} for n in range(250))
    plan = inb.replay_events(ids, api)
    before = len(inngest.seen)
    plan.run(confirm=250)
    posts = [json.loads(seen.body) for seen in inngest.seen[before:]]
    assert sorted(len(batch) for batch in posts) == [50, 100, 100]
    assert plan.results["new_event_id"].nunique() == 250


def test_only_the_event_that_the_server_refuses_is_refused(
    api: InngestAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = (10, 2_000, 20, 30)
    ids = api.send_many({"name": "lab/nothing", "data": {"text": "x" * size}} for size in sizes)
    plan = inb.replay_events(ids, api)
    monkeypatch.setattr(story_events, "MAX_EVENT_BYTES", 1_000)
    assert results(plan.run()) == {"done": 1, "to do": 3}
    assert results(plan.run()) == {"done": 1, "refused": 1, "to do": 2}
    assert "over the max size" in plan.results["reason"][1]
    assert results(plan.run()) == {"done": 3, "refused": 1}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"events": 5}, "events must be an event's id, several, or a frame"),
        ({"events": "x"}, "events must be an id of 26 letters and digits"),
        ({"events": pd.DataFrame({"x": [1]})}, "events must have a column event_id"),
        ({"to": "square"}, "to must be the app and the short id .* got 'square'"),
        ({"to": "nb-lab/"}, "to must be the app and the short id"),
        ({"to": 5}, "to must be the app and the short id .* got 'int'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_before_anything_is_asked(
    inngest: StoryServer, api: InngestAPI, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        inb.replay_events(**{"events": [], "api": api} | given)
    assert inngest.seen == []


def test_an_unknown_function_comes_with_the_nearest_known_ones(api: InngestAPI) -> None:
    with pytest.raises(InngestNotFoundError, match="no function 'sqare'") as missing:
        inb.replay_events([], api, to="nb-lab/sqare")
    assert missing.value.known[0] == "square"
