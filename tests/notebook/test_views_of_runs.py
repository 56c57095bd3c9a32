"""Views of states over the runs of a real Inngest server: all 47 of the story."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from story_records import story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI, RunStore, WorkflowState
from inngest_nb.words import duration_text

NAMES = dict(story().names)
IDS = [row.id for row in story().rows]
EVERY_RUN = {run_id: name for name, run_id in NAMES.items()}


@pytest.fixture(scope="module")
def searched() -> Iterator[pd.DataFrame]:
    """The runs as `search_runs` finds them."""
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        yield inb.search_runs(api, since=None).set_index("run_id")


@pytest.fixture(scope="module")
def states() -> dict[str, WorkflowState]:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        return {state.workflow_id: state for state in RunStore(api).fetch()}


def text(view: Any) -> str:
    return str(view._repr_mimebundle_()["text/plain"])


@pytest.mark.parametrize("run_id", IDS, ids=lambda run_id: EVERY_RUN.get(run_id, run_id))
def test_a_timeline_says_what_search_runs_says(
    searched: pd.DataFrame, states: Any, run_id: str
) -> None:
    found, state = searched.loc[run_id], states[run_id]
    told = text(inb.timeline(state))
    first = told.splitlines()[0]
    assert str(found["status"]) in first
    if pd.notna(found["ended_at"]):
        took = duration_text((found["ended_at"] - found["started_at"]).to_pytimedelta())
        assert first.endswith(f"{found['status']}, {took}")
    for event in state.history:
        assert event.type.startswith("timer") or event.activity_name in told
    html = inb.timeline(state)._repr_mimebundle_()["text/html"]
    assert run_id in html


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("long_by")])
def test_all_views_of_a_canceled_run_begin_with_its_first_execution(
    searched: pd.DataFrame, name: str
) -> None:
    run_id = NAMES[name]
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        detail, store = api.run(run_id, output=False), RunStore(api)
        began, took = detail.started_at, detail.duration
        assert began is not None
        assert took is not None
        found = searched.loc[run_id]
        assert (found["started_at"], found["duration"].floor("ms")) == (began, took)
        loaded = store.load(run_id)
        listed = [*store.fetch("canceled"), *store.newest(100), *store.changed_since(began)]
        listed += [state for page in store.pages() for state in page]
        states = [loaded, *(state for state in listed if state.workflow_id == run_id)]
        assert len(states) == 5
        for each in states:
            assert (each.created_at, each.updated_at) == (began, found["ended_at"]), each
        told = duration_text(found["duration"].to_pytimedelta())
        assert text(inb.timeline(loaded)).splitlines()[0].endswith(f"canceled, {told}")
        trace = api.trace(run_id)
        assert (trace.started_at, trace.duration) == (began, took)
        nap = inb.trace_frame(run_id, api).iloc[-1]
        assert nap["started_at"] + nap["duration"] == trace.ended_at
        explorer = inb.explore(api)
        try:
            explorer.wait()
            explorer.search.text.value = run_id
            (row,) = explorer.table.rows
            assert told in row["cells"]
        finally:
            explorer.close()


def test_a_waiting_run_draws_no_step_that_is_not_over(states: Any) -> None:
    assert "wait-for-approval" not in text(inb.timeline(states[NAMES["wait_pending"]]))


def test_two_runs_of_a_function_are_compared_by_their_steps(states: Any) -> None:
    first, second = states[NAMES["order1"]], states[NAMES["order2"]]
    rows = inb.compare(first, second).frame
    assert list(rows["name"])[-6:] == [
        "validate",
        "price",
        "reserve",
        "charge",
        "email",
        "order-pipeline",
    ]
    failed, fine = states[NAMES["fail_default"]], states[NAMES["fail_fast"]]
    assert "First difference" in text(inb.compare(failed, fine))


def test_each_run_can_be_compared_with_each_other(states: Any) -> None:
    for one in states.values():
        for other in (states[NAMES["flaky1"]], states[NAMES["limited0"]]):
            assert one.workflow_id in text(inb.compare(one, other))
