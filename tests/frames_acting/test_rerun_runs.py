"""Running runs again: which can be, each once, and a batch by its events."""

from __future__ import annotations

import _thread
import json
import re
from typing import Any

import pytest
from acted_runs import asked, losing, queue, results
from canned_server import Seen
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.frames.acting import _rerun


def is_rerun(seen: Seen) -> bool:
    return seen.target.endswith("/rerun")


def sent(server: StoryServer) -> list[list[dict[str, Any]]]:
    """Return the batches of events that the server was sent."""
    return [json.loads(seen.body) for seen in server.seen if seen.target.startswith("/e/")]


def test_a_plan_says_what_cannot_be_run_again(
    inngest: StoryServer, api: InngestAPI, names: dict[str, str]
) -> None:
    kinds = ("order1", "order2", "long_stays", "limited0", "batch0", "fail_fast")
    plan = inb.rerun_runs([names[kind] for kind in kinds], api)
    assert {seen.method for seen in inngest.seen} == {"GET"}
    frame = plan.frame.set_index("run_id")[["action", "left_out"]].fillna("")
    assert {kind: tuple(frame.loc[names[kind]]) for kind in kinds} == {
        "order1": ("rerun", ""),
        "order2": ("", f"already rerun as {names['rerun_order2']}"),
        "long_stays": ("", "has not ended (it is running): cancel it first"),
        "limited0": ("", "has not ended (it is queued): cancel it first"),
        "batch0": ("send the batch's 3 events again", ""),
        "fail_fast": ("rerun", ""),
    }
    assert "send the batch's 3 events again, which starts nb-lab/batcher" in repr(plan)
    assert "left out: already rerun as …" in repr(plan)


def test_runs_are_run_again_with_their_events(
    api: InngestAPI, inngest: StoryServer, names: dict[str, str]
) -> None:
    plan = inb.rerun_runs([names["order1"], names["fail_fast"]], api).run()
    assert results(plan) == {"done": 2}
    new = plan.results.set_index("run_id")["new_run_id"]
    run = api.run(new[names["order1"]])
    assert (run.original_run_id, run.function) == (names["order1"], "order-pipeline")
    assert results(plan.run()) == {"done": 2}
    assert sum(asked(inngest, "rerun").values()) == 2


def test_a_second_plan_does_nothing_twice_unless_it_is_told_to(
    api: InngestAPI, names: dict[str, str]
) -> None:
    first = inb.rerun_runs(names["order1"], api).run()
    (new,) = first.results["new_run_id"]
    second = inb.rerun_runs(names["order1"], api)
    assert list(second.frame["left_out"]) == [f"already rerun as {new}"]
    assert len(second) == 0
    assert results(inb.rerun_runs(names["order1"], api, again=True).run()) == {"done": 1}
    # The rerun itself can be run again, though its event has earlier runs.
    api.cancel(new)
    assert "already rerun as " in inb.rerun_runs(new, api).frame["left_out"].item()
    assert inb.rerun_runs(names["rerun_order2"], api).frame["action"].item() == "rerun"


def test_all_events_of_a_batch_are_sent_again_once(
    inngest: StoryServer, api: InngestAPI, names: dict[str, str]
) -> None:
    plan = inb.rerun_runs(names["batch0"], api).run()
    assert asked(inngest, "rerun") == {}
    ((first, *others),) = sent(inngest)
    assert [event["data"] for event in (first, *others)] == [{"i": 0}, {"i": 1}, {"i": 2}]
    assert first["name"] == "lab/batch"
    ids = plan.results["new_event_id"].item().split(", ")
    assert [inngest.state.event[key]["data"]["i"] for key in ids] == [0, 1, 2]
    started = len(inngest.state.runs.rows)
    assert results(inb.rerun_runs(names["batch0"], api).run()) == {"done": 1}
    assert len(inngest.state.runs.rows) == started
    inb.rerun_runs(names["batch0"], api, again=True).run()
    assert len(inngest.state.runs.rows) == started + 3


def test_runs_are_run_again_from_a_step_with_other_input(
    inngest: StoryServer, api: InngestAPI, names: dict[str, str]
) -> None:
    given = [names[kind] for kind in ("order1", "fail_fast", "batch0")]
    plan = inb.rerun_runs(given, api, from_step="charge", input=[{"amount": 10}])
    assert list(plan.frame["action"].fillna("")) == ["rerun from charge", "", ""]
    assert list(plan.frame["left_out"].fillna("")) == [
        "",
        "has no step charge",
        "was triggered by a batch, but a rerun would get only the first event",
    ]
    assert results(plan.run()) == {"done": 1}
    assert json.loads(inngest.seen[-1].body) == {
        "fromStep": {"stepId": "charge", "input": [{"amount": 10}]}
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"from_step": ""}, "from_step must be a step's name or id, such as 'charge'"),
        ({"input": [1]}, "input needs the step that it is for"),
        ({"from_step": "a", "input": "ten"}, "input must be the list of the step's arguments"),
        ({"runs": 5}, "runs must be a run's id, several of them, or a frame"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_before_anything_is_asked(
    inngest: StoryServer, api: InngestAPI, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        inb.rerun_runs(**{"runs": [], "api": api} | given)
    assert inngest.seen == []


@pytest.mark.parametrize("next_call", ["settle", "run"])
def test_lost_answers_are_unknown_and_found_by_looking(
    next_call: str, names: dict[str, str]
) -> None:
    kinds = ("order1", "order4", "order5", "batch0", "fail_fast")
    with losing(lambda seen: seen.method == "POST") as (server, api):
        plan = inb.rerun_runs([names[kind] for kind in kinds], api).run()
        assert results(plan) == {"unknown": 5}
        assert results(getattr(plan, next_call)()) == {"done": 5}
        assert (asked(server, "rerun").total(), len(sent(server))) == (4, 1)
        new = plan.results.set_index("run_id")["new_run_id"]
        assert api.run(new[names["order1"]]).original_run_id == names["order1"]
        assert plan.results["new_event_id"].notna().sum() == 1
        assert results(plan.run()) == {"done": 5}
        assert asked(server, "rerun").total() == 4


def test_nothing_is_run_again_twice_where_v1_does_not_tell_what_a_run_repeats(
    names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_rerun, "_VISIBLE", _rerun._VISIBLE * 0)
    with losing(is_rerun) as (server, api):
        plan = inb.rerun_runs(names["order1"], api).run()
        broken = {"error": "could not load the run", "data": None, "status": 500}
        path = re.compile("GET /v1/runs/([^/]+)")
        server._routes.insert(0, (path, lambda *_: (200, "application/json", broken)))
        assert results(plan.run()) == {"done": 1}
        (again,) = inb.rerun_runs(names["order1"], api).frame["left_out"]
        assert again.startswith("already rerun as ")
        assert asked(server, "rerun").total() == 1


@pytest.mark.parametrize("kind", ["order1", "order2"])
def test_what_is_not_found_was_not_done_and_is_done_then(
    kind: str, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_rerun, "_VISIBLE", _rerun._VISIBLE * 0)
    failed: list[Seen] = []

    def undone(seen: Seen) -> bool:
        """Take back the first rerun, as if it had never arrived."""
        if is_rerun(seen) and not failed:
            failed.append(seen)
            run_id = max(server.state.runs.rows)
            del server.state.runs.rows[run_id]
            for ids in server.state._of_event.values():
                ids[:] = [each for each in ids if each != run_id]
            return True
        return False

    with losing(undone) as (server, api):
        # The second one was rerun before, which is not what is looked for.
        plan = inb.rerun_runs(names[kind], api, again=True).run()
        assert results(plan) == {"unknown": 1}
        assert results(plan.settle()) == {"to do": 1}
        assert results(plan.run()) == {"done": 1}
        assert asked(server, "rerun") == {names[kind]: 2}


def test_interrupted_and_called_again_each_is_run_again_once() -> None:
    count: list[Seen] = []

    def interrupt(seen: Seen) -> bool:
        if is_rerun(seen):
            count.append(seen)
            if len(count) == 23:
                _thread.interrupt_main()
        return False

    with losing(interrupt) as (server, api):
        run_ids = queue(server, 90)
        inb.cancel_runs(run_ids, api).run()
        plan = inb.rerun_runs(run_ids, api)
        with pytest.raises(KeyboardInterrupt):
            plan.run()
        assert 23 <= results(plan)["done"] < 50
        assert results(plan.run()) == {"done": 90}
        assert asked(server, "rerun") == dict.fromkeys(run_ids, 1)
        assert plan.results["new_run_id"].nunique() == 90
