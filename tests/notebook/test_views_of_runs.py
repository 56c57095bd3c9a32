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
