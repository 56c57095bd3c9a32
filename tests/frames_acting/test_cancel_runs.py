"""Canceling many runs: a plan first, then each once, whatever comes between."""

from __future__ import annotations

import _thread
import dataclasses
import random
import re
from contextlib import suppress
from typing import Any

import pandas as pd
import pytest
from acted_runs import asked, losing, queue, results, statuses
from canned_server import Seen
from cutting_proxy import cutting_proxy
from hostile_strings import HOSTILE_STRINGS
from msgspec.structs import replace
from story_records import row_of
from story_server import SIGNING_KEY, StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.errors import InngestAuthError, InngestConnectionError, InngestError

TIME = "datetime64[us, UTC]"
PLANNED = {
    "run_id": "str",
    "app": "str",
    "function": "str",
    "status": "category",
    "inngest_status": "str",
    "queued_at": TIME,
    "event_id": "str",
    "is_batch": "bool",
    "action": "str",
    "left_out": "str",
}
RESULTS = {
    "run_id": "str",
    "app": "str",
    "function": "str",
    "action": "str",
    "result": "category",
    "reason": "str",
    "at": TIME,
    "new_run_id": "str",
    "new_event_id": "str",
}


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def is_cancel(seen: Seen) -> bool:
    return seen.target.endswith("/cancel")


# The plan


def test_a_plan_changes_nothing_and_says_what_it_would_do(
    inngest: StoryServer, api: InngestAPI
) -> None:
    run_ids = queue(inngest, 500)
    plan = inb.cancel_runs(inb.search_runs(api, since=None), api)
    assert {seen.method for seen in inngest.seen if "gql" not in seen.target} == {"GET"}
    assert statuses(inngest, run_ids) == {"QUEUED"}
    assert len(plan) == 505
    lines = repr(plan).splitlines()
    assert lines[0] == f"Plan to cancel 505 of 547 runs at {inngest.url}"
    assert re.fullmatch(r"501  nb-lab/long-job +cancel", lines[1])
    assert [" ".join(line.split()) for line in lines[2:-1]] == [
        "3 nb-lab/limited cancel",
        "1 nb-lab/waiter cancel",
        "35 left out: has ended: completed",
        "4 left out: has ended: canceled",
        "3 left out: has ended: failed",
    ]
    assert lines[-1].endswith("call .run(confirm=505).")
    frame = plan.frame
    assert (len(frame), dtypes(frame)) == (547, PLANNED)
    assert (frame["action"].notna() ^ frame["left_out"].notna()).all()
    assert set(frame["status"][frame["action"].notna()]) == {"queued", "running"}
    assert results(plan) == {"to do": 505}


def test_a_plan_of_nothing_has_the_same_columns(api: InngestAPI) -> None:
    plan = inb.cancel_runs([], api)
    assert (dtypes(plan.frame), dtypes(plan.results)) == (PLANNED, RESULTS)
    assert "There is nothing to cancel" in repr(plan.run())


def test_a_run_that_the_server_does_not_have_is_left_out(api: InngestAPI) -> None:
    frame = inb.cancel_runs("01M82A54TCY12XB7AYZ9APCG5A", api).frame
    assert list(frame["left_out"]) == ["the server does not have it"]


@pytest.mark.parametrize("hostile", HOSTILE_STRINGS)
def test_the_summary_is_safe_to_show(api: InngestAPI, names: dict[str, str], hostile: str) -> None:
    plan = inb.cancel_runs(names["long_stays"], api)
    row = plan._rows[0]
    assert row.run is not None
    row.run = replace(row.run, app=hostile, function=hostile)
    row.reason, row.tries = f"{hostile}\u202e", 1
    html = plan._repr_html_()
    assert set(re.findall(r"<\s*(\w+)", html)) <= {"div", "b", "table", "tbody", "tr", "td", "br"}
    assert "\u202e" not in html + repr(plan)
    assert len(repr(plan).splitlines()) == 3


def test_a_key_is_nowhere_in_a_plan_and_a_rejected_one_stops_it() -> None:
    with StoryServer("cloud") as server:
        run_ids = queue(server, 3)
        plan = inb.cancel_runs(run_ids, InngestAPI(server.url, SIGNING_KEY))
        wrong = SIGNING_KEY[:-4] + "0000"
        right, plan._api = plan._api, InngestAPI(server.url, wrong)
        with pytest.raises(InngestAuthError, match="rejected the signing key") as rejected:
            plan.run()
        shown = [repr(plan), plan._repr_html_(), *rejected.value.__notes__, str(rejected.value)]
        shown += [frame.to_csv() + str(frame.attrs) for frame in (plan.frame, plan.results)]
        assert not [text for text in shown if SIGNING_KEY[-40:-4] in text]
        assert results(plan) == {"to do": 3}
        plan._api = right
        assert results(plan.run()) == {"done": 3}


# Doing it


def test_five_hundred_runs_are_canceled_once_each(inngest: StoryServer, api: InngestAPI) -> None:
    run_ids = queue(inngest, 500)
    plan = inb.cancel_runs(run_ids, api)
    for given in (None, 499, True):
        with pytest.raises(ValueError, match=r"confirm must be 500, the number of runs to cancel"):
            plan.run(given)
    assert statuses(inngest, run_ids) == {"QUEUED"}
    assert plan.run(confirm=500) is plan
    assert statuses(inngest, run_ids) == {"CANCELLED"}
    assert asked(inngest, "cancel") == dict.fromkeys(run_ids, 1)
    assert (results(plan), dtypes(plan.results)) == ({"done": 500}, RESULTS)
    assert plan.results["at"].notna().all()
    asked_before = len(inngest.seen)
    plan.run()
    assert len(inngest.seen) == asked_before


def test_a_hundred_runs_want_no_number(inngest: StoryServer, api: InngestAPI) -> None:
    plan = inb.cancel_runs(queue(inngest, 100), api)
    assert repr(plan).endswith("call .run().")
    with pytest.raises(ValueError, match="confirm must be 100, .* got 5"):
        plan.run(confirm=5)
    assert results(plan.run()) == {"done": 100}
    plan = inb.cancel_runs(queue(inngest, 101), api)
    with pytest.raises(ValueError, match="confirm must be 101"):
        plan.run()


def test_what_happened_since_the_plan_is_refused_with_the_reason(
    inngest: StoryServer, api: InngestAPI
) -> None:
    first, second = queue(inngest, 2)
    plan = inb.cancel_runs([first, second], api)
    api.cancel(second)
    plan.run()
    assert results(plan) == {"done": 1, "refused": 1}
    assert plan.results["reason"][1] == "Run is already cancelled"
    assert "refused, Run is already cancelled" in repr(plan)


def test_a_run_that_is_stuck_is_canceled(
    inngest: StoryServer, api: InngestAPI, names: dict[str, str]
) -> None:
    run_id = names["long_stays"]
    record = inngest.state.runs.rows[run_id].record
    inngest.state.runs.put(row_of(dataclasses.replace(record, jobs=[])))
    assert api.jobs(run_id) == []
    assert results(inb.cancel_runs(run_id, api).run()) == {"done": 1}
    assert api.run(run_id).status == "canceled"


# Stops


@pytest.mark.parametrize("seed", range(4))
def test_interrupted_anywhere_and_called_again_each_is_canceled_once(seed: int) -> None:
    stop = random.Random(seed).randrange(1, 450)
    count: list[Seen] = []

    def interrupt(seen: Seen) -> bool:
        if is_cancel(seen):
            count.append(seen)
            if len(count) == stop:
                _thread.interrupt_main()
        return False

    with losing(interrupt) as (server, api):
        run_ids = queue(server, 500)
        plan = inb.cancel_runs(run_ids, api)
        with pytest.raises(KeyboardInterrupt) as stopped:
            plan.run(confirm=500)
        done = len(asked(server, "cancel"))
        assert stop <= done <= stop + 40
        assert f"{done} done" in stopped.value.__notes__[-1]
        assert "call run() again to continue" in stopped.value.__notes__[-1]
        assert results(plan) == {"done": done, "to do": 500 - done}
        assert results(plan.run()) == {"done": 500}
        assert asked(server, "cancel") == dict.fromkeys(run_ids, 1)
        assert statuses(server, run_ids) == {"CANCELLED"}


def test_a_lost_answer_is_unknown_until_one_looks() -> None:
    lost: list[Seen] = []

    def every_tenth(seen: Seen) -> bool:
        if is_cancel(seen):
            lost.append(seen)
        return is_cancel(seen) and len(lost) % 10 == 0

    with losing(every_tenth) as (server, api):
        run_ids = queue(server, 100)
        plan = inb.cancel_runs(run_ids, api).run()
        assert results(plan) == {"done": 90, "unknown": 10}
        assert "cancel: unknown, inngest cancel: no response from" in repr(plan)
        assert ".settle() looks up what became of them" in repr(plan)
        plan.settle()
        assert results(plan) == {"done": 100}
        reasons = plan.results["reason"].dropna()
        assert set(reasons) == {"no response came, but it was canceled"}
        assert asked(server, "cancel") == dict.fromkeys(run_ids, 1)


def test_a_cancel_that_arrives_after_one_has_looked_is_done_all_the_same() -> None:
    held: list[str] = []

    def hold_the_first(seen: Seen) -> bool:
        """Take back the first cancel, as if it were still on its way."""
        if not is_cancel(seen) or held:
            return False
        held.append(seen.target)
        server.state.runs.put(waiting)
        return True

    with losing(hold_the_first) as (server, api):
        (run_id,) = queue(server, 1)
        waiting = server.state.runs.rows[run_id]
        plan = inb.cancel_runs(run_id, api).run()
        assert results(plan.settle()) == {"to do": 1}
        server.state.cancel(run_id)  # now it arrives
        assert results(plan.run()) == {"done": 1}


def test_a_run_that_the_server_has_forgotten_meanwhile_does_not_hold_up_the_others() -> None:
    lost: list[str] = []

    def the_first(seen: Seen) -> bool:
        """Lose the first answer, and have the server forget the run, as after a restart."""
        if not is_cancel(seen) or lost:
            return False
        lost.append(seen.target.split("/")[-2])
        del server.state.runs.rows[lost[0]]
        return True

    with losing(the_first) as (server, api):
        plan = inb.cancel_runs(queue(server, 3), api).run()
        assert results(plan) == {"done": 2, "unknown": 1}
        assert results(plan.run()) == {"done": 2, "refused": 1}
        refused = plan.results.set_index("run_id").loc[lost[0]]
        assert refused["reason"] == "the server no longer has it"


def test_over_a_line_that_is_cut_each_is_canceled_and_none_twice(inngest: StoryServer) -> None:
    run_ids = queue(inngest, 60)
    with InngestAPI(inngest.url) as api:
        planned = inb.cancel_runs(run_ids, api)
    with cutting_proxy(inngest.url, percent=8, seed=1) as proxy, InngestAPI(proxy.url) as api:
        planned._api = api
        unknown = 0
        for _ in range(60):
            with suppress(InngestError):  # while one looks, or sixteen times in a row
                planned.run()
            unknown += results(planned).get("unknown", 0)
            if results(planned) == {"done": 60}:
                break
        assert proxy.cuts > 0
    assert unknown > 0
    assert results(planned) == {"done": 60}
    assert statuses(inngest, run_ids) == {"CANCELLED"}


def test_a_server_that_is_away_stops_the_plan_and_nothing_is_lost(inngest: StoryServer) -> None:
    run_ids = queue(inngest, 40)
    with InngestAPI(inngest.url) as api:
        plan = inb.cancel_runs(run_ids, api)
        plan._api = InngestAPI("http://127.0.0.1:9")
        with pytest.raises(InngestConnectionError, match="cannot connect") as away:
            plan.run()
        assert "40 to do; call run() again" in away.value.__notes__[-1]
        plan._api = api
        assert results(plan.run()) == {"done": 40}


def test_a_server_that_answers_nothing_any_more_stops_the_plan() -> None:
    with losing(is_cancel) as (server, api):
        run_ids = queue(server, 100)
        plan = inb.cancel_runs(run_ids, api)
        with pytest.raises(InngestConnectionError, match="no response"):
            plan.run()
        assert 16 <= results(plan)["unknown"] <= 50
        for _ in range(100):
            with suppress(InngestConnectionError):
                plan.run()
            if results(plan.settle()) == {"done": 100}:
                break
        assert asked(server, "cancel") == dict.fromkeys(run_ids, 1)


# What makes no sense


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (5, "runs must be a run's id, several of them, or a frame"),
        ("order-7", "runs must be an id of 26 letters and digits"),
        (pd.DataFrame({"x": [1]}), "runs must have a column run_id"),
    ],
)
def test_what_is_no_run_is_refused_before_anything_is_asked(
    inngest: StoryServer, api: InngestAPI, given: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        inb.cancel_runs(given, api)
    assert inngest.seen == []


def test_a_plan_keeps_its_server_whatever_the_environment_says_later(
    inngest: StoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_ids = queue(inngest, 1)
    monkeypatch.setenv("INNGEST_BASE_URL", inngest.url)
    plan = inb.cancel_runs(run_ids)
    monkeypatch.setenv("INNGEST_BASE_URL", "http://127.0.0.1:9")
    assert results(plan.run()) == {"done": 1}


def test_a_client_that_cannot_wait_is_refused() -> None:
    with pytest.raises(TypeError, match="must be an InngestAPI, not the async client"):
        inb.cancel_runs([], inb.AsyncInngestAPI("http://127.0.0.1:9"))  # type: ignore[arg-type]
