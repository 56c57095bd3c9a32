"""A history is read by the ids of its events, in whatever order they stand."""

from __future__ import annotations

import random
from typing import Any

import pytest
from frame_states import after, history, state

import inngest_nb as inb
from inngest_nb import WorkflowState
from inngest_nb.history import (
    failed_activity,
    steps_of,
    summary_of,
    times_of,
    waiting_for,
    went_back,
    workflow_of,
)
from inngest_nb.state import Waits

NOW = after(9_000)
RETRIED = history(
    ("workflow_started", "", 0, {"workflow": "orders.v2"}),
    ("activity_started", "pack", 1),
    ("activity_completed", "pack", 3),
    ("workflow_failed", "", 5, {"superseded": True}),
    ("activity_started", "ship", 100),
    ("signal_received", "", 101, {"signal_name": "hurry"}),
    ("activity_completed", "ship", 108),
    ("workflow_completed", "", 110),
)
FAILED = history(
    ("workflow_started", "", 0),
    ("activity_started", "a", 1, {"seq": 1}),
    ("activity_started", "b", 2, {"seq": 2}),
    ("activity_failed", "a", 3, {"seq": 1, "error": "boom"}),
    ("activity_failed", "b", 4, {"seq": 2, "error": "boom"}),
    ("workflow_failed", "", 5, {"seq": 1, "error": "boom"}),
)
RUNS = {
    "retried": state(history=RETRIED, created_at=after(0), updated_at=after(110)),
    "no begin": state(history=RETRIED, updated_at=after(200)),
    "failed": state(status="failed", error="boom", history=FAILED),
    "waiting": state(
        status="running", history=RETRIED[:3], waits=Waits(at=3, signals=("approve",))
    ),
    "open": state(status="running", history=RETRIED[:5]),
}


def shuffled(run: WorkflowState, seed: int) -> WorkflowState:
    if not seed:
        return run.replace(history=run.history[::-1])
    return run.replace(history=random.Random(seed).sample(run.history, len(run.history)))


def answers(run: WorkflowState) -> dict[str, Any]:
    """Give all that depends on the order, as far as it can be compared."""
    steps = steps_of(run, NOW)
    return {
        "summary": summary_of(run),
        "times": times_of(run),
        "waiting": waiting_for(run),
        "workflow": workflow_of(run),
        "went back": went_back(run.history),
        "failed": failed_activity(run, steps),
        "steps": [(step.kind, step.name, step.outcome, step.took, step.first) for step in steps],
        "newest": [step.name for step in steps_of(run, NOW, newest=1)],
        "frame": inb.frame(run).drop(columns="duration").to_csv(),
        "activities": inb.activity_frame(run, now=NOW).to_csv(),
        "timeline": inb.timeline(run, now=NOW)._repr_mimebundle_()["text/plain"],
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", RUNS)
def test_the_order_of_the_list_changes_no_answer(name: str, seed: int) -> None:
    assert answers(shuffled(RUNS[name], seed)) == answers(RUNS[name])


def test_a_replay_goes_by_the_ids() -> None:
    view = inb.replay(shuffled(RUNS["retried"], 0), inb.samples.order)
    shown = [moment.event.id for moment in view.moments]
    assert shown == [1, 2, 3, 5, 6, 7, 8]
    since = [moment.since for moment in view.moments]
    assert since == sorted(since)
    view.close()


def test_events_without_ids_are_read_as_they_stand() -> None:
    run = state(history=tuple(event.replace(id=0) for event in RETRIED))
    assert [step.kind for step in steps_of(run, NOW)] == ["activity", "activity", "signal"]
